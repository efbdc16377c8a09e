"""The table of keys: that it is the manual's, and that each row says what happens."""

import gzip
import re

import pytest

from ocipy.formats.lxc import keys
from ocipy.spec.origin import LOSSY, REFUSED
from tests.conftest import need
from tests.formats.lxc import made

MANUAL = "/usr/share/man/man5/lxc.container.conf.5.gz"
#: What the manual speaks of in examples, by the names of the families that they are of.
EXAMPLES = (
    (re.compile(r"^(lxc\.cgroup2?)\.(cpuset|memory|devices)\..*"), r"\1.[controller name].[controller file]"),
    (re.compile(r"^(lxc\.namespace\.share)\.(net|pid|user)"), r"\1.[namespace identifier]"),
    (re.compile(r"^lxc\.net\.\d+"), "lxc.net.[i]"),
)
#: Names in the manual that stand for all of a family, and that of another manual.
NO_KEYS = {"lxc.cgroup", "lxc.cgroup2", "lxc.net.[i]", "lxc.conf"}


def documented():
    """Every key that lxc.container.conf(5) names in bold or as a title, in its own notation."""
    try:
        with gzip.open(MANUAL, "rt") as file:
            text = file.read()
    except FileNotFoundError:
        need(False, "needs lxc.container.conf(5), gzipped (apt-get install lxc)")
    found = set()
    for name in re.findall(r"\\fB(lxc\.[^\\]*(?:\\-[^\\]*)*)\\fR", text):
        name = name.replace("\\-", "-").partition(" =")[0].partition("=")[0].rstrip(".").removesuffix(".*")
        for example, family in EXAMPLES:
            name = example.sub(family, name)
        found.add(name)
    return found - NO_KEYS


def version(names):
    """Whose manual this is, as far as its keys tell."""
    return 7 if "lxc.environment.runtime" in names else 5


def test_every_key_of_the_manual_has_a_row_and_every_row_its_place_there():
    names = documented()
    assert names == {name for name, key in keys.KEYS.items() if 0 < key.manual <= version(names)}


def test_three_numbers_add_up_to_all_keys():
    assert keys.shares() == keys.shares(6) == {"carried": 62, "lossy": 36, "refused": 9}
    assert keys.shares(7) == {"carried": 64, "lossy": 36, "refused": 9}
    names = documented()
    assert sum(keys.shares(version(names)).values()) == len(names)


#: What has to be there for a key to mean something.
BEFORE = {
    "lxc.net.[i].macvlan.mode": ["lxc.net.0.type = macvlan", "lxc.net.0.link = eth0"],
    "lxc.net.[i].ipvlan": ["lxc.net.0.type = ipvlan", "lxc.net.0.link = eth0"],
    "lxc.net.[i].vlan": ["lxc.net.0.type = vlan", "lxc.net.0.link = eth0"],
    "lxc.net.[i]": ["lxc.net.0.type = veth", "lxc.net.0.link = br0"],
    "lxc.cgroup.dir.container.inner": ["lxc.cgroup.dir.container = web"],
    "lxc.seccomp.notify": ["lxc.seccomp.profile = {PROFILE}"],
    "lxc.seccomp.profile": [],
}


FILES = {
    "PROFILE": "2\ndenylist\nmknod errno 1\n",
    "INCLUDED": "lxc.uts.name = included\n",
    "FSTAB": "tmpfs tmp tmpfs rw 0 0\n",
}


def lines_of(row, directory):
    """Lines that set a key, and those that have to come before."""
    for file, text in FILES.items():
        (directory / file).write_text(text)
    name, sample = row.name, row.sample
    if "[" in name and not name.startswith("lxc.net.[i]"):
        last, _, sample = sample.partition(" = ")
        name = name.partition("[")[0] + last
    name = name.replace("[i]", "0")
    before = next((lines for start, lines in BEFORE.items() if row.name.startswith(start)), [])
    files = {file: str(directory / file) for file in FILES}
    return [line.format_map(files) if "{" in line else line for line in (*before, f"{name} = {sample}")], name


@pytest.mark.parametrize("row", keys.KEYS.values(), ids=keys.KEYS)
def test_a_key_does_what_its_row_says(tmp_path, row):
    lines, name = lines_of(row, tmp_path)
    # On a host of its own version, so that it counts.
    host = made.V1 if name.startswith("lxc.cgroup.") else made.V2
    _spec, notes = made.load(tmp_path, *lines, host=host)
    fates = made.fates(notes, name)
    if row.fate == keys.CARRIED:
        assert not fates & {LOSSY, REFUSED}, notes
    else:
        assert row.fate in fates, notes
        assert fates <= {row.fate, LOSSY}, notes
        assert all(note.place.startswith("config:") for note in notes)


#: Carried keys whose samples ask for what is there anyway, or say how something else is to be understood.
SILENT = {
    "lxc.apparmor.profile", "lxc.autodev", "lxc.hook.version", "lxc.net",
    "lxc.net.[i].veth.mode", "lxc.seccomp.allow_nesting", "lxc.environment.hooks",
}  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [row for row in keys.KEYS.values() if row.fate == keys.CARRIED and row.kind != keys.GROUP],
    ids=lambda row: row.name,
)
def test_what_is_carried_is_seen_in_the_config(tmp_path, row):
    """A row may not promise what nobody reads: with and without its line the config.json differs."""
    lines, name = lines_of(row, tmp_path)
    host = made.V1 if name.startswith("lxc.cgroup.") else made.V2
    with_it = made.data(tmp_path, *lines, host=host)
    *before, _ = lines
    if name == "lxc.net.0.type":
        before = []
    if name == "lxc.rootfs.path":
        before = ["lxc.rootfs.path = /"]
    without = made.data(tmp_path, *(before if name != "lxc.net.0.link" else ()), host=host)
    assert (with_it == without) == (row.name in SILENT)


def test_a_key_that_is_near_to_one_is_none():
    for name in (
        "lxc.cgroup.",
        "lxc.prlimit.",
        "lxc.net.x.type",
        "lxc.net.0.typ",
        "lxc.uts",
        "lxc.net.[i].type",
    ):
        assert keys.lookup(name) is None


def test_lossy_keys_are_kept_for_the_way_back(tmp_path):
    data = made.data(tmp_path, "lxc.start.auto = 1", "lxc.group = a", "lxc.group = b", "lxc.ephemeral = 0")
    kept = {
        key: value for key, value in data["annotations"].items() if key.startswith("org.linuxcontainers.")
    }
    assert kept == {"org.linuxcontainers.lxc.start.auto": "1", "org.linuxcontainers.lxc.group": "a\nb"}
