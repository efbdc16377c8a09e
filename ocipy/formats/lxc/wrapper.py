"""OCI's hooks, and sysctls that can't wait, as LXC's hooks: lines of shell that can be read back.

An OCI hook gets the container's state on its standard input, its own environment and a time limit, of which
LXC's hooks have nothing: a script makes them.
"""

from __future__ import annotations

from ocipy.formats.lxc.shell import SHELL, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Hook = dict[str, Any]

#: LXC's hooks in the container are not told its first process, which is number 1 there.
_STATE = (
    "kind=$1; shift; s=creating p=${LXC_PID:-1}; "
    "case $kind in startContainer) s=created p=1;; poststop) s=stopped p=0;; esac; "
    'printf \'{"ociVersion":"1.2.0","id":"%s","status":"%s","pid":%s,"bundle":"%s"}\' '
    '"$LXC_NAME" "$s" "$p" "${LXC_CONFIG_FILE%/*}" | "$@"'
)
#: LXC starts no container whose first hook in it is more than a program's path: conf.c, verify_start_hooks().
FIRST = "/bin/true"
#: LXC writes sysctls when /proc/sys may be read-only already: from outside it still can be done.
_SYSCTL = 'exec nsenter -t "$LXC_PID" -n -i -u -- sysctl -q -w "$1"'
_NAME = "ocipy"


def hook_line(kind: str, hook: Hook) -> str:
    """A line that runs an OCI hook of this kind."""
    words = [SHELL, "-c", _STATE, _NAME, kind]
    if "timeout" in hook:
        words += ["timeout", str(hook["timeout"])]
    words += ["env", "-i", *(hook.get("env") or ()), hook["path"], *(hook.get("args") or [""])[1:]]
    return " ".join(map(quoted, words))


def sysctl_line(name: str, value: str) -> str:
    """A line that sets a sysctl."""
    return " ".join(map(quoted, (SHELL, "-c", _SYSCTL, _NAME, f"{name}={value}")))


def read_hook(line: str) -> tuple[str, Hook] | None:
    """(kind, hook) of a line that `hook_line` made, None for any other."""
    words = _words(line)
    if words[:4] != [SHELL, "-c", _STATE, _NAME]:
        return None
    kind, *rest = words[4:]
    hook: Hook = {}
    if rest[0] == "timeout":
        hook["timeout"] = int(rest[1])
        rest = rest[2:]
    rest = rest[2:]  # env -i
    # A path begins with a slash, a variable's name does not.
    env = rest[: next(i for i, word in enumerate(rest) if word.startswith("/"))]
    path, *args = rest[len(env) :]
    if env:
        hook["env"] = env
    return kind, {"path": path, "args": [path, *args], **hook}


def read_sysctl(line: str) -> tuple[str, str] | None:
    """(name, value) of a line that `sysctl_line` made, None for any other."""
    words = _words(line)
    if words[:4] != [SHELL, "-c", _SYSCTL, _NAME]:
        return None
    name, _, value = words[4].partition("=")
    return name, value


def _words(line: str) -> list[str]:
    """The words of a line of which each is quoted by `quoted`; [] for any other."""
    found = []
    while line:
        if not line.startswith("'"):
            return []
        end = line.find("'", 1)
        word = line[1:end]
        while line[end + 1 : end + 4] == "\\''":
            start, end = end + 4, line.find("'", end + 4)
            word += "'" + line[start:end]
        if end < 0 or line[end + 1 : end + 2] not in ("", " "):
            return []
        found.append(word)
        line = line[end + 2 :]
    return found
