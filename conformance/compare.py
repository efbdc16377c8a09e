"""``conformance/compare``: the same bundles under several runtimes; everything seen inside that differs.

Each bundle is run, and its process seen by `run` and by `exec`, with collect.sh.  The first runtime is the
reference.  A difference must be explained in compare.toml; one that is not fails the comparison.  Bundles:
those of variants.py on a busybox root, what `ocipy bundle` makes when ocipy takes part, and, asked for by
--debootstrap, a Debian root.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import termios
import tomllib

from conformance import bundles, calls, runtime, seen
from conformance.variants import VARIANTS

HERE = os.path.dirname(os.path.abspath(__file__))
KNOWN = os.path.join(HERE, "compare.toml")


class Difference:
    """One value that differs from the reference.

    where:  the bundles and ways ("spec run", "bare exec") in which it does so
    reason: why, None when nobody has said
    """

    def __init__(self, section, key, runtime_name, reference, value, reason):
        self.section, self.key, self.runtime = section, key, runtime_name
        self.reference, self.value, self.reason = reference, value, reason
        self.where = []


def see(under_test, bundle, way, script, directory):
    """What collect.sh prints in a container of a bundle, by `run` or by `exec`.  Raises OSError."""
    root = os.path.join("/run/compare", under_test.name)
    with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    inside = ["/bin/sh", "-c", script if way == "run" else "while :; do sleep 9; done"]
    terminal = config["process"].get("terminal")
    config["process"].update(args=inside, terminal=terminal and way == "run")
    bundles.write(bundle, config)
    output = os.path.join(directory, "output")
    try:
        if way == "exec":
            said = calls.call(under_test.command(root, "run", "-d", "-b", bundle, seen.ID))
            if said.status:
                raise OSError(str(said))
            words = ["exec", *(["-t"] if terminal else []), seen.ID, "/bin/sh", "-c", script]
        else:
            words = ["run", "-b", bundle, seen.ID]
        status = (on_terminal if terminal else to_file)(under_test.command(root, *words), output)
    finally:
        config["process"]["terminal"] = terminal
        bundles.write(bundle, config)
        calls.call(under_test.command(root, "delete", "--force", seen.ID))
    with open(output, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if status:
        raise OSError(f"{under_test.name}: status {status}: {text[-500:].strip()}")
    return seen.parse(text, {bundle: "BUNDLE", output: "OUTPUT", directory: "DIRECTORY", **host_names()})


def to_file(command, output):
    """Run a command with its output in a file, which the container gets.  Returns the exit status."""
    with open(output, "wb") as out:
        null = subprocess.DEVNULL
        return subprocess.run(command, stdin=null, stdout=out, stderr=out, timeout=60, check=False).returncode


def on_terminal(command, output):
    """Run a command on a pseudo-terminal, what it writes there going to a file.  Returns the exit status."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    with open(output, "wb") as out:
        while True:
            try:
                data = os.read(master, 1 << 16)
            except OSError:  # EIO: the last one who had it open is gone
                break
            out.write(data.replace(b"\r", b""))
    os.close(master)
    return process.wait(timeout=60)


def host_names():
    """The namespaces of this process, by their inode numbers."""
    return {os.readlink(f"/proc/self/ns/{n}"): f"{n}:[host]" for n in os.listdir("/proc/self/ns")}


def differences(found, reference, known):
    """All `Difference`s in {(bundle, way): {runtime: {(section, key): value}}}, alike ones as one."""
    grouped = {}
    for (bundle, way), by_runtime in found.items():
        base = by_runtime[reference]
        for name, values in by_runtime.items():
            for section, key in {**base, **values}:
                one, other = base.get((section, key)), values.get((section, key))
                if one != other:
                    where = f"{bundle} {way}"
                    what = (section, key, name, one, other, reason(known, section, key, name, where))
                    grouped.setdefault(what, Difference(*what)).where.append(where)
    return [grouped[what] for what in sorted(grouped, key=str)]


def reason(known, section, key, runtime_name, where):
    """The first known reason that fits, or None."""
    for entry in known:
        if (
            runtime_name in entry.get("runtimes", [runtime_name])
            and fnmatch.fnmatchcase(section, entry["section"])
            and any(fnmatch.fnmatchcase(key, k) for k in entry.get("keys", ["*"]))
            and any(fnmatch.fnmatchcase(where, w) for w in entry.get("where", ["*"]))
        ):
            return entry["reason"]
    return None


