"""Finds ocipy's modules in the archive that `make install` packs.

Not imported: `tools/launcher.py` compiles this file into the archive, and the `ocipy` command runs it in its
own namespace.  There `archive` is a view of the archive and `modules` says where in it the code is: name ->
(file, is a package, start, end), with end 0 for an extension.

Importing from it needs neither a listing of directories nor a stat and an open of each file: that is 3 ms of
23 for 29 modules.  What it does not have (dependencies, the standard library) goes the usual way.
"""

import sys
from marshal import loads

# What the interpreter itself uses, without importing importlib for it.
ModuleSpec = type(sys.__spec__)
ExtensionFileLoader = sys.modules["_frozen_importlib_external"].ExtensionFileLoader


class Archive:
    """A finder and a loader, see importlib.abc."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        if name not in modules:  # noqa: F821
            return None
        file, is_package, _, end = modules[name]  # noqa: F821
        if not end:
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


sys.meta_path.insert(0, Archive)
