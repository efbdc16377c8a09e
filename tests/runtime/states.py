"""A state document as create writes it, for tests of what becomes of one."""


def state(ocipy=None, **public):
    """The document of a stopped container c1; properties of its private part in a dict."""
    cgroup = {"paths": {}, "made": [], "rootless": False, "inodes": {}}
    private = {
        "phase": "created",
        "notify": False,
        "no_new_keyring": False,
        "hooks": {},
        "places": {},
        "program": "true",
        "start": [["Execve", "execute true", "/process/args"]],
        "agent": None,
        "cgroup": cgroup,
    }
    return {
        "ociVersion": "1.3.0",
        "id": "c1",
        "pid": 0,
        "status": "creating",
        "bundle": "/b",
        "rootfs": "/b/rootfs",
        "created": "2026-01-01T00:00:00Z",
        "owner": "",
        "annotations": {},
        **public,
        "ocipy": {**private, **(ocipy or {})},
    }
