"""The scene of an attack, and the table of how all of them went."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import bundle, need
from tests.security import weaken
from tests.security.scene import Scene


@pytest.fixture(scope="session")
def hostile_template(tmp_path_factory):
    """A bundle whose root every attack gets a copy of."""
    return bundle(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def racer(tmp_path_factory):
    """The attacker's own program."""
    need(shutil.which("cc"), "needs a C compiler")
    path = tmp_path_factory.mktemp("racer") / "racer"
    source = os.path.join(os.path.dirname(__file__), "racer.c")
    subprocess.run(["cc", "-O2", "-Wall", "-D_GNU_SOURCE", "-static", "-o", path, source], check=True)
    path.parent.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def weakened_launcher(tmp_path_factory, launcher):
    """The command of a tree with a weakening, which is made once."""
    made = {}

    def of(weakened):
        if weakened not in made:
            made[weakened] = weaken.build(weakened, tmp_path_factory.mktemp("weakened"))
        return made[weakened]

    return of


@pytest.fixture
def stage(tmp_path, launcher, hostile_template, racer, weakened_launcher):
    """Make the scene of an attack: stage(attack), or stage(attack, attack.without)."""
    made = []

    def make(attack, without=None):
        command = Path(launcher) if without is None else weakened_launcher(without)
        scene = Scene(command, tmp_path, hostile_template, racer, attack.verb, without is not None)
        made.append(scene)
        return scene

    yield make
    for scene in made:
        scene.close()


# ---------------------------------------------------------------- the table


def pytest_configure(config):
    config.stash[RESULTS] = {}


RESULTS = pytest.StashKey[dict]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and "attack" in getattr(item, "callspec", item).__dict__.get("params", {}):
        attack = item.callspec.params["attack"]
        item.config.stash[RESULTS].setdefault(attack, {})[item.originalname] = report.outcome


def pytest_terminal_summary(terminalreporter, config):
    """With OCIPY_CORPUS=1 the table is printed: what was tried, whether it held, and whether it would."""
    results = config.stash.get(RESULTS, {})
    if os.environ.get("OCIPY_CORPUS") != "1" or not results:
        return
    from tests.security.test_corpus import HOLDS, WOULD_FALL

    terminalreporter.section("attacks")
    words = {"passed": ("held", "fell"), "failed": ("GOT OUT", "HELD"), "skipped": ("-", "-"), None: ("", "")}
    for attack, outcome in results.items():
        held, fell = words[outcome.get(HOLDS)][0], words[outcome.get(WOULD_FALL)][1]
        ids = " ".join(attack.ids)
        terminalreporter.write_line(f"{attack.verb:6} {held:7} {attack.name.replace('_', ' ')}  [{ids}]")
        terminalreporter.write_line(f"       {fell:7} without: {attack.without}")
    count = len(results)
    held = sum(outcome.get(HOLDS) == "passed" for outcome in results.values())
    fell = sum(outcome.get(WOULD_FALL) == "passed" for outcome in results.values())
    terminalreporter.write_line(f"{count} attacks: {held} held; weakened, {fell} of them succeed")
