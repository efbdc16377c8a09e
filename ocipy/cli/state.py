"""``state``: what is known of a container, as the runtime specification words it."""

from ocipy.cli.common import runtime
from ocipy.cli.output import out
from ocipy.spec import jsontext


def main(flags, options, args):
    out(jsontext.dump(runtime(flags).load(args[0]).state(), 2) + "\n")
    return 0
