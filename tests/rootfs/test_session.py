"""What a session knows of ids, and says of failures."""

import errno
import os
import socket

import pytest

from ocipy.errors import StepError
from ocipy.linux.syscalls import failed
from ocipy.plan import steps
from ocipy.rootfs.build import EFFECTS, Session, run
from ocipy.rootfs.hidehost import host_views
from ocipy.rootfs.hints import hint
from ocipy.rootfs.remote import receive, send

MAPS = ((0, 1000, 1), (1, 100000, 65536))


def test_every_root_step_has_an_effect():
    def subclasses(kind):
        return {sub for direct in kind.__subclasses__() for sub in {direct, *subclasses(direct)}}

    assert set(EFFECTS) == subclasses(steps.RootStep)


@pytest.mark.parametrize(("inside", "outside"), [(0, 1000), (1, 100000), (65536, 165535)])
def test_ids_of_the_container_stand_for_ids_of_the_host(inside, outside):
    session = Session(ids=(MAPS, MAPS))
    assert session.outside(0, inside) == outside
    assert session.maps(1, outside)


def test_an_id_that_is_not_mapped_is_refused():
    session = Session(ids=(MAPS, MAPS))
    assert not session.maps(0, 0)
    assert not session.maps(0, 165536)
    with pytest.raises(ValueError, match="gid 65537 is not mapped"):
        session.outside(1, 65537)


def test_without_a_user_namespace_ids_are_what_they_are():
    assert Session().outside(0, 7) == 7
    assert Session().maps(0, 7)


def test_a_failure_names_its_step(tmp_path):
    step = steps.AttachRoot(str(tmp_path / "missing"), pointer="/root/path")
    with pytest.raises(StepError) as caught:
        run(Session(), [step])
    text = str(caught.value)
    assert text.startswith(f"attach root {tmp_path}/missing (config.json /root/path): openat2(AT_FDCWD, ")
    assert text.endswith("ENOENT: no such file or directory (the root directory does not exist)")


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (steps.Bind("/a", "/b"), failed(errno.ENOENT, "open_tree"), "the source of a bind mount must exist"),
        (steps.Bind("/a", "/b"), failed(errno.ENOENT, "openat2"), ""),
        (steps.Bind("/a", "/b"), failed(errno.EPERM, "mount_setattr"), "locked in a user namespace"),
        (
            steps.Bind("/a", "/b", ids=("container",)),
            failed(errno.EINVAL, "mount_setattr"),
            "may not support",
        ),
        (steps.Bind("/a", "/b"), failed(errno.EINVAL, "open_tree"), "rbind takes it along"),
        (steps.Bind("/a", "/b", recursive=True), failed(errno.EINVAL, "open_tree"), ""),
        (steps.MountFs("proc", "/proc"), failed(errno.EPERM, "fsmount"), "needs a pid namespace"),
        (steps.MountFs("xfs", "/x"), failed(errno.ENODEV, "fsopen"), "no filesystem xfs"),
        (steps.MakeDir("/a"), failed(errno.EROFS, "mkdirat"), "read-only"),
        (steps.MakeDir("/a"), failed(errno.EOVERFLOW, "mkdirat"), "can't hold an owner"),
        (steps.MakeDir("/a"), failed(errno.ELOOP, "openat2"), "in a circle"),
        (steps.MakeDir("/a"), ValueError("x"), ""),
    ],
)
def test_what_is_known_of_a_failure_is_said(step, error, words):
    found = hint(step, error)
    assert words in found
    assert bool(words) == bool(found)


MOUNTINFO = r"""22 27 0:21 / /proc rw - proc proc rw
23 27 0:22 / /sys rw - sysfs sysfs rw
24 27 0:21 /sys /elsewhere rw - proc proc rw
25 27 0:23 / /with\040space shared:3 master:1 rw - proc proc rw
27 1 254:0 / / rw - ext4 /dev/vda rw
50 27 254:0 /root /var/root rw - ext4 /dev/vda rw
51 50 0:40 / /var/root/proc rw - proc proc rw
52 51 0:22 / /var/root/proc/x rw - sysfs sysfs rw
"""


def test_the_hosts_views_are_those_outside_of_the_root():
    """Of whole filesystems; a part of one shows nothing that a new mount would need."""
    assert host_views(MOUNTINFO, "50") == ["/proc", "/sys", "/with space"]


def test_messages_to_a_worker_carry_any_number_of_descriptors():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(300)]
        said = (("Bind", {"source": "/\udcff'\n", "ids": ((0, 1, 2),)}), None, 2**40)
        # As the ends are two processes, nobody waits for the other to read.
        send(ours, said, fds)
        heard, got = receive(theirs)
        for fd in fds + got:
            os.close(fd)
        assert heard == said
        assert len(got) == 300


def test_a_worker_that_is_gone_is_noticed():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours, pytest.raises(EOFError):
        receive(ours)
