"""The networks that spec and bundle are asked for: annotations, the hook that reads them, its files."""

import os

from ocipy.errors import OcipyError, UsageError
from ocipy.spec import network

HOOK = "ocipy-hook-network"
#: Below the bundle: what is bound over the root's files of these names, and written by the hook.
FILES = "network"
NAMES = ("hosts", "resolv.conf")
#: Where a container that is joined can be found by its id: see the hook's store.py.
JOIN = "/run/ocipy/@network/join"


def settings(options):
    """(what linux.namespaces is to have: none, host, or a path; the settings of the networks).

    An item of --network is MODE[,KEY=VALUE...]; a key that is given again adds to its list.
    """
    listed = options["network"] or (["bridge"] if options["publish"] else ["none"])
    if listed in (["none"], ["host"]) and not options["publish"]:
        return listed[0], network.Settings()
    if "host" in listed:
        raise UsageError("--network host leaves no room for another network, nor for --publish")
    values, said = {}, {}
    for number, text in enumerate(listed):
        mode, *pairs = text.split(",")
        for pair in (f"mode={mode}", *pairs):
            key, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f'invalid value "{text}" for --network: "{pair}" is not KEY=VALUE')
            key = key if key in network.SHARED else f"{number}.{key}"
            values[key] = f"{values[key]} {value}" if key in values else value
            said[key] = f'"{text}" for --network'
    if options["publish"]:
        values["0.publish"] = " ".join([values.get("0.publish", ""), *options["publish"]]).strip()
        said["0.publish"] = f'"{" ".join(options["publish"])}" for --publish'
    try:
        made = network.parse(values)
    except network.Fault as fault:
        number, _, name = fault.key.partition(".")
        about = said.get(fault.key) or said[f"{number}.mode"]
        text = str(fault) if about.endswith("publish") else f"{name or fault.key}: {fault}"
        raise UsageError(f"invalid value {about}: {text}") from None
    target = made.networks[0].target
    return f"{JOIN}/{target}" if target else "none", made


def parts(made, files):
    """(mounts, hooks, annotations) of a config.json that has these networks.

    files: will `write_files` be called for its bundle?
    """
    if not made.networks or made.networks[0].mode == "none":
        return [], {}, {}
    mounts = []
    if files:
        made = made.replace(files=made.files or FILES)
        mounts = [bind(f"{made.files}/{name}", f"/etc/{name}") for name in NAMES]
    hook = {"path": find_hook(), "args": [HOOK]}
    return mounts, {"createRuntime": [hook], "poststop": [hook]}, network.to_annotations(made)


def bind(source, destination):
    """A mount of a file of the bundle over one of the root."""
    options = ["bind", "ro", "nosuid", "nodev", "noexec"]
    return {"destination": destination, "type": "none", "source": source, "options": options}


def find_hook():
    """The path of the network hook that belongs to this ocipy."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # A source tree; make install: PREFIX/lib/ocipy; pip: PREFIX/lib/python3.11/site-packages
    for place in ("hooks", "../../libexec/ocipy", "../../../bin"):
        path = os.path.normpath(os.path.join(top, place, HOOK))
        if os.access(path, os.X_OK):
            return path
    raise OcipyError(f"{HOOK} is not installed with this ocipy")


def write_files(directory, document):
    """Make the files that are bound over those of the root, in a bundle; what was there is kept.

    Yields the path of each thing made.
    """
    below = document.get("annotations", {}).get(f"{network.PREFIX}files")
    if not below:
        return
    path = directory
    for part in below.split("/"):
        path = os.path.join(path, part)
        try:
            os.mkdir(path)
            yield path
        except FileExistsError:
            pass
    for name in NAMES:
        try:
            with open(f"{path}/{name}", "x", encoding="utf-8") as file:
                yield file.name
                file.write("127.0.0.1\tlocalhost\n" if name == "hosts" else "")
        except FileExistsError:
            pass
