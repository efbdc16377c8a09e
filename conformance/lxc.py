"""``conformance/lxc``: containers of LXC's under LXC and under ocipy; everything seen inside that differs.

    from LXC      what `lxc-create -t busybox` makes, a Debian root with Debian's common.conf, one with limits
                  of all kinds, one without privileges: by lxc-start or lxc-execute, and by `ocipy run`
    booted        the busybox container's own init: what runs then, and that it ends when it is told to
    to LXC        OCI bundles by `ocipy run`, and by lxc-execute after `ocipy convert --to lxc`

The first named is the reference.  A difference must be explained in lxc.toml.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

from conformance import bundles, calls, compare, lxccases, runtime, seen

HERE = os.path.dirname(os.path.abspath(__file__))
KNOWN = os.path.join(HERE, "lxc.toml")
LXC = "lxc"
#: lxc-start serves the terminal that is its session's, whatever its streams are.
CONTROLLING = ("setsid", "--ctty", "--wait")


class Contest:
    """Where the containers are, and how both start them.

    names: {text: what stands for it} of what differs by accident
    """

    def __init__(self, ocipy, directory):
        self.ocipy, self.directory = ocipy, directory
        self.output = os.path.join(directory, "output")
        self.root = "/run/lxc-compare"

    def seen(self, command, on_terminal):
        """What the container that a command starts has printed.  Raises OSError."""
        status = (compare.on_terminal if on_terminal else compare.to_file)(command, self.output)
        with open(self.output, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if status or "@@ end" not in text:
            raise OSError(f"{' '.join(command)}: status {status}: {text[-700:].strip()}")
        names = {self.directory: "DIRECTORY", self.output: "OUTPUT", **compare.host_names()}
        return _propagation_apart(seen.parse(text[text.index("@@ ") :], names))

    def by_lxc(self, path, on_terminal):
        """A container in a directory, by lxc-start with a terminal, else by lxc-execute."""
        words = [*CONTROLLING, "lxc-start", "-F"] if on_terminal else ["lxc-execute"]
        name, log = os.path.basename(path), os.path.join(self.directory, "log")
        where = ["-P", self.directory, "-f", os.path.join(path, "config"), "-o", log, "-l", "WARN"]
        try:
            return self.seen(["env", "-C", path, *words, "-n", name, *where], on_terminal)
        except OSError as error:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise OSError(f"{error}\n{file.read()[-700:]}") from None

    def by_ocipy(self, path, on_terminal):
        """The same by `ocipy run`."""
        command = self.ocipy.command(self.root, "run", path, os.path.basename(path))
        return self.seen(command, on_terminal)


def _propagation_apart(values):
    """What all mounts have in common as one value: it would be a difference of each of them."""
    found, kinds = {}, set()
    for (section, key), value in values.items():
        if section == "mountinfo" and key != "order":
            kinds |= {word for word in value.split() if word in ("shared", "slave")} or {"private"}
            value = " ".join(word for word in value.split(" ") if word not in ("shared", "slave"))
        found[section, key] = value
    return {**found, ("mountinfo", "propagation"): " ".join(sorted(kinds))}


def from_lxc(contest, debian, found, broken):
    """Containers of LXC's."""
    for name, (make, on_terminal) in lxccases.CONFIGURATIONS.items():
        if name == "debian" and not debian:
            continue
        path = make(os.path.join(contest.directory, name), debian)
        _both(f"{name} config", found, broken,
              **{LXC: lambda p=path, t=on_terminal: contest.by_lxc(p, t),
                 "ocipy": lambda p=path, t=on_terminal: contest.by_ocipy(p, t)})  # fmt: skip


