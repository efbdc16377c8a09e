"""The network hook as a program.

    ocipy-hook-network [KEY=VALUE...]       as createRuntime (or prestart) and as poststop hook
    ocipy-hook-network --collect            take away what containers that are dead have left

The state of the container comes on stdin.  Each KEY is one of the annotations io.ocipy.network.KEY, which are
read as well: what an argument says no annotation changes.  Two are no annotations: state=DIR is where claims
are kept, annotations=false has annotations say nothing at all.
"""

from __future__ import annotations

import os
import sys

from ocipy.errors import OcipyError, UsageError, describe, one_line
from ocipy.spec import jsontext, network

NAME = "ocipy-hook-network"
VERBS = {"creating": "set up", "created": "set up", "stopped": "tear down"}


def main(words, stdin):
    """Do what a command line asks."""
    if words == ["--help"]:
        sys.stdout.write((__doc__ or "").partition("\n\n")[2])
        return
    arguments = dict(map(_pair, (word for word in words if word != "--collect")))
    directory = arguments.pop("state", None)
    heeds = _heeds(arguments)
    place = (directory,) if directory else ()
    from ocipy_network import build

    if "--collect" in words:
        build.collect(*place)
        return
    state = _state(stdin.read())
    verb = VERBS.get(state["status"])
    if verb == "tear down":
        build.tear_down(state, *place)
    elif verb:
        said = state["annotations"] if heeds else {}
        build.set_up(state, settings(said, arguments), *place)
    else:
        raise UsageError(
            f"a container that is {state['status']} can't be given networks, nor be robbed of them"
        )


def settings(annotations, arguments):
    """What annotations and arguments say together."""
    said = {_numbered(key): text for key, text in network.of_annotations(annotations).items()}
    arguments = {_numbered(key): text for key, text in arguments.items()}
    try:
        return network.parse({**said, **arguments})
    except network.Fault as fault:
        source = "argument " if _numbered(fault.key) in arguments else network.PREFIX
        raise UsageError(f"{source}{fault.key}: {fault}") from None


def _heeds(arguments):
    """Are annotations listened to?"""
    text = arguments.pop("annotations", "true")
    if text not in ("true", "false"):
        raise UsageError(f'argument annotations: "{text}" is not one of true, false')
    return text == "true"


def _numbered(key):
    """The key of the first network with its number."""
    return key if key in network.SHARED or key[:1].isdigit() else f"0.{key}"


def _pair(word):
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(f'"{word}" is not KEY=VALUE')
    return key, text


def _state(data):
    if not data:
        raise UsageError("needs the state of a container on stdin; see --help")
    state = jsontext.parse(data, "state")
    kinds = {"id": str, "status": str, "bundle": str, "pid": int, "annotations": dict}
    usual = {"pid": 0, "annotations": {}}
    if isinstance(state, dict):
        state = {**usual, **{key: value for key, value in state.items() if value is not None}}
        if all(type(state.get(name)) is kind for name, kind in kinds.items()) and all(
            isinstance(text, str) for text in state["annotations"].values()
        ):
            return state
    raise UsageError("what is on stdin is not the state of a container")


def run():
    """Call `main` as a program: an error is one line, and status 1."""
    status, text = 0, ""
    try:
        main(sys.argv[1:], sys.stdin.buffer)
        sys.stdout.flush()
    except (OcipyError, OSError) as error:
        status, text = 1, describe(error)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "pyroute2":
            raise
        status, text = 1, "needs pyroute2, which is not installed: pip install 'ocipy[network]'"
    if text:
        os.write(2, f"{NAME}: {one_line(text)}\n".encode("utf-8", "backslashreplace"))
    # There is nothing to clean up, and an event loop would take its time over it.
    os._exit(status)


if __name__ == "__main__":
    run()
