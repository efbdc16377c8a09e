"""A mount of type cgroup as steps: what the container may see of its cgroups.

    v2  cgroup2 itself: with a cgroup namespace of its own the container sees its cgroup as the root, without
        one it sees the host's tree.  In a user namespace that did not make the cgroup namespace cgroup2 can't
        be mounted: a bind of the container's own cgroup.
    v1  a tmpfs with a mount for each hierarchy, and links for controllers that share one; without a cgroup
        namespace each is a bind of the container's own cgroup.  The cgroup2 of a hybrid host is left out, as
        every peer does: nothing in it limits the container.

Whoever has power over nothing but its own user namespace gets it read-only unless it also has a cgroup
namespace of its own: it may own cgroups outside the container (CVE-2023-25809).
"""

from __future__ import annotations

from ocipy.linux import const
from ocipy.plan import steps
from ocipy.plan.cgroup_layout import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.plan.cgroup_layout import Layout
    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step

    Steps = tuple[list[Step], list[Step]]

_READONLY = const.MOUNT_ATTR_RDONLY


def cgroup_steps(
    attrs: int, propagation: tuple[str, ...], target: str, context: Context, pointer: str
) -> Steps:
    """(steps for now, steps for after the hooks) of a mount with these flags."""
    layout = context.facts.cgroup
    if layout.mode == "none":
        return [], []
    if context.powerless and not context.has_namespace("cgroup"):
        attrs |= _READONLY
    if layout.mode == "v2":
        return [_unified(layout, attrs, propagation, target, context, pointer)], []
    return _hierarchies(layout, attrs, propagation, target, context, pointer)


def _unified(
    layout: Layout, attrs: int, propagation: tuple[str, ...], target: str, context: Context, pointer: str
) -> Step:
    if context.is_new("cgroup") or not context.powerless:
        return steps.MountFs(
            "cgroup2", target, pointer=pointer, source="cgroup", attr_set=attrs, propagation=propagation
        )
    return steps.BindCgroup(
        "", target, pointer=pointer, attr_set=attrs, propagation=propagation, own=_own(layout, "")
    )


def _hierarchies(
    layout: Layout, attrs: int, propagation: tuple[str, ...], target: str, context: Context, pointer: str
) -> Steps:
    fresh = context.is_new("cgroup") or (context.has_namespace("cgroup") and not context.powerless)
    label = context.mount_label
    made: list[Step] = [
        steps.MountFs(
            "tmpfs",
            target,
            pointer=pointer,
            source="tmpfs",
            options=("mode=755", f"context={label}") if label else ("mode=755",),
            attr_set=attrs & ~_READONLY,
            propagation=propagation,
        )
    ]
    for controllers, name in _mounted_together(layout):
        place = f"{target}/{name}"
        if fresh:
            made.append(
                steps.MountFs(
                    "cgroup", place, pointer=pointer, source="cgroup", options=controllers, attr_set=attrs
                )
            )
        else:
            own = _own(layout, controllers[0])
            made.append(steps.BindCgroup(controllers[0], place, pointer=pointer, attr_set=attrs, own=own))
        made += [
            steps.MakeSymlink(f"{target}/{controller}", name, pointer=pointer)
            for controller in controllers
            if controller != name and "=" not in controller
        ]
    late: list[Step] = (
        [steps.SetMountAttr(target, pointer=pointer, attr_set=_READONLY)] if attrs & _READONLY else []
    )
    return made, late


def _mounted_together(layout: Layout) -> list[tuple[tuple[str, ...], str]]:
    """(controllers, name of the mount point) of each v1 hierarchy: those mounted together come together."""
    points: dict[str, list[str]] = {}
    for controller, point, _ in layout.mounts:
        if controller:
            points.setdefault(point, []).append(controller)
    return [(tuple(controllers), point.rpartition("/")[2]) for point, controllers in points.items()]


def _own(layout: Layout, controller: str) -> str:
    """The directory of the runtime's own cgroup."""
    point, root = layout.mount(controller)
    return point + below(dict(layout.own).get(controller, "/"), root)
