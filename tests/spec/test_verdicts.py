"""Our schemas against the standard's: the same verdict on every document, but for those of a short table.

Four judges see each document: the official schema and ours, both through jsonschema, the compiled functions
and the walker of `ocipy.spec.report`.  The documents are the standard's own examples, ours, what `runc spec`
writes, and some thousands of mutations of the good ones, always the same.

The official schemas are not part of this project: $OCIPY_ORACLE names their directory (`make` finds it).
"""

import copy
import functools
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess

import jsonschema
import pytest

from ocipy import spec
from ocipy.errors import ConfigError
from ocipy.spec import jsontext, report

MUTANTS = {"config": 4000, "state": 300, "features": 700}


def empty_key(path):
    """The official map type leaves values under "" (and under keys of newlines) free; decoders do not."""
    return path[0] in ("annotations", "linux") and isinstance(path[-1], str) and not path[-1].strip("\n")


def feature_of_1_3(path):
    """The official features schema has not got what the text of 1.3.0 added to it."""
    return path[:2] == ("linux", "memoryPolicy") or path[:3] in (
        ("linux", "intelRdt", "schemata"),
        ("linux", "intelRdt", "monitoring"),
    )


def file_type(path):
    """podman writes st_mode whole as a device's mode (8630 is 020666), and other runtimes take it."""
    return path[:2] == ("linux", "devices") and path[-1] == "fileMode"


def recursive_propagation(path):
    """dockerd and containerd write rslave and rshared, and other runtimes take them."""
    return path == ("linux", "rootfsPropagation")


#: Where ours may take what the official ones refuse.
LOOSER = {"config": [file_type, recursive_propagation], "state": [], "features": []}
#: Where ours may refuse what the official ones take.
STRICTER = {"config": [empty_key], "state": [empty_key], "features": [empty_key, feature_of_1_3]}


# ---------------------------------------------------------------- judges


@pytest.fixture(scope="session")
def oracle():
    """The directory of the official schemas."""
    directory = os.environ.get("OCIPY_ORACLE")
    if not directory:
        pytest.skip("OCIPY_ORACLE does not name the directory of the official schemas")
    found = pathlib.Path(directory) / "schema"
    if not found.is_dir():
        missing = pytest.fail if os.environ.get("OCIPY_MUST_WORK") == "1" else pytest.skip
        missing(f"OCIPY_ORACLE: {found} is not there")
    return found


def ecma_pattern(_validator, pattern, text, _schema):
    """As JSON Schema has it: $ is the end, where Python's matches before a last newline too."""
    if isinstance(text, str) and not report.matches(pattern, text):
        yield jsonschema.ValidationError("pattern")


Judge = jsonschema.validators.extend(jsonschema.Draft4Validator, {"pattern": ecma_pattern})


