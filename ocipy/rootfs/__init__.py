"""The container's root filesystem, built from outside through descriptors only.

No path of the container is ever given to the kernel but below a descriptor of its root, and what was looked
at is what is used: a target is resolved once (resolve.py), checked on its descriptor, and mounted on by that
descriptor.  New filesystems come from init as detached mounts, which nobody can see before they are attached.
"""

from ocipy.rootfs.build import build

__all__ = ["build"]
