"""podman, as root: no daemon, conmon calls the runtime."""

from conformance.clients.engine import Engine

# CAP_SYS_RESOURCE is not everybody's: podman would ask for more files and processes than this one's limits.
_CONF = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "under-test"
runtime_supports_json = ["under-test"]
runtime_supports_nocgroup = ["under-test"]
[engine.runtimes]
under-test = ["{runtime}"]
[network]
network_config_dir = "{directory}/networks"
"""
_STORAGE = """[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/containers"
"""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


class Podman(Engine):
    name = "podman"
    lists = ("podman", "podman-limits", "podman-isolation", "podman-pods")
    programs = ("podman", "conmon", "iptables", "catatonit", "ip")
    keeps = (
        r"cgroup left behind: .*/(libpod_parent|mine)(/conmon|/[0-9a-f]{64})?",  # parents; pods in systemd's
        r"mount left behind: /run/netns .*",
        r"process left behind: .*/conmon .*/exec_pid .*",  # knows for some minutes how a detached exec ended
    )
    # Its files are looked at first: most cases leave nothing, and three podmans more cost a third of a case.
    tidy = """
    if grep -qs '"id"' $STORAGE/overlay-containers/containers.json; then
        podman pod rm -af -t 0 >&2
        podman rm -af -t 0 >&2
    fi
    if [ "$(ls $STORAGE/volumes 2>/dev/null)" ]; then podman volume prune -f >&2; fi
    """

    def start(self, place):
        configure(place)
        place.environment["STORAGE"] = place.path("storage")
        place.users(subordinate="containers:200000:100000\n")
        place.must(IMPORT.format(root=place.busybox()), seconds=120)


IMPORT = """
tar -C {root} -c . | podman import -q -c 'CMD ["/bin/sh"]' -c 'ENV PATH=/bin' - box >/dev/null
"""


def configure(place):
    """Write configuration files that keep podman and buildah to a place, and name them in the environment."""
    known = {"directory": place.directory, "runtime": place.runtime.path}
    place.made("home", ".config", "containers")
    place.write("home/.config/containers/policy.json", _POLICY)
    place.environment["CONTAINERS_CONF"] = place.write("containers.conf", _CONF.format(**known))
    place.environment["CONTAINERS_STORAGE_CONF"] = place.write("storage.conf", _STORAGE.format(**known))
