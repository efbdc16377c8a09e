"""The recorded table as a page for a person, with the reason of everything that fails."""

import fnmatch

from conformance import table as tables

KINDS = {
    "suite": "the suite is wrong",
    "stale": "the suite asks for what the specification no longer says",
    "machine": "this machine lacks something",
    "kernel": "the kernel does not offer it",
    "runtime": "the runtime does otherwise",
    "choice": "ocipy chose otherwise, as its peers did",
}
_HEAD = """# The official validation suite

Written by `conformance/run --record`; edit `suite.toml` for reasons. A test passes when its program exits
with 0, keeps to its protocol and has no failed assertion. *needs* says which part of a runtime a test asks
about beyond the common ones.
"""


def reason(facts, test, assertion, runtime):
    """The reason in suite.toml for a failure, or None.

    A reason for a test as a whole is one for every assertion of it only where it says so by ``"*"``.
    """
    for candidate in facts.get(test, {}).get("reasons", ()):
        if runtime in candidate.get("runtimes", (runtime,)):
            pattern = candidate.get("assertion", "*")
            if assertion == tables.WHOLE or fnmatch.fnmatchcase(assertion, _literal(pattern)):
                return candidate
    return None


def _literal(pattern):
    return pattern.replace("[", "[[]")


def failures(table, facts):
    """(test, assertion, [runtimes], reason or None) for all that is recorded as failed."""
    found = []
    for test, assertion in sorted(table.rows, key=lambda key: (key[0], key[1] != tables.WHOLE, key[1])):
        by_reason = {}
        for runtime in tables.RUNTIMES:
            if table.rows[test, assertion].get(runtime) == "fail":
                why = reason(facts, test, assertion, runtime)
                by_reason.setdefault(id(why), (why, []))[1].append(runtime)
        found += [(test, assertion, runtimes, why) for why, runtimes in by_reason.values()]
    return found


def unexplained(table, facts):
    """Recorded failures without a reason, as lines."""
    return [f"{t}: {a}: {', '.join(r)}" for t, a, r, why in failures(table, facts) if why is None]


def _cell(table, runtime, test):
    verdicts = table.verdicts(runtime, test)
    whole = verdicts.pop(tables.WHOLE, "")
    counted = [v for v in verdicts.values() if v != "skip"]
    return f"{whole} {counted.count('pass')}/{len(counted)}" if counted and whole == "fail" else whole


def markdown(table, facts):
    """The page."""
    lines = [_HEAD]
    runtimes = [r for r in tables.RUNTIMES if r in table.about]
    lines += [f"* {runtime}: {table.about[runtime]}" for runtime in runtimes]
    lines += ["", "| | " + " | ".join(runtimes) + " |", "|---" * (len(runtimes) + 1) + "|"]
    groups = [
        ("needs no cgroup, seccomp or LSM", ""),
        *((f"needs {n}", n) for n in ("cgroup", "seccomp", "lsm")),
    ]
    for title, needs in groups:
        names = [t for t in table.tests() if facts.get(t, {}).get("needs", "") == needs]
        cells = []
        for runtime in runtimes:
            got = [table.verdicts(runtime, t).get(tables.WHOLE) for t in names]
            cells.append(f"{got.count('pass')} of {len(names) - got.count(None)} pass")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "| test | needs | " + " | ".join(runtimes) + " |", "|---" * (len(runtimes) + 2) + "|"]
    for test in table.tests():
        cells = [_cell(table, runtime, test) for runtime in runtimes]
        lines.append(f"| {test} | {facts.get(test, {}).get('needs', '')} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Why",
        "",
        "A count is of assertions after folding (all capabilities of one set are one).",
        "",
    ]
    return "\n".join(lines + _why(table, facts)) + "\n"


def _why(table, facts):
    lines = []
    by_test = {}
    for test, assertion, runtimes, why in failures(table, facts):
        groups = by_test.setdefault(test, {}).setdefault(id(why), (why, {}))[1]
        groups.setdefault(tuple(runtimes), []).append(assertion)
    for test, reasons in sorted(by_test.items()):
        for why, groups in reasons.values():
            who = ", ".join(dict.fromkeys(r for runtimes in groups for r in runtimes))
            what = dict.fromkeys(a for assertions in groups.values() for a in assertions if a != tables.WHOLE)
            names = "; ".join(f"`{a}`" for a in what)
            said = f"**{test}** ({who})" + (f": {names}" if 0 < len(what) <= 4 else "")
            if why is None:
                lines.append(f"* {said}: **unexplained**")
            else:
                where = f" ({why['where']})" if "where" in why else ""
                lines.append(f"* {said}: {KINDS[why['kind']]}: {why['text']}{where}")
    return lines


def as_json(runtime, outcomes, facts):
    """What one run found, for a program."""
    return {
        "runtime": runtime.name,
        "version": runtime.version,
        "tests": {
            name: {
                "verdict": o.verdict,
                "needs": facts.get(name, {}).get("needs", ""),
                "passed": o.passed,
                "total": o.total,
                "assertions": o.assertions,
                "details": o.details,
            }
            for name, o in outcomes.items()
        },
    }
