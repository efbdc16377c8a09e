"""The tree keeps its own house rules."""

import ast
import re
from configparser import ConfigParser

import pytest

import ocipy
from ocipy.record import Record
from tests.house.tree import ALL, MODULES, TESTS, TREE

MAKEFILE = (TREE / "Makefile").read_text(encoding="utf-8")
README = (TREE / "README.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def functions(source):
    return [
        node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_every_target_is_in_the_help():
    hidden = {name for name in TARGETS if not re.search(rf"^{name}:.* ## \S", MAKEFILE, re.MULTILINE)}
    assert not hidden


def test_every_target_is_phony():
    assert set(re.findall(r"^\.PHONY: (\S+)$", MAKEFILE, re.MULTILINE)) == TARGETS


def test_readme_speaks_of_targets_that_exist():
    named = set(
        re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"`[^`]+`|^    .*$", README, re.MULTILINE)))
    )
    assert {"run", "test"} <= named <= TARGETS


def test_readme_begins_with_the_two_commands():
    screen = "\n".join(README.splitlines()[:40])
    assert "make run" in screen
    assert "make test" in screen


def test_readme_speaks_of_files_that_exist():
    layout = README.partition("## Layout")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([^`]+)` ", layout, re.MULTILINE)
    assert len(named) > 8
    assert not [name for name in named if not (TREE / name).exists()]


def test_readme_lists_the_verbs_of_the_command():
    from ocipy.cli.table import VERBS

    listed = set(re.findall(r"^\| `ocipy ([a-z]+)", README, re.MULTILINE))
    assert listed == set(VERBS)


def test_the_version_is_one():
    from ocipy.cli import version

    config = ConfigParser()
    config.read(TREE / "setup.cfg")
    assert config["metadata"]["version"] == "attr: ocipy.__version__"
    assert getattr(version, "VERSION", ocipy.__version__) == ocipy.__version__
    assert getattr(version, "SPEC", ocipy.SPEC_VERSION) == ocipy.SPEC_VERSION


@pytest.mark.parametrize("name", ALL)
def test_a_file_can_be_read_in_one_sitting(name):
    assert ALL[name].text.count("\n") < (500 if name in TESTS else 400), "one that doubles asks to be two"


@pytest.mark.parametrize("path", sorted((TREE / "init").glob("*.[ch]")), ids=lambda path: path.name)
def test_a_file_of_the_init_can_be_read_in_one_sitting(path):
    assert path.read_text(encoding="utf-8").count("\n") < 400


@pytest.mark.parametrize("name", MODULES)
def test_a_function_fits_on_a_screen(name):
    long = {
        f.name: f.end_lineno - f.lineno + 1 for f in functions(MODULES[name]) if f.end_lineno - f.lineno >= 60
    }
    assert not long


@pytest.mark.parametrize("name", [name for name in MODULES if MODULES[name].text.strip()])
def test_a_module_says_what_it_is_for(name):
    doc = ast.get_docstring(MODULES[name].tree) or ""
    first = doc.partition("\n\n")[0]
    assert first, "a module begins with a docstring"
    assert first.endswith((".", ":", "?")), "whose first paragraph is a sentence"


@pytest.mark.parametrize("name", [name for name in TESTS if ".test_" in name])
def test_a_test_is_named_as_a_sentence(name):
    words = [f.name for f in functions(TESTS[name]) if f.name.startswith("test_") and f.name.count("_") < 2]
    assert not words


def records():
    """Every Record class of the pure packages."""
    for name in MODULES:
        if (
            name.startswith(("ocipy.plan", "ocipy.formats", "ocipy.spec"))
            and name != "ocipy.spec.schema_compiler"
        ):
            module = __import__(name, fromlist=("_",))
            for value in vars(module).values():
                if isinstance(value, type) and issubclass(value, Record) and value.__module__ == name:
                    yield value


@pytest.mark.parametrize("record", list(records()), ids=lambda record: record.__qualname__)
def test_nothing_can_be_added_to_a_record(record):
    assert record.__dictoffset__ == 0, "a base without __slots__ gives it a __dict__"
    assert record.__setattr__ is Record.__setattr__


def test_every_step_prints_as_one_line_of_its_own():
    from ocipy.plan import steps

    concrete = [
        record for record in records() if issubclass(record, steps.Step) and not record.__subclasses__()
    ]
    assert len(concrete) > 20
    assert not [step.__name__ for step in concrete if step.__str__ is steps.Step.__str__]
