"""The container's root in a plan: how it is built, restricted, and entered.

The parts stand apart because hooks run between them: prestart, createRuntime and createContainer hooks find
everything mounted and nothing yet hidden or read-only, for they may still have to write.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.linux import const
from ocipy.plan import dev, mounts, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step

_NOTHING = (
    const.MOUNT_ATTR_RDONLY | const.MOUNT_ATTR_NOSUID | const.MOUNT_ATTR_NODEV | const.MOUNT_ATTR_NOEXEC
)
#: rootfsPropagation values that are set on the finished root, once it is "/".  The others say what it shall
#: not share, and that is so from the start.
_AFTER_ENTERING = ("shared", "rshared", "unbindable", "runbindable")

#: Links of procfs that lead to whoever follows them.
_OWN_LINKS = {"/proc/self": "/proc/1", "/proc/thread-self": "/proc/1/task/1", "/proc/net": "/proc/1/net"}


def building(context: Context) -> tuple[list[Step], list[Step]]:
    """(steps up to the hooks, steps for after them)."""
    config, path = context.config, context.config["root"]["path"]
    path = path if path.startswith("/") else f"{context.options.bundle}/{path}"
    made = _root_mount(context, path)
    late: list[Step] = []
    for i, mount in enumerate(config.get("mounts") or ()):
        now, after = mounts.mount_steps(i, mount, context)
        made += now
        late += after
    if context.options.notify_socket:
        made.append(steps.Bind(context.options.notify_socket, "/run/notify", attr_set=_NOTHING))
    made += dev.dev_steps(config, context)
    if context.process and context.process["cwd"] != "/":
        made.append(steps.MakeDir(context.process["cwd"], pointer="/process/cwd"))
    return made, late


def _root_mount(context: Context, path: str) -> list[Step]:
    """The root as a mount, in a mount namespace whose propagation is what rootfsPropagation asks.

    By default a container's mounts do not appear on the host, but the host's may still arrive.  An unbindable
    "/" could not even be bound: that value waits until the root is entered.

    A container without a mount namespace of its own shares the host's mounts, and its own may not appear
    there: its root is built apart.
    """
    if not context.has_namespace("mount"):
        if context.facts.rootless:
            message = "a container without a mount namespace needs the host's privileges"
            raise ConfigError(Problem("/linux/namespaces", message, "no-mount-namespace"))
        return [steps.AttachRoot(path, pointer="/root/path", apart=True)]
    asked = context.linux.get("rootfsPropagation") or ""
    pointer = "/linux/rootfsPropagation" if asked else ""
    first = "rslave" if asked in ("", "unbindable", "runbindable") else asked
    if asked in ("private", "rprivate") and context.options.no_pivot:
        message = "private is not safe with --no-pivot: mounts of the host would stay"
        raise ConfigError(Problem(pointer, message, "private-without-pivot"))
    parent = "slave" if asked in ("slave", "rslave") else "private"
    return [
        steps.Isolate(first, pointer=pointer),
        steps.AttachRoot(path, pointer="/root/path", parent=parent),
    ]


def restrictions(context: Context) -> list[Step]:
    """What hides and protects, after all that had to be reached or written."""
    made: list[Step] = []
    for i, path in enumerate(context.linux.get("readonlyPaths") or ()):
        pointer = f"/linux/readonlyPaths/{i}"
        # What were mounted over the root would lie above it, where nobody looks.
        whole = not path.strip("/.")
        made.append(
            steps.ReadonlyRoot(pointer=pointer)
            if whole
            else steps.ReadonlyPath(_of_first(path, context), pointer=pointer)
        )
    for i, path in enumerate(context.linux.get("maskedPaths") or ()):
        pointer = f"/linux/maskedPaths/{i}"
        made.append(steps.Mask(_of_first(path, context), pointer=pointer, label=context.mount_label))
    if context.config["root"].get("readonly"):
        made.append(steps.ReadonlyRoot(pointer="/root/readonly"))
    if not context.has_namespace("mount"):
        made.append(steps.DetachRoot())
    elif context.options.no_pivot:
        made.append(steps.HideHost())
    return made


def _of_first(path: str, context: Context) -> str:
    """A path below /proc/self as the container's first process has it, for which it means itself.

    The runtime, which covers it, is no process of the container: its own /proc/self leads nowhere there.
    """
    if context.is_new("pid"):
        for link, target in _OWN_LINKS.items():
            if path == link or path.startswith(link + "/"):
                return target + path[len(link) :]
    return path


def entering(context: Context) -> list[Step]:
    """The root becomes "/" of the container."""
    if not context.has_namespace("mount"):
        return [steps.EnterRoot(pointer="/root/path", how="CHROOT")]
    made: list[Step] = [
        steps.EnterRoot(pointer="/root/path", how="MOVE_ROOT" if context.options.no_pivot else "PIVOT")
    ]
    propagation = context.linux.get("rootfsPropagation")
    if propagation in _AFTER_ENTERING:
        made.append(steps.Propagation(propagation, pointer="/linux/rootfsPropagation"))
    return made
