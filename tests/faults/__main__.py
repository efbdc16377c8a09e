"""``make faults``: every system call of a create and of an exec fails, each time that it is made.

Exits with 1 when something was left behind, or was not told in one clear line.
"""

import argparse
import os
import pathlib
import sys
import tempfile

from tests.faults.harness import ERRORS, Faults, examine, victim


def try_all(faults, options):
    """Every place with every error; the number of complaints."""
    places = [(name, n) for name, n in faults.places() if not options.call or name in options.call]
    runs = failed = complaints = 0
    for name, n in places:
        for error in options.error or ERRORS:
            outcome, complaint = examine(faults, name, n, error)
            runs, failed, complaints = runs + 1, failed + bool(outcome.status), complaints + bool(complaint)
            if options.list or complaint:
                said = complaint or outcome.stderr.strip() or "no matter"
                print(f"{faults.verb} {name} {n} {error}: {said}", flush=True)
    names = len({name for name, _ in places})
    print(f"{faults.verb}: {names} system calls at {len(places)} places, {runs} runs:", end=" ")
    print(f"{failed} failed, of which {complaints} left something or were not clear", flush=True)
    return complaints


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--verb", action="append", choices=("create", "exec"))
    parser.add_argument("--error", action="append", metavar="NAME")
    parser.add_argument("--call", action="append", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print what each failure says")
    options = parser.parse_args()
    complaints = 0
    with tempfile.TemporaryDirectory(prefix="ocipy-faults-") as directory:
        os.chmod(directory, 0o755)
        made = victim(pathlib.Path(directory))
        for verb in options.verb or ("create", "exec"):
            here = pathlib.Path(directory) / verb
            here.mkdir()
            with Faults(here, made, f"ocipytest-{os.getpid()}-{verb}", verb) as faults:
                complaints += try_all(faults, options)
    return 1 if complaints else 0


sys.exit(main())
