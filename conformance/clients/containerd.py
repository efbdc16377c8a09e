"""containerd, by its own client ctr: Debian's, and the current one."""

import os

from conformance.clients import image
from conformance.clients.engine import Engine
from conformance.gomodule import GoModule

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CURRENT = GoModule(
    "github.com/containerd/containerd/v2",
    "v2.3.4",
    "cmd/containerd",
    "cmd/ctr",
    "cmd/containerd-shim-runc-v2",
)

IMAGE = "docker.io/library/box:latest"

# Without the CRI plugin, which is a client of its own.
_CONFIG = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"""

# No `|| true`: what can't be killed or deleted is what is to be seen.
_TIDY = """
for namespace in $(ctr namespaces ls -q); do
    tasks=$(ctr -n $namespace tasks ls -q)
    for id in $tasks; do ctr -n $namespace tasks rm -f $id >/dev/null; done
    ids=$(ctr -n $namespace containers ls -q)
    for id in $ids; do ctr -n $namespace containers rm $id; done
done
"""

# As bash exports functions: what the scripts of the list call.
_FUNCTIONS = {
    "BASH_FUNC_run%%": '() { ctr run --runc-binary "$RUNTIME" "$@"; }',
    # What a file of errors says beyond the warnings of ctr itself.
    "BASH_FUNC_warned%%": '() { grep -v level=warning "$1" || true; }',
    # heard FILE...: an input that ends when there is something in each.  What a program says that ends before
    # ctr has opened the pipes of an exec is lost, on every runtime.
    "BASH_FUNC_heard%%": """() { local file; for file; do eventually test -s "$file"; done; }""",
    # watch: write all events from now on into ./events.  ctr does not say when it is ready, but an event that
    # is seen does.
    "BASH_FUNC_watch%%": """() {
        ctr events >events &
        eventually eval 'ctr namespaces label default seen=$RANDOM && test -s events'
    }""",
    # task ID STATUS: whether it is so
    "BASH_FUNC_task%%": """() { test "$(ctr task ls | awk -v id="$1" '$1 == id { print $3 }')" = "$2"; }""",
}


class Containerd(Engine):
    name = "containerd"
    programs = ("containerd", "ctr", "containerd-shim-runc-v2")
    # Parents, which are /NAMESPACE where no case says otherwise.
    keeps = (
        r"cgroup left behind: .*/(default|other|elsewhere)",
        r"process left behind: \d+ containerd --config .*",  # one case starts it again
    )
    tidy = _TIDY

    def start(self, place):
        environment = place.environment
        environment["CONTAINERD_ADDRESS"] = place.path("containerd.sock")
        environment["STATE"] = place.path("state")
        environment["IMAGE"] = IMAGE
        environment |= _FUNCTIONS
        words = [
            "containerd",
            "--config",
            place.write("containerd.toml", _CONFIG),
            "--root",
            place.path("root"),
        ]
        words += ["--state", place.path("state"), "--address", environment["CONTAINERD_ADDRESS"]]
        place.daemon(words, "ctr version")
        config = {"Cmd": ["sh"], "Env": ["PATH=/bin"], "WorkingDir": "/"}
        image.archive(place.path("image.tar"), place.busybox(), IMAGE, config)
        for namespace in ("default", "other"):
            place.must(f"ctr -n {namespace} images import {place.path('image.tar')} >/dev/null")


class CurrentContainerd(Containerd):
    name = "containerd-2"
    lists = ("containerd", "containerd-2")
    programs = ()

    def install(self):
        CURRENT.install()

    def version(self):
        return f"containerd {CURRENT.version.removeprefix('v')}"

    def start(self, place):
        place.environment["PATH"] = os.pathsep.join((CURRENT.directory, place.environment["PATH"]))
        super().start(place)
