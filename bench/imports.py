"""``bench/importtime``: what each hot verb of ocipy imports, and what that costs.

The verbs are called on a real container, by the interpreter and flags that the command's first line names,
with ``-X importtime`` added.  Times are of one call on a warm cache: the set is exact, the times are a hint.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOT = ("run", "create", "start", "state", "kill", "exec", "delete")


def interpreter(script):
    """The words of a script's first line: the interpreter and its flags."""
    with open(script, encoding="utf-8") as file:
        line = file.readline()
    if not line.startswith("#!"):
        raise OSError(f"{script} is no script")
    return shlex.split(line[2:])


def parse(errors):
    """[(module, its own microseconds)] of what -X importtime printed, as imported; and all other lines."""
    imported, rest = [], []
    for line in errors.splitlines():
        if not line.startswith("import time:"):
            rest.append(line)
        elif "|" in line and "imported package" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            imported.append((name.strip(), int(own)))
    return imported, rest


def call(command, script, root, *arguments):
    """Imports of one call.  Raises OSError when it fails."""
    words = [*command, "-X", "importtime", script, "--root", root, *arguments]
    # Files, not pipes: a container keeps what it inherits open, and a pipe would end only with it.
    with tempfile.TemporaryFile("w+") as errors:
        null = subprocess.DEVNULL
        status = subprocess.run(words, stdin=null, stdout=null, stderr=errors, check=False).returncode
        errors.seek(0)
        imported, rest = parse(errors.read())
    if status:
        raise OSError(f"{' '.join(arguments)}: status {status}: {' '.join(rest)}")
    return imported


def lifecycle(script, directory):
    """{verb: imports} over the life of a container."""
    from conformance import bundles, runtime

    command = interpreter(script)
    one = runtime.find(script)
    true = bundles.make(os.path.join(directory, "true"), one)
    sleep = bundles.make(os.path.join(directory, "sleep"), one, ["/bin/sleep", "9999"])
    root = os.path.join(directory, "state")
    # The first round writes what is not yet compiled; the second counts.
    for _ in range(2):
        found = {
            "run": call(command, script, root, "run", "-b", true, "a"),
            "create": call(command, script, root, "create", "-b", sleep, "b"),
            "start": call(command, script, root, "start", "b"),
            "state": call(command, script, root, "state", "b"),
            "exec": call(command, script, root, "exec", "b", "/bin/true"),
            "kill": call(command, script, root, "kill", "b", "KILL"),
            "delete": call(command, script, root, "delete", "--force", "b"),
        }
    return found


def report(found):
    """The page: a line for a verb, then a line for a module with the verbs that import it."""
    start = set.intersection(*(set(dict(found[verb])) for verb in HOT))
    lines = ["| verb | modules | own, us | of it ocipy, us |", "|---|---:|---:|---:|"]
    for verb in HOT:
        own = sum(us for _, us in found[verb])
        ours = sum(us for name, us in found[verb] if name.startswith("ocipy"))
        lines.append(f"| {verb} | {len(found[verb])} | {own} | {ours} |")
    lines += ["", "By every verb: " + " ".join(sorted(start)), ""]
    for verb in HOT:
        more = [f"{name} ({us})" for name, us in found[verb] if name not in start]
        lines.append(f"{verb} also: {' '.join(more)}")
    return "\n".join(lines)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="bench/importtime", description=__doc__.partition("\n")[0])
    parser.add_argument("script", nargs="?", default=os.path.join(ROOT, "bin/ocipy"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not options.inside:
        again = [sys.executable, os.path.join(ROOT, "bench/importtime"), "--inside", options.script]
        sandbox = [sys.executable, "-m", "conformance.sandbox", "--", *again]
        return subprocess.run(sandbox, env=os.environ | {"PYTHONPATH": ROOT}, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="ocipy-bench-") as directory:
        try:
            print(report(lifecycle(options.script, directory)))
        except OSError as error:
            print(f"bench/importtime: {error}", file=sys.stderr)
            return 1
    return 0
