"""linux.resources.hugepageLimits: how much of each size of huge pages may be used.

Source: runtime-spec config-linux.md#huge-page-limits; kernel Documentation/admin-guide/cgroup-v1/hugetlb.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNITS = {"KB": 1, "MB": 1024, "GB": 1024 * 1024}


def v1(limits: list[dict[str, Any]], out: Out) -> None:
    """The writes for cgroup v1."""
    _write(limits, "rsvd.limit_in_bytes", "limit_in_bytes", out)


def v2(limits: list[dict[str, Any]], out: Out) -> None:
    """The writes for cgroup v2."""
    _write(limits, "rsvd.max", "max", out)


def _write(limits: list[dict[str, Any]], reserved: str, used: str, out: Out) -> None:
    """The limit on reservation first: it makes mmap(2) fail, the other one makes a page fault kill."""
    for i, entry in enumerate(limits):
        size = page_size(entry["pageSize"])
        if not size:
            message = f'"{entry["pageSize"]}" is not a page size such as 2MB or 1GB'
            out.problem(f"/{i}/pageSize", message, "huge-page-size")
            continue
        for kind in (reserved, used):
            out.write("hugetlb", f"hugetlb.{size}.{kind}", entry["limit"], f"/{i}")


def page_size(text: str) -> str:
    """A page size as the kernel names its files: in the largest unit that it is at least one of; "" if wrong.

    >>> page_size("2MB"), page_size("2048KB"), page_size("64KB"), page_size("2M")
    ('2MB', '2MB', '64KB', '')
    """
    digits, unit = text[:-2], text[-2:]
    if unit not in UNITS or not (digits.isascii() and digits.isdigit()):
        return ""
    kilobytes = int(digits) * UNITS[unit]
    for name in ("GB", "MB", "KB"):
        if kilobytes >= UNITS[name]:
            return f"{kilobytes // UNITS[name]}{name}"
    return ""
