"""``features``: what this runtime can do, from the tables that it does it by."""

from ocipy.cli.output import out
from ocipy.spec import jsontext


def main(flags, options, args):
    from ocipy.runtime import features

    out(jsontext.dump(features.document(), 4) + "\n")
    return 0
