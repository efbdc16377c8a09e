"""The section of RESULTS.md about engines, from their recorded table."""

import os

from conformance import table as tables
from conformance.clients.engines import ENGINES

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded.tsv")
RUNTIMES = ("ocipy", "runc")
_HEAD = """# Engines

Written by `conformance/clients/run --record`. Each case is a script that an engine runs on a runtime, in
`conformance/clients/ENGINE.toml`; it counts when it passes on runc. What fails there is said with its reason.
"""


def counts(table, engine):
    """(cases, {runtime: passes}) of what is recorded."""
    names = {a for (test, a) in table.rows if test == engine and a != tables.WHOLE}
    verdicts = {r: table.verdicts(r, engine) for r in RUNTIMES}
    return len(names), {r: sum(verdicts[r].get(n) == "pass" for n in names) for r in RUNTIMES}


def unexplained(table):
    """What should not be recorded, as lines: what runc alone passes, what neither does without a why."""
    lines = []
    for engine in recorded_engines(table):
        ours, control = (table.verdicts(r, engine.name) for r in RUNTIMES)
        lines += [
            f"{engine.name}: {case.name}"
            for case in engine.cases()
            if ours.get(case.name) != "pass" and (control.get(case.name) == "pass" or not case.why)
        ]
    return lines


def recorded_engines(table):
    return [engine for name, engine in ENGINES.items() if name in table.tests()]


def markdown(table):
    """The section."""
    engines = recorded_engines(table)
    lines = [_HEAD, *(f"* {r}: {table.about[r]}" for r in RUNTIMES), ""]
    lines += [
        "| engine | version | cases | " + " | ".join(RUNTIMES) + " |",
        "|---" * (len(RUNTIMES) + 3) + "|",
    ]
    for engine in engines:
        total, passes = counts(table, engine.name)
        cells = " | ".join(f"{passes[r]} pass" for r in RUNTIMES)
        lines.append(f"| {engine.name} | {table.about.get(engine.name, '')} | {total} | {cells} |")
    for engine in engines:
        lines += ["", f"## {engine.name}", "", "| case | " + " | ".join(RUNTIMES) + " |"]
        lines += ["|---" * (len(RUNTIMES) + 1) + "|"]
        verdicts = {r: table.verdicts(r, engine.name) for r in RUNTIMES}
        whys = []
        for case in engine.cases():
            cells = [verdicts[r].get(case.name, "") for r in RUNTIMES]
            lines.append(f"| {_escaped(case.name)} | " + " | ".join(cells) + " |")
            if "fail" in cells:
                whys.append(f"* **{case.name}**: {case.why or '**unexplained**'}")
        lines += ["", *whys] if whys else []
    return "\n".join(lines) + "\n"


def as_json(table):
    """{engine: {"version", "cases": {case: {runtime: verdict}}}}."""
    return {
        engine.name: {
            "version": table.about.get(engine.name, ""),
            "cases": {
                case.name: {r: table.verdicts(r, engine.name).get(case.name, "") for r in RUNTIMES}
                for case in engine.cases()
            },
        }
        for engine in recorded_engines(table)
    }


def _escaped(text):
    return text.replace("|", "\\|")
