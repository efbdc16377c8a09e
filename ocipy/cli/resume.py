"""``resume``: let the processes of a paused container go on."""

from ocipy.cli.common import runtime


def main(flags, options, args):
    runtime(flags).load(args[0]).resume()
    return 0
