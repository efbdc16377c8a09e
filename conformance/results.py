"""RESULTS.md and RESULTS.json: what is recorded, of the official suite and of the engines, on one page."""

import json
import os

from conformance import report, suite, table

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDED = os.path.join(HERE, "recorded.tsv")
PAGE = os.path.join(HERE, "RESULTS.md")
DATA = os.path.join(HERE, "RESULTS.json")


def markdown():
    """The page that the recorded tables give."""
    from conformance.clients import page

    official = report.markdown(table.load(RECORDED), suite.facts())
    return official + "\n" + page.markdown(table.load(page.RECORDED))


def as_json():
    """The same for a program: verdicts by test, and by engine and case."""
    from conformance.clients import page

    recorded = table.load(RECORDED)
    suite_verdicts = {
        test: {r: recorded.verdicts(r, test).get(table.WHOLE, "") for r in table.RUNTIMES}
        for test in recorded.tests()
    }
    return {"suite": suite_verdicts, "engines": page.as_json(table.load(page.RECORDED))}


def write():
    """Write both files anew."""
    for path, text in ((PAGE, markdown()), (DATA, json.dumps(as_json(), indent=1) + "\n")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
