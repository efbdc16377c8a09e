"""Broken bundles: what is wrong with each, and what an error about it must name.

A case changes a good bundle.  `Config` edits config.json as a value, `Text` replaces its bytes, `Files` does
something to the directory.  `words` must all be in the error that ocipy gives: the place in config.json as a
JSON pointer, or the file.
"""

import os

X86, ARM = 62, 183  # e_machine of an ELF header
DEEP = 100_000
LARGE = 50 << 20  # bytes


class Case:
    """One broken bundle.

    name:  what is wrong, as a few words
    words: what the error must name
    verb:  "create", or "run" for what may only show when the process starts
    """

    def __init__(self, name, words, verb="create"):
        self.name, self.words, self.verb = name, words, verb

    def break_it(self, bundle, config):
        """Break a bundle.  Returns the configuration to write, as a dict or bytes, or None to write none."""
        raise NotImplementedError


class Config(Case):
    """Sets (or with `DROP` removes) values by their pointers."""

    def __init__(self, name, words, changes, verb="create"):
        super().__init__(name, words, verb)
        self.changes = changes

    def break_it(self, bundle, config):
        for pointer, value in self.changes.items():
            *parents, last = pointer.lstrip("/").split("/")
            where = config
            for key in parents:
                where = where[int(key)] if isinstance(where, list) else where.setdefault(key, {})
            if value is DROP:
                del where[last]
            elif last == "-":
                where.append(value)
            else:
                where[int(last) if isinstance(where, list) else last] = value
        return config


class Text(Case):
    """Replaces config.json by bytes, made from the good ones."""

    def __init__(self, name, words, make):
        super().__init__(name, words)
        self.make = make

    def break_it(self, bundle, config):
        return self.make(config)


class Files(Case):
    """Does something to the directory; changes the configuration too where `changes` says so."""

    def __init__(self, name, words, act, changes=None, verb="create", keep=True):
        super().__init__(name, words, verb)
        self.act, self.keep = act, keep
        self.edit = Config(name, words, changes or {})

    def break_it(self, bundle, config):
        self.act(bundle)
        return self.edit.break_it(bundle, config) if self.keep else None


class _Drop:
    pass


DROP = _Drop()


def text_of(config):
    import json

    return json.dumps(config).encode()


def put(path, data=b"", mode=0o644):
    """An act that writes a file below the bundle."""

    def act(bundle):
        target = os.path.join(bundle, path)
        with open(target, "wb") as file:
            file.write(data)
        os.chmod(target, mode)

    return act


def link(path, target):
    return lambda bundle: os.symlink(target, os.path.join(bundle, path))


