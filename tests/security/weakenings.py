"""What holds the attacks, each taken away by an edit.  The names are what the table prints."""

from tests.security.weaken import weakening

#: Between looking and using: as long as an attacker makes it last, by a slow filesystem or many symlinks, so
#: that a race against what is weakened is soon won.
_MEANWHILE = '__import__("time").sleep(0.0005)\n'

# ---------------------------------------------------------------- paths

_RESOLVE = (
    "ocipy/rootfs/resolve.py",
    "            try:\n                return openat2(self.fd, path, flags, 0, IN_ROOT)\n",
)

FOLLOWED = weakening(
    "the kernel resolves every path under the root's descriptor",
    (
        *_RESOLVE,
        '            try:\n                return openat2(self.fd, path.lstrip("/") or ".", flags)\n',
    ),
)
CHECKED_THEN_USED = weakening(
    "what was checked is what is used: one descriptor, no second lookup",
    (
        *_RESOLVE,
        "            try:\n"
        "                os.close(openat2(self.fd, path, flags, 0, IN_ROOT))\n"
        f"                {_MEANWHILE}"
        '                return openat2(self.fd, path.lstrip("/") or ".", flags)\n',
    ),
)
OWNED_BY_NAME = weakening(
    "a node that was made is changed by a descriptor that is seen to be it",
    (
        "ocipy/rootfs/nodes.py",
        "        if step.uid or step.gid:\n            node = _open_node(parent, name, step)\n",
        "        if step.uid or step.gid:\n"
        f"            {_MEANWHILE}"
        "            node = openat2(parent, name, os.O_PATH)\n",
    ),
)
PINNED_TWICE = weakening(
    "a read-only path is cloned from the descriptor on which the clone is put",
    (
        "ocipy/rootfs/covers.py",
        '        mount = open_tree(target, "", _CLONE | const.AT_RECURSIVE)\n',
        f"        {_MEANWHILE}"
        '        source = openat2(session.root.fd, step.path.lstrip("/"), os.O_PATH)\n'
        '        mount = open_tree(source, "", _CLONE | const.AT_RECURSIVE)\n',
    ),
)
MASKED_BY_A_NAME = weakening(
    "what masks a file is checked to be the null device, on its descriptor",
    (
        "ocipy/rootfs/covers.py",
        'own = session.root.try_open("/dev/null", os.O_PATH | os.O_NOFOLLOW)',
        'own = session.root.try_open("/dev/null")',
    ),
    (
        "ocipy/rootfs/covers.py",
        '            require_device(own, os.fstat(own), ("c", 1, 3))\n',
        "            pass\n",
    ),
)
COPIED_BY_NAME = weakening(
    "what is copied into a tmpfs is reached by one name at a time, never through a symlink",
    (
        "ocipy/rootfs/copyup.py",
        "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW\n",
        "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY\n",
    ),
    (
        "ocipy/rootfs/copyup.py",
        "_ONE_STEP = const.RESOLVE_BENEATH | const.RESOLVE_NO_SYMLINKS\n",
        "_ONE_STEP = 0\n",
    ),
    (
        "ocipy/rootfs/copyup.py",
        "        here = _open(source, name)\n        try:\n            names",
        f"        {_MEANWHILE}        here = _open(source, name)\n        try:\n            names",
    ),
)

# ---------------------------------------------------------------- procfs

