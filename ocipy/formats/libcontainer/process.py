"""The process, which libcontainer's configuration does not hold: runc tells the container when it starts.

We keep it in a file of our own, process.json: a process object as config.json has it, without what the
configuration holds.  Of a container of runc's it is in the bundle, whose directory a label names.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.formats import oci
from ocipy.formats.tree import Building, Node
from ocipy.spec import jsontext
from ocipy.spec.origin import CHANGED, LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = "process.json"
#: What the configuration does not say.  The rest of a process object is in it.
KEYS = ("terminal", "consoleSize", "args", "env", "cwd")
IDS = ("uid", "gid", "additionalGids")
BUNDLE = "bundle="


def read(config: Node, directory: str, out: Building) -> None:
    """Fill in the process, from wherever it can be had."""
    if oci.exists(directory, FILE):
        _take(_object(directory, FILE), f"{FILE}: ", out)
    elif bundle := _bundle(config):
        document = _object(bundle, oci.FILE)
        if type(document.get("process")) is dict:
            _take(document["process"], f"{bundle}/{oci.FILE}: /process", out, rlimits=True)
            reason = f"is not in this file: taken from {bundle}/{oci.FILE}"
            config.source.note("/process", CHANGED, reason)
    defaults(config, out)


def _bundle(config: Node) -> str:
    """The bundle of a container of runc's, if its config.json is still there."""
    for label in config.texts("labels"):
        if label.startswith(BUNDLE) and oci.exists(label.removeprefix(BUNDLE), oci.FILE):
            return label.removeprefix(BUNDLE)
    return ""


def _object(directory: str, name: str) -> dict[str, Any]:
    found = jsontext.parse(oci.read(directory, name), name)
    if type(found) is not dict:
        raise ConfigError(Problem("", f"must be an object, not {jsontext.kind(found)}", "schema"), name)
    return found


def _take(process: dict[str, Any], where: str, out: Building, rlimits: bool = False) -> None:
    keys = (*KEYS, "rlimits") if rlimits and "rlimits" not in out.data.get("process", {}) else KEYS
    for key in keys:
        if key in process:
            out.put(f"/process/{key}", process[key], f"{where}/{key}")
    user = process.get("user")
    if isinstance(user, dict):
        for key in IDS:
            if key in user:
                out.put(f"/process/user/{key}", user[key], f"{where}/user/{key}")


def defaults(config: Node, out: Building) -> None:
    """What no process can be without."""
    process = out.data.setdefault("process", {})
    process.setdefault("cwd", "/")
    user = process.setdefault("user", {})
    user.setdefault("uid", 0)
    user.setdefault("gid", 0)
    if "args" not in process:
        process["args"] = ["sh"]
        reason = f"is not in this file: sh, as there is no {FILE} beside it (convert takes another after --)"
        config.source.note("/process/args", LOSSY, reason)


def write(data: dict[str, Any]) -> dict[str, Any]:
    """process.json, of the process of a config.json."""
    process = data.get("process")
    if not isinstance(process, dict):
        return {}
    found = {key: process[key] for key in KEYS if key in process}
    user = process.get("user")
    ids = {key: user[key] for key in IDS if key in user} if isinstance(user, dict) else {}
    return {**found, **({"user": ids} if ids else {})}
