"""``conformance/broken``: broken bundles, each of which must be refused clearly and leave nothing.

For each case of brokencases.py: exit status 1, exactly one line on stderr that names what is wrong, nothing
on stdout, an answer within --seconds, no more than --memory, no container, and no mount, cgroup, process or
file that was not there before.  What the line must name is asked of ocipy only; other runtimes have words of
their own.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile

from conformance import bundles, calls, leaks, runtime
from conformance.brokencases import CASES

STATE = "/run/ocipy-broken"


class Verdict:
    """What is wrong with how a runtime took a broken bundle; nothing, when `faults` is empty."""

    def __init__(self, case, call, faults):
        self.case, self.call, self.faults = case, call, faults


def judge(case, call, left, words):
    """The faults of a call, as lines."""
    faults = []
    lines = call.errors.splitlines()
    if call.status is None:
        faults.append(f"no answer within {call.seconds:.0f} s")
    elif call.status != 1:
        faults.append(f"status {call.status}")
    if len(lines) != 1:
        faults.append(f"{len(lines)} lines on stderr")
    if call.output:
        faults.append("output on stdout")
    if "Traceback" in call.errors or "internal error" in call.errors:
        faults.append("an internal error")
    missing = [w for w in words if w not in call.errors]
    if missing:
        faults.append(f"does not name {', '.join(missing)}")
    return faults + left


def copy(bundle, target):
    """A bundle of its own for each case, cheaply."""
    shutil.copytree(bundle, target, symlinks=True, copy_function=_hard_link)
    os.unlink(os.path.join(target, "config.json"))
    return target


def _hard_link(source, target):
    os.link(source, target, follow_symlinks=False)


def attempt(case, under_test, good, config, directory, words, seconds):
    """Try one broken bundle."""
    import json

    bundle = copy(good, os.path.join(directory, "broken"))
    broken = case.break_it(bundle, json.loads(json.dumps(config)))
    if isinstance(broken, bytes):
        with open(os.path.join(bundle, "config.json"), "wb") as file:
            file.write(broken)
    elif broken is not None:
        bundles.write(bundle, broken)
    before = leaks.Snapshot(["/run", "/dev/shm", directory])
    call = calls.call(under_test.command(STATE, case.verb, "-b", bundle, "broken"), seconds=seconds)
    # What a runtime makes in a root, such as mount targets, lies in a root that is thrown away.
    left = [line for line in before.settled(2.0) if f": {bundle}/rootfs/" not in line]
    if left or call.status in (0, None):
        calls.call(under_test.command(STATE, "delete", "--force", "broken"))
    shutil.rmtree(bundle, ignore_errors=True)
    return Verdict(case, call, judge(case, call, left, case.words if words else []))


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/broken", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", default=os.environ.get("RUNTIME", "bin/ocipy"), metavar="COMMAND")
    parser.add_argument("--seconds", type=float, default=20, help="how long an answer may take")
    parser.add_argument("--memory", type=int, default=1024, metavar="MiB", help="address space it may take")
    parser.add_argument("--verbose", action="store_true", help="print every answer")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="words of the names of cases; default: all")
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = arguments(argv)
    try:
        under_test = runtime.find(options.runtime)
    except OSError as error:
        print(f"conformance/broken: {error}", file=sys.stderr)
        return 2
    if not options.inside:
        return calls.inside_sandbox(os.path.join(os.path.dirname(__file__), "broken"), options, argv)
    words = under_test.name == "ocipy"
    if words:  # a Go program maps far more than it uses
        resource.setrlimit(resource.RLIMIT_AS, (options.memory << 20, options.memory << 20))
    wanted = [c for c in CASES if not options.cases or any(w in c.name for w in options.cases)]
    with tempfile.TemporaryDirectory(prefix="ocipy-broken-") as directory:
        good = bundles.make(os.path.join(directory, "good"), under_test)
        config = bundles.spec(under_test, good)
        config["process"]["args"] = ["/bin/true"]
        bundles.write(good, config)
        first = calls.call(under_test.command(STATE, "run", "-b", good, "good"))
        if first.status != 0:
            print(f"conformance/broken: the good bundle does not run: {first}", file=sys.stderr)
            return 2
        bad = 0
        for case in wanted:
            verdict = attempt(case, under_test, good, config, directory, words, options.seconds)
            bad += bool(verdict.faults)
            if verdict.faults or options.verbose:
                show(verdict)
    summary = f"{len(wanted)} broken bundles, {bad} not refused as they should be"
    print(f"{under_test.name} {under_test.version}: {summary}")
    return 1 if bad else 0


def show(verdict):
    print(f"{verdict.case.name}: {'; '.join(verdict.faults) or 'well'}")
    print(f"    {verdict.call.errors.strip()[:500] or '(no error)'}", flush=True)
