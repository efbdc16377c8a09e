"""update: other limits for a container that runs.  All of a change holds afterwards, or nothing of it."""

from __future__ import annotations

from ocipy import spec
from ocipy.cgroups.layout import detect
from ocipy.errors import ConfigError, ContainerError, OcipyError, Problem, StepError, describe
from ocipy.plan.resources import CheckUsage, alternative
from ocipy.plan.resources.undo import undo
from ocipy.plan.steps import LoadDevices, SetProperties, WriteCgroup
from ocipy.plan.update import compile_update
from ocipy.spec import jsontext

AT = "/linux/resources"
RESOURCES = "resources.json"  # linux.resources as the last update left them
#: Only a config with these can be checked at all.
AROUND = {"ociVersion": "1.3.0", "root": {"path": "rootfs"}}


def update(container, change, source="resources"):
    """Change a container's limits.

    change: linux.resources, as far as they are to change
    source: what errors call it

    Raises ConfigError for what can't be had, StepError for what this host refuses: then the old limits hold.
    """
    change = stated(change) or {}
    entry, cgroup = container._entry, container.cgroup
    try:
        check(change)
        if not cgroup.exists():
            raise ContainerError("the container has no cgroup: it has no limits that could be changed")
        made = compile_update(change, resources_of(container), detect(), cgroup.rootless, cgroup.unit)
    except ConfigError as error:
        raise ConfigError(error.problems, source) from None
    with Journal(cgroup, made.devices) as journal:
        for step in made.steps:
            journal.apply(step)
        entry.write(RESOURCES, jsontext.dump(made.resources).encode(), durable=False)


def resources_of(container):
    """linux.resources as they hold now."""
    data = container._entry.read(RESOURCES)
    if data is None:
        return (container.config.get("linux") or {}).get("resources") or {}
    resources = jsontext.parse(data, RESOURCES)
    try:
        check(resources)
    except ConfigError as error:
        raise ConfigError(error.problems, RESOURCES) from None
    return resources


def check(change):
    """Raises ConfigError for what is no linux.resources, and for properties that nobody would apply."""
    config = {**AROUND, "linux": {"resources": change}}
    problems, _ = spec.validate(config)
    problems += spec.unknown_properties(config)
    if problems:
        found = [Problem(p.pointer.removeprefix(AT), p.message, p.rule) for p in problems]
        raise ConfigError(found, "resources")


def stated(value):
    """A JSON value without what says nothing: null, and objects that hold nothing else.

    Callers written in Go send their whole structure, with null for what is not to change.
    """
    if not isinstance(value, dict):
        return value
    kept = {name: stated(item) for name, item in value.items() if item is not None}
    return {name: item for name, item in kept.items() if item != {}}


class Journal:
    """Applies steps to a cgroup; on leaving it with an error takes back what was done, last first."""

    def __init__(self, cgroup, devices):
        self.cgroup = cgroup
        self.devices = devices  # the steps that restore the device rules
        self.back = []  # steps, each undoes one that was done

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        left = self._undo() if kind else []
        if left:
            raise OcipyError(
                f"{describe(error)}; taking back what had been set failed: {'; '.join(left)}"
            ) from error

    def apply(self, step):
        back = () if isinstance(step, CheckUsage) else self._back(step)
        try:
            self.cgroup.apply(step)
        except OSError as error:
            raise StepError(step, error) from error
        except StepError as error:
            # Its pointer is into config.json, which has nothing to do with it.
            raise StepError(error.step, error.cause, "", error.hint) from error
        self.back += back

    def _back(self, step):
        """The steps that undo one that is about to be done, in the order in which to do them last first."""
        if isinstance(step, SetProperties):
            return (self.cgroup.undoing(step),)
        if isinstance(step, LoadDevices) or step.controller == "devices":
            return () if self.devices[0] in self.back else self.devices[::-1]
        named = ((step.file, step.value), alternative(step.file, step.value))
        back = [self._old(step.controller, file, value) for file, value in named if file]
        back = [step for step in back if step][:1]
        if step.file == "cpu.idle" and back and back[0].value == "0":
            # A cgroup that is idle forgets its weight.
            weights = [self._old(step.controller, file, "") for file in ("cpu.weight", "cpu.shares")]
            back = [step for step in weights if step] + back
        return back

    def _old(self, controller, file, value):
        try:
            text = self.cgroup.read(controller, file)
        except (OSError, ContainerError):
            return None  # it is not there, or can only be written
        old = undo(file, value, text)
        return None if old is None else WriteCgroup(controller, file, old)

    def _undo(self):
        failed = []
        for step in reversed(self.back):
            try:
                self.cgroup.apply(step)
            except (OSError, OcipyError) as error:
                failed.append(describe(error))
        return failed
