"""sd_notify(3): a container that is ready tells who started it."""

import os
import socket
import subprocess
import time

import pytest

from tests.kernel.box import popen, until

pytestmark = pytest.mark.kernel


class Manager:
    """A service manager: it has a socket, reads messages, and closes what comes along with a barrier."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(20)

    def receive(self, close=True):
        message, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
        if close:
            for fd in fds:
                os.close(fd)
        return message if not fds else (message, len(fds) if close else fds)

    def is_silent(self):
        self.socket.settimeout(0.2)
        try:
            return self.socket.recv(4096) == b""
        except TimeoutError:
            return True


@pytest.fixture(params=["path", "abstract"])
def service(request, tmp_path):
    if request.param == "abstract":
        made = Manager(f"@ocipytest-{os.getpid()}-{tmp_path.name}")
    else:
        made = Manager(str(tmp_path / "service.sock"))
    yield made
    made.socket.close()


@pytest.fixture(scope="session")
def sender(tmp_path_factory):
    """A static program that sends its arguments to $NOTIFY_SOCKET, one message each."""
    directory = tmp_path_factory.mktemp("sender")
    source = r"""
        #include <stdlib.h>
        #include <string.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        int main(int argc, char **argv)
        {
            struct sockaddr_un address = {.sun_family = AF_UNIX};
            int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
            strcpy(address.sun_path, getenv("NOTIFY_SOCKET"));
            for (int i = 1; i < argc; i++)
                if (sendto(fd, argv[i], strlen(argv[i]), 0, (struct sockaddr *)&address, sizeof address) < 0)
                    return 1;
            return 0;
        }
    """
    (directory / "sender.c").write_text(source)
    subprocess.run(["cc", "-static", "-o", directory / "sender", directory / "sender.c"], check=True)
    directory.chmod(0o755)
    return directory / "sender"


@pytest.fixture
def box(box, sender):
    box.bind(sender, "/mnt/sender")
    return box


def environment(service):
    return {"env": {"NOTIFY_SOCKET": service.address}}


READY = "/mnt/sender STATUS=starting 'X=1\nREADY=1' && exec sleep 1000"


def test_start_passes_on_that_the_container_is_ready(box, service):
    box.create("sh", "-c", READY, **environment(service))
    starting = popen(box, "start", box.id, stdin=subprocess.DEVNULL, **environment(service))
    assert service.receive() == b"READY=1\n"
    assert service.receive() == f"MAINPID={box.pid}\n".encode()
    assert service.receive() == (b"BARRIER=1", 1)
    assert starting.wait(20) == 0
    assert service.is_silent()


def test_start_waits_until_it_is_ready(box, service):
    script = "while ! test -e /tmp/go; do sleep 0.02; done; /mnt/sender READY=1; exec sleep 1000"
    box.create("sh", "-c", script, **environment(service))
    starting = popen(box, "start", box.id, stdin=subprocess.DEVNULL, **environment(service))
    until(lambda: box.state()["status"] == "running")
    assert service.is_silent()
    assert starting.poll() is None
    # Other verbs need not wait.
    box.exec("touch", "/tmp/go")
    service.socket.settimeout(20)
    assert service.receive() == b"READY=1\n"
    assert service.receive().startswith(b"MAINPID=")
    assert service.receive() == (b"BARRIER=1", 1)
    assert starting.wait(20) == 0


def test_start_waits_for_the_barrier(box, service):
    box.create("sh", "-c", READY, **environment(service))
    starting = popen(box, "start", box.id, stdin=subprocess.DEVNULL, **environment(service))
    service.receive()
    service.receive()
    message, (fd,) = service.receive(close=False)
    assert message == b"BARRIER=1"
    time.sleep(0.1)
    assert starting.poll() is None
    os.close(fd)
    assert starting.wait(20) == 0


def test_start_does_not_wait_for_a_container_that_ended(box, service):
    box.create("sh", "-c", "exit 3", **environment(service))
    box.start(**environment(service))
    assert service.is_silent()


def test_a_last_word_counts(box, service):
    box.create("sh", "-c", "/mnt/sender READY=1", **environment(service))
    starting = popen(box, "start", box.id, stdin=subprocess.DEVNULL, **environment(service))
    assert service.receive() == b"READY=1\n"
    service.receive()
    service.receive()
    assert starting.wait(20) == 0


def test_a_container_that_nobody_waits_for_is_not_waited_for(box, service):
    """Engines start without the variable that they created with."""
    box.create("sh", "-c", READY, **environment(service))
    box.start(env={})
    assert service.is_silent()


def test_run_detached_waits_as_start_does(box, service):
    box.process["args"] = ["sh", "-c", READY]
    running = popen(
        box, "run", "-d", "-b", box.write(), box.id, stdin=subprocess.DEVNULL, **environment(service)
    )
    assert service.receive() == b"READY=1\n"
    assert service.receive() == f"MAINPID={box.pid}\n".encode()
    assert service.receive() == (b"BARRIER=1", 1)
    assert running.wait(20) == 0


def test_run_in_the_foreground_stays_the_main_process(box, service):
    box.process["args"] = ["sh", "-c", "/mnt/sender READY=1; cat; exit 4"]
    running = popen(box, "run", "-b", box.write(), box.id, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    **environment(service))  # fmt: skip
    assert service.receive() == b"READY=1\n"
    assert service.is_silent()
    out, _ = running.communicate(b"through", timeout=20)
    assert (running.returncode, out) == (4, b"through")


def test_any_user_may_speak(box, service):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.capabilities()
    box.create("sh", "-c", READY, **environment(service))
    starting = popen(box, "start", box.id, stdin=subprocess.DEVNULL, **environment(service))
    assert service.receive() == b"READY=1\n"
    service.receive()
    service.receive()
    assert starting.wait(20) == 0


def test_the_socket_lies_where_it_can_not_be_exchanged(box, service):
    script = "echo $NOTIFY_SOCKET; rm /run/notify/notify.sock 2>&1; grep notify /proc/self/mountinfo"
    out = box.sh(f"{script} | cut -d' ' -f 6", **environment(service))
    path, error, options = out.splitlines()
    assert path == "/run/notify/notify.sock"
    assert "Read-only file system" in error
    assert options.startswith("ro,nosuid,nodev,noexec")


def test_without_a_manager_there_is_no_socket(box):
    assert box.sh("echo [$NOTIFY_SOCKET]; ls /run/notify 2>&1", status=1, env={}).startswith("[]\n")


def test_a_manager_that_does_not_listen_is_named(box, tmp_path):
    how = {"env": {"NOTIFY_SOCKET": str(tmp_path / "nobody")}}
    box.create("sh", "-c", READY, **how)
    message = box.error(box.start(status=1, **how))
    assert message.endswith(f"notify socket {tmp_path}/nobody: no such file or directory")
