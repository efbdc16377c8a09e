"""What docs/engines.md says, as it is written: each engine with that configuration, at the paths it names.

The sandbox's /etc, /usr/local/bin and /var/lib are layers above the machine's, so that nothing is renamed or
redirected.  /usr/local/bin/ocipy is the runtime under test, behind a script that notes each call.
"""

import os
import re

from conformance.clients import containerd, image
from conformance.clients.engine import Engine
from conformance.gomodule import GoModule

CRICTL = GoModule("sigs.k8s.io/cri-tools", "v1.37.0", "cmd/crictl")
DOCUMENT = os.path.join(containerd.TREE, "docs", "engines.md")

_LAYER = """
mkdir -p $PLACE/layers{0}/upper $PLACE/layers{0}/work
mount -t overlay -o lowerdir={0},upperdir=$PLACE/layers{0}/upper,workdir=$PLACE/layers{0}/work layer {0}
"""
_COMMAND = """#!/bin/sh
echo "$*" >>{directory}/calls
exec {runtime} "$@"
"""
# Not everywhere is systemd, nor CAP_SYS_RESOURCE: what podman is told of the sandbox, beside the document.
_PODMAN = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_FUNCTIONS = {
    # put BLOCK: install a block of the document where it says
    "BASH_FUNC_put%%": '() { install -D -m 644 "$DOCUMENT/$1" "$(cat "$DOCUMENT/$1.path")"; }',
    # shell BLOCK: run it, for the image that is here
    "BASH_FUNC_shell%%": '() { sed "s/IMAGE/${IMAGE:-box}/; s/NAME/made/" "$DOCUMENT/$1" | bash -eu; }',
    # called VERB: it was called since the last time it was asked
    "BASH_FUNC_called%%": '() { grep -qw -- "$1" $PLACE/calls && : >$PLACE/calls && echo "called to $1"; }',
}


def blocks(text):
    """[(name, path, text)] of the document's code blocks: "podman-1", where to put it ("" for commands)."""
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        path, before = "", 0
        for number, block in enumerate(
            re.finditer(r"^```(\w+)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL), 1
        ):
            # "In `/etc/...`" holds until another path is named.
            path = (re.findall(r"`(/etc/[^`]+)`", body[before : block.start()]) or [path])[0]
            before = block.end()
            place = "" if block[1] in ("sh", "yaml") else path
            found.append((f"{title.split()[0].lower()}-{number}", place, block[2]))
    return found


class Documents(Engine):
    name = "documents"
    keeps = (
        r"cgroup left behind: .*/(libpod_parent|default|docker|k8s.io)(/conmon)?",
        r"mount left behind: /run/(netns|docker/netns/default) .*",
    )
    programs = ("podman", "buildah", "containerd", "dockerd", "ip")

    def install(self):
        containerd.CURRENT.install()
        CRICTL.install()

    def version(self):
        return "docs/engines.md"

    def start(self, place):
        environment = place.environment
        environment["PATH"] = os.pathsep.join(("/usr/sbin:/usr/bin", environment["PATH"], CRICTL.directory))
        environment["DOCUMENT"] = place.made("document")
        environment["CURRENT"] = containerd.CURRENT.directory
        environment |= _FUNCTIONS
        with open(DOCUMENT, encoding="utf-8") as file:
            for name, path, text in blocks(file.read()):
                place.write(f"document/{name}", text)
                place.write(f"document/{name}.path", path)
        for directory in ("/etc", "/usr/local/bin", "/var/lib"):
            place.must(_LAYER.format(directory))
        # Layers of containers cannot be above a layer.
        for directory in ("containers", "containerd", "docker", "containerd-2"):
            place.must(f"mkdir -p /var/lib/{directory}; mount -t tmpfs tmpfs /var/lib/{directory}")
        place.write("command", _COMMAND.format(directory=place.directory, runtime=place.runtime.path))
        place.must(
            "touch $PLACE/calls; rm -f /usr/local/bin/ocipy; install $PLACE/command /usr/local/bin/ocipy"
        )
        place.must("rm -rf /etc/containerd /etc/docker /etc/cni /etc/crictl.yaml")
        place.must("mkdir -p /etc/containers/containers.conf.d")
        place.write("here.conf", _PODMAN)
        place.must("cp $PLACE/here.conf /etc/containers/containers.conf.d/zz-here.conf")
        config = {"Cmd": ["sh"], "Env": ["PATH=/bin"]}
        image.archive(place.path("image.tar"), place.busybox(), "box:latest", config)
        pause = {"Entrypoint": ["/bin/sleep", "1000000"]}
        image.archive(place.path("pause.tar"), place.busybox(), "pause:latest", pause)
