"""``bench/confined``: what a seccomp profile of 399 names adds to a container's start, for several runtimes.

Interleaved, in one sandbox, as in timing.py.  For each runtime a bundle without a profile and one with it:

    create, start, run        by the command; start has no work with the filter but to wait for init's
    cold create               ocipy without what it has kept: libseccomp is loaded and compiles

and in this process, for ocipy: compiling, reading what was kept, and the kernel's own part, seccomp(2).
"""

import argparse
import ctypes
import os
import shutil
import statistics
import sys
import tempfile
import time

from bench.timing import Failed, measured, wait_for_end
from conformance import bundles, runtime
from tests.seccomp import profiles

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLAIN, HELD = "without", "with"


def seconds(*command):
    took = measured(list(command))
    return took[0] if isinstance(took, tuple) else took


class Contestant:
    """One runtime and its two bundles."""

    def __init__(self, one, directory, spec_by):
        self.runtime = one
        self.root = f"/run/bench-{one.name}"
        self.bundles = {}
        for kind in (PLAIN, HELD):
            path = os.path.join(directory, f"{one.name}-{kind}")
            self.bundles[kind] = bundles.make(path, spec_by, edit=self._edit(kind, one))

    @staticmethod
    def _edit(kind, one):
        def edit(config):
            config["process"]["noNewPrivileges"] = True
            if one.edits:
                config["ociVersion"] = "1.0.2"
            if kind == HELD:
                config["linux"]["seccomp"] = profiles.docker_like()

        return edit

    def round(self, add):
        for kind, bundle in self.bundles.items():
            add("run", kind, seconds(*self.command("run", "-b", bundle, "one")))
            add("create", kind, self.create(bundle))
            with open(os.path.join(bundle, "pid"), encoding="ascii") as file:
                pidfd = os.pidfd_open(int(file.read()))
            add("start", kind, seconds(*self.command("start", "two")))
            wait_for_end(pidfd)
            seconds(*self.command("delete", "two"))
        if self.runtime.name == "ocipy":
            shutil.rmtree(os.path.join(self.root, "@seccomp"))
            add("cold create", HELD, self.create(self.bundles[HELD]))
            seconds(*self.command("delete", "--force", "two"))

    def create(self, bundle):
        pid_file = os.path.join(bundle, "pid")
        return seconds(*self.command("create", "-b", bundle, "--pid-file", pid_file, "two"))

    def command(self, *words):
        return self.runtime.command(self.root, *words)


def inside(count):
    """{what: [seconds]} of ocipy's parts, without a container."""
    from ocipy.plan import seccomp as plan
    from ocipy.runtime import filters

    [step] = plan.seccomp_steps(profiles.docker_like())
    found = {}

    def add(what, before):
        found.setdefault(what, []).append(time.perf_counter() - before)

    with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as warm:
        for _ in range(count):
            shutil.rmtree(os.path.join(cold, "@seccomp"), ignore_errors=True)
            before = time.perf_counter()
            program = filters.program_of(step.profile, cold)
            add("compile, keep", before)
            filters.program_of(step.profile, warm)
            before = time.perf_counter()
            plan.seccomp_steps(profiles.docker_like())
            add("plan", before)
            before = time.perf_counter()
            filters.program_of(step.profile, warm)
            add("read what was kept", before)
            found.setdefault("seccomp(2)", []).append(_load(program, step.flags))
    print(f"\nocipy's parts, medians of {count}, ms; the program has {len(program) // 8} instructions\n")
    for what, times in found.items():
        print(f"* {what}: {statistics.median(times) * 1000:.3f}")


def _load(program, flags):
    """Seconds of seccomp(2) in a child."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        libc = ctypes.CDLL(None)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        buffer = ctypes.create_string_buffer(program)
        fields = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
        fprog = type("Fprog", (ctypes.Structure,), {"_fields_": fields})
        given = fprog(len(program) // 8, ctypes.addressof(buffer))
        before = time.perf_counter()
        result = libc.syscall(317, 1, flags, ctypes.byref(given))
        os.write(writing, repr(time.perf_counter() - before if result == 0 else -1).encode())
        os._exit(0)
    os.wait()
    text = os.read(reading, 64)
    os.close(reading)
    os.close(writing)
    return float(text)


def report(found, names, count):
    print(f"Medians of {count} interleaved rounds, ms.\n")
    print("| case | runtime | without | with | more |\n|---|---|---:|---:|---:|")
    for case in ("create", "start", "run", "cold create"):
        for name in names:
            kinds = found.get((name, case))
            if not kinds:
                continue
            held = statistics.median(kinds[HELD]) * 1000
            plain = statistics.median(kinds.get(PLAIN) or found[name, "create"][PLAIN]) * 1000
            print(f"| {case} | {name} | {plain:.2f} | {held:.2f} | {held - plain:+.2f} |")


def main():
    """Returns the exit status."""
    try:
        return _main()
    except Failed as error:
        print(f"bench/confined: {error}", file=sys.stderr)
        return 1


def _main():
    parser = argparse.ArgumentParser(prog="bench/confined", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--runtime", action="append", metavar="COMMAND")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        os.chdir(ROOT)
        again = [sys.executable, os.path.join(ROOT, "bench", "confined"), *sys.argv[1:], "--inside"]
        os.execv(sys.executable, [sys.executable, "-m", "conformance.sandbox", "--", *again])
    commands = options.runtime or [os.path.join(ROOT, "bin/ocipy"), "runc", "crun"]
    contest = [runtime.find(command) for command in commands]
    spec_by = next((one for one in contest if one.name == "runc"), contest[0])
    found = {}
    with tempfile.TemporaryDirectory(prefix="ocipy-bench-") as directory:
        contestants = [Contestant(one, directory, spec_by) for one in contest]
        for i in range(options.rounds + 2):
            for contestant in contestants:
                name = contestant.runtime.name

                def add(case, kind, took, name=name, counts=i >= 2):
                    if counts:
                        found.setdefault((name, case), {}).setdefault(kind, []).append(took)

                contestant.round(add)
    report(found, [one.name for one in contest], options.rounds)
    inside(options.rounds)
    return 0
