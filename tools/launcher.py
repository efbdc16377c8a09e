"""Writes the `ocipy` command: a script that starts Python with -I -S and knows where its modules lie.

    launcher.py --tree DIR --output FILE
        for a source tree, with the dependencies of its .venv
    launcher.py --library DIR [--destdir DIR] --output FILE
        for `make install`: ocipy and its dependencies are in the library directory, which also gets an
        archive of ocipy's compiled modules

-I: no PYTHON* variable, no current directory on sys.path, no user's site.  -S: no site, which reads every
.pth file of the interpreter's site-packages.  A container runtime is started by daemons with environments
and directories that strangers chose; leaving these out is also a good part of start-up.
"""

import argparse
import glob
import marshal
import os
import sys

TREE = """\
#!{interpreter} -IS
import sys
sys.path.insert(0, {library!r})
sys.path += {dependencies!r}
from ocipy.__main__ import run
run()
"""

# -B: nothing is written into an installed library; it was compiled when it was installed.
# gc.disable: a command is over before a cycle could matter, and collecting while it imports takes 1.1 ms.
# The archive: the importer, an index, and code, of which only what is imported is looked at.
INSTALLED = """\
#!{interpreter} -ISB
import gc, marshal, posix, sys
gc.disable()
sys.path.append({library!r})
fd = posix.open({archive!r}, posix.O_RDONLY | posix.O_CLOEXEC)
archive = memoryview(posix.read(fd, posix.fstat(fd).st_size))
posix.close(fd)
importer, modules = marshal.loads(archive)
exec(importer)
from ocipy.__main__ import run
run()
"""

IMPORTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importer.py")


def interpreter():
    """The real interpreter: not a shim that looks for it (pyenv), not a virtual environment's link."""
    return os.path.realpath(sys.executable)


def compiled(path, name):
    """The code of a file, under the name that tracebacks are to show."""
    with open(path, encoding="utf-8") as source:
        return compile(source.read(), name, "exec")


def modules(built, library):
    """Every module of ocipy: (name, file when installed, is a package, marshalled code or none)."""
    for path in sorted(glob.glob(os.path.join(built, "ocipy", "**", "*.*"), recursive=True)):
        relative = os.path.relpath(path, built)
        stem, suffix = relative.split(".", 1)
        name, file = stem.replace("/", "."), os.path.join(library, relative)
        if suffix == "py":
            code = marshal.dumps(compiled(path, file))
            yield name.removesuffix(".__init__"), file, name.endswith(".__init__"), code
        elif suffix.endswith("so"):
            yield name, file, False, b""
    # The one module of the standard library that we import and CPython does not have frozen or built in.
    import __future__

    file = __future__.__file__
    yield "__future__", file, False, marshal.dumps(compiled(file, file))


def packed(built, library):
    """The archive: (importer, index), then the code that the index points into."""
    importer = compiled(IMPORTER, IMPORTER)
    found = list(modules(built, library))
    head, size = b"", -1
    while len(head) != size:  # the index has offsets, which grow with the index
        size = at = len(head)
        index = {}
        for name, file, package, code in found:
            index[name] = (file, package, at, at + len(code) if code else 0)
            at += len(code)
        head = marshal.dumps((importer, index))
    return head + b"".join(code for *_, code in found)


def write(path, data, mode):
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--tree")
    where.add_argument("--library")
    parser.add_argument("--destdir", default="")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    if args.tree:
        library = os.path.abspath(args.tree)
        dependencies = glob.glob(os.path.join(library, ".venv/lib/python3*/site-packages"))
        text = TREE.format(interpreter=interpreter(), library=library, dependencies=dependencies)
    else:
        library = args.library
        archive = os.path.join(library, f"ocipy.{sys.implementation.cache_tag}.archive")
        write(args.destdir + archive, packed(args.destdir + library, library), 0o644)
        text = INSTALLED.format(interpreter=interpreter(), library=library, archive=archive)
    write(args.output, text.encode(), 0o755)


if __name__ == "__main__":
    main()
