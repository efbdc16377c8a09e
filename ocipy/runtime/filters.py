"""A plan's seccomp filters, before anything is made: their programs, and the agent that one notifies."""

from __future__ import annotations

from ocipy.linux.const import SECCOMP_FILTER_FLAG_NEW_LISTENER
from ocipy.plan.steps import LoadSeccomp


def bound(plan, root):
    """The plan with compiled programs in it, from the cache below the state root or by libseccomp."""
    if not any(isinstance(step, LoadSeccomp) for step in (*plan.create, *plan.start)):
        return plan
    from ocipy.runtime import seccomp

    def bind(some):
        return tuple(seccomp.bind(step, root) if isinstance(step, LoadSeccomp) else step for step in some)

    return plan.replace(create=bind(plan.create), start=bind(plan.start))


def agent_of(plan, config):
    """Whom a filter of a bound plan notifies, None for no one.  Raises StepError when it is not there."""
    filters = [step for step in (*plan.create, *plan.start) if getattr(step, "op", "") == "SECCOMP"]
    if not any(step.arguments[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER for step in filters):
        return None
    from ocipy.runtime import agent

    found = agent.of(config)
    agent.require(found)
    return found
