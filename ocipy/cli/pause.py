"""``pause``: stop all processes of a container."""

from ocipy.cli.common import runtime


def main(flags, options, args):
    runtime(flags).load(args[0]).pause()
    return 0
