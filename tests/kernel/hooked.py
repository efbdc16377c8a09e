"""Hooks of a box, for tests."""

RUNTIME_KINDS = ("prestart", "createRuntime", "poststart", "poststop")
CONTAINER_KINDS = ("createContainer", "startContainer")
KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
CREATE_KINDS = KINDS[:3]
#: Files of /proc/PID/ns.
TYPES = ("cgroup", "ipc", "mnt", "net", "pid", "uts", "user", "time")


def sh(script, name="sh", **more):
    return {"path": "/bin/sh", "args": [name, "-c", script], **more}


class Hooks:
    """Hooks of a box that write into its directory, which is there inside under the same name."""

    def __init__(self, box):
        self.box = box
        self.table = box.config["hooks"] = {}
        box.bind(box.bundle, str(box.bundle))

    def add(self, kind, script, **more):
        self.table.setdefault(kind, []).append(sh(f"cd {self.box.bundle}; {script}", **more))

    def everywhere(self, script):
        for kind in KINDS:
            self.add(kind, script.replace("KIND", kind))

    def read(self, name):
        return (self.box.bundle / name).read_text()

    def has(self, name):
        return (self.box.bundle / name).exists()
