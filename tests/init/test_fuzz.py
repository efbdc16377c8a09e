"""What init parses under libFuzzer: programs, from every op as a seed, and an image's /etc/passwd."""

import os
import shutil
import subprocess

import pytest

from ocipy.plan import protocol
from tests.conftest import TREE, need
from tests.init.driver import program

SAMPLE = {"i": 0, "f": 0, "s": "ab", "b": b"abcd", "l": ("a", "", "b=c")}
SECONDS = os.environ.get("OCIPY_FUZZ_SECONDS", "5")


PASSWD = b"""root:x:0:0:root:/root:/bin/sh
daemon:*:1:1::/usr/sbin:
:x:2:2::/nowhere:
bin:x:2:2:b:relative:/bin/sh
sys:x:3:3:too short:/dev
"""


def fuzz(target, seconds, corpus):
    need(shutil.which("clang"), "needs clang")
    words = ["make", "-s", "-C", os.path.join(TREE, "init"), target, f"SECONDS={seconds}", f"CORPUS={corpus}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=corpus)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(120 + 2 * int(SECONDS))
def test_no_program_makes_the_parser_leave_its_bytes(tmp_path):
    samples = [(op, *(SAMPLE[kind] for kind in signature)) for op, (_, signature) in protocol.OPS.items()]
    for sample in samples:
        (tmp_path / sample[0]).write_bytes(b"\3" + program(sample))
    (tmp_path / "all").write_bytes(b"\3" + program(*[sample for sample in samples if sample[0] != "CLONE"]))
    fuzz("fuzz", SECONDS, tmp_path)


@pytest.mark.slow
def test_no_passwd_of_an_image_makes_its_reader_leave_its_bytes(tmp_path):
    for uid in range(4):
        (tmp_path / str(uid)).write_bytes(bytes((uid, 40)) + PASSWD)
    (tmp_path / "long").write_bytes(bytes((3, 40)) + b"x" * 2030 + b"\n" + PASSWD)
    fuzz("fuzz-passwd", max(2, int(SECONDS) // 6), tmp_path)
