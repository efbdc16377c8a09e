"""``events``: what a container uses, as runc prints it, and the OOM killer's strikes as they happen."""

import json
import shutil
import subprocess

import pytest

from tests.conftest import need
from tests.kernel.box import popen
from tests.kernel.limits import MIB, allocates, version

pytestmark = [pytest.mark.kernel, pytest.mark.managers]

# What runc's documents may lack, for it is zero, or have and ours not: newer ones have left it out again.
OPTIONAL = {
    "blkio",
    "event_count",
    "cache",
    "max",
    "usage",
    "value",
    "op",
    "major",
    "minor",
    "psi",
    "limit",
    "current",
}


def paths(value, at=()):
    """Every path of a document, its lists' items as one, with the kind of value at its end."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths(item, (*at, name))
        yield (*at, "object")
    elif isinstance(value, list):
        yield (*at, "list")
    else:
        yield (*at, type(value).__name__)


@pytest.fixture
def web(box):
    """A container that sleeps, within 16 MiB."""
    version("memory")
    box.linux["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    box.start("sleep", "1000")
    return box


@pytest.fixture
def stream(web):
    """Its events, every 100 ms."""
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = popen(web, "events", "--interval", "100ms", web.id, **how)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def next_of(stream, kind):
    """The next document of a type."""
    for line in stream.stdout:
        document = json.loads(line)
        if document["type"] == kind:
            return document
    raise AssertionError(f"the stream ended without {kind}")


def test_stats_say_what_runc_says(web, runc):
    ours = json.loads(web.ocipy("events", "--stats", web.id).stdout)
    assert (ours["type"], ours["id"]) == ("stats", web.id)
    twin = f"{web.id}-runc"
    runc(web, "run", "-d", "-b", str(web.bundle), twin, capture_output=False)
    try:
        theirs = json.loads(runc(web, "events", "--stats", twin))
    finally:
        runc(web, "delete", "--force", twin)
    missing = set(paths(theirs["data"])) - set(paths(ours["data"]))
    assert {path for path in missing if not OPTIONAL.intersection(path)} <= {
        ("network_interfaces", "NoneType"),
        ("cpu", "usage", "percpu", "list"),  # zeros, which cgroup v2 does not know at all
        ("cpu", "usage", "percpu_kernel", "list"),
        ("cpu", "usage", "percpu_user", "list"),
    }
    assert ours["data"]["memory"]["usage"]["limit"] == theirs["data"]["memory"]["usage"]["limit"] == 16 * MIB
    assert ours["data"]["pids"]["current"] == theirs["data"]["pids"]["current"] == 1


def test_stats_count_what_the_container_does(web):
    before = json.loads(web.ocipy("events", "--stats", web.id).stdout)["data"]
    web.exec("sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done")
    after = json.loads(web.ocipy("events", "--stats", web.id).stdout)["data"]
    assert after["cpu"]["usage"]["total"] > before["cpu"]["usage"].get("total", 0) + 1_000_000
    assert after["memory"]["usage"]["max"] >= after["memory"]["usage"]["usage"] > 0


def test_traffic_is_that_of_the_containers_interfaces(web):
    assert json.loads(web.ocipy("events", "--stats", web.id).stdout)["data"]["network_interfaces"] == []
    need(shutil.which("ip"), "needs ip")
    enter = ["nsenter", "-t", str(web.pid), "-n"]
    done = subprocess.run(
        [*enter, "ip", "link", "add", "eth0", "type", "dummy"], check=False, capture_output=True
    )
    need(done.returncode == 0, "the kernel has no dummy interfaces", kernel=True)
    (eth0,) = json.loads(web.ocipy("events", "--stats", web.id).stdout)["data"]["network_interfaces"]
    assert eth0["Name"] == "eth0"
    assert set(eth0) == {"Name"} | {f"{way}{what}" for way in ("Rx", "Tx") for what in
                                    ("Bytes", "Packets", "Errors", "Dropped")}  # fmt: skip


def test_the_stream_repeats_them_and_tells_of_the_oom_killer(web, stream):
    assert next_of(stream, "stats")["data"]["pids"]["current"] == 1
    assert next_of(stream, "stats")["id"] == web.id
    assert not allocates(web, 48 * MIB)
    assert next_of(stream, "oom") == {"type": "oom", "id": web.id}
    assert next_of(stream, "stats")["data"]["memory"]["usage"]["max"] > 15 * MIB


def test_the_stream_ends_when_the_container_does(web, stream):
    next_of(stream, "stats")
    web.ocipy("kill", web.id, "KILL")
    assert stream.wait(20) == 0


def test_the_last_event_may_be_that_it_is_killed(box):
    version("memory")
    box.linux["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    box.create("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    stream = popen(box, "events", "--interval=100ms", box.id, **how)
    next_of(stream, "stats")
    box.start()
    assert next_of(stream, "oom") == {"type": "oom", "id": box.id}
    assert stream.wait(20) == 0
    stream.stdout.close()


def test_a_reader_who_goes_away_ends_it(web, stream):
    next_of(stream, "stats")
    stream.stdout.close()
    assert stream.wait(20) == 128 + 13


def test_what_does_not_run_has_no_events(web):
    web.ocipy("kill", web.id, "KILL")
    web.stopped()
    for flags in (["--stats"], []):
        message = web.error(web.ocipy("events", *flags, web.id, status=1))
        assert message == f"events {web.id}: container not running"


@pytest.mark.parametrize("text", ["5", "s", "1.2.3s", "5 s", "1d", "-5s", ""])
def test_an_interval_is_a_duration(web, text):
    message = web.error(web.ocipy("events", f"--interval={text}", web.id, status=1))
    assert message == f'events: invalid value "{text}" for --interval: not a duration such as 5s or 1m30s'
    message = web.error(web.ocipy("events", "--interval=0s", web.id, status=1))
    assert message == "events: duration interval must be greater than 0"
