"""There and back: what `dump` has no note of is read again as it was."""

import copy
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ocipy.formats import lxc
from ocipy.formats.lxc import keys
from ocipy.plan import devices
from ocipy.spec import Spec
from ocipy.spec.names import CAPABILITIES
from ocipy.spec.origin import CHANGED, REFUSED
from tests.formats import strategies
from tests.formats.lxc import made
from tests.formats.lxc.test_keys import lines_of

HOST = made.V1.replace(apparmor=True)
SLOW = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def again(data, version="5", host=HOST):
    """(what is read of what is written, its notes, the notes of the writing) of a config.json."""
    files, notes = lxc.dump(Spec(data), version)
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            with open(f"{directory}/{name}", "wb") as file:
                file.write(content)
        spec, read = lxc.load(directory, host)
    return spec.data, read, notes


def without(data, notes):
    """A config.json without what notes say is not carried over."""
    left = copy.deepcopy(data)
    for note in sorted(notes, key=lambda note: note.key, reverse=True):
        # What LXC ignores in some cases only is written all the same.
        if note.fate == CHANGED or note.key.startswith("/linux/resources/devices"):
            continue
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in note.key.split("/")[1:])
        place = left
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place.get(name, {})
        if isinstance(place, list):
            place[int(last)] = None
        else:
            place.pop(last, None)
    return left


def calls(profile):
    """A profile as (default, one rule for each name and alternative)."""
    default = (profile["defaultAction"].removesuffix("_THREAD"), profile.get("defaultErrnoRet"))
    rules = []
    for rule in profile.get("syscalls", ()):
        errno = rule.get("errnoRet", 1) if rule["action"] == "SCMP_ACT_ERRNO" else None
        args = rule.get("args", [])
        several = len({one["index"] for one in args}) < len(args)
        for name in rule["names"]:
            alternatives = [[one] for one in args] if several else [args]
            rules += [(name, rule["action"], errno, each) for each in alternatives]
    if default[0] == "SCMP_ACT_ERRNO":
        default = (default[0], 1 if default[1] is None else default[1])
    else:
        default = (default[0], None)
    return default, [rule for i, rule in enumerate(rules) if i == 0 or rule != rules[i - 1]]


def devices_once(entries):
    """Of entries about one device the first."""
    found = {(one["major"], one["minor"]): one for one in reversed(entries)}
    return [found[number] for number in sorted(found)]


def normal(data):
    """A config.json in the spelling that LXC's leads to."""
    data = copy.deepcopy(data)
    process, linux = data.setdefault("process", {}), data.setdefault("linux", {})
    data["ociVersion"] = ""
    process["env"] = [entry for entry in process.get("env", ()) if entry != "container=lxc"]
    kept = [
        name for name in CAPABILITIES if name in (process.pop("capabilities", None) or {}).get("bounding", ())
    ]
    process["bounding"] = kept
    process["terminal"] = bool(process.get("terminal"))
    args = process.get("args") or [""]
    if "/" not in args[0] and not any(entry.startswith("PATH=") for entry in process["env"]):
        args[0] = f"/bin/{args[0]}"
    linux["namespaces"] = sorted(linux["namespaces"], key=lambda one: one["type"])
    linux.pop("rootfsPropagation", None)
    linux.pop("cgroupsPath", None)
    resources = linux.setdefault("resources", {})
    resources["devices"] = [
        (rule.allow, rule.type, rule.major, rule.minor, rule.access)
        for rule in devices.rules([one for one in resources.get("devices", ()) if one])
    ]
    resources.pop("unified", None)  # this host has no cgroup v2
    for kind, value in (resources.get("blockIO") or {}).items():
        if isinstance(value, list):
            resources["blockIO"][kind] = devices_once(value)
    if "seccomp" in linux:
        linux["seccomp"] = calls(linux["seccomp"])
    data["mounts"] = [
        mount for mount in data.get("mounts", ()) if mount and mount["destination"] != "/dev/pts"
    ]
    for hooks in data.get("hooks", {}).values():
        hooks[:] = [{**hook, "args": [hook["path"], *hook.get("args", [""])[1:]]} for hook in hooks if hook]
    data.pop("annotations", None)
    return pruned(data)


def pruned(value):
    """Without what is empty."""
    if isinstance(value, dict):
        found = {key: pruned(below) for key, below in value.items()}
        return {key: below for key, below in found.items() if below not in (None, {}, [])}
    if isinstance(value, list):
        return [pruned(below) for below in value if below is not None]
    return value


@SLOW
@given(strategies.documents(strategies.words))
def test_what_is_written_without_a_note_is_read_again(data):
    found, _, notes = again(data)
    assume(not any(note.fate == REFUSED for note in notes))
    found, expected = normal(found), normal(without(data, notes))
    lost = {note.key for note in notes}
    if "/process/terminal" in lost or not data["process"].get("terminal"):
        assert found["process"].pop("terminal") is False
        expected["process"].pop("terminal", None)
    for note in notes:
        if note.key.startswith("/mounts/") and note.key.endswith("/options"):
            found["mounts"][int(note.key.split("/")[2])].pop("options", None)
    if "/linux/devices/0" in lost:
        expected["linux"].pop("devices", None)
    assert found == expected


@SLOW
@given(strategies.documents(strategies.words))
def test_lxc_7_gets_no_key_of_cgroup_v1(data):
    files, _ = lxc.dump(Spec(data), "7")
    directories = ("lxc.cgroup.dir", "lxc.cgroup.relative")
    lines = files["config"].decode().splitlines()
    assert [
        line for line in lines if line.startswith("lxc.cgroup.") and not line.startswith(directories)
    ] == []


#: One line of each key; hooks are shell, where anything goes.
ROWS = [row for row in keys.KEYS.values() if row.kind != keys.GROUP and row.fate != keys.REFUSED]


@SLOW
@given(st.lists(st.sampled_from(ROWS), max_size=8, unique_by=lambda row: row.name))
def test_what_is_read_of_lxc_and_written_is_stable(rows):
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        lines = [line for row in rows for line in lines_of(row, place)[0]]
        names = {row.name for row in rows}
        for one, other in (
            ("lxc.cap.keep", "lxc.cap.drop"),
            ("lxc.cgroup.dir", "lxc.cgroup.dir.container"),
            ("lxc.cgroup.dir", "lxc.cgroup.dir.container.inner"),
            ("lxc.namespace.clone", "lxc.namespace.keep"),
        ):
            assume(not {one, other} <= names)
        first, _ = made.load(place, *lines, host=HOST)
        texts = []
        for _ in range(2):
            files, _notes = lxc.dump(first, "5")
            texts.append(files["config"].decode())
            for name, content in files.items():
                (place / name).write_bytes(content)
            first, _ = lxc.load(directory, HOST)
    assert texts[0] == texts[1]