def resolved(directory, file, node):
    """A schema with every $ref put in place: jsonschema is ten times faster without them."""

    @functools.cache
    def load(name):
        return json.loads((directory / name).read_text())

    def resolve(file, node):
        if isinstance(node, list):
            return [resolve(file, item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target, _, pointer = node["$ref"].partition("#")
            found = load(target or file)
            for step in pointer.strip("/").split("/") if pointer else ():
                found = found[step]
            return resolve(target or file, found)
        return {k: resolve(file, item) for k, item in node.items() if k not in ("$schema", "definitions")}

    return resolve(file, node or load(file))


@pytest.fixture(scope="session")
def official(oracle):
    return {
        kind: Judge(resolved(oracle, f"{kind}-schema.json", None)) for kind in ("config", "state", "features")
    }


@pytest.fixture(scope="session")
def ours():
    return {kind: Judge(report.schema(kind)) for kind in ("config", "state", "features")}


def compiled(kind, document):
    """The verdict that create goes by."""
    if kind == "config":
        from ocipy.spec import _generated

        return _generated.config(document)
    return report.is_valid(kind, document)


# ---------------------------------------------------------------- documents


def oracle_files(oracle, kind, quality):
    return sorted((oracle / "test" / kind / quality).glob("*.json"))


@pytest.mark.parametrize("kind", ["config", "state", "features"])
def test_good_examples_of_the_standard_are_good(oracle, official, ours, kind):
    files = oracle_files(oracle, kind, "good")
    assert files
    for file in files:
        document = jsontext.parse(file.read_bytes(), file.name)
        verdicts = (
            official[kind].is_valid(document),
            ours[kind].is_valid(document),
            compiled(kind, document),
        )
        assert (file.name, verdicts) == (file.name, (True, True, True))


@pytest.mark.parametrize("kind", ["config", "state", "features"])
def test_bad_examples_of_the_standard_are_bad(oracle, official, ours, kind):
    files = oracle_files(oracle, kind, "bad")
    assert files
    for file in files:
        try:
            document = jsontext.parse(file.read_bytes(), file.name)
        except ConfigError:
            assert file.name == "invalid-json.json"
            continue
        verdicts = (
            official[kind].is_valid(document),
            ours[kind].is_valid(document),
            compiled(kind, document),
        )
        assert (file.name, verdicts) == (file.name, (False, False, False))


def test_our_examples_are_good(examples, official, ours):
    for name, document in examples.items():
        assert (name, ours["config"].is_valid(document), compiled("config", document)) == (name, True, True)
        refused = [tuple(error.absolute_path) for error in official["config"].iter_errors(document)]
        assert (name, all(map(file_type, refused))) == (name, True)
        assert bool(refused) is (name == "podman-privileged")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_what_other_runtimes_write_is_good(runtime, tmp_path, official, ours):
    if not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    for flags in ([], ["--rootless"]):
        subprocess.run([runtime, "spec", *flags], cwd=tmp_path, check=True, capture_output=True)
        file = tmp_path / "config.json"
        document = jsontext.parse(file.read_bytes(), file.name)
        file.unlink()
        assert official["config"].is_valid(document)
        assert ours["config"].is_valid(document)
        problems, warnings = spec.validate(document, strict=True)
        # crun makes up the mappings that its --rootless config lacks; runc refuses such a config.
        unlike_runc = {"user-namespace-without-mappings"} if runtime == "crun" and flags else set()
        assert ({problem.rule for problem in problems}, warnings) == (unlike_runc, [])


# ---------------------------------------------------------------- mutations

POOL = [
    None, True, False, 0, 1, -1, 7, 511, 512, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63,
    2**64 - 1, 2**64, -(2**31), -(2**63), -(2**63) - 1, 10**30, 1.0, 1.5, -0.0, "", "x", "1", "\n",
    "pid", "RLIMIT_CPU", "2MB", "MB:", "c", "SCMP_ACT_ALLOW", "private", [], [None], ["x"], [1], [{}],
    {}, {"": None}, {"x": 1}, {"path": "/x"}, {"type": "pid"}, {"major": 1, "minor": 2, "rate": -1},
    {"": "x"}, {"\n": 1}, {"limit": 1},
]  # fmt: skip


def nodes(value, path=()):
    """(path, value) of everything in a document."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from nodes(item, (*path, key))


def small(value):
    """The document with its long lists cut, so that mutations hit all of it alike."""
    if isinstance(value, dict):
        return {key: small(item) for key, item in value.items()}
    return [small(item) for item in value[:3]] if isinstance(value, list) else value


def schema_at(schema, path):
    for step in path:
        schema = (
            schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
        )
    return schema


def near(rng, value):
    """A value like ``value``, but not it."""
    if isinstance(value, bool) or value is None:
        return rng.choice(["true", 1, 0, None])
    if isinstance(value, (int, float)):
        return rng.choice([value + 1, -value - 1, float(value), str(value), value * 2**32, value - 1])
    if isinstance(value, str):
        return rng.choice(
            [value + "\n", value.lower(), value + "X", value[1:], "", [value], value.encode().hex()]
        )
    if isinstance(value, list):
        return rng.choice(
            [[*value, None], [*value, *value], [], value[:1], dict.fromkeys(map(str, value)), [value]]
        )
    return rng.choice([{}, [value], {**value, "unknown": None}, list(value), {**value, "": 0}])


def mutate(rng, document, schema):
    """One change of ``document``, in place."""
    path, value = rng.choice([node for node in nodes(document) if node[0]])
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    match rng.randrange(6):
        case 0:
            del holder[path[-1]]
        case 1:
            holder[path[-1]] = copy.deepcopy(rng.choice(POOL))
        case 2 | 3:
            holder[path[-1]] = near(rng, value)
        case 4:
            # A property that the schema knows and this object lacks, with any value.
            target = value if isinstance(value, dict) else holder
            known = schema_at(schema, path if target is value else path[:-1]).get("properties")
            if isinstance(target, dict):
                target[rng.choice(sorted(known or {"x": 0}))] = copy.deepcopy(rng.choice(POOL))
        case 5:
            # The key with another case, or the item at another place.
            if isinstance(holder, dict):
                holder[path[-1].swapcase()] = holder.pop(path[-1])
            else:
                holder.insert(0, copy.deepcopy(rng.choice(POOL)))


def mutants(kind, seeds, schema):
    """The same ones each time: one to three changes of the seeds, one after the other."""
    rng = random.Random(f"{kind} 1.3.0")
    for number in range(MUTANTS[kind]):
        document = copy.deepcopy(seeds[number % len(seeds)])
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if document:
                mutate(rng, document, schema)
        yield document


def seeds_of(kind, examples, oracle=None):
    own = {
        # Without the one that the official schema refuses: so would it nearly all of its mutants.
        "config": [document for name, document in examples.items() if name != "podman-privileged"],
        "state": [
            {
                "ociVersion": "1.0.0",
                "id": "web",
                "status": "running",
                "pid": 7,
                "bundle": "/b",
                "annotations": {"a": "b"},
            }
        ],
        "features": [FEATURES],
    }[kind]
    files = oracle_files(oracle, kind, "good") if oracle else ()
    return [small(document) for document in own + [jsontext.parse(f.read_bytes(), f.name) for f in files]]


FEATURES = {
    "ociVersionMin": "1.0.0",
    "ociVersionMax": "1.3.0",
    "hooks": ["prestart", "poststop"],
    "mountOptions": ["ro", "rro"],
    "annotations": {"org.example": "x"},
    "potentiallyUnsafeConfigAnnotations": ["bundle", "org.criu."],
    "linux": {
        "namespaces": ["cgroup", "time"],
        "capabilities": ["CAP_CHOWN", "CAP_SYS_ADMIN"],
        "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
        "seccomp": {
            "enabled": True,
            "actions": ["SCMP_ACT_ALLOW"],
            "operators": ["SCMP_CMP_EQ"],
            "archs": ["SCMP_ARCH_X86_64"],
            "knownFlags": ["SECCOMP_FILTER_FLAG_LOG"],
            "supportedFlags": ["SECCOMP_FILTER_FLAG_TSYNC"],
        },
        "apparmor": {"enabled": True},
        "selinux": {"enabled": False},
        "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
        "memoryPolicy": {"modes": ["MPOL_BIND"], "flags": ["MPOL_F_STATIC_NODES"]},
        "mountExtensions": {"idmap": {"enabled": True}},
        "netDevices": {"enabled": True},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["config", "state", "features"])
def test_verdicts_on_mutations_are_those_of_the_standard(kind, examples, oracle, official, ours):
    unexplained, explained, bad = [], 0, 0
    for document in mutants(kind, seeds_of(kind, examples, oracle), report.schema(kind)):
        theirs, mine = official[kind].is_valid(document), ours[kind].is_valid(document)
        bad += not theirs
        if theirs == mine:
            continue
        reasons, strict = (STRICTER, ours) if theirs else (LOOSER, official)
        paths = [tuple(error.absolute_path) for error in strict[kind].iter_errors(document)]
        if all(any(reason(path) for reason in reasons[kind]) for path in paths):
            explained += 1
        else:
            unexplained.append((theirs, mine, paths, document))
    assert unexplained == []
    # Mutations that nearly all go wrong, or nearly never, would not say much; nor would a long table.
    assert 0.3 < bad / MUTANTS[kind] < 0.9
    assert explained < MUTANTS[kind] * 0.05


@pytest.mark.slow
def test_the_checks_take_whatever_the_schema_allows(examples):
    """No check fails, and each pointer leads to a value or to where one is missing."""
    checked = 0
    for document in mutants("config", seeds_of("config", examples), report.schema("config")):
        if not compiled("config", document):
            continue
        problems, warnings = spec.validate(document, strict=True)
        for problem in problems + warnings:
            assert str(problem).isprintable()
            assert resolves(document, problem.pointer), problem
        checked += bool(problems)
    assert checked > 100


def resolves(document, pointer):
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]] or [""]
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document.get(step, {})
    return int(last) < len(document) if isinstance(document, list) else isinstance(document, dict)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["config", "state", "features"])
def test_all_our_ways_to_apply_a_schema_agree_on_mutations(kind, examples, ours):
    """Verdicts, and from the walker and jsonschema every single violation."""
    schema = report.schema(kind)
    for document in itertools.islice(mutants(kind, seeds_of(kind, examples), schema), 1500):
        walked = list(report.walk(schema, document))
        judged = list(report.judge(jsonschema, schema, document))
        assert sorted(map(repr, walked)) == sorted(map(repr, judged)), document
        assert compiled(kind, document) is not bool(walked), (walked, document)
        assert bool(report.problems(kind, document)) is bool(walked)


def test_every_violation_has_words_on_one_line(examples):
    schema = report.schema("config")
    for document in list(mutants("config", seeds_of("config", examples), schema))[:300]:
        for violation in report.walk(schema, document):
            assert report.message(violation).isprintable() or "\\n" in report.message(violation)


def test_without_jsonschema_the_report_is_the_same(examples, monkeypatch):
    document = copy.deepcopy(examples["default"])
    document["process"]["args"] = {"a": 1}
    del document["root"]["path"]
    with_it = report.problems("config", document)
    monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
    assert report.problems("config", document) == with_it
    assert [str(problem) for problem in with_it] == [
        "/process/args: an object is not an array",
        "/root/path: is required",
    ]
