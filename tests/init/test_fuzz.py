"""The parser of programs under libFuzzer, from every op as a seed."""

import os
import shutil
import subprocess

import pytest

from ocipy.plan import protocol
from tests.conftest import TREE, need
from tests.init.driver import program

SAMPLE = {"i": 0, "f": 0, "s": "ab", "b": b"abcd", "l": ("a", "", "b=c")}
SECONDS = os.environ.get("OCIPY_FUZZ_SECONDS", "5")


@pytest.mark.slow
@pytest.mark.timeout(120 + 2 * int(SECONDS))
def test_no_program_makes_the_parser_leave_its_bytes(tmp_path):
    need(shutil.which("clang"), "needs clang")
    samples = [(op, *(SAMPLE[kind] for kind in signature)) for op, (_, signature) in protocol.OPS.items()]
    for sample in samples:
        (tmp_path / sample[0]).write_bytes(b"\3" + program(sample))
    (tmp_path / "all").write_bytes(b"\3" + program(*[sample for sample in samples if sample[0] != "CLONE"]))
    done = subprocess.run(
        ["make", "-s", "-C", os.path.join(TREE, "init"), "fuzz", f"SECONDS={SECONDS}", f"CORPUS={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