ANYTHING_AT_PROC = weakening(
    "what is bound at /proc is a procfs, by its magic number",
    ("ocipy/rootfs/mounting.py", "if fstatfs_type(mount) != const.PROC_SUPER_MAGIC:", "if False:"),
)
WAYS_INTO_PROC = weakening(
    "nothing is mounted on the device of the container's procfs but a few known files",
    ("ocipy/rootfs/mounting.py", "        _check_proc(session, step, target)\n", ""),
)
PROC_BEHIND_A_LINK = weakening(
    "proc and sysfs are mounted on ordinary directories",
    (
        "ocipy/rootfs/mounting.py",
        "        target = _plain_directory(session, step.target)\n",
        "        target = session.root.directory(step.target)\n",
    ),
)
_WRITTEN_BY_NAME = (
    "init/op_mounts.c",
    "    int fd = open_resolved(argument[0].fd, path, O_WRONLY,\n"
    "                           RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);\n",
    '    char name[PATH_MAX] = "/proc/";\n'
    "    int fd = open(strncat(name, path, sizeof name - 8), O_WRONLY | O_CLOEXEC);\n",
)
WRITTEN_BY_NAME = weakening(
    "procfs is written through a descriptor of the host's, which was seen to be one", _WRITTEN_BY_NAME
)
WRITTEN_INSIDE = weakening(
    "what exec writes to procfs it writes before the container is entered, through the host's",
    _WRITTEN_BY_NAME,
    (
        "ocipy/plan/execprocess.py",
        "        *identity.first_steps(process, context),\n"
        "        *scheduling.initial_affinity(process, context),\n"
        "        *entry,\n",
        "        *entry,\n        *identity.first_steps(process, context),\n",
    ),
)
SYSCTLS_THAT_CLIMB = weakening(
    'the name of a sysctl has no ".." in it',
    (
        "ocipy/spec/check_linux.py",
        '    if any(part in ("", ".", "..") for part in parts):\n',
        "    if not parts:\n",
    ),
)
SYS_WRITABLE_BELOW = weakening(
    "a read-only bind of /sys is read-only all the way down, where a user namespace owns cgroups",
    (
        "ocipy/plan/mounts.py",
        'if context.powerless and plain_path(source) == "/sys" and',
        "if False and",
    ),
)

# ---------------------------------------------------------------- init

DUMPABLE = weakening(
    "init is not dumpable when it comes into the container's sight",
    (
        "init/op_identity.c",
        "prctl(PR_SET_DUMPABLE, argument[0].number, 0, 0, 0)",
        "prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)",
    ),
)
UNSEALED = weakening(
    "init is executed from a sealed copy",
    (
        "ocipy/runtime/channel.py",
        "    if _sealed is None:\n",
        "    _sealed = os.open(BINARY, os.O_RDONLY | os.O_CLOEXEC)\n    if _sealed is None:\n",
    ),
)
_KEPT_OPEN = (
    "init/main.c",
    " ||\n        syscall(SYS_close_range, context.socket + 1, ~0U, 0) < 0)",
    ")",
)
OUTSIDE_OF_THE_ROOT = weakening(
    "nothing of the caller stays open in init, and the working directory must lie in the root",
    _KEPT_OPEN,
    ("init/op_process.c", "    if (*directory != '/')\n", "    if (!*directory)\n"),
    (
        "ocipy/plan/root.py",
        'if context.process and context.process["cwd"] != "/":',
        "if False:",
    ),
)
LEAKED = weakening(
    "init closes what its caller left open, and marks the rest close-on-exec",
    _KEPT_OPEN,
    (
        "init/op_process.c",
        "    syscall(SYS_close_range, context->first_private_fd, ~0U, CLOSE_RANGE_CLOEXEC);\n",
        "",
    ),
)
ENVIRONMENT_OF_THE_CALLER = weakening(
    "init has no environment",
    (
        "ocipy/runtime/channel.py",
        '["ocipy:[INIT]", str(number)], {}, ',
        '["ocipy:[INIT]", str(number)], os.environ, ',
    ),
)
SIGNALS_AS_THEY_WERE = weakening(
    "init resets what a caller ignores and blocks",
    ("init/main.c", "    reset_signals();\n    prctl", "    prctl"),
    ("init/main.c", "static void reset_signals(void)", "void reset_signals(void);\nvoid reset_signals(void)"),
)
CONSOLE_FOLLOWED = weakening(
    "the place of /dev/console is opened without following a symlink",
    (
        "init/op_terminal.c",
        "open_resolved(AT_FDCWD, path, O_PATH | O_NOFOLLOW, RESOLVE_NO_MAGICLINKS)",
        "open_resolved(AT_FDCWD, path, O_PATH, 0)",
    ),
)
UNFILTERED_EXEC = weakening(
    "exec loads the container's filter",
    (
        "ocipy/plan/execprocess.py",
        "    context.pointer, context.executing = PROCESS, True\n",
        "    context.pointer, context.executing = PROCESS, True\n    context.seccomp = []\n",
    ),
)
PRIVILEGES_OF_ITS_OWN = weakening(
    "exec inherits noNewPrivileges when it does not say",
    ("ocipy/plan/execprocess.py", '    "noNewPrivileges",\n', ""),
)
SHORT_LENGTHS = weakening(
    "no NUL gets into a message to init, whose lengths have 32 bits",
    ("ocipy/spec/check.py", "    _nul(data, found)\n    return", "    return"),
    ("ocipy/plan/protocol.py", '    if b"\\0" in raw:\n', "    if not isinstance(raw, bytes):\n"),
    (
        "ocipy/plan/protocol.py",
        '    return len(raw).to_bytes(4, "little") + raw + b"\\0"\n',
        '    return (len(raw) & 0xFFFF).to_bytes(4, "little") + raw + b"\\0"\n',
    ),
    (
        "ocipy/plan/protocol.py",
        'return number.to_bytes(4, "little") + len(body).to_bytes(4, "little") + body',
        'return number.to_bytes(4, "little") + (len(body) & 0xFFFF).to_bytes(4, "little") + body',
    ),
)

