"""linux.resources.unified: any file of cgroup v2, by name.

Source: runtime-spec config-linux.md#unified.
"""

from __future__ import annotations

from ocipy.plan.resources.rdma import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.cgroup_layout import Layout
    from ocipy.plan.resources.out import Out


#: What acts on processes at once and limits nothing.  In a cgroup that is frozen create would wait for ever.
ACTIONS = ("cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.threads")


def v2(unified: dict[str, Any], layout: Layout, out: Out) -> None:
    """A write for each line of each value: the kernel takes a line at a time (io.max, rdma.max).

    On a hybrid host the files of the controllers that its cgroup2 has can be written, and no others.
    """
    for name, value in unified.items():
        at = f"/{escape(name)}"
        controller, dot, _ = name.partition(".")
        if "/" in name or not dot or not controller:
            out.problem(at, f'"{name}" is not the name of a cgroup file', "unified-name")
        elif name in ACTIONS:
            out.problem(at, f"{name} is no limit: it acts on the processes that are there", "unified-name")
        elif layout.mode not in ("v2", "hybrid"):
            out.problem(at, "needs cgroup v2, which this host does not have", "unified-without-v2")
        elif controller != "cgroup" and controller not in layout.unified:
            message = f"needs the {controller} controller of cgroup v2, which this host does not have"
            out.problem(at, message, "cgroup-controller-missing")
        else:
            for line in [line for line in value.split("\n") if line] or [value]:
                out.write("", name, line, at)
