"""``bundle``: a bundle that is ready to run, of what the host has."""

import os
import stat

from ocipy.cli import network, root
from ocipy.cli.config import document
from ocipy.cli.output import out
from ocipy.errors import OcipyError, UsageError
from ocipy.spec import jsontext

#: Only what both a busybox and any /usr have: no program but cat, id and uname.
DEMO = """\
#!/bin/sh
row() { printf '  %-13s %s\\n' "$1" "$2"; }
field() { while read -r name value; do [ "$name" = "$1:" ] && echo "$value"; done < /proc/self/status; }
. /etc/os-release
set -- /proc/[0-9]*
processes=$#
set -- /sys/class/net/*
interfaces="${*##*/}"
(: > /root/.probe) 2>/dev/null && root="writable, the container's own" || root="read-only"
mounts=0
while read -r line; do mounts=$((mounts + 1)); done < /proc/self/mounts

echo 'Hello from a container that ocipy made.'
echo
row system "$PRETTY_NAME, Linux $(uname -r) $(uname -m)"
row hostname "$(uname -n)"
row user "$(id)"
row process "$$, one of $processes"
row root "$root"
row mounts "$mounts"
row network "$interfaces"
row capabilities "$(field CapEff)"
row seccomp "$(field Seccomp)"
row privileges "$([ "$(field NoNewPrivs)" = 1 ] && echo 'no new ones' || echo 'may be gained')"
"""
DEMO_PATH = "/opt/demo"


def main(flags, options, args):
    directory = args[0]
    if options["rootfs"]:
        raise UsageError("--rootfs is of no use: a bundle has a root of its own")
    if options["demo"] and options["args"]:
        raise UsageError("both --demo and a command")
    busybox = root.choose(options["base"])
    # What cannot be made into a config.json is found out before anything is written.
    silent = {
        "terminal": os.isatty(0) and not options["demo"],
        "read_only": False,
        "mounts": root.mounts(busybox),
        "args": ("sh", DEMO_PATH) if options["demo"] else ("sh",),
    }
    config = document(options, **silent)
    mask = os.umask(0o022)
    try:
        made = claim(directory)
        try:
            fill(directory, busybox, config)
        except BaseException:
            clear(directory, made)
            raise
    finally:
        os.umask(mask)
    if os.isatty(1):
        out(f"made a bundle; run it: ocipy run {directory.rstrip('/')}/\n")
    return 0


def claim(directory):
    """Make a directory, or take one that is empty.  True if it was made."""
    try:
        os.mkdir(directory)
        return True
    except FileExistsError:
        if os.listdir(directory):
            raise OcipyError(f"{directory} exists and is not empty") from None
        return False


def fill(directory, busybox, config):
    """Make root and config.json, the latter last: without it nothing is taken for a bundle."""
    rootfs = f"{directory}/rootfs"
    os.mkdir(rootfs)
    user = config["process"]["user"]
    root.make(rootfs, busybox, config["hostname"], user["uid"], user["gid"])
    with open(f"{rootfs}{DEMO_PATH}", "w", encoding="utf-8") as f:
        f.write(DEMO)
    os.chmod(f"{rootfs}{DEMO_PATH}", 0o755)
    give(rootfs, config["linux"])
    for _ in network.write_files(directory, config):
        pass
    with open(f"{directory}/config.json", "x", encoding="utf-8") as f:
        f.write(jsontext.dump(config, 4) + "\n")


def give(rootfs, linux):
    """Make the root the property of the container's root, where that is another than us."""
    if "uidMappings" not in linux:
        return
    uid, gid = (linux[key][0]["hostID"] for key in ("uidMappings", "gidMappings"))
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return
    os.chown(rootfs, uid, gid)
    for _, directories, files, fd in os.fwalk(rootfs):
        for name in (*directories, *files):
            os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)


def clear(directory, made):
    """Remove what `fill` made, and the directory if it was made."""
    for _, directories, files, fd in os.fwalk(directory, topdown=False):
        for name in (*directories, *files):
            if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
    if made:
        os.rmdir(directory)
