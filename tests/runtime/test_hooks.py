"""Hooks of a library's user: what is said of them, and that nothing of them stays."""

import os
import time

import pytest

from ocipy.runtime import hooks

pytestmark = pytest.mark.kernel

STATE = {"ociVersion": "1.2.0", "id": "web", "status": "stopped", "pid": 0, "bundle": "/b"}


def sh(script, **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **more}


@pytest.fixture
def run(tmp_path):
    """Run hooks that only warn; what they warn of."""

    def run(*listed, state=STATE):
        warnings = []
        hooks.run_poststop(listed, state, str(tmp_path), warnings.append)
        return warnings

    return run


def open_files():
    """What this process has open, but for the directory that is being listed."""
    paths = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(path) for path in paths if os.path.lexists(path))


def test_a_hook_that_succeeds_says_nothing(run):
    assert run(sh("echo out; echo err >&2")) == []


def test_each_failure_is_one_warning_and_the_others_run(run, tmp_path):
    out = tmp_path / "out"
    first, second = run(sh("exit 1"), sh(f"echo ran > {out}"), sh("echo why >&2; exit 2"))
    assert first.startswith("poststop hook /bin/sh (config.json /hooks/poststop/0): exit status 1 after 0.")
    assert second.startswith("poststop hook /bin/sh (config.json /hooks/poststop/2): exit status 2 after 0.")
    assert second.endswith(" s: why")
    assert out.read_text() == "ran\n"


def test_the_state_is_json_on_stdin(run, tmp_path):
    out = tmp_path / "out"
    assert run(sh(f"cat > {out}")) == []
    assert out.read_text() == ('{"ociVersion":"1.2.0","id":"web","status":"stopped","pid":0,"bundle":"/b"}')


def test_a_state_of_a_megabyte_that_nobody_reads_is_no_error(run):
    assert run(sh("true"), sh("sleep 0.05"), sh("head -c 10 > /dev/null"), state={"x": "y" * 1000000}) == []


def test_a_fraction_of_a_second_is_a_timeout_too(run):
    began = time.monotonic()
    (warning,) = run(sh("echo before; exec sleep 100", timeout=0.2))
    assert "timed out after 0.2" in warning
    assert warning.endswith(" s (timeout 0.2 s): before")
    assert time.monotonic() - began < 5


def test_a_hook_that_ends_at_once_is_not_mistaken_for_one_in_time(run):
    """Its end and its deadline may be seen by one and the same look."""
    for _ in range(20):
        assert run(sh("exit 0", timeout=10)) == []


def test_output_that_would_fill_a_pipe_is_read_and_its_tail_kept(run):
    (warning,) = run(sh("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; exit 1"))
    assert warning.endswith("19998\\n19999")
    assert len(warning) < 2 * hooks.TAIL


def test_nothing_of_hooks_stays_open_or_running(run):
    before = open_files()
    run(
        sh("true"),
        sh("exit 1"),
        {"path": "/nowhere"},
        {"path": "/etc/passwd"},
        sh("exec sleep 9", timeout=0.05),
    )
    assert open_files() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_its_bundle_a_hook_begins_in_the_root(tmp_path):
    warnings = []
    hooks.run_poststop([sh("pwd; exit 1")], STATE, str(tmp_path / "gone"), warnings.append)
    assert warnings[0].endswith(" s: /")
