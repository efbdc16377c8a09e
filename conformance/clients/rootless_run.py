"""No engine: users call the runtime themselves, with and without subordinate ids or cgroups of their own."""

import os

from conformance import cgroupfs
from conformance.clients import rootless
from conformance.clients.engine import Engine

# As bash exports functions: each runs a command as one of the users, and stands in a directory of theirs.
_AS = (
    "() {{ (cd $PLACE/{name} && exec setpriv --reuid={uid} --regid={uid} --clear-groups --inh-caps=-all -- "
    'env -i "PATH=$PATH" HOME=$PLACE/{name} USER={name} XDG_RUNTIME_DIR=$PLACE/{name}/run "$@"); }}'
)
_TIDY = """
for user in alice bob; do
    for id in $($user "$RUNTIME" list -q); do $user "$RUNTIME" delete --force $id; done
    rm -rf $PLACE/$user/bundle
done
"""


class RootlessRun(Engine):
    name = "rootless-run"
    programs = ("setpriv", "newuidmap", "newgidmap")
    keeps = (r"cgroup left behind: .*/alice",)
    tidy = _TIDY

    def version(self):
        return "no engine"

    def start(self, place):
        place.users(rootless.USERS, rootless.SUBORDINATE)
        place.environment["BUNDLE"] = os.path.join(os.path.dirname(__file__), "bundle.py")
        for name, uid in (("alice", rootless.ALICE), ("bob", rootless.BOB)):
            os.chmod(place.made(name, "run"), 0o700)
            rootless.give(place.path(name), uid)
            place.environment[f"BASH_FUNC_{name}%%"] = _AS.format(name=name, uid=uid)
        place.busybox()
        for hierarchy in cgroupfs.hierarchies():
            # What systemd does for a user on cgroup v2: cgroups of alice's own.
            rootless.give(cgroupfs.make(hierarchy, "alice"), rootless.ALICE)
