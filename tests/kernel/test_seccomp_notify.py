"""Seccomp filters that ask an agent: the message it gets, and that nobody waits for who waits for him."""

import json
import os
import shutil
import socket

import pytest

from tests.kernel.box import until
from tests.seccomp.agent import CONTINUE, Agent
from tests.seccomp.profiles import LITTLE, all_but, profile, rule

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64"),
]

CLOSE, GETPID, SENDMSG, RECVMSG, EXECVE, MKDIR, UMASK, PRCTL = 3, 39, 46, 47, 59, 83, 95, 157
WITH_OR_WITHOUT = pytest.mark.parametrize("nnp", [True, False], ids=["no_new_privs", "without"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.sock"


@pytest.fixture
def asking(box, call, path):
    """A box whose profile asks an agent for these calls: asking(rules...)."""
    box.bind(call, "/call")

    def make(*rules, nnp=True, **more):
        box.linux["seccomp"] = {**all_but(*rules), "listenerPath": str(path), **more}
        box.process["noNewPrivileges"] = nnp
        return box

    return make


def said(box, *calls):
    words = [word for each in calls for word in ("/", *map(str, each))][1:]
    return [int(line) for line in box.run("/call", *words).split()]


@WITH_OR_WITHOUT
def test_an_agent_answers_for_the_kernel(asking, path, nnp):
    seen = []

    def mkdir(asked):
        seen.append(asked.text(0))
        return -77 if seen[-1] == "/tmp/no" else 5

    box = asking(rule("mkdir", "umask", action="NOTIFY"), nnp=nnp)
    with Agent(path, {MKDIR: mkdir, UMASK: lambda _: CONTINUE}):
        found = said(box, (MKDIR, "@/tmp/no"), (MKDIR, "@/tmp/yes"), (UMASK, 18), (UMASK, 0))
    assert found[:2] == [-77, 5]
    assert found[3] == 18
    assert seen == ["/tmp/no", "/tmp/yes"]


@WITH_OR_WITHOUT
def test_the_agent_gets_one_message_that_says_whose_filter_it_is(asking, path, nnp):
    box = asking(rule("mkdir", action="NOTIFY"), nnp=nnp, listenerMetadata='{"who": "web"}')
    box.config["annotations"] = {"org.example.key": "value"}
    with Agent(path, {}) as agent:
        box.start("sleep", "1000")
        pid = box.pid
    [(message, descriptors)] = agent.messages
    assert descriptors == 1
    assert message["fds"] == ["seccompFd"]
    assert message["pid"] == message["state"]["pid"] == pid
    assert message["metadata"] == '{"who": "web"}'
    state = message["state"]
    assert state["status"] == ("created" if nnp else "creating")
    assert (state["id"], state["bundle"]) == (box.id, str(box.bundle))
    assert state["annotations"] == box.config["annotations"]
    assert message["ociVersion"] == json.loads(box.ocipy("features").stdout)["ociVersionMax"]


def test_the_message_is_the_one_that_runc_sends(asking, runc, path):
    box = asking(rule("mkdir", action="NOTIFY"), listenerMetadata="x", nnp=False)
    box.process["args"] = ["/call"]
    with Agent(path, {}) as agent:
        box.run(status=42)
        runc(box, status=42)
        until(lambda: len(agent.messages) == 2)
    (ours, one), (theirs, other) = agent.messages
    assert one == other == 1
    assert set(ours) == set(theirs)
    assert set(theirs["state"]) <= set(ours["state"])
    for name in ("fds", "metadata"):
        assert ours[name] == theirs[name]
    for name in ("id", "status", "bundle"):
        assert ours["state"][name] == theirs["state"][name]


@WITH_OR_WITHOUT
def test_a_process_that_is_executed_later_has_a_filter_of_its_own(asking, path, nnp):
    box = asking(rule("mkdir", action="NOTIFY"), nnp=nnp)
    with Agent(path, {MKDIR: lambda _: -78}) as agent:
        box.start("sleep", "1000")
        assert box.exec("/call", str(MKDIR), "@/tmp/x") == "-78\n"
        pid = box.pid
    (_, _), (message, _) = agent.messages
    assert message["state"]["pid"] == pid
    assert message["state"]["status"] == "running"
    assert message["pid"] != pid


@WITH_OR_WITHOUT
def test_calls_that_init_makes_may_be_the_agents(asking, path, nnp):
    """sendmsg carries the listener out, close ends init's hold on it: none may wait for an agent in vain."""
    box = asking(rule("sendmsg", "close", "prctl", "recvmsg", "execve", action="NOTIFY"), nnp=nnp)
    with Agent(path, dict.fromkeys((SENDMSG, CLOSE, PRCTL, RECVMSG, EXECVE), lambda _: CONTINUE)) as agent:
        box.run("/call", status=42)
    assert len(agent.messages) == 1
    assert {CLOSE, EXECVE} <= set(agent.asked)


def test_an_agent_may_refuse_the_program_itself(asking, path):
    box = asking(rule("execve", action="NOTIFY"))
    with Agent(path, {EXECVE: lambda _: -1}):
        assert box.fails("/call").endswith('exec: "/call": operation not permitted')


def test_a_profile_that_lets_little_through_works_with_an_agent(asking, box, path):
    asking()
    some = profile(rule(*LITTLE, "sendmmsg", "close"), rule("mkdir", action="NOTIFY"), default="KILL_PROCESS")
    box.linux["seccomp"] = {**some, "listenerPath": str(path)}
    with Agent(path, {MKDIR: lambda _: 0}):
        box.run("/call", status=42)


def test_a_killable_wait_is_the_kernels_to_give(asking, path):
    flag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    box = asking(rule("mkdir", action="NOTIFY"), flags=[flag])
    if flag not in json.loads(box.ocipy("features").stdout)["linux"]["seccomp"]["supportedFlags"]:
        assert flag in box.fails("/call")
        return
    with Agent(path, {MKDIR: lambda _: -77}):
        assert said(box, (MKDIR, "@/tmp/x")) == [-77]


# ---------------------------------------------------------------- no agent


def nothing_left(box, state_root):
    assert not os.path.exists(state_root / box.id)
    assert not [path for path, names, _ in os.walk("/sys/fs/cgroup") if box.id in names]


@WITH_OR_WITHOUT
def test_without_an_agent_nothing_is_made(asking, path, nnp, state_root):
    box = asking(rule("mkdir", action="NOTIFY"), nnp=nnp)
    expected = (
        f'seccomp agent {path} (config.json /linux/seccomp/listenerPath): "{path}": ENOENT: no such file'
    )
    assert box.error(box.create("true", status=1)).startswith(f"create {box.id}: {expected}")
    nothing_left(box, state_root)
    path.write_text("")
    assert box.error(box.create("true", status=1)).endswith("/listenerPath): not a socket")
    nothing_left(box, state_root)


def test_an_agent_that_has_gone_fails_the_create(asking, path, state_root):
    box = asking(rule("mkdir", action="NOTIFY"), nnp=False)
    with Agent(path, {}):
        pass
    assert "ECONNREFUSED: connection refused" in box.error(box.create("true", status=1))
    nothing_left(box, state_root)


def test_an_agent_that_goes_before_start_fails_the_start(asking, path, state_root):
    box = asking(rule("mkdir", action="NOTIFY"))
    with Agent(path, {}):
        box.create("sleep", "1000")
    assert "ECONNREFUSED: connection refused" in box.error(box.start(status=1))
    assert box.state()["status"] == "stopped"
    box.delete()
    nothing_left(box, state_root)


def test_without_an_agent_exec_fails_and_the_container_goes_on(asking, path):
    box = asking(rule("mkdir", action="NOTIFY"))
    with Agent(path, {}):
        box.start("sleep", "1000")
    assert "ECONNREFUSED" in box.exec("true", status=255)
    os.unlink(path)
    assert "ENOENT" in box.exec("true", status=255)
    assert box.state()["status"] == "running"


def test_an_agent_that_hangs_up_unheard_is_an_error_or_none(asking, path):
    """The message is sent whole or not at all: whether anyone read it is the agent's business."""
    box = asking(rule("mkdir", action="NOTIFY"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        box.run("/call", status=42)
        connection, _ = listener.accept()
        connection.close()


def test_a_path_longer_than_a_socket_address_is_found(asking, box, tmp_path):
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    path = directory / "agent.sock"
    asking(rule("mkdir", action="NOTIFY"), listenerPath=str(path))
    here = os.getcwd()
    os.chdir(directory)
    try:
        agent = Agent("agent.sock", {MKDIR: lambda _: -77})
    finally:
        os.chdir(here)
    with agent:
        assert said(box, (MKDIR, "@/tmp/x"), (GETPID,)) == [-77, 1]
    shutil.rmtree(directory)
