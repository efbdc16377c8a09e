"""``conformance/run``: the official suite against a runtime, compared with the recorded table.

Exits 1 on a regression: an assertion, or a test, that is recorded as a pass for this runtime and is none now.
A test that seems to regress is run once more by itself before it counts, since many of its assertions wait
for seconds of the wall clock.
"""

import argparse
import concurrent.futures
import json
import os
import platform
import sys

from conformance import judge, report, results, runtime, suite, table

RECORDED = results.RECORDED


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/run", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", default=os.environ.get("RUNTIME", "bin/ocipy"), metavar="COMMAND")
    # Most of a test is waiting.
    jobs = 2 * (os.cpu_count() or 1)
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N", help="tests at once")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument(
        "--needs", default=None, help="only tests that need this: none, cgroup, seccomp or lsm"
    )
    parser.add_argument(
        "--record", action="store_true", help="write the verdicts into the table and RESULTS.md"
    )
    parser.add_argument("--json", metavar="FILE", help="write what this run found")
    parser.add_argument("--verbose", action="store_true", help="print the details of every failure")
    parser.add_argument("--install-only", action="store_true", help="install the suite and stop")
    parser.add_argument("--report", action="store_true", help="only write RESULTS.md from the table and stop")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="names of tests; default: all")
    return parser.parse_args(argv)


def select(known, options):
    """The tests that the command line asks for, or UsageError's text by SystemExit."""
    unknown = sorted(set(options.tests) - set(known))
    if unknown:
        raise SystemExit(f"conformance/run: no such test: {', '.join(unknown)}")
    wanted = [known[name] for name in options.tests or known]
    if options.needs is not None:
        needs = "" if options.needs == "none" else options.needs
        wanted = [t for t in wanted if t.needs == needs]
    return wanted


def judged(test, under_test, directory, cgroups):
    """The outcome of a test; the first good one in five of a test whose verdict is chance."""
    for _ in range(5 if test.racy else 1):
        outcome = judge.judge(*suite.run(test, under_test, directory, cgroups), test.silent)
        if outcome.verdict == "pass":
            break
    return outcome


def run_all(tests, under_test, directory, options, recorded):
    """{name: outcome}; a seeming regression gets a second try when all others are done."""
    outcomes = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = {pool.submit(judged, t, under_test, directory, options.cgroups): t for t in tests}
        for future in concurrent.futures.as_completed(pending):
            test, outcome = pending[future], future.result()
            outcomes[test.name] = outcome
            show(test, outcome, options.verbose)
    for test in tests:
        if any(c.worse for c in recorded.compare(under_test.name, test.name, outcomes[test.name])):
            print(f"once more, alone: {test.name}")
            outcomes[test.name] = judged(test, under_test, directory, options.cgroups)
            show(test, outcomes[test.name], options.verbose)
    return {name: outcomes[name] for name in sorted(outcomes)}


def show(test, outcome, verbose):
    needs = f" (needs {test.needs})" if test.needs else ""
    print(f"{outcome.verdict:5} {test.name:32} {outcome.passed}/{outcome.total}{needs}", flush=True)
    if verbose and outcome.verdict == "fail":
        print("".join(f"        {line}\n" for line in outcome.details), end="", flush=True)


def main(argv=None):
    options = arguments(argv)
    recorded, facts = table.load(RECORDED), suite.facts()
    if options.report:
        results.write()
        return 0
    try:
        directory = suite.cache()
        suite.install(directory)
        if options.install_only:
            return 0
        under_test = runtime.find(options.runtime)
    except OSError as error:
        print(f"conformance/run: {error}", file=sys.stderr)
        return 2
    tests = select(suite.tests(directory), options)
    outcomes = run_all(tests, under_test, directory, options, recorded)
    changes = [c for name, o in outcomes.items() for c in recorded.compare(under_test.name, name, o)]
    if options.json:
        write(options.json, json.dumps(report.as_json(under_test, outcomes, facts), indent=1) + "\n")
    if options.record:
        for name, outcome in outcomes.items():
            recorded.put(under_test.name, name, outcome)
        recorded.about[under_test.name] = (
            f"{under_test.version}, Linux {platform.release()}, cgroups {options.cgroups}"
        )
        table.save(recorded, RECORDED)
        results.write()
    return summary(under_test, outcomes, changes, options.record)


def summary(under_test, outcomes, changes, recording):
    verdicts = [o.verdict for o in outcomes.values()]
    worse = [c for c in changes if c.worse]
    better = [c for c in changes if c.now == "pass" and c.recorded]
    for title, these in (("regression", worse), ("new pass", better)):
        for change in these:
            print(f"{title}: {change}")
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("pass", "fail", "skip"))
    changed = f"{len(worse)} regressions, {len(better)} new passes"
    print(f"{under_test.name} {under_test.version}: {counts}; {changed}")
    return 1 if worse and not recording else 0


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
