"""``bench/run``: the same work for several runtimes, interleaved: a noisy machine is unfair to all alike.

Everything happens in one sandbox (see conformance/sandbox.py), since crun 1.8 refuses hosts that mount both
versions of cgroups.  A round does every case for every runtime, and the next round begins with another one.

    run      `run` of /bin/true in the bundle that `runc spec` writes, with a busybox as its root
    create, start, delete     the same container, by three commands
    state, kill, exec         of a container that sleeps; the signal is SIGCONT, exec runs /bin/true
    library  `run` as a call within a Python program, `ocipy.Runtime().run(...)`; for peers their command
    floors   what it takes to start a static C program and a bare Python, and nothing else
"""

import argparse
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = ("run", "create", "start", "delete", "create+start+delete", "state", "kill", "exec", "library")
FLOORS = {
    "static C program": ["/bin/busybox", "true"],
    "bare Python": ["/usr/bin/python3", "-IS", "-c", "pass"],
}


class Failed(Exception):
    """A command under measurement did not do its work: its time would be a lie."""


def measured(command):
    """Run a command to its end.  Returns the seconds that it took, by the clock and of a processor."""
    null = os.open(os.devnull, os.O_RDWR)
    with tempfile.TemporaryFile() as errors:
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
        actions.append((os.POSIX_SPAWN_DUP2, errors.fileno(), 2))
        before = time.perf_counter()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - before
        os.close(null)
        if status:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            raise Failed(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}: {said}")
    return seconds, usage.ru_utime + usage.ru_stime


