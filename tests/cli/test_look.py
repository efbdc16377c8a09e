"""plan, validate and features: verbs that look and touch nothing."""

import json
import os
import re

import pytest

pytestmark = pytest.mark.kernel


def broken(config):
    config["hostname"] = "x"
    config["linux"]["namespaces"] = [{"type": "pid"}, {"type": "pid"}, {"type": "mount"}]


def test_the_plan_shows_every_step_and_its_cause(host):
    text = host.ok("plan", host.bundle("ls"))
    assert "[/mounts/0]" in text
    assert text.rstrip().splitlines()[-1].startswith("execute ls")
    assert not host.root.exists()


def test_the_plan_is_json_too(host):
    bundle = host.bundle("ls")
    plan = json.loads(host.ok("plan", "--format", "json", bundle))
    steps = [*plan["create"], *plan["start"]]
    assert all({"step", "text", "pointer"} <= step.keys() for step in steps)
    lines = host.ok("plan", bundle).splitlines()
    assert [f"{s['text']}  [{s['pointer']}]" if s["pointer"] else s["text"] for s in steps] == lines


def test_the_plan_is_found_where_runc_looks_for_a_bundle(host):
    bundle = host.bundle("ls")
    assert host.ok("plan", bundle) == host.ok("plan", "-b", bundle) == host.ok("plan", cwd=bundle)


def test_the_plan_of_what_is_wrong_is_an_error(host):
    assert host.fails("plan", host.bundle("ls", change=broken)).startswith("config.json: /")


def test_the_plan_needs_no_privilege(command, host):
    bundle = host.bundle("ls")
    for path in (host.directory, host.directory.parent, host.directory.parent.parent):
        os.chmod(path, 0o755)
    result = host("plan", bundle, user=65534, group=65534, extra_groups=())
    assert result.status == 0, result
    assert "execute ls" in result.out


def test_a_bundle_that_is_right_is_valid(host):
    assert host.ok("validate", host.bundle("ls")) == ""
    assert host.ok("validate", "-b", host.bundle("ls"), "-f", "json") == "[]\n"


def test_all_that_is_wrong_is_reported_at_once(host):
    bundle = host.bundle("ls", change=broken)
    result = host("validate", bundle)
    assert (result.status, result.err) == (1, "")
    lines = result.out.splitlines()
    assert len(lines) == 2
    assert any(line.startswith("config.json: /hostname: ") for line in lines)
    assert any(line.startswith("config.json: /linux/namespaces/1") for line in lines)

    report = json.loads(host("validate", "--format=json", bundle).out)
    assert [f"config.json: {p['pointer']}: {p['message']} ({p['rule']})" for p in report] == lines
    # The same words as create's.
    message = host.fails("create", bundle)
    assert message == "config.json: " + "; ".join(f"{p['pointer']}: {p['message']}" for p in report)


def test_unknown_properties_count_only_if_asked(host):
    def change(config):
        config["bogus"] = 1

    bundle = host.bundle("ls", change=change)
    result = host("validate", bundle)
    assert (result.status, result.out) == (0, "")
    assert result.err == "ocipy: warning: config.json: /bogus: is not a property of the standard\n"
    assert "/bogus" in host("validate", "--strict", bundle).out


def test_every_verb_says_each_warning_once_and_which_file_it_is_about(host):
    def change(config):
        config["mounts"] += [
            {"destination": "/mnt", "source": "/usr", "options": ["bind", "size=1m"]},
            {"destination": "mnt", "type": "tmpfs", "source": "tmpfs"},
        ]

    bundle = host.bundle("ls", change=change)
    bind, relative = host("plan", bundle).err.splitlines()[::-1]
    assert re.fullmatch(r"ocipy: warning: config.json: /mounts/\d+/options: size=1m: of no meaning .*", bind)
    assert re.fullmatch(r"ocipy: warning: config.json: /mounts/\d+/destination: relative .*", relative)
    assert host("validate", bundle).err == f"{relative}\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a":1,"a":2}', '{"ociVersion": NaN}', "\xff"])
def test_what_is_no_json_is_reported_as_a_problem(host, text):
    directory = host.directory / "bad"
    directory.mkdir()
    (directory / "config.json").write_bytes(text.encode("latin-1"))
    result = host("validate", str(directory))
    assert (result.status, result.err) == (1, "")
    assert result.out.startswith("config.json: ")
    (problem,) = json.loads(host("validate", str(directory), "-f", "json").out)
    assert problem.keys() == {"pointer", "message", "rule"}


def test_features_are_json(host):
    document = json.loads(host.ok("features"))
    assert document["ociVersionMin"] == "1.0.0"
    assert "time" in document["linux"]["namespaces"]
