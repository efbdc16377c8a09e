"""Writes the `ocipy` command: a script that starts Python with -I -S and knows where its modules lie.

    launcher.py --tree DIR --output FILE
        for a source tree, with the dependencies of its .venv
    launcher.py --library DIR [--destdir DIR] --hot FILE --output FILE
        for `make install`: ocipy and its dependencies are in the library directory, which also gets an
        archive of ocipy's compiled modules; FILE says which of them each hot verb loads, a line "VERB MODULE"
    launcher.py --library DIR --module NAME --output FILE
        for `make install`: a program of another package in the library directory, a hook's

-I: no PYTHON* variable, no current directory on sys.path, no user's site.  -S: no site, which reads every
.pth file of the interpreter's site-packages.  A container runtime is started by daemons with environments
and directories that strangers chose; leaving these out is also a good part of start-up.
"""

import argparse
import glob
import marshal
import os
import subprocess
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
# The archive: the importer and an index, then code, of which only what is imported is looked at.
INSTALLED = """\
#!{interpreter} -ISB
import gc, marshal, mmap, posix, sys
gc.disable()
sys.path.append({library!r})
fd = posix.open({archive!r}, posix.O_RDONLY | posix.O_CLOEXEC)
archive = memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))
posix.close(fd)
importer, modules, hot = marshal.loads(archive)
exec(importer)
from ocipy.__main__ import run
run()
"""

HOOK = """\
#!{interpreter} -ISB
import sys
sys.path.append({library!r})
from {module}.__main__ import run
run()
"""

# Says the name of each module of ocipy when all of it is there, which is after what it imports.
COMPLETED = """\
import sys
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
def exec_module(self, module, load=SourceFileLoader.exec_module):
    load(self, module)
    if module.__name__ == "ocipy" or module.__name__.startswith("ocipy."):
        print(module.__name__)
SourceFileLoader.exec_module = exec_module
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    __import__(name)
"""

IMPORTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importer.py")


def interpreter():
    """The real interpreter: not a shim that looks for it (pyenv), not a virtual environment's link."""
    return os.path.realpath(sys.executable)


def compiled(path, name):
    """The code of a file, under the name that tracebacks are to show; docstrings are not for a command."""
    with open(path, encoding="utf-8") as source:
        return compile(source.read(), name, "exec", optimize=2)


def modules(built, library):
    """Every module of ocipy: (name, file when installed, is a package, code or None for an extension)."""
    for path in sorted(glob.glob(os.path.join(built, "ocipy", "**", "*.*"), recursive=True)):
        relative = os.path.relpath(path, built)
        stem, suffix = relative.split(".", 1)
        name, file = stem.replace("/", "."), os.path.join(library, relative)
        if suffix == "py":
            yield name.removesuffix(".__init__"), file, name.endswith(".__init__"), compiled(path, file)
        elif suffix.endswith("so"):
            yield name, file, False, None
    # The one module of the standard library that we import and CPython does not have frozen or built in.
    import __future__

    file = __future__.__file__
    yield "__future__", file, False, compiled(file, file)


def loaded(built, path):
    """What each hot verb loads of ocipy, read from a file: {verb: names, in the order of being complete}."""
    verbs = {}
    with open(path, encoding="utf-8") as lines:
        for verb, name in map(str.split, lines):
            verbs.setdefault(verb, []).append(name)
    for verb, names in verbs.items():
        command = [sys.executable, "-ISB", "-c", COMPLETED, built, *names]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        yield verb, ["__future__", *done.stdout.split()]


def packed(built, library, hot):
    """The archive: (importer, index, hot), then what these two point into.

    index: module -> (file, is a package, start, end); there is a module's code, or nothing for an extension
    hot:   verb -> (start, end); there is all that it loads, as one: ((module, file, is a package, code), ...)
    """
    importer = compiled(IMPORTER, IMPORTER)
    found = {name: (file, package, code) for name, file, package, code in modules(built, library)}
    pieces = [marshal.dumps(code) if code else b"" for _, _, code in found.values()]
    verbs = dict(loaded(built, hot))
    pieces += [marshal.dumps(tuple((name, *found[name]) for name in names)) for names in verbs.values()]
    head, size = b"", -1
    while len(head) != size:  # the head has offsets, which grow with it
        size = at = len(head)
        places = []
        for piece in pieces:
            places.append((at, at + len(piece)))
            at += len(piece)
        index = {name: (*found[name][:2], *place) for name, place in zip(found, places)}
        head = marshal.dumps((importer, index, dict(zip(verbs, places[len(found) :]))))
    return head + b"".join(pieces)


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
    parser.add_argument("--hot")
    parser.add_argument("--module")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    if args.tree:
        library = os.path.abspath(args.tree)
        dependencies = glob.glob(os.path.join(library, ".venv/lib/python3*/site-packages"))
        text = TREE.format(interpreter=interpreter(), library=library, dependencies=dependencies)
    elif args.module:
        text = HOOK.format(interpreter=interpreter(), library=args.library, module=args.module)
    else:
        library = args.library
        archive = os.path.join(library, f"ocipy.{sys.implementation.cache_tag}.archive")
        write(args.destdir + archive, packed(args.destdir + library, library, args.hot), 0o644)
        text = INSTALLED.format(interpreter=interpreter(), library=library, archive=archive)
    write(args.output, text.encode(), 0o755)


if __name__ == "__main__":
    main()
