"""Containers as a Python program has them: in its own process, beside its threads, children and streams."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import ocipy
from tests.conftest import TREE, bundle
from tests.kernel.box import until

pytestmark = pytest.mark.kernel


@pytest.fixture
def runtime(state_root):
    return ocipy.Runtime(state_root)


@pytest.fixture
def container(runtime, box):
    """One that runs, until the test is over."""
    box.process["args"] = ["sleep", "1000"]
    with runtime.create(box.write(), box.id) as made:
        made.start()
        yield made


@pytest.fixture
def interrupted():
    """A context in which a signal handler raises while the main thread waits in a function of ours."""

    class Interrupted(Exception):
        pass

    def raise_it(*_):
        raise Interrupted

    def interrupt(function):
        def waits():
            frame = sys._current_frames()[threading.main_thread().ident]
            return (
                frame.f_code.co_qualname == "worded.<locals>.call"
                and frame.f_back.f_code.co_qualname == function
            )

        until(waits)
        os.kill(os.getpid(), signal.SIGUSR1)

    @contextmanager
    def context(function):
        with ThreadPoolExecutor(1) as pool, pytest.raises(Interrupted):  # noqa: PT012
            pool.submit(interrupt, function)
            yield

    old = signal.signal(signal.SIGUSR1, raise_it)
    yield context
    signal.signal(signal.SIGUSR1, old)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def children():
    return set(open(f"/proc/self/task/{threading.get_native_id()}/children").read().split())


def script(box, state_root, text, **how):
    """Run a program that has `runtime`, `bundle` and `id`."""
    head = (
        f"import os, signal, sys; sys.path.insert(0, {TREE!r}); import ocipy\n"
        f"runtime, bundle, id = ocipy.Runtime({str(state_root)!r}), {str(box.write())!r}, {box.id!r}\n"
    )
    how = {"capture_output": True, "text": True, "check": True, "stdin": subprocess.DEVNULL, **how}
    return subprocess.run([sys.executable, "-c", head + text], timeout=60, **how).stdout  # noqa: PLW1510


# ---------------------------------------------------------------- waiting


@pytest.mark.parametrize(("end", "status"), [("exit 3", 3), ("true", 0)])
def test_wait_tells_the_exit_status_again_and_again(runtime, box, end, status):
    box.process["args"] = ["sh", "-c", end]
    with runtime.create(box.write(), box.id) as container:
        container.start()
        assert [container.wait(timeout=20), container.wait(), container.status] == [status, status, "stopped"]


def test_wait_tells_the_signal_that_ended_it(container):
    container.kill(signal.SIGKILL)
    assert container.wait(20) == 128 + signal.SIGKILL


def test_wait_ends_in_time(container):
    with pytest.raises(ocipy.TimedOut, match=rf"^container {container.id} did not end within 0.01 s$"):
        container.wait(0.01)
    assert container.status == "running"


def test_all_threads_that_wait_are_told(container):
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(container.wait) for _ in range(4)]
        container.kill(signal.SIGKILL)
        assert {wait.result(20) for wait in waits} == {137}


def test_who_is_not_its_parent_waits_and_is_not_told(runtime, box):
    box.start("sleep", "1000")
    container = runtime.load(box.id)
    with pytest.raises(ocipy.TimedOut):
        container.wait(0.01)
    container.kill(signal.SIGKILL)
    assert container.wait(20) is None


def test_no_zombie_stays_of_what_ended_by_itself(runtime, box):
    before = children()
    container = runtime.create(box.write(), box.id)
    container.start()
    until(lambda: container.status == "stopped")
    runtime.delete(box.id)
    assert children() == before


# ---------------------------------------------------------------- processes


def test_a_command_runs_as_the_containers_own_process_does(container):
    said = container.output(["sh", "-c", "pwd; echo $PATH; read line; echo $line >&2; exit 4"], b"typed\n")
    assert said.stdout.decode().split() == [
        "/",
        *(e[5:] for e in container.config["process"]["env"] if e[:5] == "PATH="),
    ]
    assert (said.status, said.stderr) == (4, b"typed\n")


def test_what_is_read_and_printed_may_be_more_than_a_pipe_holds(container):
    given = os.urandom(1 << 20)
    assert container.output(["cat"], given) == ocipy.Output(0, given, b"")


def test_what_nobody_reads_is_thrown_away(container):
    assert container.output(["true"], bytes(1 << 20)).status == 0


def test_a_daemon_does_not_keep_the_output_open(container):
    said = container.output(["sh", "-c", "sleep 1000 & echo started"], timeout=20)
    assert said.stdout == b"started\n"


def test_streams_are_files_and_descriptors(container, tmp_path):
    with open(tmp_path / "both", "w+") as both, open(os.devnull) as nothing:
        assert (
            container.exec(
                ["sh", "-c", "cat; echo out; echo err >&2"], stdin=nothing, stdout=both, stderr=both.fileno()
            )
            == 0
        )
        both.seek(0)
        assert both.read() == "out\nerr\n"


def test_streams_may_be_swapped(container, capfd):
    assert container.exec(["sh", "-c", "echo out; echo err >&2"], stdout=2, stderr=1) == 0
    assert capfd.readouterr() == ("err\n", "out\n")


def test_a_stream_that_is_none_is_refused(container):
    for wrong, words in (
        (10**6, "is to be file descriptor 1000000, which is not open"),
        ("file", "is not a file descriptor, and has none"),
    ):
        with pytest.raises(ocipy.UsageError, match=f"^stdout {words}$"):
            container.exec(["true"], stdout=wrong)


def test_a_process_that_takes_too_long_is_killed(container):
    before = children()
    with pytest.raises(TimeoutError) as info:
        container.exec(["sleep", "1000"], timeout=0.05)
    assert isinstance(info.value, ocipy.OcipyError)
    assert (len(container.processes()), children()) == (1, before)


def test_a_container_that_takes_too_long_is_gone(runtime, box):
    box.process["args"] = ["sleep", "1000"]
    before = children()
    with pytest.raises(ocipy.TimedOut):
        runtime.run(box.write(), box.id, timeout=0.05)
    assert (runtime.list(), children()) == ([], before)
    with pytest.raises(ocipy.UsageError, match="nobody waits for"):
        runtime.run(box.bundle, box.id, timeout=1, detach=True)


def test_a_process_that_is_waited_for_by_who_is_interrupted_is_killed(container, interrupted):
    with interrupted("Foreground._serve"):
        container.exec(["sleep", "1000"])
    assert len(container.processes()) == 1


def test_a_program_gets_the_streams_that_create_was_given(runtime, box, tmp_path):
    box.process["args"] = ["sh", "-c", "echo seen"]
    with open(tmp_path / "log", "wb") as log:
        assert runtime.run(box.write(), box.id, stdout=log) == 0
    assert (tmp_path / "log").read_text() == "seen\n"


def test_a_terminal_leaves_no_room_for_streams(runtime, box):
    box.process["terminal"] = True
    with pytest.raises(ocipy.UsageError, match="has a terminal for its standard streams"):
        runtime.create(box.write(), box.id, stdout=1)
    assert runtime.list() == []


# ---------------------------------------------------------------- the program around it


def test_nothing_of_many_containers_stays_in_the_program(runtime, box):
    box.process["args"] = ["sleep", "1000"]
    path = box.write()

    def once(name):
        with runtime.create(path, name) as container:
            container.start()
            assert container.output(["echo", name]).stdout.decode() == f"{name}\n"

    once(box.id)  # what is opened once a process is open now
    before = descriptors(), children()
    for number in range(5):
        once(f"{box.id}-{number}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, [f"{box.id}-{number}" for number in range(12)]))
    assert (descriptors(), children()) == before
    assert runtime.list() == []


def test_a_context_ends_with_the_container_whatever_happens_in_it(runtime, box):
    with pytest.raises(ZeroDivisionError), runtime.create(box.write(), box.id):
        _ = 1 / 0
    with runtime.create(box.write(), box.id) as container:
        container.delete()
    assert runtime.list() == []


def test_a_container_that_is_gone_does_not_take_another_of_its_name_along(runtime, box):
    first = runtime.create(box.write(), box.id)
    first.delete()
    with runtime.create(box.write(), box.id) as second:
        with pytest.raises(ocipy.ContainerError, match="^container does not exist$"):
            first.delete(force=True)
        assert second.status == "created"


def test_a_program_that_ignores_its_children_can_make_containers_and_is_not_told_how_they_ended(
    box, state_root
):
    box.process["args"] = ["true"]
    text = (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "with runtime.create(bundle, id) as container:\n"
        "    container.start(); print(container.wait(20), container.status)\n"
        "try: runtime.run(bundle, id)\n"
        "except ocipy.ContainerError as error: print(error)\n"
        "print(runtime.list())\n"
    )
    lost = "its exit status is lost: SIGCHLD is ignored, or somebody else waited"
    assert script(box, state_root, text).splitlines() == ["None stopped", lost, "[]"]


def test_a_program_without_standard_streams_can_make_containers(box, state_root, tmp_path):
    box.process["args"] = ["sh", "-c", "ls -l /proc/self/fd; exit 7"]
    text = (
        f"log = os.open({str(tmp_path / 'log')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "os.dup2(log, 9); os.closerange(0, 9)\n"
        "with runtime.create(bundle, id, stdout=9) as container:\n"
        "    container.start(); os.write(9, b'%d' % container.wait(20))\n"
    )
    script(box, state_root, text)
    said = (tmp_path / "log").read_text()
    assert said.endswith("\n7")
    assert re.findall(r" ([0-9]) -> (\S+)", said)[:3] == [
        ("0", "/dev/null"),
        ("1", str(tmp_path / "log")),
        ("2", "/dev/null"),
    ]


def test_an_exception_of_a_signal_handler_while_a_hook_runs_leaves_nothing(runtime, box, interrupted):
    hook = {"path": "/bin/sleep", "args": ["sleep", "1000"]}
    box.config["hooks"] = {"createRuntime": [hook]}
    before = descriptors(), children()
    with interrupted("_Attended.wait"):
        runtime.create(box.write(), box.id)
    assert (runtime.list(), descriptors(), children()) == ([], *before)


def test_a_bundle_may_be_a_path_and_a_manager_must_be_one(state_root, box):
    box.process["args"] = ["true"]
    assert ocipy.Runtime(state_root).run(box.write(), box.id) == 0
    with pytest.raises(ocipy.UsageError, match='^cgroup manager "sytemd" is not one of '):
        ocipy.Runtime(state_root, cgroup_manager="sytemd")


# ---------------------------------------------------------------- the document


def test_the_document_is_right(tmp_path, state_root):
    """docs/python.md as it stands, but for the names of containers, which are those of cgroups too."""
    with open(os.path.join(TREE, "docs", "python.md"), encoding="utf-8") as file:
        text = "\n".join(re.findall(r"^```python\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL))
    expected = re.findall(r"print\(.*\)  # (.*)$", text, re.MULTILINE)
    for name, args in (("box", ("sleep", "1000")), ("job", ("echo", "done"))):
        (tmp_path / name).symlink_to(bundle(tmp_path / f"of-{name}", args))
    unique = f"ocipytest-{os.getpid()}"
    text = re.sub(r'"(web|job-)', rf'"{unique}-\1', text).replace('root="state"', f"root={str(state_root)!r}")
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": TREE}, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(f"{unique}-", "").splitlines() == expected
