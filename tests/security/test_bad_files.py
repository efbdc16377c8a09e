"""Files that are none, or have no end, where a verb reads one: one line, soon, in little memory.

Also what the image has at the two places that init, or nobody, reads: /etc/passwd and /etc/group.
"""

import json
import os
import resource
import subprocess
import threading

import pytest

from tests.conftest import bundle
from tests.kernel.box import Box, until

pytestmark = pytest.mark.kernel

MEMORY = 600 << 20  # bytes of address space; a verb of an honest file takes 30 MB
SECONDS = 40


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def text(content):
    return lambda path: path.write_bytes(content)


HOSTILE = {
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a directory": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a terabyte of nothing": sparse,
    "a million brackets": text(b"[" * 1_000_000),
    "a million objects in each other": text(b'{"a":' * 1_000_000),
    "a million objects side by side": text(b'{"a":[' + b"{}," * 2_000_000 + b"{}]}"),
    "a string of 15 MB": text(b'{"ociVersion":"' + b"x" * (15 << 20) + b'"}'),
    "a number of 15 MB": text(b"1" * (15 << 20)),
    "a million names": text(b"{" + b",".join(b'"k%d":0' % n for n in range(900_000)) + b"}"),
    "a million escapes": text(b'{"ociVersion":"' + rb"\ud83d\ude00" * 1_000_000 + b'"}'),
    "nothing": text(b""),
    "zeros": text(b"\0" * 100_000),
    "a million wrong entries": text(
        json.dumps(
            {"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["x"], "env": ["x"] * 700_000}}
        ).encode()
    ),
    "half a character": text(b'{"ociVersion":"\xf0\x9f'),
}


def careful(done):
    said = done.stdout + done.stderr  # what validate finds it prints
    assert done.returncode != 0
    assert said.count("\n") <= 51, said[:2000]
    assert said.startswith(("ocipy: ", "config.json: ", "warning: "))
    assert len(said) < 20_000
    assert "internal error" not in said
    assert "Traceback" not in said


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.fixture
def box(ocipy, launcher, state_root, tmp_path):
    ocipy.command = launcher, state_root
    return Box(ocipy, tmp_path, bundle(tmp_path))


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("verb", ["create", "validate", "plan"])
def test_a_configuration_is_refused_soon(ocipy, tmp_path, what, verb):
    HOSTILE[what](tmp_path / "config.json")
    words = {"create": ("create", "-b", tmp_path, "c1")}.get(verb, (verb, f"{tmp_path}/"))
    careful(ocipy(*words, status=None, preexec_fn=limits, timeout=SECONDS))


@pytest.mark.parametrize("verb", ["create", "validate", "plan"])
def test_a_configuration_that_is_a_fifo_keeps_nobody_waiting(ocipy, tmp_path, verb):
    os.mkfifo(tmp_path / "config.json")
    words = {"create": ("create", "-b", tmp_path, "c1")}.get(verb, (verb, f"{tmp_path}/"))
    careful(ocipy(*words, status=None, timeout=SECONDS))


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("words", [("exec", "--process"), ("update", "--resources")])
def test_a_process_or_resources_are_refused_soon(box, tmp_path, what, words):
    box.start("sleep", "1000")
    HOSTILE[what](tmp_path / "hostile")
    careful(box.ocipy(*words, tmp_path / "hostile", box.id, status=None, preexec_fn=limits, timeout=SECONDS))


def test_a_fifo_gives_exec_what_somebody_writes(box, tmp_path):
    """Callers pass /dev/stdin and its kind."""
    box.start("sleep", "1000")
    os.mkfifo(tmp_path / "fifo")
    process = {"cwd": "/", "args": ["echo", "heard"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
    writer = threading.Thread(target=(tmp_path / "fifo").write_text, args=(json.dumps(process),))
    writer.start()
    assert box.ocipy("exec", "--process", tmp_path / "fifo", box.id).stdout == "heard\n"
    writer.join()


def test_a_log_that_is_a_fifo_keeps_nobody_waiting(ocipy, tmp_path):
    os.mkfifo(tmp_path / "log")
    careful(ocipy("--log", tmp_path / "log", "state", "nosuch", status=None, timeout=SECONDS))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink(path.parent / "precious", path)])
def test_what_lies_in_the_way_of_a_pid_file_is_not_written_to(box, tmp_path, make):
    (tmp_path / "precious").write_text("precious")
    make(tmp_path / ".pid")
    careful(
        box.ocipy(
            "create", "-b", box.write(), "--pid-file", tmp_path / "pid", box.id, status=None, timeout=SECONDS
        )
    )
    assert (tmp_path / "precious").read_text() == "precious"


# ---------------------------------------------------------------- the image's


PASSWD = {
    "a fifo": os.mkfifo,
    "a device without end": lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)),
    "a directory": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to("passwd"),
    "a link out": lambda path: path.symlink_to("../../../../../../../../etc/passwd"),
    "a magic link": lambda path: path.symlink_to("/proc/self/fd/0"),
    "a terabyte of nothing": sparse,
    "one line of 30 MB": text(b"x" * (30 << 20)),
    "ten million lines": text(b"::::::\n" * 10_000_000),
    "a home longer than a path": text(b"u:x:1234:0::/" + b"h" * 5000 + b":/bin/sh\n"),
    "lines with zeros": text(b"u:x:12\0" + b"34:0::/stolen:/bin/sh\nu:x\0:1234:0::/stolen:\n"),
    "numbers that are none": text(
        b"u:x:+1234:0::/stolen:\nu:x: 1234:0::/stolen:\nu:x:4294968530:0::/stolen:\nu:x:0x4d2:0::/stolen:\n"
        b"u:x:18446744073709552850:0::/stolen:\nu:x::0::/stolen:\nu:x:1234\n:x:1234:0::/stolen:\n"
    ),
    "a home that is no path": text(b"u:x:1234:0::stolen:/bin/sh\n"),
}


@pytest.mark.parametrize("what", PASSWD)
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_whatever_the_image_has_for_users_home_is_the_root(box, what, verb):
    """init alone reads it, for HOME; what it can't understand tells of no home."""
    box.own_root()
    for name in ("passwd", "group"):
        (box.root / f"etc/{name}").unlink()
        PASSWD[what](box.root / f"etc/{name}")
    box.process["env"] = ["PATH=/bin"]
    user = {"uid": 1234, "gid": 1234}
    script = ["sh", "-c", "echo $HOME"]
    box.linux["resources"] = {"memory": {"limit": 16 << 20}}
    if verb == "run":
        box.process.update(user=user, args=script)
        assert box.run(timeout=SECONDS) == "/\n"
    else:
        box.start("sleep", "1000")
        out = box.exec_process(args=script, user=user, how={"timeout": SECONDS})
        assert out == "/\n"


def test_a_home_is_found_behind_lines_of_any_length(box):
    """The table above would pass if homes were never found."""
    box.own_root()
    lines = b"x" * 5000 + b"\nu:x:1234:0::/found:/bin/sh"
    (box.root / "etc/passwd").write_bytes(lines)
    box.process["env"] = ["PATH=/bin"]
    box.process["user"] = {"uid": 1234, "gid": 1234}
    assert box.sh("echo $HOME") == "/found\n"


def test_a_verb_of_an_honest_file_takes_little_memory(box):
    """So that the limit above says something."""
    script = f'ulimit -v {64 << 10}; exec "$@"'
    launcher, root = box.ocipy.command
    command = ["sh", "-c", script, "sh", launcher, "--root", root, "run", "-b", box.write(), box.id]
    until(lambda: subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0, 1)
