"""``delete``: what create made is undone."""

from ocipy.cli.common import runtime


def main(flags, options, args):
    runtime(flags).delete(args[0], force=options["force"])
    return 0