def prepare(contest, directory, debootstrap):
    """{name: directory} of the bundles."""
    reference = contest[0]
    made = {}
    for name, edit in VARIANTS.items():
        made[name] = bundles.make(os.path.join(directory, name.replace(" ", "-")), reference, edit=edit)
    ocipy = next((r for r in contest if r.name == "ocipy"), None)
    if ocipy:
        path = os.path.join(directory, "ocipy-bundle")
        said = subprocess.run([ocipy.path, "bundle", path], capture_output=True, text=True, check=False)
        if said.returncode:
            raise OSError(f"ocipy bundle: {said.stderr.strip()}")
        made["ocipy bundle"] = path
    if debootstrap:
        path = os.path.join(directory, "debian")
        os.mkdir(path)
        config = bundles.spec(reference, path)
        config["root"] = {"path": os.path.abspath(debootstrap), "readonly": False}
        bundles.write(path, config)
        made["debian"] = path
    return made


def debian(path):
    """Make a Debian root there, unless it is there.  Raises OSError."""
    if not os.path.exists(os.path.join(path, "bin/sh")):
        print(f"making a Debian root in {path}", file=sys.stderr)
        if subprocess.run(["debootstrap", "--variant=minbase", "bookworm", path], check=False).returncode:
            raise OSError("debootstrap failed")
    return path


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/compare", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--runtime", action="append", metavar="COMMAND", help="default: runc, bin/ocipy, crun"
    )
    parser.add_argument(
        "--debootstrap", metavar="DIR", help="also a Debian root, made there when it is missing"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    parser.add_argument("--json", metavar="FILE", help="write all that was seen")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = arguments(argv)
    try:
        contest = [runtime.find(c) for c in options.runtime or ["runc", "bin/ocipy", "crun"]]
        if not options.inside:
            if options.debootstrap:
                debian(options.debootstrap)
            return calls.inside_sandbox(os.path.join(HERE, "compare"), options, argv)
        found, broken = collect(contest, options.debootstrap)
    except OSError as error:
        print(f"conformance/compare: {error}", file=sys.stderr)
        return 2
    with open(KNOWN, "rb") as file:
        known = tomllib.load(file)["known"]
    these = differences(found, contest[0].name, known)
    unexplained = [d for d in these if d.reason is None]
    page = markdown(these, contest, found, broken)
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write(page)
    if options.json:
        write_json(options.json, found)
    print(page)
    print(f"{len(these)} differences, {len(unexplained)} unexplained, {len(broken)} containers did not run")
    return 1 if unexplained or broken else 0


def collect(contest, debootstrap):
    """What all saw in all bundles, and lines about what did not run."""
    with open(os.path.join(HERE, "collect.sh"), encoding="utf-8") as file:
        script = file.read()
    found, broken = {}, []
    with tempfile.TemporaryDirectory(prefix="ocipy-compare-") as directory:
        os.chmod(directory, 0o755)  # for the root of a user namespace
        for bundle, path in prepare(contest, directory, debootstrap).items():
            for way in ("run", "exec"):
                by_runtime = {}
                for under_test in contest:
                    try:
                        by_runtime[under_test.name] = see(under_test, path, way, script, directory)
                    except (OSError, subprocess.TimeoutExpired) as error:
                        broken.append(f"{bundle} {way}: {error}")
                if contest[0].name in by_runtime:
                    found[bundle, way] = by_runtime
    return found, broken


def write_json(path, found):
    plain = {
        f"{bundle} {way}": {
            r: {f"{s}: {k}": v for (s, k), v in values.items()} for r, values in by_runtime.items()
        }
        for (bundle, way), by_runtime in found.items()
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(plain, file, indent=1)


def markdown(these, contest, found, broken):
    """The table for a person."""
    reference = contest[0].name
    about = ", ".join(f"{r.name} {r.version}" for r in contest)
    ways = [f"{bundle} {way}" for bundle, way in found]
    lines = [
        "# What a process sees inside",
        "",
        f"Written by `conformance/compare`: {about}. Seen in {', '.join(ways)}; all not listed is the same.",
        "",
        f"| what | {reference} | other | whose | where | why |",
        "|---|---|---|---|---|---|",
    ]
    for d in these:
        where = "everywhere" if len(d.where) == len(ways) else ", ".join(d.where)
        cells = [
            f"{d.section}: {d.key}",
            d.reference,
            d.value,
            d.runtime,
            where,
            d.reason or "**unexplained**",
        ]
        lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    lines += ["", *(f"* did not run: {line}" for line in broken)]
    return "\n".join(lines) + "\n"


def _cell(text):
    return "(absent)" if text is None else text.replace("|", "\\|")[:400] or "(empty)"
