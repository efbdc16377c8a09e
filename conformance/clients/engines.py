"""All engines by name."""

from conformance.clients.containerd import Containerd, CurrentContainerd
from conformance.clients.cri import Cri
from conformance.clients.docker import CurrentDocker, Docker
from conformance.clients.documents import Documents
from conformance.clients.podman import Podman
from conformance.clients.rootless import Rootless

_ALL = (
    Podman(),
    Rootless(),
    Containerd(),
    CurrentContainerd(),
    Docker(),
    CurrentDocker(),
    Cri(),
    Documents(),
)
ENGINES = {engine.name: engine for engine in _ALL}
