"""What was seen inside a container, as values, and which differences are explained."""

import tomllib

from conformance import compare, seen

MOUNTS = [
    "40 30 0:41 / / ro,relatime master:7 - ext4 /dev/vda rw",
    "41 40 0:42 / /proc rw shared:9 - proc proc rw",
    "42 41 0:43 /sys /proc ro - proc proc rw",
]


def test_mounts_are_told_apart_without_their_numbers():
    assert seen.mountinfo(MOUNTS) == {
        "/": "ext4 /dev/vda root=/ ro,relatime master rw",
        "/proc": "proc proc root=/ rw shared rw",
        "/proc (2)": "proc proc root=/sys ro rw",
        "order": "/ /proc /proc",
    }


def test_a_listing_keeps_modes_owners_devices_and_links():
    lines = [
        "/dev:",
        "total 0",
        "crw-rw-rw-    1 0        5           1,   3 Nov 24 21:00 null",
        "lrwxrwxrwx    1 0        0               13 Nov 24 21:00 fd -> /proc/self/fd",
        "",
        "/dev/pts:",
        "drwxr-xr-x    2 0        0               40 Nov 24 21:00 empty dir",
    ]
    assert seen.listing(lines) == {
        "/dev/null": "crw-rw-rw- 0:5 1,3",
        "/dev/fd": "lrwxrwxrwx 0:0 -> /proc/self/fd",
        "/dev/pts/empty dir": "drwxr-xr-x 0:0",
    }


def test_a_process_that_leads_its_session_is_known_as_such():
    lines = [
        "State:\tS",
        "Pid:\t7",
        "Tgid:\t7",
        "NStgid:\t7",
        "NSpid:\t7",
        "NSpgid:\t7",
        "NSsid:\t0",
        "VmRSS:\t4 kB",
    ]
    assert seen.status(lines) == {
        "Tgid": "Pid",
        "NStgid": "Pid",
        "NSpid": "Pid",
        "NSpgid": "Pid",
        "NSsid": "0",
    }


def test_accidental_names_are_replaced_before_anything_is_compared():
    text = (
        "@@ process\nexe: /tmp/x1/y\n@@ namespaces\nlrwxrwxrwx 1 0 0 0 Nov 24 21:00 net -> net:[77]\n@@ end\n"
    )
    assert seen.parse(text, {"/tmp/x1": "BUNDLE", "net:[78]": "net:[host]"}) == {
        ("process", "exe"): "BUNDLE/y",
        ("namespaces", "net"): "net:[own]",
    }


def test_differences_that_are_alike_are_one_and_split_by_reason():
    found = {
        ("spec", "run"): {"runc": {("id", "0"): "a"}, "crun": {("id", "0"): "b"}},
        ("spec", "exec"): {"runc": {("id", "0"): "a"}, "crun": {("id", "0"): "b"}},
        ("bare", "run"): {"runc": {("id", "0"): "a"}, "crun": {("id", "0"): "b"}},
    }
    known = [{"section": "id", "where": ["spec *"], "reason": "known"}]
    these = compare.differences(found, "runc", known)
    assert [(d.reason, d.where) for d in these] == [
        ("known", ["spec run", "spec exec"]),
        (None, ["bare run"]),
    ]


def test_every_known_difference_says_why():
    with open(compare.KNOWN, "rb") as file:
        for entry in tomllib.load(file)["known"]:
            assert set(entry) <= {"section", "keys", "where", "runtimes", "reason"}
            assert entry["section"] in {*seen.PARSERS, "*"}
            assert len(entry["reason"]) > 20