# ---------------------------------------------------------------- identity

_CAPSET = 'masks["permitted"], masks["inheritable"]), _sets(masks), where)'
INHERITABLE = weakening(
    "capabilities are inheritable only where the configuration says so",
    ("ocipy/plan/identity.py", _CAPSET, _CAPSET.replace("inheritable", "permitted")),
)
INHERITABLE_BY_EXEC = weakening(
    "exec --cap leaves the inheritable set alone",
    (
        "ocipy/cli/exec.py",
        '    if options["cap"]:\n'
        '        caps = dict(process.get("capabilities", {}))\n'
        '        for kind in ("bounding", "effective", "permitted"):\n',
        '    if options["cap"]:\n'
        '        caps = dict(process.get("capabilities", {}))\n'
        '        for kind in ("bounding", "effective", "permitted", "inheritable"):\n',
    ),
)
USERS_THAT_ARE_NO_NUMBERS = weakening(
    "a user that is no number is an error",
    (
        "ocipy/cli/parse.py",
        "    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or int(digits) >= limit:\n",
        '    digits = text = "0" + "".join(c for c in text if c in "0123456789")\n'
        "    if int(digits) >= 1 << 40:\n",
    ),
)
IDS_CUT_SHORT = weakening(
    "ids are numbers that the kernel has, seen by the schema, the checks and init",
    ("ocipy/spec/__init__.py", "    if getattr(_generated, name)(data):\n", "    if True:\n"),
    ("init/op_identity.c", "    if (number < 0 || number >= UINT32_MAX)\n", "    if (number == INT64_MIN)\n"),
)
GROUPS_OF_THE_CALLER = weakening(
    "the caller's groups are dropped",
    (
        "init/op_identity.c",
        "    if (argument[0].bytes.length % 4)\n",
        "    if (count < 1000)\n        return;\n    if (argument[0].bytes.length % 4)\n",
    ),
)
CGROUPS_THAT_CLIMB = weakening(
    'a sub-cgroup has no ".." in its path',
    (
        "ocipy/cgroups/manager.py",
        '                if ".." in path.split("/"):\n',
        "                if not name and not path:\n",
    ),
    ("ocipy/cgroups/manager.py", """{clean(path).lstrip('/')}""", "{path.lstrip('/')}"),
)
CGROUPS_ANYWHERE = weakening(
    "a cgroup's path is cleaned before it is put below the hierarchy",
    (
        "ocipy/plan/cgroup_layout.py",
        "    inner = clean(cgroups_path) or container_id\n",
        "    inner = cgroups_path or container_id\n",
    ),
    (
        "ocipy/plan/cgroup_layout.py",
        '        placed.append((controller, clean(f"{point}{base}/{inner}")))\n',
        '        placed.append((controller, f"{point}{base}/{inner}"))\n',
    ),
)

# ---------------------------------------------------------------- Python

PYTHON_IN_THE_ROOT = weakening(
    "Python never has the container's root for its own",
    (
        "ocipy/rootfs/build.py",
        "            raise StepError(step, error, step.pointer, hint(step, error)) from error\n",
        "            raise StepError(step, error, step.pointer, hint(step, error)) from error\n"
        "    os.fchdir(session.root.fd)\n"
        '    os.chroot(".")\n'
        "    import colorsys\n",
    ),
)
PYTHON_IN_THE_CONTAINER = weakening(
    "exec enters the container by init, not by Python",
    (
        "ocipy/runtime/execprocess.py",
        "        execution.run(made.create[:cut])\n",
        "        execution.run(made.create[:cut])\n"
        '        os.chroot(f"/proc/{execution.pid}/root")\n'
        "        import colorsys\n",
    ),
)
PYTHON_OF_THE_CALLER = weakening(
    "Python is started with -I -S: no variable, no directory of the caller counts",
    ("bin/ocipy", " -IS\n", "\n"),
)
