"""``start``: the program of a created container."""

from ocipy.cli.common import runtime


def main(flags, options, args):
    runtime(flags).load(args[0]).start()
    return 0
