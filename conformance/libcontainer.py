"""``conformance/libcontainer``: containers of runc's, and what ocipy makes of runc's own state.json of them.

Each of the bundles of variants.py is run by runc, whose state.json is taken away while the container runs; of
that file ocipy makes the container once more, and a third time of the bundle itself.  The first process of
each tells what it sees (collect.sh, and what limits its cgroup).

    runc      is one reference: a difference must be explained in compare.toml, as for any bundle, or here
    bundle    what ocipy makes of the bundle is the other: for both say the same
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

from conformance import bundles, calls, compare, lxccases, runtime, seen
from conformance.variants import VARIANTS

HERE = os.path.dirname(os.path.abspath(__file__))
KNOWN = os.path.join(HERE, "libcontainer.toml")
#: A terminal would need somebody to hold it, and tells nothing of the format.
LEFT_OUT = ("terminal",)
DEADLINE = 60  # seconds for a container to have looked around


def bundle(directory, name, edit, reference):
    """A bundle whose process tells what it sees and then waits."""
    made = bundles.make(os.path.join(directory, name.replace(" ", "-")), reference, edit=edit)
    with open(os.path.join(made, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["args"] = ["/bin/sh", "-c", lxccases.script() + "while :; do sleep 9; done"]
    bundles.write(made, config)
    return made


def look(under_test, words, names, while_it_runs=lambda root: None):
    """{(section, key): value} of a container that `run` makes.  Raises OSError.

    names:         {text: what stands for it} of what differs by accident
    while_it_runs: called with the directory of the runtime's state
    """
    root = os.path.join("/run/compare", under_test.name)
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        command = under_test.command(root, "run", "-d", *words, seen.ID)
        how = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "timeout": 60}
        try:
            status = subprocess.run(command, check=False, **how).returncode
            text = _told(output.name, status)
            while_it_runs(root)
        finally:
            calls.call(under_test.command(root, "delete", "--force", seen.ID))
    if status or "@@ end" not in text:
        raise OSError(f"{' '.join(command)}: status {status}: {text[-700:].strip()}")
    where = {**names, output.name: "OUTPUT", **compare.host_names()}
    return seen.parse(text[text.index("@@ ") :], where)


def _told(path, status):
    """What a container has written, once it has come to its end."""
    deadline = time.monotonic() + DEADLINE
    while True:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if status or "@@ end" in text or time.monotonic() > deadline:
            return text
        time.sleep(0.05)


def collect(runc, ocipy, chosen=()):
    """(what runc's and ocipy's containers see, what ocipy's of both files see, lines of what did not run)."""
    theirs, ours, broken = {}, {}, []
    with tempfile.TemporaryDirectory(prefix="ocipy-libcontainer-") as directory:
        os.chmod(directory, 0o755)  # for the root of a user namespace
        for name, edit in VARIANTS.items():
            if name in LEFT_OUT or (chosen and name not in chosen):
                continue
            made, state = bundle(directory, name, edit, runc), os.path.join(directory, "state")
            os.makedirs(state, exist_ok=True)

            def take(root, to=state):
                shutil.copy(os.path.join(root, seen.ID, "state.json"), to)

            names = {made: "BUNDLE", directory: "DIRECTORY"}
            try:
                reference = look(runc, ["-b", made], names, take)
                of_state = look(ocipy, ["--format", "libcontainer", "-b", state], names)
                of_bundle = look(ocipy, ["-b", made], names)
            except (OSError, subprocess.TimeoutExpired) as error:
                broken.append(f"{name}: {error}")
                continue
            theirs[name, "run"] = {"runc": reference, "ocipy": of_state}
            ours[name, "state"] = {"bundle": of_bundle, "ocipy": of_state}
    return theirs, ours, broken


def known(path):
    """Differences that somebody has explained."""
    with open(path, "rb") as file:
        return tomllib.load(file)["known"]


def markdown(these, contest, found, broken):
    """The table for a person."""
    about = ", ".join(f"{one.name} {one.version}" for one in contest)
    lines = [
        "# Containers of runc's, and what ocipy makes of runc's state of them",
        "",
        f"Written by `conformance/libcontainer`: {about}. Seen in {', '.join(name for name, _ in found)}; "
        "all not listed is the same. What differs from what ocipy makes of the bundle itself is said of it.",
        "",
        "| what | reference | of the state | where | why |",
        "|---|---|---|---|---|",
    ]
    for d in these:
        where = ", ".join(w.removesuffix(" run").removesuffix(" state") for w in d.where)
        where += ": beside the bundle itself" if d.where[0].endswith(" state") else ""
        cells = [f"{d.section}: {d.key}", d.reference, d.value, where, d.reason or "**unexplained**"]
        lines.append("| " + " | ".join(compare._cell(cell) for cell in cells) + " |")
    lines += ["", *(f"* did not run: {line}" for line in broken)]
    return "\n".join(lines) + "\n"


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/libcontainer", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", metavar="COMMAND", default="bin/ocipy", help="default: bin/ocipy")
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE", help="of variants.py; default: all")
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = arguments(argv)
    try:
        runc, ocipy = runtime.find("runc"), runtime.find(options.runtime)
        if not options.inside:
            return calls.inside_sandbox(os.path.join(HERE, "libcontainer"), options, argv)
        theirs, ours, broken = collect(runc, ocipy, options.bundles)
    except OSError as error:
        print(f"conformance/libcontainer: {error}", file=sys.stderr)
        return 2
    of_format, of_runtimes = known(KNOWN), known(compare.KNOWN)
    from_runc = compare.differences(theirs, "runc", of_format + of_runtimes)
    from_bundle = compare.differences(ours, "bundle", of_format)
    page = markdown(from_runc + from_bundle, [runc, ocipy], theirs, broken)
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write(page)
    print(page)
    unexplained = [d for d in from_runc + from_bundle if d.reason is None]
    values = sum(len(by["ocipy"]) for by in theirs.values())
    print(
        f"{values} values in {len(theirs)} containers: {len(from_runc)} kinds of difference from runc's, ",
        end="",
    )
    print(f"{len(from_bundle)} from the bundle's, {len(unexplained)} unexplained; {len(broken)} did not run")
    return 1 if unexplained or broken else 0
