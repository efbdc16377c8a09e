"""Configurations to read: files in a directory, and hosts to read them for."""

from ocipy.formats import lxc
from ocipy.formats.lxc.host import Host
from ocipy.spec.names import CAPABILITIES

V1 = Host(v1=True)
V2 = Host(unified=("cpu", "cpuset", "hugetlb", "io", "memory", "pids", "rdma"))
HYBRID = Host(v1=True, unified=("hugetlb",))
FEW = V2.replace(bounding=0b111)
ALL = list(CAPABILITIES)


def configure(directory, *lines, root=None, name="config"):
    """Write a configuration whose root is a directory beside it, unless its lines say another."""
    (directory / "root").mkdir(exist_ok=True, parents=True)
    if not any("lxc.rootfs.path" in line for line in lines) and root is not False:
        lines = (f"lxc.rootfs.path = dir:{root or directory / 'root'}", *lines)
    text = "".join(f"{line}\n" for line in lines)
    (directory / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return str(directory)


def load(directory, *lines, host=V2, **how):
    """(Spec, notes) of these lines."""
    return lxc.load(configure(directory, *lines, **how), host)


def data(directory, *lines, **how):
    """config.json of these lines."""
    return load(directory, *lines, **how)[0].data


def fates(notes, key):
    """What notes say of a key."""
    return {note.fate for note in notes if note.key == key}
