"""What a schema can't say: rules between properties, and what the kernel would refuse later, less clearly.

All problems at once, each with its pointer and its rule.  Pure: whether *this host* can do it is not asked
here.  The yardstick is that a config which runs under runc is not refused, but where that would be unsafe or
the standard says "MUST generate an error"; then it is at most a warning.

The checks rely on the schema: they are for configs that have passed it.
"""

from __future__ import annotations

from ocipy.spec import check_linux, check_process
from ocipy.spec.findings import Findings, at, quoted
from ocipy.spec.names import LANDLOCK, NETWORK, OPPOSITES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.errors import Problem

#: Longest name of the host or of its domain, in bytes: __NEW_UTS_LEN.  Source: linux/utsname.h.
MAX_UTS_NAME = 64

_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def check(data: dict[str, Any]) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of a config.json that its schema allows."""
    found = Findings()
    linux = data.get("linux", {})
    namespaces = {entry["type"] for entry in linux.get("namespaces", ())}
    _version(data["ociVersion"], found)
    if "root" not in data:
        found.problem("root-missing", "is required", "/root")
    elif not data["root"]["path"]:
        found.warning("root-empty", "is empty: the bundle itself becomes the root", "/root/path")
    if "process" in data:
        check_process.check(data["process"], "/process", found)
        check_linux.check_mapped(data["process"], linux, found)
    else:
        message = "is missing: the container can be created, but not started"
        found.warning("process-missing", message, "/process")
    for name in ("hostname", "domainname"):
        _uts_name(name, data.get(name, ""), namespaces, found)
    if "" in data.get("annotations", ()):
        found.warning("annotation-key", "an annotation's key may not be empty", "/annotations/")
    if LANDLOCK in data.get("annotations", ()):
        _landlock(data, found)
    if any(key.startswith(NETWORK) for key in data.get("annotations", ())):
        _network(data, found)
    for index, mount in enumerate(data.get("mounts", ())):
        _mount(mount, f"/mounts/{index}", linux, found)
    _hooks(data.get("hooks", {}), found)
    _needs_mount_namespace(linux, namespaces, found)
    check_linux.check(linux, namespaces, found)
    _nul(data, found)
    return found.problems, found.warnings


def _landlock(data: dict[str, Any], found: Findings) -> None:
    from ocipy.spec import landlock

    pointer = f"/annotations/{LANDLOCK}"
    try:
        landlock.parse(data["annotations"][LANDLOCK])
    except ValueError as error:
        found.problem("landlock", str(error), pointer)
    if "process" in data and not data["process"].get("noNewPrivileges"):
        found.problem("landlock-privileges", "needs process.noNewPrivileges", pointer)


def _network(data: dict[str, Any], found: Findings) -> None:
    from ocipy.errors import ConfigError
    from ocipy.spec import network

    try:
        network.check(data["annotations"])
    except ConfigError as error:
        found.problems.extend(error.problems)


def _version(version: str, found: Findings) -> None:
    """Any 1.x is accepted, pre-releases ("1.0.0-rc5") and builds ("1.2.0+dev") too: callers write both."""
    core, plus, build = version.partition("+")
    core, dash, pre = core.partition("-")
    numbers = core.split(".")
    valid = len(numbers) == 3 and all(_is_number(number) for number in numbers)
    if dash:
        valid = valid and all(
            _is_identifier(i) and (not i.isdigit() or _is_number(i)) for i in pre.split(".")
        )
    if plus:
        valid = valid and all(_is_identifier(i) for i in build.split("."))
    if not valid:
        message = f"{quoted(version)} is not a version of the form 1.2.3 (SemVer)"
        found.problem("oci-version", message, "/ociVersion")
    elif numbers[0] != "1":
        found.problem("oci-version", f"version {version} is not supported, any 1.x is", "/ociVersion")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")


def _is_identifier(text: str) -> bool:
    return text.isascii() and text.replace("-", "0").isalnum()


def _uts_name(kind: str, name: str, namespaces: set[str], found: Findings) -> None:
    if name and "uts" not in namespaces:
        found.problem(f"{kind}-without-uts", "needs a uts namespace", f"/{kind}")
    if len(name.encode("utf-8", "surrogateescape")) > MAX_UTS_NAME:
        found.problem(f"{kind}-length", f"is longer than {MAX_UTS_NAME} bytes", f"/{kind}")


def _mount(mount: dict[str, Any], pointer: str, linux: dict[str, Any], found: Findings) -> None:
    destination, options = mount["destination"], mount.get("options", ())
    if not destination:
        found.problem("mount-destination", "is empty", pointer, "destination")
    elif destination[0] != "/":
        message = f"relative paths are deprecated: taken as {quoted('/' + destination)}"
        found.warning("mount-destination-relative", message, pointer, "destination")
    if mount.get("type") == "bind" and "bind" not in options and "rbind" not in options:
        message = 'the type does not make a bind mount, the option "bind" or "rbind" does'
        found.warning("mount-type-bind", message, pointer, "type")
    for option in options:
        if OPPOSITES.get(option) in options:
            message = f'"{option}" and "{OPPOSITES[option]}": the last one counts'
            found.warning("mount-option-conflict", message, pointer, "options")
    sides = [side for side in ("uidMappings", "gidMappings") if mount.get(side)]
    for side in sides:
        check_linux.check_ranges(mount[side], f"{pointer}/{side}", found)
    if len(sides) == 1:
        missing = "gidMappings" if sides[0] == "uidMappings" else "uidMappings"
        found.problem("mount-mappings-incomplete", f"needs {missing} beside it", pointer, sides[0])
    elif not sides and ("idmap" in options or "ridmap" in options) and not _has_user_namespace(linux):
        message = "an idmapped mount needs uidMappings and gidMappings, or the container a user namespace"
        found.problem("idmap-without-mappings", message, pointer, "options")


def _has_user_namespace(linux: dict[str, Any]) -> bool:
    return any(entry["type"] == "user" for entry in linux.get("namespaces", ()))


def _hooks(hooks: dict[str, Any], found: Findings) -> None:
    for kind in _HOOKS:
        for index, hook in enumerate(hooks.get(kind, ())):
            pointer = f"/hooks/{kind}/{index}"
            if hook["path"][:1] != "/":
                message = f"{quoted(hook['path'])} is not an absolute path"
                found.problem("hook-path-relative", message, pointer, "path")
            for place, entry in enumerate(hook.get("env", ())):
                if "=" not in entry:
                    message = f"{quoted(entry)} is not NAME=value"
                    found.warning("hook-env-form", message, pointer, "env", place)


def _needs_mount_namespace(linux: dict[str, Any], namespaces: set[str], found: Findings) -> None:
    if linux.get("rootfsPropagation") and "mount" not in namespaces:
        message = "needs a mount namespace: it would change the host's mounts"
        found.problem("no-mount-namespace", message, "/linux/rootfsPropagation")


def _nul(data: dict[str, Any], found: Findings) -> None:
    """The kernel ends a string at NUL, so what it does would not be what was read here."""
    for key, value in data.items():
        if key != "annotations" and _has_nul(value):
            _find_nul(value, f"/{key}", found)


def _has_nul(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return "\0" in value
    if kind is dict:
        return "\0" in "".join(value) or any(map(_has_nul, value.values()))
    if kind is list:
        return any(map(_has_nul, value))
    return False


def _find_nul(value: Any, pointer: str, found: Findings) -> None:
    if isinstance(value, str):
        if "\0" in value:
            found.problem("nul-byte", "contains a NUL byte", pointer)
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                found.problem("nul-byte", "its name contains a NUL byte", pointer, key)
            _find_nul(item, at(pointer, key), found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_nul(item, f"{pointer}/{index}", found)
