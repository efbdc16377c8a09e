"""``list``: the containers of a root directory."""

import pwd

from ocipy.cli.common import runtime
from ocipy.cli.output import out, table
from ocipy.linux import os
from ocipy.spec import jsontext

COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def main(flags, options, args):
    containers = runtime(flags)
    states = [{**state, "owner": owner(f"{containers.root}/{state['id']}")} for state in containers.list()]
    if options["quiet"]:
        out("".join(state["id"] + "\n" for state in states))
    elif options["format"] == "json":
        out(jsontext.dump(states) + "\n")
    else:
        rows = [[str(state.get(column, "")) for column in COLUMNS] for state in states]
        out(table([[column.upper() for column in COLUMNS], *rows]))
    return 0


def owner(path):
    """The name of the user that a directory belongs to, or #uid if it has none, or "" if it is gone."""
    try:
        uid = os.stat(path).st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