def to_lxc(contest, found, broken):
    """Bundles of OCI's: what is seen under ocipy beside what is seen under LXC after a conversion."""
    for name, edit in lxccases.BUNDLES.items():
        path = bundles.make(os.path.join(contest.directory, name.replace(" ", "-")), contest.ocipy)
        lxccases.collecting(os.path.join(path, "rootfs"))
        with open(os.path.join(path, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        lxccases.common(config, name.replace(" ", "-"))
        edit(config)
        bundles.write(path, config)
        _both(f"{name} bundle", found, broken,
              ocipy=lambda p=path: contest.by_ocipy(p, False),
              **{LXC: lambda p=path: contest.by_lxc(_converted(contest, p), False)})  # fmt: skip


def _converted(contest, path):
    out = f"{path}-lxc"
    words = ["convert", "--to", "lxc", "--target-version", "5", "-o", out, path]
    said = calls.call(contest.ocipy.command(contest.root, *words))
    if said.status:
        raise OSError(str(said))
    return out


def _both(where, found, broken, **ways):
    by_runtime = {}
    for name, way in ways.items():
        try:
            by_runtime[name] = way()
        except (OSError, subprocess.TimeoutExpired) as error:
            broken.append(f"{where}: {name}: {error}")
    if len(by_runtime) == len(ways):
        found[tuple(where.rsplit(" ", 1))] = by_runtime


# ---------------------------------------------------------------- booted


def booted(contest, broken):
    """{runtime: {(section, key): value}} of the busybox container's own init."""
    name, state = "booted", contest.directory
    path = lxccases.created(os.path.join(contest.directory, name))
    ocipy = contest.ocipy.command(contest.root)
    ways = {
        LXC: (
            [*CONTROLLING, "lxc-start", "-F", "-n", name, "-P", state],
            ["lxc-attach", "-n", name, "-P", state, "--clear-env", "--"],
            ["lxc-stop", "-n", name, "-P", state, "--timeout", "20"],
        ),
        "ocipy": ([*ocipy, "run", path, name], [*ocipy, "exec", name], [*ocipy, "kill", name, "USR1"]),
    }
    found = {}
    for who, (start, inside, stop) in ways.items():
        try:
            found[who] = _boot(contest, start, inside, stop)
        except OSError as error:
            broken.append(f"booted: {who}: {error}")
    return {("booted", "init"): found} if len(found) == len(ways) else {}


def _boot(contest, start, inside, stop):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(compare.on_terminal(start, contest.output)))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while True:
            said = calls.call([*inside, "/bin/sh", "-c", lxccases.BOOTED])
            if said.status == 0 and "syslogd" in said.output:
                break
            if time.monotonic() > deadline or not thread.is_alive():
                raise OSError(f"did not boot: {said}")
    finally:
        asked = calls.call(stop, seconds=40)
        thread.join(60)
    if asked.status or not ended:
        raise OSError(f"did not end when it was told to: {asked}")
    lines = said.output.splitlines()
    found = {("boot", key): value for key, _, value in (line.partition(": ") for line in lines)}
    return {**found, ("boot", "ended when it was told to"): "yes"}


# ---------------------------------------------------------------- the command


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/lxc", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", metavar="COMMAND", default="bin/ocipy", help="default: bin/ocipy")
    parser.add_argument(
        "--debootstrap", metavar="DIR", help="also a Debian root, made there when it is missing"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = arguments(argv)
    try:
        ocipy = runtime.find(options.runtime)
        lxc = lxccases.find()
        if not options.inside:
            if options.debootstrap:
                compare.debian(options.debootstrap)
            return calls.inside_sandbox(os.path.join(HERE, "lxc"), options, argv)
        found, broken = collect(ocipy, options.debootstrap)
    except OSError as error:
        print(f"conformance/lxc: {error}", file=sys.stderr)
        return 2
    with open(KNOWN, "rb") as file:
        known = tomllib.load(file)["known"]
    ours = {where: seen for where, seen in found.items() if where[1] != "bundle"}
    theirs = {where: seen for where, seen in found.items() if where[1] == "bundle"}
    these = compare.differences(ours, LXC, known) + compare.differences(theirs, "ocipy", known)
    page = markdown(these, [ocipy, lxc], found, broken)
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write(page)
    print(page)
    unexplained = [difference for difference in these if difference.reason is None]
    same = sum(len(values) for by in found.values() for values in by.values()) // 2
    print(f"{same} values in {len(found)} containers: {len(these)} kinds of difference, ", end="")
    print(f"{len(unexplained)} unexplained; {len(broken)} containers did not run")
    return 1 if unexplained or broken else 0


def collect(ocipy, debian):
    """What is seen, and lines about what did not run."""
    found, broken = {}, []
    with tempfile.TemporaryDirectory(prefix="ocipy-lxc-") as directory:
        os.chmod(directory, 0o755)  # for the root of a user namespace
        contest = Contest(ocipy, directory)
        lxccases.prepare(directory)
        from_lxc(contest, debian, found, broken)
        found |= booted(contest, broken)
        to_lxc(contest, found, broken)
    return found, broken


def markdown(these, contest, found, broken):
    """The table for a person: what each of the two shows."""
    about = ", ".join(f"{one.name} {one.version}" for one in contest)
    lines = [
        "# LXC's containers under LXC and under ocipy",
        "",
        f"Written by `conformance/lxc`: {about}. Seen in {', '.join(map(' '.join, found))}; "
        "all not listed is the same.",
        "",
        "| what | LXC | ocipy | where | why |",
        "|---|---|---|---|---|",
    ]
    for d in these:
        pair = (d.reference, d.value) if d.runtime == "ocipy" else (d.value, d.reference)
        cells = [f"{d.section}: {d.key}", *pair, ", ".join(d.where), d.reason or "**unexplained**"]
        lines.append("| " + " | ".join(compare._cell(cell) for cell in cells) + " |")
    lines += ["", *(f"* did not run: {line}" for line in broken)]
    return "\n".join(lines) + "\n"
