"""Backends, ours and other packages'; and how errors speak of a container that is no config.json."""

import json
import os
import subprocess
import sys

import pytest

from ocipy import formats
from ocipy.errors import ConfigError, Problem, StepError, UsageError
from ocipy.spec import Spec
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED, Note, judge, retold
from tests.conftest import bundle
from tests.formats import plugin

SPEC = Spec(
    {},
    "config",
    places={"/hostname": "config:3: lxc.uts.name", "/linux/resources": "config:7: lxc.cgroup2.pids.max"},
)


@pytest.mark.parametrize("name", formats.NAMES)
def test_every_format_has_the_same_four_names(name):
    module = formats.backend(name)
    assert name == module.NAME
    assert all(callable(getattr(module, function)) for function in ("detect", "load", "dump"))


def test_an_unknown_format_is_an_error_of_usage(tmp_path):
    with pytest.raises(UsageError, match=r"^unknown container format 'lxd': known are oci"):
        formats.load(str(tmp_path), "lxd")


# ---------------------------------------------------------------- places and notes


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/hostname", "config:3: lxc.uts.name"),
        ("/linux/resources/pids/limit", "config:7: lxc.cgroup2.pids.max"),
        ("/linux/namespaces/0", "config: implied /linux/namespaces/0"),
        ("/linux/resourcesful", "config: implied /linux/resourcesful"),
    ],
)
def test_a_property_comes_from_the_nearest_place_above_it(pointer, place):
    assert SPEC.place(pointer) == place
    assert Spec({}).place(pointer) == pointer


def test_a_problem_speaks_of_the_file_that_was_read():
    problem = Problem("/linux/resources/pids", "no", "rule")
    assert Spec({}).located(problem) is problem
    located = SPEC.located(problem)
    assert (str(located), located.within("x")) == ("config:7: lxc.cgroup2.pids.max: no",) * 2
    assert (located.pointer, located.rule) == (problem.pointer, problem.rule)
    assert SPEC.located(located) is located
    assert str(ConfigError([located, located], "config")) == f"{located}; {located}"
    assert str(ConfigError([problem], "config.json")) == "config.json: /linux/resources/pids: no"


def test_what_has_no_place_is_still_of_the_file():
    assert str(SPEC.located(Problem("", "no", "rule"))) == "config: no"


def test_a_failed_step_says_which_line_asked_for_it():
    assert str(StepError("set it", "no", "/hostname")) == "set it (config.json /hostname): no"
    assert str(StepError("set it", "no", SPEC.place("/hostname"))) == "set it (config:3: lxc.uts.name): no"


@pytest.mark.parametrize(
    ("warning", "said"),
    [
        ("config.json: /linux/resources/x is ignored", "config:7: lxc.cgroup2.pids.max is ignored"),
        ("/hostname: it is long", "config:3: lxc.uts.name: it is long"),
        ("memory: it is short", "memory: it is short"),
    ],
)
def test_a_warning_of_the_plan_is_retold(warning, said):
    assert retold(SPEC, warning) == said
    assert retold(Spec({}), warning) == warning


def test_what_is_lossy_is_a_warning_unless_one_is_strict():
    notes = [Note(fate, "config:1", fate, f"{fate} it is") for fate in (CHANGED, LOSSY, REFUSED)]
    problems, warnings = judge(notes)
    assert [str(p) for p in problems] == ["config:1: refused: refused: refused it is"]
    assert warnings == ["config:1: lossy: lossy: lossy it is"]
    problems, warnings = judge(notes, strict=True)
    assert ([p.rule for p in problems], warnings) == (["lossy", "refused"], [])


@pytest.mark.parametrize("name", ["oci", "libcontainer"])
def test_what_is_not_utf_8_is_not_written_as_json_that_nobody_can_read(name):
    data = {"root": {"path": "/r"}, "process": {"env": ["A=1", "B=\udcff"]}, "annotations": {"\udcff": "x"}}
    _, notes = formats.backend(name).dump(Spec(data))
    assert {n.key for n in notes if n.fate == REFUSED} == {"/process/env/1", "/annotations/\udcff"}


# ---------------------------------------------------------------- other packages' formats


@pytest.fixture
def toy(tmp_path):
    """A bundle, and ocipy with a package that can read it as a toy too: toy("plan", "-b", toy.bundle)."""
    made = bundle(tmp_path, ("true",))
    config = json.loads((made / "config.json").read_text())
    installed = plugin.install_toy(tmp_path / "site", config)

    def run(*words, text="", status=0):
        (made / "toy").write_text(text)
        done = plugin.ocipy(installed, *words, root=tmp_path / "state")
        assert done.returncode == status, done.stdout + done.stderr
        return done

    run.bundle = made
    return run


#: Of both byte orders, which no filter can have: found out by libseccomp, after the plan was made.
SECCOMP = "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_S390X']}\n"
HOSTNAME = "hostname 'box'\n"


def test_a_format_of_another_package_is_found_when_none_of_ours_knows_the_directory(toy):
    assert "toy" not in toy("plan", toy.bundle, text=HOSTNAME).stdout
    os.unlink(toy.bundle / "config.json")
    assert "set host name box  [toy:1: hostname]" in toy("plan", toy.bundle, text=HOSTNAME).stdout


def test_a_format_of_another_package_can_be_named(toy):
    words = ("--format", "toy", "--format", "json", toy.bundle)
    plan = json.loads(toy("plan", *words, text=HOSTNAME).stdout)
    assert "toy:1: hostname" in [step["pointer"] for step in plan["create"]]
    assert toy("plan", "--format", "oci", toy.bundle, text=HOSTNAME).stdout.count("toy:1") == 0


