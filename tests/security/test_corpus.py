"""Every escape that is known, tried on ocipy, and on an ocipy without what holds it.

The attacks are the functions of attacks_*.py; features of each: which published flaw it is, how the process
under attack comes into being (create, exec), and which edit of the source it must succeed under.
"""

import pytest

from tests.security import (
    attacks_identity,
    attacks_init,
    attacks_paths,
    attacks_procfs,
    attacks_python,
    weakenings,
)
from tests.security.corpus import ATTACKS
from tests.security.weaken import Weakening

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

MODULES = (attacks_identity, attacks_init, attacks_paths, attacks_procfs, attacks_python)
HOLDS = "test_nothing_gets_out"
WOULD_FALL = "test_it_gets_out_without_what_holds_it"


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nothing_gets_out(attack, stage):
    scene = stage(attack)
    assert attack.run(scene) + scene.damage() == []


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_it_gets_out_without_what_holds_it(attack, stage):
    scene = stage(attack, attack.without)
    assert attack.run(scene) or scene.damage()


def test_every_weakening_is_used_by_an_attack():
    made = {value for value in vars(weakenings).values() if isinstance(value, Weakening)}
    assert made == {attack.without for attack in ATTACKS}


def test_every_attack_says_what_it_is():
    assert all(attack.run.__doc__ and attack.ids for attack in ATTACKS)
