"""init, while it is in the container's sight: looked into, written over, robbed of what it holds."""

import os
import signal
import socket

from tests.kernel.box import fields
from tests.kernel.mounts import bind
from tests.security.attacks_paths import with_its_dev
from tests.security.corpus import attack
from tests.security.weakenings import (
    CONSOLE_FOLLOWED,
    DUMPABLE,
    ENVIRONMENT_OF_THE_CALLER,
    LEAKED,
    OUTSIDE_OF_THE_ROOT,
    PRIVILEGES_OF_ITS_OWN,
    SIGNALS_AS_THEY_WERE,
    UNFILTERED_EXEC,
    UNSEALED,
)

#: What is the runtime's alone.
_PRIVATE = ("memfd:", "socket:", "/host", "ocipy")


def under_surveillance(scene, script, found, prepare=lambda box: None):
    """Have processes come into a pid namespace in which a spy sits, until `found` says something.

    The verb create makes containers that join the namespace, as those of a pod do.
    """
    box = scene.box()
    prepare(box)
    said = scene.start_spy(box)
    other = box
    if scene.verb == "create":
        other = scene.box()
        prepare(other)
        pid = box.pid
        other.namespace("pid", f"/proc/{pid}/ns/pid")
        if any(namespace["type"] == "user" for namespace in box.linux["namespaces"]):
            other.namespace("user", f"/proc/{pid}/ns/user")
    for _ in scene.rounds():
        scene.process(other, script)
        got = found(said.read_text())
        if got:
            return got
    return []


@attack("CVE-2016-9962", without={"exec": DUMPABLE, "create": DUMPABLE})
def what_init_holds(scene):
    """The container's root, with all power over its user namespace, looks at descriptors and memory."""

    def prepare(box):
        box.user_namespace()
        box.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")

    def found(said):
        # What it may see is the program after execve(2).
        return [line for line in said.splitlines() if any(word in line for word in _PRIVATE)]

    return under_surveillance(scene, "true", found, prepare)


@attack("CVE-2019-5736", "youki 343", without={"exec": UNSEALED, "create": UNSEALED})
def the_program_of_the_runtime(scene):
    """With all privileges init's program can be opened, and written to as soon as it runs no more; and a
    program of the image may be init itself, by /proc/self/exe."""

    def prepare(box):
        box.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_KILL")
        (box.root / "bin/loop").symlink_to("/proc/self/exe")
        box.script("bin/itself", "#!/proc/self/exe\n")

    def found(said):
        got = [line for line in said.splitlines() if line.startswith("wrote ")]
        # No program of the host ever runs there, and no interpreter.
        got += [line for line in said.splitlines() if line.startswith("exe ") and "python" in line]
        return got

    return under_surveillance(scene, "/bin/itself; /bin/loop", found, prepare)


@attack("CVE-2024-21626", without={"exec": OUTSIDE_OF_THE_ROOT, "create": OUTSIDE_OF_THE_ROOT})
def a_directory_that_was_left_open(scene):
    """The working directory is one that the runtime, or its caller, has left open: /proc/self/fd/N."""
    fd = os.open(scene.outside, os.O_RDONLY)
    box, got = scene.box(), []
    try:
        for number in (*range(3, 21), fd):
            cwd = {"cwd": f"/proc/self/fd/{number}"}
            done = scene.process(box, "cat null", asked=cwd, pass_fds=(fd,))
            if "precious" in done.stdout:
                got.append(f"read what is outside by descriptor {number}")
                break
    finally:
        os.close(fd)
    return got


@attack("CVE-2016-9962", "CVE-2024-21626", without={"exec": LEAKED, "create": LEAKED})
def descriptors_of_the_caller(scene):
    """The caller was careless: something of the host is open, and not close-on-exec."""
    fd = os.open(scene.outside, os.O_RDONLY)
    copies = [os.dup(fd) for _ in range(4)]
    try:
        done = scene.process(scene.box(), "ls -l /proc/self/fd/", pass_fds=copies)
    finally:
        for copy in (fd, *copies):
            os.close(copy)
    return [line for line in done.stdout.splitlines() if "outside" in line]


@attack("environment of the interpreter", without={"create": ENVIRONMENT_OF_THE_CALLER})
def secrets_of_the_caller(scene):
    """Daemons have passwords in their environment."""
    box = scene.box()
    secret = {"SECRET": "precious", "PATH": os.environ["PATH"]}
    box.create("env", env=secret)
    with open(f"/proc/{box.pid}/environ", encoding="utf-8") as file:
        waiting = file.read()
    done = scene.process(scene.box(), "env", env=secret)
    return [word for word in (waiting, done.stdout) if "precious" in word]


@attack("signals of the interpreter", without={"exec": SIGNALS_AS_THEY_WERE, "create": SIGNALS_AS_THEY_WERE})
def signals_that_are_ignored(scene):
    """The caller ignores and blocks signals, and Python ignores two: the container's program would, too."""

    def careless():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})

    done = scene.process(scene.box(), "exec cat /proc/self/status", preexec_fn=careless)
    status = fields(done.stdout)
    return [f"{name} {status[name]}" for name in ("SigIgn", "SigBlk") if int(status[name], 16)]


@attack("CVE-2025-52565", without={"create": CONSOLE_FOLLOWED})
def a_console_that_becomes_a_symlink(scene):
    """The terminal is mounted where a symlink at /dev/console leads."""
    box = scene.box()
    box.process["terminal"] = True
    (box.root / "victim").touch()
    (box.root / "dev/console").touch()
    for name in ("dev/pts", "inbox"):
        scene.put(box, name)
    link = scene.put(box, "dev/other", "/victim")
    pts = [m for m in box.config["mounts"] if m["destination"] == "/dev/pts"]
    with_its_dev(box)
    box.config["mounts"] += pts
    inbox = scene.directory / "inbox"
    inbox.mkdir()
    bind(box, inbox, "/inbox")
    with socket.socket(socket.AF_UNIX) as receiver, scene.racing("exchange", box.root / "dev/console", link):
        receiver.bind(str(scene.directory / "console.sock"))
        receiver.listen(1000)
        box.process["args"] = [
            "sh",
            "-c",
            "cat /proc/self/mountinfo > /inbox/new; mv /inbox/new /inbox/mounts",
        ]
        flags = ("--console-socket", scene.directory / "console.sock")
        for _ in scene.rounds():
            (inbox / "mounts").unlink(missing_ok=True)
            if scene("create", "-b", box.write(), *flags, box.id, status=None).returncode == 0:
                mounts = _mounts_of(box.pid)
                scene("delete", "--force", box.id)
                if any(point == "/victim" for point in mounts):
                    return ["the terminal was mounted somewhere else"]
    return []


def _mounts_of(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return [line.split(" ")[4] for line in file]


@attack("seccomp of exec", without={"exec": UNFILTERED_EXEC})
def an_exec_without_the_filter(scene):
    """What the container's own program may not do, a program that comes later may not either."""
    box = scene.box()
    denied = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": denied}
    done = scene.process(box, "mkdir /made && echo made", asked={})
    return [done.stdout] if "made" in done.stdout else []


@attack("noNewPrivileges of exec", without={"exec": PRIVILEGES_OF_ITS_OWN})
def an_exec_that_gains_privileges(scene):
    """A process object that does not speak of noNewPrivileges has the container's."""
    box = scene.box()
    box.process["noNewPrivileges"] = True
    done = scene.process(box, "exec cat /proc/self/status", asked={})
    return [] if fields(done.stdout)["NoNewPrivs"] == "1" else ["no_new_privs is not set"]
