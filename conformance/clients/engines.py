"""All engines by name."""

from conformance.clients.containerd import Containerd, CurrentContainerd
from conformance.clients.docker import CurrentDocker, Docker
from conformance.clients.podman import Podman

ENGINES = {
    engine.name: engine for engine in (Podman(), Containerd(), CurrentContainerd(), Docker(), CurrentDocker())
}
