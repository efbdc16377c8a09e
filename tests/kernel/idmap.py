"""idmap.py SOURCE TARGET INSIDE OUTSIDE SIZE: bind a directory with an id mapping, in our mount namespace."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from ocipy.linux import const
from ocipy.linux.syscalls import mount_setattr, move_mount, open_tree


def main(source, target, *mapping):
    with subprocess.Popen(
        ["unshare", "--user", "sh", "-c", "echo; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        for kind in ("uid", "gid"):
            with open(f"/proc/{holder.pid}/{kind}_map", "w", encoding="ascii") as file:
                file.write(" ".join(mapping))
        userns = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY)
        holder.stdin.close()
    tree = open_tree(const.AT_FDCWD, source, const.OPEN_TREE_CLONE)
    mount_setattr(tree, "", const.AT_EMPTY_PATH, attr_set=const.MOUNT_ATTR_IDMAP, userns_fd=userns)
    move_mount(tree, "", const.AT_FDCWD, target, const.MOVE_MOUNT_F_EMPTY_PATH)


if __name__ == "__main__":
    main(*sys.argv[1:])
