"""``conformance/clients/run``: lists of engines on a runtime and on a control, compared with a record.

Every engine runs twice, in two sandboxes at once, and as many engines at once as there are processors.  A
case counts when the control passes it.  Exits 1 when the runtime fails one of those, or one that is recorded
as its pass.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from conformance import judge, results, runtime, sandbox, table
from conformance.clients import page
from conformance.clients.engines import ENGINES

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT = 900


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/clients/run", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", default=os.environ.get("RUNTIME", "bin/ocipy"), metavar="COMMAND")
    parser.add_argument("--control", default="runc", metavar="COMMAND")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="only cases that are named so")
    parser.add_argument("--record", action="store_true", help="write recorded.tsv and the results pages")
    parser.add_argument("--report", action="store_true", help="only write the results pages from the record")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="engines at once")
    parser.add_argument("--json", metavar="FILE", help="write what this run found")
    parser.add_argument(
        "--time", type=int, metavar="N", help="run each list N times, in turns; print the ratio"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print the details of the control's failures too"
    )
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"default: all of {', '.join(ENGINES)}")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.engines) - set(ENGINES))
    if unknown:
        parser.error(f"no such engine: {', '.join(unknown)}")
    return options


def select(engine, patterns):
    """The names of the cases that are asked for."""
    names = [case.name for case in engine.cases()]
    if patterns:
        names = [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]
    return names


def run(engine, under_test, names):
    """{case: result} of one engine with one runtime, in a sandbox.  Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="ocipy-clients-") as directory:
        output = os.path.join(directory, "results.json")
        inside = [sys.executable, "-m", "conformance.clients.inside", engine.name, under_test.path, output]
        outside = [sys.executable, "-m", "conformance.sandbox", "--cgroups", engine.cgroups]
        words = [*outside, "--timeout", str(TIMEOUT), "--", *inside, *names]
        environment = os.environ | {"PYTHONPATH": TREE}
        status = subprocess.run(words, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
        if status:
            late = f" (not done in {TIMEOUT} s)" if status == sandbox.TIMED_OUT else ""
            raise OSError(f"{engine.name} on {under_test.name}: the run ended with status {status}{late}")
        with open(output, encoding="utf-8") as file:
            return json.load(file)


def run_both(engine, contest, names):
    """{runtime: {case: result}}, both at once."""
    with concurrent.futures.ThreadPoolExecutor(len(contest)) as pool:
        pending = {r.name: pool.submit(run, engine, r, names) for r in contest}
        return {name: future.result() for name, future in pending.items()}


def run_all(engines, contest, options):
    """(engine, what `run_both` found, seconds) of each as it ends; the longest lists begin first."""

    def run_one(engine):
        began = time.monotonic()
        found = run_both(engine, contest, select(engine, options.only))
        return engine, found, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        longest_first = sorted(engines, key=lambda engine: -len(engine.cases()))
        for ended in concurrent.futures.as_completed([pool.submit(run_one, e) for e in longest_first]):
            yield ended.result()


def outcome(by_case):
    """What the recorded table keeps."""
    verdicts = {name: result["verdict"] for name, result in by_case.items()}
    passed = list(verdicts.values()).count("pass")
    whole = "pass" if passed == len(verdicts) else "fail"
    return judge.Outcome(whole, verdicts, passed, len(verdicts), [])


def time_both(engine, contest, names, rounds):
    """Run the list in turns and print how long all cases took that both pass."""
    seconds = {r.name: {} for r in contest}
    for turn in range(rounds):
        for under_test in contest if turn % 2 == 0 else reversed(contest):
            for name, result in run(engine, under_test, names).items():
                if result["verdict"] == "pass":
                    seconds[under_test.name].setdefault(name, []).append(result["seconds"])
    one, other = (r.name for r in contest)
    both = [n for n in seconds[one] if n in seconds[other]]
    sums = {r: sum(statistics.median(seconds[r][n]) for n in both) for r in (one, other)}
    ratio = sums[one] / sums[other]
    print(f"{engine.name}: {len(both)} cases, medians of {rounds}: {one} {sums[one]:.2f} s, ", end="")
    print(f"{other} {sums[other]:.2f} s, ratio {ratio:.3f}")


def compare(engine, found, contest, recorded, verbose):
    """Print what differs, and what passed at the second try only; returns the number of regressions."""
    under_test, control = contest
    worse = []
    for name, result in found[under_test.name].items():
        if "first" in result:
            print(f"unsteady: {engine.name}: {name}: at the first try")
            print("".join(f"    {under_test.name}: {line}\n" for line in result["first"]), end="")
    for name, result in found[under_test.name].items():
        counts = found[control.name][name]["verdict"] == "pass"
        was = recorded.verdicts(under_test.name, engine.name).get(name, "")
        if result["verdict"] != "pass" and (counts or was == "pass"):
            worse.append(name)
            print(f"regression: {engine.name}: {name}" + ("" if counts else f" ({control.name} fails too)"))
        if result["verdict"] != "pass" and (counts or verbose):
            print("".join(f"    {under_test.name}: {line}\n" for line in result["details"]), end="")
        if not counts and verbose:
            details = found[control.name][name]["details"]
            print("".join(f"    {control.name}: {line}\n" for line in details), end="")
    return len(worse)


def summary(engine, found, contest, seconds):
    under_test, control = contest
    counted = [n for n, result in found[control.name].items() if result["verdict"] == "pass"]
    passed = [n for n in counted if found[under_test.name][n]["verdict"] == "pass"]
    print(
        f"{engine.name}: {control.name} passes {len(counted)} of {len(found[control.name])}, "
        f"{under_test.name} {len(passed)} of these; {seconds:.0f} s"
    )


def record(recorded, engine, found, contest, partly):
    """Put what was found into the table; of a part of a list, only that part."""
    for under_test in contest:
        now = outcome(found[under_test.name])
        if partly:
            known = recorded.verdicts(under_test.name, engine.name)
            known.pop(table.WHOLE, None)
            now = outcome({n: {"verdict": v} for n, v in {**known, **now.assertions}.items()})
        recorded.put(under_test.name, engine.name, now)
        recorded.about[under_test.name] = f"{under_test.version}, Linux {platform.release()}"
    recorded.about[engine.name] = engine.version()


def main(argv=None):
    options = arguments(argv)
    recorded, everything, failed = table.load(page.RECORDED), {}, 0
    if options.report:
        results.write()
        return 0
    try:
        contest = [runtime.find(c) for c in (options.runtime, options.control)]
        engines = [ENGINES[name] for name in options.engines or ENGINES]
        for engine in engines:
            missing = [p for p in engine.programs if not shutil.which(p)]
            if missing:
                raise OSError(f"{engine.name} needs {', '.join(missing)}: tools/deps {engine.packages}")
            engine.install()
        if options.time:
            for engine in engines:
                time_both(engine, contest, select(engine, options.only), options.time)
            return 0
        for engine, found, seconds in run_all(engines, contest, options):
            everything[engine.name] = found
            failed += compare(engine, found, contest, recorded, options.verbose)
            summary(engine, found, contest, seconds)
            record(recorded, engine, found, contest, bool(options.only))
    except OSError as error:
        print(f"conformance/clients/run: {error}", file=sys.stderr)
        return 2
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)
    if options.record:
        table.save(recorded, page.RECORDED)
        results.write()
    return 1 if failed and not options.record else 0
