"""The CRI plugin of the current containerd, by crictl: what a kubelet asks for."""

import os

from conformance.clients import containerd, documents, image
from conformance.clients.engine import Engine

# restrict_oom_score_adj: not every root has CAP_SYS_RESOURCE, which a pod's usual -998 needs.
_CONFIG = """version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "docker.io/library/pause:latest"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{directory}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "under-test"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.under-test]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.under-test.options]
BinaryName = "{runtime}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.again]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.again.options]
BinaryName = "{runtime}"
Root = "{directory}/again"
"""
_NETWORK = """{"cniVersion": "0.4.0", "name": "pods", "plugins": [
 {"type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true,
  "ipam": {"type": "host-local", "subnet": "10.88.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""
_TIDY = """
. $CLIENTS/cri.sh
end_pods
"""


class Cri(Engine):
    name = "cri"
    programs = ("ip", "iptables")
    keeps = (r"cgroup left behind: .*/(k8s.io|pods)",)
    tidy = _TIDY

    def install(self):
        containerd.CURRENT.install()
        documents.CRICTL.install()

    def version(self):
        return f"containerd {containerd.CURRENT.version[1:]}, crictl {documents.CRICTL.version[1:]}"

    def start(self, place):
        directories = (containerd.CURRENT.directory, documents.CRICTL.directory)
        environment = place.environment
        environment["PATH"] = os.pathsep.join((*directories, environment["PATH"]))
        environment["CONTAINERD_ADDRESS"] = place.path("socket")
        environment["CONTAINER_RUNTIME_ENDPOINT"] = f"unix://{place.path('socket')}"
        known = {"directory": place.directory, "runtime": place.runtime.path}
        place.made("cni")
        place.write("cni/pods.conflist", _NETWORK)
        words = ["containerd", "--config", place.write("config.toml", _CONFIG.format(**known))]
        words += ["--root", place.path("root"), "--state", place.path("state")]
        place.daemon([*words, "--address", place.path("socket")], "crictl version")
        config = {"Cmd": ["sh"], "Env": ["PATH=/bin"]}
        image.archive(place.path("image.tar"), place.busybox(), "box:latest", config)
        pause = {"Entrypoint": ["/bin/sleep", "1000000"]}
        image.archive(place.path("pause.tar"), place.busybox(), "pause:latest", pause)
        for name in ("image", "pause"):
            place.must(f"ctr -n k8s.io images import $PLACE/{name}.tar >/dev/null")
        place.must("eventually eval 'crictl images | grep -q library/pause'")
