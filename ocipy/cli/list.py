"""``list``: the containers of a root directory."""

from ocipy.cli.common import runtime
from ocipy.cli.output import out, table
from ocipy.spec import jsontext

COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def main(flags, options, args):
    states = runtime(flags).list()
    if options["quiet"]:
        out("".join(state["id"] + "\n" for state in states))
    elif options["format"] == "json":
        out(jsontext.dump(states) + "\n")
    else:
        rows = [[str(state.get(column, "")) for column in COLUMNS] for state in states]
        out(table([[column.upper() for column in COLUMNS], *rows]))
    return 0
