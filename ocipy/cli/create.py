"""``create``: all of a container but its program."""

from ocipy.cli.common import bundle_and_id, making, runtime


def main(flags, options, args):
    bundle, id = bundle_and_id(flags, options, args)
    runtime(flags).create(bundle, id, format=options["format"] or None, **making(options))
    return 0
