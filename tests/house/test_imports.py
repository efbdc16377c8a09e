"""Imports point down only, and the pure packages stay pure: read from the source, lazy imports included."""

import ast
import sys

import pytest

from tests.house.tree import MODULES, TREE, modules_of

#: From the top down; a layer imports from those below it, not from one beside it.
LAYERS = (
    {"ocipy", "ocipy.__main__"},
    {"ocipy.cli"},
    {"ocipy.runtime"},
    {"ocipy.rootfs", "ocipy.cgroups"},
    {"ocipy.plan"},
    {"ocipy.formats"},
    {"ocipy.spec"},
    {"ocipy.linux"},
    {"ocipy.record", "ocipy.errors"},
)
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}

#: What the pure packages may use of the standard library: nothing that can see a file, a clock or a kernel.
PURE = {"ocipy.plan", "ocipy.spec", "ocipy.formats"}
PURE_LIBRARY = {
    "__future__", "_json", "bisect", "collections", "difflib", "errno", "ipaddress", "math", "re", "typing",
}  # fmt: skip
#: And of the layer that holds the system calls: the constants.
PURE_LINUX = "ocipy.linux.const"
#: formats reads a bundle's files and finds other packages' backends; the compiler of schemas is a program of
#: the build; BPF has this machine's byte order.
MAY_READ = {
    "ocipy.formats.oci": {"os", "ocipy.linux.os"},
    "ocipy.formats.lxc.host": {"os"},
    "ocipy.formats.lxc.read": {"os"},
    "ocipy.formats.lxc.seccomp": {"ocipy.linux.libseccomp"},
    "ocipy.formats.plugins": {"importlib"},
    "ocipy.plan.bpf": {"sys"},
    "ocipy.spec.schema_compiler": {"json", "os", "sys"},
}
#: The package itself is the top, but what it is called and which specification it follows is known to all.
NAMES_OF_ALL = {"__version__", "SPEC_VERSION"}
IMPURE_BUILTINS = {"open", "print", "input", "breakpoint", "exec", "eval"}


def package(module):
    """The layer's name of a module: its package, or itself if it lies directly in ocipy."""
    return ".".join(module.split(".")[:2])


def imports(tree):
    """Every module that a source imports, wherever in it: (module, line)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            if node.module == "ocipy" and {alias.name for alias in node.names} <= NAMES_OF_ALL:
                continue
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else node.module), node.lineno


def of_ocipy(tree):
    """What a source imports of ocipy; of the package itself, only what is not known to all."""
    uses = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ocipy"
    }
    return [
        (name, line)
        for name, line in imports(tree)
        if name.split(".")[0] == "ocipy" and not (name == "ocipy" and uses <= NAMES_OF_ALL)
    ]


def test_every_package_has_a_layer():
    assert {package(module) for module in MODULES} == set(RANK)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module):
    own = package(module)
    up = [
        f"{module}:{line} imports {name}"
        for name, line in of_ocipy(MODULES[module].tree)
        if package(name) != own and RANK[package(name)] <= RANK[own]
    ]
    assert not up


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) in PURE])
def test_a_pure_package_sees_no_file_no_clock_and_no_kernel(module):
    seen = []
    allowed = PURE_LIBRARY | MAY_READ.get(module, set())
    for name, line in imports(MODULES[module].tree):
        top = name.split(".")[0]
        if top == "ocipy":
            if package(name) == "ocipy.linux" and name != PURE_LINUX and name not in allowed:
                seen.append(f"{module}:{line} imports {name}: of ocipy.linux only const is pure")
        elif top in sys.stdlib_module_names and top not in allowed:
            seen.append(f"{module}:{line} imports {name}")
    if module not in MAY_READ:
        calls = (node for node in ast.walk(MODULES[module].tree) if isinstance(node, ast.Call))
        seen += [
            f"{module}:{call.lineno} calls {call.func.id}"
            for call in calls
            if isinstance(call.func, ast.Name) and call.func.id in IMPURE_BUILTINS
        ]
    assert not seen


def test_no_module_is_imported_in_a_circle_at_its_top():
    """A circle works until somebody imports from its other end."""
    edges = {
        name: {
            target
            for node in module.tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for target, _ in of_ocipy(ast.Module([node], []))
            if target in MODULES and target != name
        }
        for name, module in MODULES.items()
    }
    done = set()

    def walk(name, path):
        assert name not in path, " > ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in edges[name]:
                walk(target, [*path, name])
            done.add(name)

    for name in edges:
        walk(name, [])


def test_what_is_installed_is_imported_and_what_is_imported_is_installed():
    """A dependency that nothing uses is a risk for nothing."""
    from configparser import ConfigParser

    config = ConfigParser()
    config.read(TREE / "setup.cfg")
    listed = [config["options"]["install_requires"], *dict(config["options.extras_require"]).values()]
    wanted = {line.split()[0] for lines in listed for line in lines.strip().splitlines()}
    used = {
        name.split(".")[0]
        for module in [*MODULES.values(), *modules_of("hooks").values()]
        for name, _ in imports(module.tree)
    }
    foreign = {name for name in used - set(sys.stdlib_module_names) if not name.startswith("ocipy")}
    assert foreign == wanted


#: Calls that take a name; under a container's root a name alone may lead out of it.
BY_NAME = {
    "chmod",
    "chown",
    "link",
    "mkdir",
    "mknod",
    "open",
    "readlink",
    "rename",
    "rmdir",
    "stat",
    "symlink",
    "unlink",
}
#: Of these, those that follow a symlink at the end unless told not to.
FOLLOWS = {"chmod", "chown", "stat"}
PATH_ONLY = {
    "access",
    "listdir",
    "lstat",
    "makedirs",
    "removedirs",
    "renames",
    "scandir",
    "walk",
    "truncate",
    "utime",
}


def is_descriptor(argument):
    """os.listdir and some others take a descriptor as well: one is named as one."""
    return isinstance(argument, ast.Name) and argument.id.endswith("fd")


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) == "ocipy.rootfs"])
def test_the_root_is_built_through_descriptors_only(module):
    """A container that shares its root or a volume may swap a name for a symlink at any moment
    (CVE-2021-30465, CVE-2025-52881)."""
    loose = []
    for node in ast.walk(MODULES[module].tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "os"):
            continue
        call, keywords = node.func.attr, {keyword.arg for keyword in node.keywords}
        if call in PATH_ONLY and not is_descriptor(node.args[0]):
            loose.append(f"{module}:{node.lineno} os.{call} knows no descriptor")
        elif call in BY_NAME and not keywords & {"dir_fd", "src_dir_fd"}:
            loose.append(f"{module}:{node.lineno} os.{call} without dir_fd")
        elif call in FOLLOWS and "follow_symlinks" not in keywords:
            loose.append(f"{module}:{node.lineno} os.{call} follows a symlink")
    assert not loose