@pytest.mark.parametrize("format", [[], ["--format", "json"]])
def test_problems_of_a_container_in_another_format_have_its_places(toy, format):
    text = "refused no such thing\nlossy that is lost\nchanged in another way\nprocess.cwd 'relative'\n"
    done = toy("validate", "--format", "toy", *format, toy.bundle, text=text, status=1)
    assert "toy:2: lossy: lossy: that is lost" in done.stderr
    if format:
        assert {p["place"] for p in json.loads(done.stdout)} == {"toy:1: refused", "toy:4: process.cwd"}
    else:
        first, second = done.stdout.splitlines()
        assert first == "toy:1: refused: refused: no such thing (refused)"
        assert second.startswith("toy:4: process.cwd: ")
    strict = toy("validate", "--format", "toy", "--strict", toy.bundle, text=text, status=1)
    assert (strict.stdout.count("\n"), strict.stderr) == (3, "")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("refused no such thing\n", "toy:1: refused: refused: no such thing"),
        ("process.cwd 'relative'\n", "toy:1: process.cwd: "),
        ("process.oomScoreAdj 5\nmounts [{'destination': '/x', 'type': 'nosuchfs'}]\n", " (toy:2: mounts): "),
        ("process.args ['nope']\n", 'exec: "nope": executable file not found in $PATH'),
        ("hooks.prestart [{'path': '/bin/false'}]\n", "prestart hook /bin/false (toy:1: hooks.prestart): "),
        (
            "hooks {}\nhooks.poststop [{'path': '/bin/false'}]\n",
            "poststop hook /bin/false (toy:2: hooks.poststop): ",
        ),
        ("linux.seccomp " + SECCOMP, "toy:1: linux.seccomp/architectures/1: libseccomp: "),
    ],
)
def test_errors_of_a_run_have_its_places(toy, text, said):
    status = 0 if "poststop" in text else 1
    id = f"ocipy-toy-{os.getpid()}"
    done = toy("run", "--format", "toy", "-b", toy.bundle, id, text=text, status=status)
    assert said in done.stderr
    assert "config.json" not in done.stderr


@pytest.mark.kernel
def test_what_is_lossy_stops_a_strict_run_alone(toy):
    words = ("--format", "toy", "-b", toy.bundle, f"ocipy-toy-{os.getpid()}")
    assert toy("run", *words, text="lossy a\n").stderr == "ocipy: warning: toy:1: lossy: lossy: a\n"
    assert (
        toy("run", "--strict", *words, text="lossy a\n", status=1).stderr == "ocipy: toy:1: lossy: lossy: a\n"
    )
    assert toy("run", "--strict", *words, text="changed a\n").stderr == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nosuchmodule", " cannot be loaded: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("raise SystemError('x')", " cannot be loaded: SystemError: x"),
        ("NAME, detect, load = 'toy', len, len", " cannot be used: toy_format has no dump"),
        ("load = dump = detect = lambda directory: 1 / 0", ": load: ZeroDivisionError: division by zero"),
        ("load = dump = detect = lambda directory: None", ": load returns no (Spec, notes)"),
    ],
)
def test_a_broken_package_is_named(tmp_path, source, said):
    plugin.install(tmp_path / "site", "toy", source)
    done = plugin.ocipy(tmp_path / "site", "validate", "--format", "toy", tmp_path, root=tmp_path / "state")
    assert done.returncode == 1
    assert done.stderr.endswith(f": container format 'toy' of package toy-format{said}\n")
    assert done.stderr.startswith("ocipy: validate")
    assert done.stderr.count("\n") == 1


def test_a_broken_package_is_in_nobody_s_way(tmp_path):
    config = json.loads((bundle(tmp_path, ("true",)) / "config.json").read_text())
    site = plugin.install_toy(tmp_path / "site", config)
    plugin.install(site, "abacus", "load = dump = detect = lambda directory: 1 / 0")
    place = tmp_path / "toys"
    place.mkdir()
    for text, status, said in (("hostname 'box'\n", 0, ""), (None, 1, "format 'abacus'")):
        if text:
            (place / "toy").write_text(text)
        else:
            (place / "toy").unlink()
        done = plugin.ocipy(site, "validate", place, root=tmp_path / "state")
        assert (done.returncode, said in done.stderr) == (status, True), done.stderr


def test_a_name_of_ours_is_ours(tmp_path):
    bundle_of_ours = tmp_path / "bundle"
    bundle_of_ours.mkdir()
    (bundle_of_ours / "config.json").write_text("[]")
    plugin.install(tmp_path / "site", "oci", "raise SystemError('never loaded')")
    done = plugin.ocipy(tmp_path / "site", "validate", "--format", "oci", bundle_of_ours, root=tmp_path)
    assert done.stdout == "config.json: must be an object, not an array (schema)\n"


def test_other_packages_are_not_looked_for_when_a_bundle_is_there(tmp_path):
    """importlib.metadata takes 20 ms."""
    (tmp_path / "config.json").write_text("{}")
    code = f"import sys; sys.path[:0] = [{plugin.TREE!r}]; from ocipy import formats\n"
    code += "formats.load(sys.argv[1]); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code, str(tmp_path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "ocipy.formats.oci" in loaded
    assert not {"importlib.metadata", "ocipy.formats.plugins", "ocipy.spec.origin"} & set(loaded)
