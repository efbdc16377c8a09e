"""podman as an ordinary user with subordinate ids."""

import os
import stat

from conformance import sandbox
from conformance.clients.podman import IMPORT, Podman, configure

ALICE, BOB = 1000, 1001  # bob has no subordinate ids
USERS = f"alice:x:{ALICE}:{ALICE}::/run/alice:/bin/bash\nbob:x:{BOB}:{BOB}::/run/bob:/bin/bash\n"
SUBORDINATE = "alice:100000:65536\n"


def switch(uid):
    """The command that makes another one an ordinary user's, without any capability."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--"]


def give(path, uid):
    """Make all below a directory a user's."""
    for directory, _, files in os.walk(path):
        for name in (directory, *(os.path.join(directory, f) for f in files)):
            os.chown(name, uid, uid, follow_symlinks=False)


def open_tun():
    """Let everybody use /dev/net/tun, as udev does where it runs: slirp4netns needs it."""
    sandbox.mount("tmpfs", "/dev/net", "tmpfs", sandbox.MS_NOSUID | sandbox.MS_NOEXEC, "mode=755")
    os.mknod("/dev/net/tun", stat.S_IFCHR | 0o666, os.makedev(10, 200))
    os.chmod("/dev/net/tun", 0o666)


class Rootless(Podman):
    name = "rootless"
    lists = ("rootless",)
    programs = ("podman", "conmon", "newuidmap", "slirp4netns", "catatonit", "setpriv", "ip")
    keeps = (
        *Podman.keeps,
        r"process left behind: \d+ (catatonit -P|podman|podman pause)",  # keeps the user namespace
    )

    def shell(self, place):
        return [*switch(ALICE), "bash"]

    def start(self, place):
        place.users(USERS, SUBORDINATE)
        open_tun()
        configure(place)
        runtime = place.made("runtime")
        os.chmod(runtime, 0o700)
        # As users they have it in their home, whatever storage.conf says.
        place.environment["STORAGE"] = place.path("home/.local/share/containers/storage")
        place.environment |= {"XDG_RUNTIME_DIR": runtime, "USER": "alice", "LOGNAME": "alice"}
        place.busybox()
        give(place.directory, ALICE)
        place.must(IMPORT.format(root=place.busybox()), shell=self.shell(place), seconds=120)
