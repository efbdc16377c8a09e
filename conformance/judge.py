"""From what a test program printed to verdicts that can be recorded and compared."""

import re

from conformance import tap

# What differs from run to run is folded, so that a row means the same always; and what nearly every test asks
# again about the default root is folded into a row for each question: the table stays readable.
_FOLDS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"/(ocitest|oci-pid|target|mount|test|example)\d+"), r"/\1N"),
    (re.compile(r"CAP_[A-Z_]+"), "CAP_*"),
    (re.compile(r"/dev/\w+ \(default device\)"), "/dev/* (default device)"),
    (re.compile(r'(default \w+ path) "[^"]+"'), r"\1 *"),
    (re.compile(r"mounts\[\d+\] \([^)]+\) found( in order)?"), "mounts[*] found in order"),
    (re.compile(r"environment variable \w+"), "environment variable *"),
    (re.compile(r"0x[0-9a-f]+"), "0xN"),
    (re.compile(r"\s+"), " "),
)


class Outcome:
    """What one test program said about one runtime.

    verdict:    pass, fail or skip
    assertions: {name: "pass" or "fail"}, folded
    passed, total: counts before folding; skips are in neither
    details:    lines for a person, about what failed
    """

    def __init__(self, verdict, assertions, passed, total, details):
        self.verdict, self.assertions, self.passed, self.total = verdict, assertions, passed, total
        self.details = details


def fold(name):
    """A name without what changes from run to run."""
    for pattern, replacement in _FOLDS:
        name = pattern.sub(replacement, name)
    return name.strip()[:160]


def _flatten(assertions, prefix=""):
    for assertion in assertions:
        name = prefix + fold(assertion.name)
        yield name, assertion
        yield from _flatten(assertion.inner, name + " / ")


def judge(stdout, stderr, status, silent=False):
    """Verdicts of a test program that printed so and exited so.

    silent: the program passes by exiting with 0 and says nothing (it has no TAP of its own)
    """
    documents = tap.parse(stdout)
    assertions, details, passed, total = {}, [], 0, 0
    for name, assertion in (pair for d in documents for pair in _flatten(d.assertions)):
        # Of assertions that fold to one name the worst counts; what was skipped was not asked.
        if assertion.verdict != "skip" and assertions.get(name) != "fail":
            assertions[name] = assertion.verdict
        total += assertion.verdict != "skip"
        passed += assertion.verdict == "pass"
        if assertion.verdict == "fail":
            details.append(f"not ok: {assertion.name}")
            details.extend(f"    {line}" for note in assertion.notes for line in note.splitlines())
    # A test whose only way to complain is a note before the empty plan (the hook tests) has failed with one.
    outside = [note for d in documents if not d.assertions for note in d.notes]
    complaints = [] if silent else [c for d in documents for c in d.complaints] or _missing(documents)
    details += outside + complaints
    failed = "fail" in assertions.values() or outside or complaints or status != 0
    if status != 0:
        details.append(f"exit status {status}")
    if failed:
        details += stderr.strip().splitlines()[:40]
    skipped = any(d.assertions for d in documents) and not assertions
    verdict = "fail" if failed else "skip" if skipped else "pass"
    return Outcome(verdict, assertions, passed, total, details)


def _missing(documents):
    return [] if documents else ["no TAP at all"]
