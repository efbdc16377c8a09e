"""``conformance/stress``: many containers at once, and runtimes killed at any moment; nothing may stay.

    parallel  --containers are created by --workers at once, all must exist, then all are deleted at once
    one id    all workers create the same container at once: one wins, the others fail
    kill      a verb is killed by SIGKILL at a random moment of its run, --kills times; `delete --force` must
              then succeed and remove all there is

After each of them: mounts, cgroups, processes, and the files of /run, the bundles and the state directory are
what they were before.
"""

import argparse
import concurrent.futures
import os
import random
import statistics
import sys
import tempfile
import time

from conformance import bundles, calls, cgroupfs, leaks, runtime

STATE = "/run/ocipy-stress"


class Stress:
    """The runtime under stress, its bundle, and what went wrong so far."""

    def __init__(self, under_test, bundle):
        self.runtime, self.bundle, self.problems = under_test, bundle, []

    def call(self, *arguments, **options):
        return calls.call(self.runtime.command(STATE, *arguments), **options)

    def create(self, name, **options):
        return self.call("create", "-b", self.bundle, name, **options)

    def expect(self, call, what, status=0):
        """Note a problem when a call did not end as expected."""
        if call.status != status:
            self.problems.append(f"{what}: {call}")
        return call.status == status

    def snapshot(self):
        return leaks.Snapshot(["/run", "/dev/shm", self.bundle])

    def check(self, before, what):
        """Note everything that stayed."""
        left = before.settled()
        if left:
            self.problems.append(f"{what}: {'; '.join(left)[:600]}")
        return not left


def warm_up(stress):
    """The first container makes what is made once: the state directory, mount targets in the root, caches."""
    stress.expect(stress.create("warm-up"), "warm-up")
    stress.expect(stress.call("start", "warm-up"), "warm-up")
    stress.expect(stress.call("delete", "--force", "warm-up"), "warm-up")
    stress.expect(stress.call("list"), "warm-up")


def parallel(stress, containers, workers):
    """Returns what was done, for a person."""
    before = stress.snapshot()
    names = [f"c{i}" for i in range(containers)]
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        created = list(pool.map(stress.create, names))
        made = time.monotonic()
        for call in created:
            stress.expect(call, "parallel create")
        listed = stress.call("list", "-q")
        stress.expect(listed, "list")
        missing = sorted(set(names) - set(listed.output.split()))
        if missing:
            stress.problems.append(f"list lacks {len(missing)} containers: {missing[:3]}")
        checked = time.monotonic()
        for call in pool.map(lambda name: stress.call("delete", "--force", name), names):
            stress.expect(call, "parallel delete")
    end = time.monotonic()
    stress.check(before, "parallel")
    return (
        f"{containers} containers by {workers} at once: created in {made - start:.1f} s, "
        f"deleted in {end - checked:.1f} s"
    )


def one_id(stress, workers):
    before = stress.snapshot()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        created = list(pool.map(lambda _: stress.create("same"), range(workers)))
    won = sum(c.status == 0 for c in created)
    if won != 1:
        stress.problems.append(f"one id: {won} of {workers} creates of the same container succeeded")
    said = {c.errors.strip().replace("\n", " ")[:160] for c in created if c.status}
    stress.expect(stress.call("delete", "--force", "same"), "one id")
    stress.check(before, "one id")
    return f"{workers} creates of one id at once: {won} won; the others said {sorted(said)[:3]}"


def lifecycle(stress, verb, name, **options):
    """Bring a container to where a verb applies and call it, with the options of a call."""
    if verb == "create":
        return stress.create(name, **options)
    if verb == "run":
        return stress.call("run", "-d", "-b", stress.bundle, name, **options)
    stress.expect(stress.create(name), f"before {verb}")
    if verb == "start":
        return stress.call("start", name, **options)
    stress.expect(stress.call("start", name), f"before {verb}")
    arguments = {"exec": [name, "/bin/true"], "delete": ["--force", name]}
    return stress.call(verb, *arguments[verb], **options)


def kill(stress, verb, kills, chance):
    """Kill a verb at random moments of the time that it takes."""
    took = []
    for i in range(5):
        call = lifecycle(stress, verb, f"timed{i}")
        stress.expect(call, verb)
        took.append(call.seconds)
        stress.call("delete", "--force", f"timed{i}")
    span = statistics.median(took) * 1.05
    killed = late = dirty = 0
    for i in range(kills):
        before = stress.snapshot()
        moment = chance.uniform(0, span)
        call = lifecycle(stress, verb, f"k-{verb}-{i}", kill_after=moment)
        killed += call.status == -9
        late += call.status == 0
        what = f"{verb} killed after {moment * 1000:.1f} ms"
        stress.expect(stress.call("delete", "--force", f"k-{verb}-{i}"), f"{what}, delete --force")
        if not stress.check(before, what):
            dirty += 1
            clean()
    moments = f"{kills} random moments of {span * 1000:.0f} ms"
    return f"{verb} killed at {moments}: {killed} died of it, {late} were done, {dirty} left something"


def clean():
    """End what a runtime left, so that it is not counted again."""
    for directory in leaks.cgroups():
        if os.path.basename(directory).startswith("k-"):
            for pid in cgroupfs.read(os.path.join(directory, "cgroup.procs")).split():
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    continue


def arguments(argv):
    parser = argparse.ArgumentParser(prog="conformance/stress", description=__doc__.partition("\n")[0])
    parser.add_argument("--runtime", default=os.environ.get("RUNTIME", "bin/ocipy"), metavar="COMMAND")
    parser.add_argument("--containers", type=int, default=200, metavar="N")
    parser.add_argument("--workers", type=int, default=20, metavar="N")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="for each verb")
    parser.add_argument("--verbs", default="create", help="to kill, of: create,start,run,exec,delete")
    parser.add_argument("--seed", type=int, default=None, help="of the random moments")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = arguments(argv)
    try:
        under_test = runtime.find(options.runtime)
    except OSError as error:
        print(f"conformance/stress: {error}", file=sys.stderr)
        return 2
    if not options.inside:
        return calls.inside_sandbox(os.path.join(os.path.dirname(__file__), "stress"), options, argv)
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="ocipy-stress-") as directory:
        bundle = bundles.make(
            os.path.join(directory, "bundle"), under_test, ["/bin/sleep", "9999"], writable=True
        )
        stress = Stress(under_test, bundle)
        warm_up(stress)
        print(f"{under_test.name} {under_test.version}, seed {seed}", flush=True)
        work = [
            lambda: parallel(stress, options.containers, options.workers),
            lambda: one_id(stress, options.workers),
        ]
        work += [lambda v=v: kill(stress, v, options.kills, chance) for v in options.verbs.split(",") if v]
        for step in work:
            seen = len(stress.problems)
            print(f"{step()}: {len(stress.problems) - seen} problems", flush=True)
            for problem in stress.problems[seen : seen + 30]:
                print(f"    {problem}", flush=True)
    return 1 if stress.problems else 0
