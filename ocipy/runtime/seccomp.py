"""Seccomp filters: compiled by libseccomp once, kept as the kernel takes them, handed to an agent.

<state root>/@seccomp/<digest of the profile and the host> holds one program each.  The directory and its
files count only if they are ours and no one else can write them; a file says which libseccomp made it and
has a checksum of its own.  A writer makes a new file and renames it, so a reader sees all or nothing.
"""

from __future__ import annotations

import os

import _socket
from _blake2 import blake2b

import ocipy
from ocipy.errors import OcipyError, StepError
from ocipy.plan import seccomp, steps
from ocipy.spec import jsontext

DIRECTORY = "@seccomp"  # no id of a container can have an @
_SUM = 32


def bind(step, root):
    """The op that loads the compiled program of a LoadSeccomp step."""
    try:
        program = _program(step.profile, root)
    except OSError as error:
        raise StepError(step, error, step.pointer, _hint(error)) from error
    return steps.Op("SECCOMP", (program, step.flags), str(step), pointer=step.pointer)


def _hint(error):
    return "libseccomp.so.2 is needed to compile a profile" if "libseccomp" in str(error) else ""


def _program(text, root):
    directory = f"{root}/{DIRECTORY}"
    key = blake2b(f"{ocipy.__version__}\n{os.uname().machine}\n{text}".encode(), digest_size=24).hexdigest()
    path = f"{directory}/{key}"
    program = _cached(path)
    if program is None:
        profile = jsontext.parse(text.encode(), "linux.seccomp")
        program, library = _compile(seccomp.request(profile))
        _keep(directory, path, program, library)
    return program


# ---------------------------------------------------------------- the cache


def _is_ours(info):
    return info.st_uid == os.geteuid() and not info.st_mode & 0o022


def _cached(path):
    """The program in a file of the cache, None when there is none that can be trusted."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(fd, "rb") as file:
        if not (_is_ours(os.fstat(fd)) and _is_ours(os.stat(os.path.dirname(path)))):
            return None
        content = file.read()
    checksum, rest = content[:_SUM], content[_SUM:]
    if blake2b(rest, digest_size=_SUM).digest() != checksum:
        return None
    library, _, program = rest.partition(b"\0")
    name, _, stamp = library.decode("utf-8", "surrogateescape").rpartition(" ")
    return program if stamp == _stamp(name) else None


def _stamp(path):
    """What changes when a library's file does."""
    try:
        info = os.stat(path)
    except OSError:
        return ""
    return f"{info.st_size}.{info.st_mtime_ns}"


def _keep(directory, path, program, library):
    """Write a file of the cache; that it can't be kept is no reason to fail."""
    rest = f"{library} {_stamp(library)}".encode("utf-8", "surrogateescape") + b"\0" + program
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            file.write(blake2b(rest, digest_size=_SUM).digest() + rest)
        os.rename(temporary, path)
    except OSError:
        return


def _compile(request):
    """(program, file of the library that compiled it)."""
    from ocipy.linux import libseccomp

    tokens = []
    for name in request.architectures:
        token = libseccomp.arch(name)
        if not token:
            raise OcipyError(f"seccomp: libseccomp does not know the architecture {name}")
        tokens.append(token)
    rules = [(rule.names, rule.action, rule.comparisons) for rule in request.rules]
    program = libseccomp.compile(request.default, tokens, rules)
    if request.unknown_is_enosys:
        program = _newest(libseccomp, request, [libseccomp.native(), *tokens]) + program
    return program, libseccomp.path()


def _newest(libseccomp, request, tokens):
    x32 = libseccomp.arch("x32")
    names = {name for rule in request.rules for name in rule.names}
    newest = {}
    for token in dict.fromkeys(tokens):
        numbers = [n & ~seccomp.X32_BIT for name in names if (n := libseccomp.number(token, name)) >= 0]
        if numbers:
            newest[token] = max(numbers)
    newest_x32 = newest.pop(x32, None)
    return seccomp.enosys_prefix(newest, newest_x32)


# ---------------------------------------------------------------- notify


def hand_over(listener, fd, state, pid):
    """Send a notify descriptor to the agent that listens, with the state of the container's process.

    listener: {"path": listenerPath, "metadata": listenerMetadata}

    One message, descriptors and document together.  Source: runtime-spec config-linux.md#containerprocessstate.
    """
    document = {
        "ociVersion": ocipy.SPEC_VERSION,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": listener.get("metadata", ""),
        "state": state,
    }
    path = listener["path"]
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        socket.connect(path)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, "little"))]
        socket.sendmsg([jsontext.dump(document).encode()], rights, _socket.MSG_NOSIGNAL)
    except OSError as error:
        raise OcipyError(f"seccomp listener {path}: {error.strerror}") from error
    finally:
        socket.close()


def listener_of(config):
    """What `hand_over` needs of a configuration, None when its profile notifies no one."""
    profile = (config.get("linux") or {}).get("seccomp") or {}
    if not seccomp.flags(profile) & seccomp.NEW_LISTENER:
        return None
    return {"path": profile.get("listenerPath", ""), "metadata": profile.get("listenerMetadata", "")}


def supported_flags():
    """The names of the flags that this kernel takes, by its own answer: EFAULT for a null filter, where an
    unknown flag gives EINVAL."""
    from ocipy.linux import _syscall

    set_mode_filter, efault = 1, 14
    return [
        name
        for name, bit in seccomp.FLAGS.items()
        if _syscall.call(_syscall.SYS_seccomp, set_mode_filter, bit, None) == -efault
        or (name.endswith("WAIT_KILLABLE_RECV") and _supports_wait_killable(_syscall, bit, efault))
    ]


def _supports_wait_killable(_syscall, bit, efault):
    """It goes only beside NEW_LISTENER."""
    return _syscall.call(_syscall.SYS_seccomp, 1, bit | seccomp.NEW_LISTENER, None) == -efault
