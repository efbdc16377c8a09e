"""buildah, as root: it calls the runtime itself, without conmon."""

from conformance.clients.engine import Engine
from conformance.clients.podman import configure

_IMPORT = """
container=$(buildah from scratch)
buildah add -q $container {root} / >/dev/null
buildah config --cmd /bin/sh --env PATH=/bin $container
buildah commit -q --rm $container localhost/box >/dev/null
"""


class Buildah(Engine):
    name = "buildah"
    programs = ("buildah", "iptables", "ip")
    keeps = (r"mount left behind: /run/netns .*", r"cgroup left behind: .*/mine")
    tidy = "buildah rm -a >&2"

    def start(self, place):
        configure(place)
        # As root its default; where it finds itself in a container it would do without a runtime.
        place.environment |= {"BUILDAH_RUNTIME": place.runtime.path, "BUILDAH_ISOLATION": "oci"}
        place.must(_IMPORT.format(root=place.busybox()), seconds=120)
