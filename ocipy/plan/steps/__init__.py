"""The steps that a plan is made of.

A step is a value that says what will be done and which property of config.json caused it.  It prints as one
line.  `where` names the actor and the place of its effect:

    runtime   on the host's side, in the runtime's own namespaces
    root      by the runtime, through descriptors, in the container's mount namespace, before its root is
              entered (ocipy/rootfs)
    init      by ocipy-init; `ops()` says how init's protocol has it (ocipy/plan/protocol.py)

The order of steps is the plan's (compile.py, laws in order.py); what a step does is one function elsewhere.
"""

from ocipy.plan.steps.base import (
    InitStep,
    Op,
    Plan,
    RunHooks,
    Step,
    WriteProc,
)
from ocipy.plan.steps.cgroup import (
    DelegateCgroup,
    JoinCgroup,
    LoadDevices,
    MakeCgroup,
    MakeScope,
    SetProperties,
    WriteCgroup,
)
from ocipy.plan.steps.namespace import (
    BecomeRoot,
    CheckNetDevice,
    Clone,
    JoinNamespace,
    JoinProcess,
    LoopbackUp,
    MapIds,
    MoveNetDevice,
    NewNamespaces,
    OpenNamespace,
    SetDomainname,
    SetHostname,
    SetSysctl,
    TimeOffsets,
)
from ocipy.plan.steps.process import (
    Execve,
    LoadSeccomp,
    Lookup,
    Process,
    RaiseRlimit,
    SetOomScoreAdj,
    SetRlimit,
    WaitStart,
)
from ocipy.plan.steps.root import (
    AttachRoot,
    Bind,
    BindCgroup,
    DetachRoot,
    EnterRoot,
    HideHost,
    Isolate,
    MakeDevice,
    MakeDir,
    MakeFile,
    MakeSymlink,
    Mask,
    MountFs,
    Propagation,
    ReadonlyPath,
    ReadonlyRoot,
    RootStep,
    SetMountAttr,
)

__all__ = [
    "AttachRoot",
    "BecomeRoot",
    "Bind",
    "BindCgroup",
    "CheckNetDevice",
    "Clone",
    "DelegateCgroup",
    "DetachRoot",
    "EnterRoot",
    "Execve",
    "HideHost",
    "InitStep",
    "Isolate",
    "JoinCgroup",
    "JoinNamespace",
    "JoinProcess",
    "LoadDevices",
    "LoadSeccomp",
    "Lookup",
    "LoopbackUp",
    "MakeCgroup",
    "MakeDevice",
    "MakeDir",
    "MakeFile",
    "MakeScope",
    "MakeSymlink",
    "MapIds",
    "Mask",
    "MountFs",
    "MoveNetDevice",
    "NewNamespaces",
    "Op",
    "OpenNamespace",
    "Plan",
    "Process",
    "Propagation",
    "RaiseRlimit",
    "ReadonlyPath",
    "ReadonlyRoot",
    "RootStep",
    "RunHooks",
    "SetDomainname",
    "SetHostname",
    "SetMountAttr",
    "SetOomScoreAdj",
    "SetProperties",
    "SetRlimit",
    "SetSysctl",
    "Step",
    "TimeOffsets",
    "WaitStart",
    "WriteCgroup",
    "WriteProc",
]
