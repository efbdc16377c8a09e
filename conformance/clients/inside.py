"""In the sandbox: one engine with one runtime runs its cases; see main.py for who calls this.

    python3 -m conformance.clients.inside ENGINE RUNTIME RESULTS [CASE...]

RESULTS gets {case: {"verdict", "seconds", "details"}} as JSON; "first" besides, the details of the first try,
where only the second passed.  Exits 125 when the engine did not start.
"""

import json
import os
import re
import shutil
import subprocess
import sys

from conformance import leaks, runtime, sandbox
from conformance.clients.engine import NOTHING_LEFT
from conformance.clients.engines import ENGINES
from conformance.clients.place import Place

# Where to put a file system of the sandbox's own.  Not /run, of which podman shows its helpers another one.
MOUNT, DIRECTORY = "/media", "/media/client"
STATES = ("/run/ocipy", "/run/runc")
CACHE = r"file left behind: /run/ocipy/@seccomp(/\w+)?"  # compiled filters, kept for the next container


def prepare():
    """What every engine needs of the sandbox: its own /dev/shm, a loopback, cgroups that stay as they are."""
    sandbox.mount("tmpfs", "/dev/shm", "tmpfs", sandbox.MS_NOSUID | sandbox.MS_NODEV, "mode=1777")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if os.path.isdir("/sys/fs/cgroup/memory"):
        # podman makes directories there for controllers that do not exist.  A file system of the sandbox's
        # own, so that changing its flags changes nobody else's.
        subprocess.run(["mount", "-o", "remount,ro", "/sys/fs/cgroup"], check=True)
    sandbox.mount("tmpfs", MOUNT, "tmpfs", sandbox.MS_NOSUID | sandbox.MS_NODEV, "mode=755")
    os.makedirs(DIRECTORY)


def run_case(engine, place, case, before):
    """Run a case and tidy up after it.  Returns (complaints, seconds).

    before: what there was before any case ran
    """
    if case is NOTHING_LEFT:
        expected = (*engine.keeps, CACHE)
        return [line for line in before.settled() if not any(re.fullmatch(e, line) for e in expected)], 0.0
    directory = place.made("case")
    os.chmod(directory, 0o777)
    said = place.script(case.script, engine.shell(place), case.seconds, directory)
    complaints = case.complaints(said)
    tidied = place.script(engine.tidy, engine.shell(place))
    if tidied.status:
        complaints.append(f"could not be tidied up after: {tidied.errors.strip()[-1000:]}")
    shutil.rmtree(directory, ignore_errors=True)
    return complaints, said.seconds


def run_cases(engine, place, cases, before):
    """{case: result}; a case that fails gets a second try when all others are done."""
    results = {}
    for case in cases:
        results[case.name] = result(place, engine, case, *run_case(engine, place, case, before))
    for case in (case for case in cases if results[case.name]["verdict"] == "fail"):
        second = result(place, engine, case, *run_case(engine, place, case, before))
        if second["verdict"] == "pass":
            results[case.name] = second | {"first": results[case.name]["details"]}
    return results


def result(place, engine, case, complaints, seconds):
    verdict = "fail" if complaints else "pass"
    print(f"{verdict} {seconds:6.2f} s  {engine.name} on {place.runtime.name}: {case.name}", flush=True)
    return {"verdict": verdict, "seconds": seconds, "details": complaints}


def main(name, command, output, *names):
    engine = ENGINES[name]
    place = None
    try:
        prepare()
        place = Place(runtime.find(command), DIRECTORY)
        engine.start(place)
        before = leaks.Snapshot(STATES)
        cases = [c for c in engine.cases() if not names or c.name in names]
        results = run_cases(engine, place, cases, before)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name} on {command}: {error}", file=sys.stderr)
        return sandbox.FAILED
    finally:
        if place:
            place.stop()
    with open(output, "w", encoding="utf-8") as file:
        json.dump(results, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
