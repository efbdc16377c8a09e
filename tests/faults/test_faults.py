"""Each system call of a create and of an exec fails once: one clear line, and nothing is left.

The list of calls is that of a trace.  Here each call fails where it is made first, with one error; `make
faults` has every place and every error.
"""

import os
import shutil

import pytest

from tests.conftest import need
from tests.faults.harness import ERRORS, Faults, examine, victim

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("verb", ["create", "exec"])
def test_a_call_that_fails_leaves_nothing_and_is_told_in_one_line(tmp_path, verb):
    need(shutil.which("strace"), "needs strace")
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_mode & 0o011 != 0o011 and directory.stat().st_uid == os.geteuid():
            directory.chmod(0o755)
    made = victim(tmp_path)
    complaints, names = [], set()
    with Faults(tmp_path, made, f"ocipytest-{os.getpid()}-{verb}", verb) as faults:
        chosen = {}
        for name, n in faults.places():
            chosen.setdefault(name, (name, n, ERRORS[len(chosen) % len(ERRORS)]))
        for place in chosen.values():
            outcome, complaint = examine(faults, *place)
            names |= {place[0]} if outcome.status else set()
            complaints += [f"{place}: {complaint}"] if complaint else []
    assert not complaints
    # That the injections come through, and not only where a failure does not matter.
    assert {"openat", "socketpair", "clone3", "execve", "sendmsg", "setresuid", "capset"} <= names
