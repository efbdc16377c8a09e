"""``plan``: what create would do, in order and why, without doing it."""

from ocipy.cli.common import bundle_only, making, runtime
from ocipy.cli.output import out


def main(flags, options, args):
    out(f"{runtime(flags).plan(bundle_only(options, args), **making(options))}\n")
    return 0