class Library:
    """A Python program that runs a container when told to, and says how long it took."""

    def __init__(self, bundle, root):
        script = os.path.join(ROOT, "bench", "library.py")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", script, ROOT, bundle, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise Failed(f"the Python program ended with {self.process.wait()}")
        return tuple(map(float, said.split()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Contestant:
    """One runtime, its bundles and its sleeping container."""

    def __init__(self, label, runtime, directory, spec_by):
        from conformance import bundles

        self.label, self.runtime = label, runtime
        self.root = os.path.join("/run", label)
        self.sleeper_id = label + "-sleeper"  # it names a cgroup too, which is no two runtimes' at once
        self.bundle = bundles.make(os.path.join(directory, label), spec_by)
        self.sleeper = bundles.make(
            os.path.join(directory, label + "-sleeper"), spec_by, ["/bin/sleep", "9999"]
        )
        measured(self.command("create", "-b", self.sleeper, self.sleeper_id))
        measured(self.command("start", self.sleeper_id))
        self.library = Library(self.bundle, self.root + "-library") if runtime.name == "ocipy" else None

    def command(self, *arguments):
        return self.runtime.command(self.root, *arguments)

    def round(self, samples):
        """Do every case once; append to samples[case]."""
        add(samples, "run", measured(self.command("run", "-b", self.bundle, "one")))
        pid_file = os.path.join(self.bundle, "pid")
        parts = [measured(self.command("create", "-b", self.bundle, "--pid-file", pid_file, "two"))]
        with open(pid_file) as file:
            pidfd = os.pidfd_open(int(file.read()))
        parts.append(measured(self.command("start", "two")))
        wait_for_end(pidfd)
        parts.append(measured(self.command("delete", "two")))
        for case, part in zip(("create", "start", "delete"), parts):
            add(samples, case, part)
        add(samples, "create+start+delete", tuple(map(sum, zip(*parts))))
        add(samples, "state", measured(self.command("state", self.sleeper_id)))
        add(samples, "kill", measured(self.command("kill", self.sleeper_id, "CONT")))
        add(samples, "exec", measured(self.command("exec", self.sleeper_id, "/bin/true")))
        if self.library:
            add(samples, "library", self.library.measure())
        else:
            add(samples, "library", measured(self.command("run", "-b", self.bundle, "three")))

    def close(self):
        if self.library:
            self.library.close()
        measured(self.command("delete", "--force", self.sleeper_id))


def wait_for_end(pidfd):
    """Until a container's init has ended; its new parent is the sandbox's init, which reaps it."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(10_000):
        raise Failed("the container did not end within 10 s")
    os.close(pidfd)


def add(samples, case, measurement):
    samples.setdefault(case, []).append(measurement)


def rounds(contestants, count, warm_up):
    """{label: {case: [(seconds, processor seconds), ...]}}, floors under the label "floor"."""
    found = {c.label: {} for c in contestants} | {"floor": {}}
    for number in range(-warm_up, count):
        if number == 0:
            found = {label: {} for label in found}
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            contestant.round(found[contestant.label])
        for name, command in FLOORS.items():
            if os.path.exists(command[0]):
                add(found["floor"], name, measured(command))
    return found


def summary(found):
    """{label: {case: {"median": ms, "least": ms, "p90": ms, "processor": ms}}}."""
    summed = {}
    for label, cases in found.items():
        for case, samples in cases.items():
            clock, processor = ([x * 1000 for x in column] for column in zip(*samples))
            summed.setdefault(label, {})[case] = {
                "median": statistics.median(clock),
                "least": min(clock),
                "p90": sorted(clock)[len(clock) * 9 // 10],
                "processor": statistics.median(processor),
            }
    return summed


def table(summed, labels, what):
    """Lines of a table of one figure: a row for a case, then what the first runtime takes over each other."""
    first, *others = labels
    head = ["case", *labels, *(f"{first}/{other}" for other in others)]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for case in CASES:
        figures = [summed[label][case][what] for label in labels]
        cells = [f"{f:.1f}" for f in figures] + [f"{figures[0] / f:.2f}" for f in figures[1:]]
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def markdown(summed, labels, about, count):
    """The page for a person."""
    lines = ["# Times", "", f"Written by `bench/run`. Medians of {count} interleaved rounds, in ms. {about}"]
    lines += ["", "By the clock:", "", *table(summed, labels, "median")]
    lines += ["", "Of a processor, which other work on the machine disturbs less:", ""]
    lines += [*table(summed, labels, "processor"), ""]
    lines += [f"* {name}: {case['median']:.1f} ms" for name, case in summed["floor"].items()]
    return "\n".join(lines) + "\n"


def arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--runtime",
        action="append",
        metavar="[LABEL=]COMMAND",
        help="a runtime to time; the first is compared with the others (default: bin/ocipy, runc, crun)",
    )
    parser.add_argument("--rounds", type=int, default=50, metavar="N")
    parser.add_argument("--warm-up", type=int, default=3, metavar="N", help="rounds that do not count")
    parser.add_argument("--json", metavar="FILE", help="write every sample")
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    parser.add_argument(
        "--hyperfine", metavar="FILE", help="time `run` alone by hyperfine, which writes FILE"
    )
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def runtimes(options):
    """[(label, Runtime)], or SystemExit."""
    from conformance import runtime

    wanted = options.runtime or [os.path.join(ROOT, "bin/ocipy"), "runc", "crun"]
    found = []
    for word in wanted:
        label, _, command = word.rpartition("=")
        try:
            one = runtime.find(command)
        except OSError as error:
            raise SystemExit(f"bench/run: {error}") from None
        found.append((label or one.name, one))
    return found


def main(argv=None):
    options = arguments(argv)
    if not options.inside:
        sandbox = [sys.executable, "-m", "conformance.sandbox", "--cgroups", options.cgroups, "--"]
        again = [
            *sandbox,
            sys.executable,
            os.path.join(ROOT, "bench/run"),
            "--inside",
            *(argv or sys.argv[1:]),
        ]
        return subprocess.run(again, env=os.environ | {"PYTHONPATH": ROOT}, check=False).returncode
    contest = runtimes(options)
    spec_by = next((r for _, r in contest if r.name == "runc"), contest[0][1])
    with tempfile.TemporaryDirectory(prefix="ocipy-bench-") as directory:
        contestants = []
        try:
            for label, one in contest:
                contestants.append(Contestant(label, one, directory, spec_by))
            if options.hyperfine:
                return by_hyperfine(contestants, options)
            found = rounds(contestants, options.rounds, options.warm_up)
        except Failed as error:
            print(f"bench/run: {error}", file=sys.stderr)
            return 1
        finally:
            for contestant in contestants:
                contestant.close()
    report(found, contestants, options)
    return 0


def report(found, contestants, options):
    about = [f"{c.label}: {c.runtime.name} {c.runtime.version}" for c in contestants]
    about = f"Linux {platform.release()}, {os.cpu_count()} processors; {', '.join(about)}."
    page = markdown(summary(found), [c.label for c in contestants], about, options.rounds)
    print(page, end="")
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write(page)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"about": about, "summary": summary(found), "samples": found}, file, indent=1)


def by_hyperfine(contestants, options):
    """`run` of /bin/true for all, by the tool that others trust."""
    command = ["hyperfine", "--shell=none", "--warmup", str(options.warm_up), "--runs", str(options.rounds)]
    command += ["--export-json", options.hyperfine]
    for contestant in contestants:
        command += ["--command-name", contestant.label]
    command += [" ".join(c.command("run", "-b", c.bundle, "hyperfine")) for c in contestants]
    return subprocess.run(command, check=False).returncode
