"""Finds ocipy's modules in the archive that `make install` packs.

Not imported: `tools/launcher.py` compiles this file into the archive, and the `ocipy` command runs it in its
own namespace.  There `archive` is a view of the archive, and `modules` and `hot` say where in it is what: see
`packed` in launcher.py.

What a hot verb loads is taken from the archive as one piece, and made in the order in which it was complete
when it was recorded, so that every import of it finds it there. With that, and neither listing directories
nor looking for files, a `run` takes 33 ms of processor time instead of 38. What a verb needs beyond that
comes by `Archive`, module by module; what the archive does not have (dependencies, the standard library)
the usual way.
"""

import sys
from marshal import loads

# What the interpreter itself uses, without importing importlib for it.
Module, ModuleSpec = type(sys), type(sys.__spec__)
ExtensionFileLoader = sys.modules["_frozen_importlib_external"].ExtensionFileLoader


class Archive:
    """A finder and a loader, see importlib.abc."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        if name not in modules:  # noqa: F821
            return None
        file, is_package, start, end = modules[name]  # noqa: F821
        if start == end:
            spec = ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
            spec.has_location = True
            return spec
        spec = ModuleSpec(name, Archive, origin=file)
        if is_package:
            spec.submodule_search_locations = [file.rpartition("/")[0]]
        return spec

    @staticmethod
    def create_module(_spec):
        return None

    @staticmethod
    def exec_module(module):
        # The file's name is in the code as well: a traceback shows its lines.
        module.__file__, _, start, end = modules[module.__name__]  # noqa: F821
        exec(loads(archive[start:end]), module.__dict__)  # noqa: F821


def preload(contents):
    """Make all modules of a hot verb, none of which is there yet."""
    for name, file, package, _ in contents:
        module = sys.modules[name] = Module(name)
        module.__file__ = file
        module.__spec__ = spec = ModuleSpec(name, Archive, origin=file)
        if package:
            module.__path__ = spec.submodule_search_locations = [file.rpartition("/")[0]]
    for name, _, _, code in contents:
        exec(code, sys.modules[name].__dict__)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, sys.modules[name])


sys.meta_path.insert(0, Archive)
# A guess is enough: a wrong one costs two milliseconds, and nothing else.
for word in sys.argv:
    if word in hot:  # noqa: F821
        preload(loads(archive[slice(*hot[word])]))  # noqa: F821
        break
