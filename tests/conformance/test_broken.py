"""The broken bundles are many, different, and really broken."""

import json

from conformance.broken import judge
from conformance.brokencases import CASES
from conformance.calls import Call

GOOD = {
    "ociVersion": "1.0.2",
    "hostname": "x",
    "root": {"path": "rootfs"},
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/", "capabilities": {}},
    "mounts": [],
    "linux": {"namespaces": [{"type": "pid"}], "maskedPaths": [], "resources": {}},
}


def test_there_are_at_least_sixty_and_no_name_twice():
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_every_case_changes_the_bundle(tmp_path):
    for number, case in enumerate(CASES):
        bundle = tmp_path / str(number)
        (bundle / "rootfs").mkdir(parents=True)
        good = json.loads(json.dumps(GOOD))
        assert case.break_it(str(bundle), good) != GOOD, case.name


def call(status, errors, output=""):
    return Call(["ocipy"], status, 0.1, output, errors)


def test_one_line_that_names_the_place_with_status_1_is_how_to_refuse():
    assert judge(None, call(1, "ocipy: config.json: /root: is required\n"), [], ["/root"]) == []


def test_everything_else_is_a_fault():
    assert judge(None, call(0, ""), [], []) == ["status 0", "0 lines on stderr"]
    assert judge(None, call(None, ""), [], [])[0] == "no answer within 0 s"
    assert judge(None, call(1, "a\nb\n"), [], []) == ["2 lines on stderr"]
    assert judge(None, call(1, "a\n", "out"), [], []) == ["output on stdout"]
    assert judge(None, call(1, "internal error: KeyError\n"), [], []) == ["an internal error"]
    assert judge(None, call(1, "a\n"), [], ["/root"]) == ["does not name /root"]
    assert judge(None, call(1, "a\n"), ["cgroup left behind: x"], []) == ["cgroup left behind: x"]
