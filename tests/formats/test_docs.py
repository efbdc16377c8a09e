"""docs/formats.md: its example works, and its tables are those of the code."""

import os
import re

import pytest

from ocipy import formats
from ocipy.formats.lxc import keys
from tests.conftest import TREE, bundle
from tests.formats import plugin

with open(os.path.join(TREE, "docs", "formats.md"), encoding="utf-8") as file:
    TEXT = file.read()


def lxc_table():
    """LXC's keys that are not carried over, by reason."""
    by_reason = {}
    for name, key in keys.KEYS.items():
        if key.manual and key.fate != keys.CARRIED:
            by_reason.setdefault((key.fate, key.reason), []).append(f"`{name}`")
    rows = [f"| {', '.join(found)} | {fate} | {reason} |" for (fate, reason), found in by_reason.items()]
    return "\n".join(["| key | | why |", "|---|---|---|", *rows]) + "\n"


def test_the_table_of_lxcs_keys_is_the_codes():
    assert lxc_table() in TEXT
    five, seven = keys.shares(5), keys.shares(7)
    said = "Of the {} keys of lxc.container.conf(5) {} are carried over, {} are lossy and {} refused; "
    said += "of LXC 7, whose manual has {}, {}, {} and {}:"
    counts = (sum(five.values()), *five.values(), sum(seven.values()), *seven.values())
    assert said.format(*counts) in TEXT.replace("\n", " ")


def test_the_formats_are_those_that_there_are():
    table = re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \|$", TEXT, re.MULTILINE)
    assert tuple(table) == formats.NAMES


# ---------------------------------------------------------------- the example


@pytest.fixture
def nspawn(tmp_path):
    """A directory with nspawn's settings, and ocipy with the package of the document's example."""
    (source,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(source.splitlines()) <= 50
    assert '"ocipy.formats"]\nnspawn = "nspawn_format"' in TEXT
    site = plugin.install(tmp_path / "site", "nspawn", source)
    made = bundle(tmp_path)
    os.unlink(made / "config.json")

    def run(*words, text="", status=0):
        (made / "container.nspawn").write_text(text)
        done = plugin.ocipy(site, *words, made, root=tmp_path / "state")
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


SETTINGS = """\
[Exec]
Hostname=spawned
Parameters=sh -c env;hostname;echo_$$
Environment=PATH=/bin
"""


@pytest.mark.kernel
def test_the_example_runs_a_container(nspawn):
    text = SETTINGS.replace("sh -c env;hostname;echo_$$", "/bin/hostname")
    assert nspawn("run", text=text).stdout == "spawned\n"


def test_the_example_says_which_line_is_wrong(nspawn):
    assert "[container.nspawn:2: Hostname]" in nspawn("plan", text=SETTINGS).stdout
    long = SETTINGS.replace("spawned", "x" * 65)
    said = nspawn("validate", text=long, status=1).stdout
    assert said == "container.nspawn:2: Hostname: is longer than 64 bytes (hostname-length)\n"
    said = nspawn("validate", text="Hostname\n", status=1).stdout
    assert said == "container.nspawn:1: Hostname: is no setting (nspawn)\n"


def test_the_example_names_what_it_loses(nspawn):
    text = f"{SETTINGS}Personality=x86\n"
    done = nspawn("convert", "--to", "nspawn", text=text)
    assert done.stdout == "[Exec]\nParameters=sh -c env;hostname;echo_$$\nEnvironment=PATH=/bin\n"
    assert done.stderr.splitlines()[0].endswith("container.nspawn:5: Personality: lossy: is not known here")
    assert "container.nspawn:2: Hostname: /hostname: lossy: is not written here" in done.stderr
    strict = nspawn("validate", "--strict", text=text, status=1).stdout
    assert strict == "container.nspawn:5: Personality: lossy: is not known here (lossy)\n"
