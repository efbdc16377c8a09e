"""Writes the `ocipy` command: a script that starts Python with -I -S and knows where its modules lie.

    launcher.py --tree DIR --output FILE       for a source tree, with the dependencies of its .venv
    launcher.py --library DIR --output FILE    for `make install`: everything is in DIR

-I: no PYTHON* variable, no current directory on sys.path, no user's site.  -S: no site, which reads every
.pth file of the interpreter's site-packages.  A container runtime is started by daemons with environments
and directories that strangers chose; it is also a good part of start-up.
"""

import argparse
import glob
import os
import sys

SCRIPT = """\
#!{interpreter} -{flags}
import sys
sys.path[:0] = [{library!r}]
{dependencies}\
from ocipy.__main__ import main
sys.exit(main())
"""


def interpreter():
    """The real interpreter: not a shim that looks for it (pyenv), not a virtual environment's link."""
    return os.path.realpath(sys.executable)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--tree")
    where.add_argument("--library")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    if args.tree:
        library = os.path.abspath(args.tree)
        found = glob.glob(os.path.join(library, ".venv/lib/python3*/site-packages"))
        dependencies = f"sys.path += {found!r}\n" if found else ""
        flags = "IS"
    else:
        # Nothing writes into an installed library: it was compiled when it was installed.
        library, dependencies, flags = args.library, "", "ISB"
    text = SCRIPT.format(interpreter=interpreter(), flags=flags, library=library, dependencies=dependencies)
    with open(args.output + ".new", "w", encoding="utf-8") as script:
        script.write(text)
    os.chmod(args.output + ".new", 0o755)
    os.replace(args.output + ".new", args.output)


if __name__ == "__main__":
    main()
