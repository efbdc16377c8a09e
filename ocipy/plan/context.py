"""What the parts of a compilation share."""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.facts import Facts, Options
    from ocipy.plan.steps import Step

    Mappings = tuple[tuple[int, int, int], ...]  # (inside, outside, size) each


class Context:
    """What the parts of a compilation share: the config's sections, and what follows from them."""

    def __init__(self, config: dict[str, Any], options: Options, facts: Facts):
        self.config = config
        self.options = options
        self.facts = facts
        self.linux = config.get("linux") or {}
        self.process = config.get("process")
        self.pointer = "/process"
        self.executing = False
        self.namespaces = {}
        for i, namespace in enumerate(self.linux.get("namespaces") or ()):
            self.namespaces[namespace["type"]] = (namespace.get("path") or "", f"/linux/namespaces/{i}")
        self.new_user = self.is_new("user")
        self.terminal = bool(self.process and self.process.get("terminal"))
        self.uids = _mappings(self.linux.get("uidMappings"))
        self.gids = _mappings(self.linux.get("gidMappings"))
        self.warnings: list[str] = []
        self.seccomp = _seccomp(self.linux.get("seccomp"))
        # Without CAP_SETGID outside, the kernel wants setgroups denied before gid_map is written
        # (CVE-2014-8989); newgidmap(1) has the capability and needs no denial.
        self.deny_setgroups = self.new_user and facts.rootless and is_own_id(self.gids, facts.egid)
        self.setgroups_denied = self.deny_setgroups or facts.setgroups_denied

    @property
    def mount_label(self) -> str:
        """linux.mountLabel, for what is mounted new.  Raises ConfigError where no one could know it."""
        label = self.linux.get("mountLabel") or ""
        if label and not self.facts.selinux:
            message = "SELinux is not enabled on this host"
            raise ConfigError(Problem("/linux/mountLabel", message, "no-selinux"))
        return str(label)

    def has_namespace(self, kind: str) -> bool:
        """Has the container a namespace of this kind of its own, new or joined?"""
        return kind in self.namespaces

    @property
    def powerless(self) -> bool:
        """Has the container's init only what a user namespace gives, and no power over the host?"""
        return self.has_namespace("user") or self.facts.user_namespace or self.facts.rootless

    @property
    def rootless_cgroups(self) -> bool:
        """Has the runtime only those cgroups that were delegated to it?"""
        return self.options.rootless_cgroups(self.facts)

    def is_new(self, kind: str) -> bool:
        return kind in self.namespaces and not self.namespaces[kind][0]

    def is_joined(self, kind: str) -> bool:
        return kind in self.namespaces and bool(self.namespaces[kind][0])

    def where(self, kind: str) -> str:
        return self.namespaces[kind][1] if kind in self.namespaces else ""


def _seccomp(profile: dict[str, Any] | None) -> list[Step]:
    if not profile:
        return []
    from ocipy.plan import seccomp

    return seccomp.seccomp_steps(profile)


def _mappings(mappings: list[dict[str, int]] | None) -> Mappings:
    return tuple((m["containerID"], m["hostID"], m["size"]) for m in mappings or ())


def is_own_id(mappings: Mappings, own_id: int) -> bool:
    """A mapping that an unprivileged process may write itself: one id, its own."""
    return len(mappings) == 1 and mappings[0][1:] == (own_id, 1)
