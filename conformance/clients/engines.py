"""All engines by name."""

from conformance.clients.buildah import Buildah
from conformance.clients.containerd import Containerd, CurrentContainerd
from conformance.clients.cri import Cri
from conformance.clients.docker import CurrentDocker, Docker
from conformance.clients.documents import Documents
from conformance.clients.podman import Podman
from conformance.clients.rootless import Rootless
from conformance.clients.rootless_run import RootlessRun

_ALL = (
    Podman(),
    Buildah(),
    Rootless(),
    RootlessRun(),
    Containerd(),
    CurrentContainerd(),
    Docker(),
    CurrentDocker(),
    Cri(),
    Documents(),
)
ENGINES = {engine.name: engine for engine in _ALL}
