"""Read the Test Anything Protocol, version 13, as the official suite writes it.

Its dialect: the plan is at the end, a program may write several documents, a YAML block is JSON between
``---`` and ``...`` and often comes *before* the assertion that it explains, and such a block may hold the
whole TAP of a test that ran inside the container under the key "stdout".
"""

import json
import re

_ASSERTION = re.compile(r"(not )?ok\b(?: (\d+))?(?: -)?(?: #? ?(SKIP|TODO)\b)? ?(.*)")
_PLAN = re.compile(r"1\.\.(\d+)")


class Assertion:
    """One "ok" or "not ok" line.

    verdict: "pass", "fail" or "skip"; a TODO counts as skip, whatever it says
    notes:   diagnostics that follow it, as text
    inner:   assertions of a test that ran inside the container and is summed up here
    """

    def __init__(self, verdict, name, inner=()):
        self.verdict, self.name, self.inner, self.notes = verdict, name, list(inner), []

    def __repr__(self):
        return f"Assertion({self.verdict!r}, {self.name!r})"


class Document:
    """One TAP document: assertions, what was said outside any, and what breaks the protocol."""

    def __init__(self):
        self.assertions, self.notes, self.complaints = [], [], []
        self.plan = None

    def finish(self):
        if self.plan is None:
            self.complaints.append("no plan")
        elif self.plan != len(self.assertions):
            self.complaints.append(f"plan says {self.plan}, there are {len(self.assertions)}")
        return self


def parse(text):
    """All documents of a text."""
    documents, current, inner = [], None, []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("TAP version"):
            if current:
                documents.append(current.finish())
            current, inner = Document(), []
            continue
        if current is None:
            continue  # noise before the first document
        assertion, plan = _ASSERTION.fullmatch(line), _PLAN.fullmatch(line)
        if plan:
            current.plan = int(plan[1])
        elif assertion:
            failed, _, directive, name = assertion.groups()
            verdict = "skip" if directive else "fail" if failed else "pass"
            current.assertions.append(Assertion(verdict, name, inner))
            inner = []
        elif line.strip() == "---":
            block = _block(lines)
            found = _inner(block)
            inner.extend(found)
            if not found:
                _note(current, block)
        elif line.startswith("#"):
            _note(current, line[1:].strip())
    if current:
        documents.append(current.finish())
    return documents


def _block(lines):
    taken = []
    for line in lines:
        if line.strip() == "...":
            break
        taken.append(line)
    return "\n".join(taken)


def _inner(block):
    """Assertions of the TAP that a block carries as "stdout"."""
    try:
        value = json.loads(block)
    except ValueError:
        return []
    stdout = value.get("stdout") if isinstance(value, dict) else None
    return [a for d in parse(stdout) for a in d.assertions] if isinstance(stdout, str) else []


def _note(document, text):
    (document.assertions[-1] if document.assertions else document).notes.append(text)