def elf(machine):
    """The start of an ELF program for another processor."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0" + machine.to_bytes(2, "little") + bytes(200)


def namespaces(*kinds):
    return [{"type": kind} for kind in kinds]


def bind(source, destination):
    return {"type": "bind", "source": source, "destination": destination, "options": ["bind"]}


UTS = "/proc/self/ns/uts"
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]

BUNDLE = [
    Files("no config.json", ["config.json"], lambda bundle: None, keep=False),
    Files("config.json is a directory", ["config.json"], lambda b: os.mkdir(b + "/config.json"), keep=False),
    Files("config.json is a FIFO", ["config.json"], lambda b: os.mkfifo(b + "/config.json"), keep=False),
    Files("config.json is an endless device", ["config.json"], link("config.json", "/dev/zero"), keep=False),
    Files("config.json is a loop of links", ["config.json"], link("config.json", "config.json"), keep=False),
    Text("config.json is empty", ["config.json"], lambda config: b""),
    Text("config.json is no JSON", ["config.json"], lambda config: b"hello\n"),
    Text("config.json is cut off", ["config.json"], lambda config: text_of(config)[:-20]),
    Text("config.json is an array", ["config.json"], lambda config: b"[]"),
    Text("config.json is null", ["config.json"], lambda config: b"null"),
    Text("text after the JSON", ["config.json"], lambda config: text_of(config) + b"}"),
    Text("a key twice", ["config.json", "hostname"], lambda c: text_of(c)[:-1] + b', "hostname": "x"}'),
    Text("NaN", ["config.json"], lambda config: text_of(config)[:-1] + b', "x": NaN}'),
    Text("not UTF-8", ["config.json"], lambda config: text_of(config)[:-1] + b', "x": "\xff\xfe"}'),
    Text("50 MB of spaces", ["config.json"], lambda config: b" " * LARGE),
    Text(
        "50 MB in one string", ["config.json"], lambda c: text_of(c)[:-1] + b',"x":"' + b"a" * LARGE + b'"}'
    ),
    Text(
        "deep nesting",
        ["config.json"],
        lambda c: text_of(c)[:-1] + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    ),
]
TOP = [
    Config("no ociVersion", ["ociVersion"], {"/ociVersion": DROP}),
    Config("ociVersion of another world", ["/ociVersion"], {"/ociVersion": "2.0.0"}),
    Config("ociVersion no version", ["/ociVersion"], {"/ociVersion": "latest"}),
    Config("ociVersion a number", ["/ociVersion"], {"/ociVersion": 1}),
    Config("no root", ["root"], {"/root": DROP}),
    Config("root missing", ["/root/path", "nosuch"], {"/root/path": "nosuch"}),
    Files("root a file", ["/root/path"], put("file"), {"/root/path": "file"}),
    Config("NUL in the root", ["/root/path"], {"/root/path": "rootfs\0x"}),
    Files("root a loop of links", ["/root/path"], link("loop", "loop"), {"/root/path": "loop"}),
    Config("annotation no text", ["/annotations"], {"/annotations": {"a.b": 1}}),
]
PROCESS = [
    Config("args empty", ["/process/args"], {"/process/args": []}),
    Config("args an empty word", ['""'], {"/process/args": [""]}, "run"),
    Config("args a text", ["/process/args"], {"/process/args": "/bin/true"}),
    Config("NUL in args", ["/process/args"], {"/process/args": ["/bin/true", "a\0b"]}),
    Config("program not in PATH", ["nosuch"], {"/process/args": ["nosuch"]}, "run"),
    Config("program missing", ["/bin/nosuch"], {"/process/args": ["/bin/nosuch"]}, "run"),
    Config("program a directory", ["/bin"], {"/process/args": ["/bin"]}, "run"),
    Files("program not executable", ["/file"], put("rootfs/file", b"x"), {"/process/args": ["/file"]}, "run"),
    Files(
        "interpreter missing",
        ["/script", "/nosuch/sh"],
        put("rootfs/script", b"#!/nosuch/sh\n", 0o755),
        {"/process/args": ["/script"]},
        "run",
    ),
    Files(
        "program for ARM", ["/elf"], put("rootfs/elf", elf(ARM), 0o755), {"/process/args": ["/elf"]}, "run"
    ),
    Files(
        "program no program",
        ["/junk"],
        put("rootfs/junk", b"junk", 0o755),
        {"/process/args": ["/junk"]},
        "run",
    ),
    Config("cwd relative", ["/process/cwd"], {"/process/cwd": "tmp"}),
    Config("cwd a file", ["/etc/passwd"], {"/process/cwd": "/etc/passwd"}, "run"),
    Config("no cwd", ["cwd"], {"/process/cwd": DROP}),
    Config("cwd another's descriptor", ["/process/cwd"], {"/process/cwd": "/proc/self/fd/7"}, "run"),
    Config("uid negative", ["/process/user/uid"], {"/process/user/uid": -1}),
    Config("uid a name", ["/process/user/uid"], {"/process/user/uid": "root"}),
    Config("uid too large", ["/process/user/uid"], {"/process/user/uid": 1 << 32}),
    Config(
        "additional group a name", ["/process/user/additionalGids/0"], {"/process/user/additionalGids": ["x"]}
    ),
    Config("umask a text", ["/process/user/umask"], {"/process/user/umask": "022"}),
    Config("variable without a value", ["/process/env"], {"/process/env": ["PATH"]}),
    Config("NUL in a variable", ["/process/env"], {"/process/env": ["A=b\0c"]}),
    Config(
        "limit unknown",
        ["/process/rlimits", "RLIMIT_BEER"],
        {"/process/rlimits": [{"type": "RLIMIT_BEER", "soft": 1, "hard": 1}]},
    ),
    Config(
        "limit twice",
        ["/process/rlimits", "RLIMIT_CORE"],
        {"/process/rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * 2},
    ),
    Config(
        "limit soft above hard",
        ["/process/rlimits/0"],
        {"/process/rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]},
    ),
    Config(
        "capabilities a text", ["/process/capabilities/bounding"], {"/process/capabilities/bounding": "ALL"}
    ),
    Config("OOM score out of range", ["/process/oomScoreAdj"], {"/process/oomScoreAdj": 5000}),
    Config("scheduler unknown", ["/process/scheduler"], {"/process/scheduler": {"policy": "SCHED_LUCK"}}),
    Config(
        "I/O class unknown",
        ["/process/ioPriority"],
        {"/process/ioPriority": {"class": "IOPRIO_CLASS_LUCK", "priority": 1}},
    ),
    Config("a terminal without a socket", ["console"], {"/process/terminal": True}),
    Config("AppArmor without AppArmor", ["/process/apparmorProfile"], {"/process/apparmorProfile": "x"}),
]
MOUNTS = [
    Config("mount without destination", ["/mounts/"], {"/mounts/-": {"type": "tmpfs"}}),
    Config("bind of nothing", ["/mounts/", "/nosuch"], {"/mounts/-": bind("/nosuch", "/mnt")}),
    Config(
        "filesystem unknown",
        ["/mounts/", "nosuchfs"],
        {"/mounts/-": {"type": "nosuchfs", "destination": "/m"}},
    ),
    Config(
        "mount option refused",
        ["/mounts/", "size"],
        {"/mounts/-": {"type": "tmpfs", "destination": "/mnt", "options": ["size=banana"]}},
    ),
    Config("mount through a file", ["/mounts/"], {"/mounts/-": bind("/tmp", "/etc/passwd/x")}),
    Config("mount over proc's inside", ["/mounts/"], {"/mounts/-": bind("/tmp", "/proc/sys")}),
    Config(
        "id-mapped with half a map",
        ["/mounts/"],
        {"/mounts/-": bind("/tmp", "/mnt") | {"uidMappings": MAP}},
    ),
    Config("NUL in a mount", ["/mounts/"], {"/mounts/-": bind("/tmp\0x", "/mnt")}),
    Config("mounts an object", ["/mounts"], {"/mounts": {}}),
]
LINUX = [
    Config("namespace unknown", ["/linux/namespaces"], {"/linux/namespaces/-": {"type": "pidd"}}),
    Config("namespace twice", ["/linux/namespaces", "pid"], {"/linux/namespaces/-": {"type": "pid"}}),
    Config(
        "namespace path missing",
        ["/linux/namespaces", "/nosuch"],
        {
            "/linux/namespaces": [
                *namespaces("pid", "ipc", "uts", "mount"),
                {"type": "network", "path": "/nosuch"},
            ]
        },
    ),
    Config(
        "namespace of another type",
        ["/linux/namespaces"],
        {"/linux/namespaces": [*namespaces("pid", "ipc", "uts", "mount"), {"type": "network", "path": UTS}]},
    ),
    Config(
        "namespace path relative",
        ["/linux/namespaces"],
        {"/linux/namespaces": [*namespaces("pid", "ipc", "uts", "mount"), {"type": "network", "path": "x"}]},
    ),
    Config(
        "maps without a user namespace", ["Mappings"], {"/linux/uidMappings": MAP, "/linux/gidMappings": MAP}
    ),
    Config("user namespace without maps", ["Mappings"], {"/linux/namespaces/-": {"type": "user"}}),
    Config(
        "hostname of the host",
        ["/hostname"],
        {"/linux/namespaces": namespaces("pid", "network", "ipc", "mount")},
    ),
    Config(
        "domainname of the host",
        ["/domainname"],
        {
            "/domainname": "x",
            "/hostname": "",
            "/linux/namespaces": namespaces("pid", "network", "ipc", "mount"),
        },
    ),
    Config("sysctl of the host", ["/linux/sysctl", "kernel.panic"], {"/linux/sysctl": {"kernel.panic": "1"}}),
    Config(
        "sysctl of the host's network",
        ["/linux/sysctl"],
        {
            "/linux/sysctl": {"net.ipv4.ip_forward": "1"},
            "/linux/namespaces": namespaces("pid", "ipc", "uts", "mount"),
        },
    ),
    Config("sysctl missing", ["/linux/sysctl", "nosuch"], {"/linux/sysctl": {"net.nosuch": "1"}}),
    Config("sysctl with a path", ["/linux/sysctl"], {"/linux/sysctl": {"net/../kernel/panic": "1"}}),
    Config("device type unknown", ["/linux/devices"], {"/linux/devices": [{"type": "x", "path": "/dev/x"}]}),
    Config(
        "device without numbers", ["/linux/devices"], {"/linux/devices": [{"type": "c", "path": "/dev/x"}]}
    ),
    Config("propagation unknown", ["/linux/rootfsPropagation"], {"/linux/rootfsPropagation": "sideways"}),
    Config(
        "seccomp action unknown", ["/linux/seccomp"], {"/linux/seccomp": {"defaultAction": "SCMP_ACT_MAYBE"}}
    ),
    Config(
        "seccomp architecture unknown",
        ["/linux/seccomp"],
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}},
    ),
    Config("memory limit a text", ["/linux/resources/memory"], {"/linux/resources/memory": {"limit": "1G"}}),
    Config("CPU shares negative", ["/linux/resources/cpu"], {"/linux/resources/cpu": {"shares": -1}}),
    Config("pids limit a text", ["/linux/resources/pids"], {"/linux/resources/pids": {"limit": "many"}}),
    Config("personality unknown", ["/linux/personality"], {"/linux/personality": {"domain": "CPM"}}),
    Config(
        "clock offsets without a time namespace",
        ["/linux/timeOffsets"],
        {"/linux/timeOffsets": {"boottime": {"secs": 1}}},
    ),
]
HOOKS = [
    Config("hook path relative", ["/hooks"], {"/hooks": {"createRuntime": [{"path": "true"}]}}),
    Config("hook missing", ["/nosuch/hook"], {"/hooks": {"createRuntime": [{"path": "/nosuch/hook"}]}}),
    Config(
        "hook fails",
        ["hook", "3", "went wrong"],
        {
            "/hooks": {
                "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo went wrong >&2; exit 3"]}]
            }
        },
    ),
    Config(
        "hook takes too long",
        ["hook", "1"],
        {"/hooks": {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]}},
    ),
    Config(
        "hook timeout 0", ["/hooks"], {"/hooks": {"createRuntime": [{"path": "/bin/true", "timeout": 0}]}}
    ),
    Config("hooks of a kind an object", ["/hooks/createRuntime"], {"/hooks": {"createRuntime": {}}}),
    Config(
        "hook before the program fails",
        ["hook"],
        {"/hooks": {"startContainer": [{"path": "/bin/false"}]}},
        "run",
    ),
    Config(
        "hook after the program fails", ["hook"], {"/hooks": {"poststart": [{"path": "/bin/false"}]}}, "run"
    ),
]
CASES = BUNDLE + TOP + PROCESS + MOUNTS + LINUX + HOOKS
