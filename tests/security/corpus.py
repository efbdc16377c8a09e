"""The table of attacks: each a function that tries to get out, and says what it got.

    @attack("CVE-2021-30465", without={"create": CHECKED_THEN_USED})
    def a_mount_target_that_becomes_a_symlink(scene):
        ... builds the hostile bundle, attacks; returns a list of what changed or was seen, [] if it held

An attack is run for each verb that it names: `scene.verb` is how the process under attack comes into being.
"""

from typing import NamedTuple

ATTACKS = []


class Attack(NamedTuple):
    """One row of the table.

    ids:     CVE numbers, or what else a flaw of this kind is known by
    verb:    "create" or "exec"
    without: the weakening under which it must succeed
    """

    name: str
    ids: tuple
    verb: str
    without: object
    run: object

    def __str__(self):
        return f"{self.name}-{self.verb}"


def attack(*ids, without):
    """Put a function into the table, once for each verb of `without`."""

    def register(function):
        for verb, weakened in without.items():
            ATTACKS.append(Attack(function.__name__, ids, verb, weakened, function))
        return function

    return register
