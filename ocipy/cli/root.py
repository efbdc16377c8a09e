"""A root filesystem made of what the host has: a static busybox, or the host's own /usr.

Nothing is downloaded and nothing of the host can be written: what is not copied is bound read-only.
"""

import os
import shutil

from ocipy.errors import OcipyError

SEARCH = ("/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin")
#: What the loader and the commands of a host's /usr look up outside of it.  Copied, links as links.
HOST_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "nsswitch.conf")
#: The directories that a merged /usr has links for in /, and other hosts have in their place.
OUTSIDE_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32", "libilp32")

DIRECTORIES = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/cache": 0o755,
    "var/lib": 0o755,
    "var/log": 0o755,
    "var/spool": 0o755,
    "var/tmp": 0o1777,
}
TEMPORARY = [
    {"destination": "/tmp", "type": "tmpfs", "source": "tmp", "options": ["nosuid", "nodev", "mode=1777"]},
    {"destination": "/run", "type": "tmpfs", "source": "run", "options": ["nosuid", "nodev", "mode=755"]},
]
BOUND = ["rbind", "rro", "nosuid", "nodev"]


def choose(base):
    """The path of the busybox that the root is to be made of, "" if it is the host's /usr.

    base: "busybox" or "host" if it must be that one, "auto" for the first that is there

    Raises OcipyError if it is not to be had.
    """
    if base != "host":
        for directory in SEARCH:
            path = f"{directory}/busybox"
            if os.access(path, os.X_OK) and is_static(path):
                return path
        if base == "busybox":
            raise OcipyError(
                f"no static busybox in any of {' '.join(SEARCH)} (Debian has it as busybox-static)"
            )
    if not (os.path.exists("/usr/bin/sh") or os.path.exists("/bin/sh")):
        raise OcipyError("this host has neither a static busybox nor a /bin/sh")
    return ""


def is_static(path):
    """Whether a file is an ELF program that needs no interpreter.  Source: elf(5)."""
    with open(path, "rb") as f:
        head = f.read(64)
        if len(head) < 52 or head[:4] != b"\x7fELF":
            return False
        wide, big = head[4] == 2, head[5] == 2

        def number(at, size, data=head):
            return int.from_bytes(data[at : at + size], "big" if big else "little")

        table = number(32, 8) if wide else number(28, 4)
        size, count = (number(54, 2), number(56, 2)) if wide else (number(42, 2), number(44, 2))
        f.seek(table)
        entries = f.read(size * count)
    kinds = (number(at, 4, entries) for at in range(0, len(entries), size or 1))
    return 3 not in kinds  # PT_INTERP


def mounts(busybox):
    """The mounts that a root made by `make` needs besides those of every container."""
    directories = [f"/{name}" for name in OUTSIDE_USR if os.path.isdir(f"/{name}")]
    bound = [] if busybox else ["/usr", *(path for path in directories if not os.path.islink(path))]
    return [
        {"destination": p, "type": "none", "source": p, "options": list(BOUND)} for p in bound
    ] + TEMPORARY


def make(root, busybox, hostname, uid, gid):
    """Fill an empty directory; uid and gid are the process's, who get a name if they have none."""
    for name, mode in DIRECTORIES.items():
        os.mkdir(f"{root}/{name}")
        os.chmod(f"{root}/{name}", mode)
    os.symlink("../run", f"{root}/var/run")
    if busybox:
        _busybox(root, busybox)
    else:
        _host(root)
    _etc(f"{root}/etc", hostname, uid, gid, bool(busybox))


def _busybox(root, busybox):
    for name in ("bin", "usr/local"):
        os.mkdir(f"{root}/{name}")
    for link, target in (("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin")):
        os.symlink(target, f"{root}/{link}")
    shutil.copyfile(busybox, f"{root}/bin/busybox")
    os.chmod(f"{root}/bin/busybox", 0o755)
    for applet in applets(f"{root}/bin/busybox"):
        if applet != "busybox":
            os.symlink("busybox", f"{root}/bin/{applet}")


def applets(busybox):
    """The names that a busybox answers to."""
    reader, writer = os.pipe()
    try:
        try:
            actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
            pid = os.posix_spawn(busybox, ["busybox", "--list"], {}, file_actions=actions)
        finally:
            os.close(writer)
        with open(reader, encoding="utf-8", closefd=False) as f:
            names = f.read().split()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(reader)
    if status or "sh" not in names:
        raise OcipyError(f"{busybox} --list: exit status {status}, {len(names)} names, none of them sh")
    return sorted({name for name in names if "/" not in name and name not in (".", "..")})


def _host(root):
    for name in OUTSIDE_USR:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{root}/{name}")
    for name in HOST_ETC:
        source = f"/etc/{name}"
        if os.path.isdir(source):
            shutil.copytree(source, f"{root}/etc/{name}", symlinks=True, ignore_dangling_symlinks=True)
        elif os.path.exists(source):
            shutil.copyfile(source, f"{root}/etc/{name}")


def _etc(etc, hostname, uid, gid, own):
    me = f"user:x:{uid}:{gid}:user:/tmp:/bin/sh\n" if uid not in (0, 65534) else ""
    mine = f"user:x:{gid}:\n" if gid not in (0, 5, 65534) else ""
    release = 'NAME="ocipy bundle"\nID=ocipy\nPRETTY_NAME="BusyBox, bundled by ocipy"\n'
    files = {
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{me}nobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": f"root:x:0:\ntty:x:5:\n{mine}nogroup:x:65534:\n",
        "hostname": f"{hostname}\n",
        "hosts": f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        "resolv.conf": _host_text("/etc/resolv.conf"),
        "os-release": release if own else _host_text("/etc/os-release") or release,
        "shells": "/bin/sh\n",
    }
    for name, text in files.items():
        with open(f"{etc}/{name}", "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(text)
    os.symlink("../proc/self/mounts", f"{etc}/mtab")


def _host_text(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()
    except OSError:
        return ""
