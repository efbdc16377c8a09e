"""A plan's seccomp filters, before anything is made: their programs, and the agent that one notifies."""

from __future__ import annotations

from _blake2 import blake2b

import ocipy
from ocipy.errors import ConfigError, Problem, StepError
from ocipy.linux import _syscall, const, os
from ocipy.plan import seccomp as plan
from ocipy.plan.seccomp import NEW_LISTENER
from ocipy.plan.steps import LoadSeccomp, Op
from ocipy.runtime.filtercache import Cache

#: Of the programs that we make of a profile: one more whenever the same profile gives another program.
GENERATION = 4


def confine(made, config, root):
    """(the plan with compiled programs in it, the agent that one of them notifies or None).

    root: the state root, where programs are kept
    """

    def bind(some):
        return tuple(_bind(step, root) if isinstance(step, LoadSeccomp) else step for step in some)

    made = made.replace(create=bind(made.create), start=bind(made.start))
    return made, _agent_of(made, config)


def _bind(step, root):
    """The op that loads the program of a step."""
    require_flags(step.flags, f"{step.pointer}/flags")
    try:
        program = program_of(step.profile, root, step.pointer)
    except OSError as error:
        hint = "libseccomp.so.2 is needed to compile a profile" if error.errno is None else ""
        raise StepError(step, error, step.pointer, hint) from error
    return Op("SECCOMP", (program, step.flags), str(step), pointer=step.pointer)


def program_of(text, root, pointer=""):
    """The program of a profile, given as JSON text: the one that was kept, or a new one that is."""
    host = os.uname()
    # The kernel is in it because libseccomp asks it which actions it has.
    subject = f"{GENERATION} {ocipy.__version__} {host.machine} {host.release}\n{text}"
    key = blake2b(subject.encode("utf-8", "surrogateescape"), digest_size=24).hexdigest()
    cache = Cache(root)
    program = cache.get(key)
    if program is None:
        from ocipy.runtime import seccomp
        from ocipy.spec import jsontext

        document = jsontext.parse(text.encode("utf-8", "surrogateescape"), "linux.seccomp")
        program, library = seccomp.compile(document, pointer)
        cache.put(key, program, library)
    return program


def _agent_of(made, config):
    """Whom a filter of a bound plan notifies, None for no one.  Raises StepError when it is not there."""
    filters = [step for step in (*made.create, *made.start) if getattr(step, "op", "") == "SECCOMP"]
    if not any(step.arguments[1] & NEW_LISTENER for step in filters):
        return None
    from ocipy.runtime import agent

    found = agent.of(config)
    agent.require(found)
    return found


# ---------------------------------------------------------------- flags


def _kernel_takes(flags):
    """The kernel's own answer, for a null filter: EFAULT for flags that it knows, EINVAL for others."""
    set_mode_filter = 1
    return _syscall.call(_syscall.SYS_seccomp, set_mode_filter, flags, None) != -const.EINVAL


def require_flags(flags, pointer):
    """Raises ConfigError, with the flag's name, for one that this kernel does not take."""
    if _kernel_takes(flags):
        return
    for name, bit in plan.FLAGS.items():
        if flags & bit and not _kernel_takes(bit):
            if _kernel_takes(bit | NEW_LISTENER):
                message = f"{name} is only for a profile that has SCMP_ACT_NOTIFY"
            else:
                message = f"this kernel does not know {name}"
            raise ConfigError(Problem(pointer, message, "seccomp-flag"))
    raise ConfigError(
        Problem(pointer, f"this kernel does not take flags {flags:#x} together", "seccomp-flag")
    )


def supported_flags():
    """The names of the flags that this kernel takes."""
    return [
        name for name, bit in plan.FLAGS.items() if _kernel_takes(bit) or _kernel_takes(bit | NEW_LISTENER)
    ]
