"""What this runtime can do: the document of `ocipy features`, made from the tables that the code itself uses.

Source: runtime-spec features.md, features-linux.md.
"""

from __future__ import annotations

import ocipy
from ocipy.plan import compile, identity, naming, profile, scheduling, seccomp
from ocipy.plan.systemd_properties import ANNOTATION as SYSTEMD_PROPERTY
from ocipy.runtime.create import LATER_HOOKS
from ocipy.runtime.filters import supported_flags
from ocipy.spec import landlock, network


def document():
    """The features document, a dict."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": ocipy.SPEC_VERSION,
        "hooks": [*compile.HOOKS_BEFORE_START, *LATER_HOOKS],
        "mountOptions": sorted(_mount_options()),
        "linux": {
            "namespaces": sorted(naming.NAMESPACES),
            "capabilities": list(identity.CAPABILITIES),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": sorted(profile.ACTIONS),
                "operators": sorted(profile.OPERATORS),
                "archs": sorted(f"SCMP_ARCH_{name.upper()}" for name in profile.ARCHITECTURES),
                "knownFlags": sorted(seccomp.FLAGS),
                "supportedFlags": sorted(supported_flags()),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "memoryPolicy": {
                "modes": sorted(scheduling.MEMPOLICY_MODES),
                "flags": sorted(scheduling.MEMPOLICY_FLAGS),
            },
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {"io.ocipy.version": ocipy.__version__},
        "potentiallyUnsafeConfigAnnotations": [landlock.ANNOTATION, network.PREFIX, SYSTEMD_PROPERTY],
    }


def _mount_options():
    recursive = {f"r{name}" for name in naming.ATTRS}
    return {*naming.ATTRS, *recursive, *naming.PROPAGATION, *naming.SUPERBLOCK, *naming.ACTIONS}
