"""What lines mean: a table, and the real LXC asked the same."""

import os
import re

import pytest

from ocipy.errors import ConfigError
from ocipy.formats.lxc import grammar
from tests.formats.lxc import made, real

HOST = object()  # the name of whoever asks
REFUSED = object()

#: What is done -> (lines, what is seen inside: the name, variables that begin with T, mounts; or REFUSED).
CASES = {
    "a hash behind a value is part of it": (["lxc.uts.name = a # c"], "a # c", {}, []),
    "no blanks are needed": (["lxc.uts.name=tight"], "tight", {}, []),
    "tabs and a carriage return": (["\tlxc.uts.name\t=\ttabs\r"], "tabs", {}, []),
    "double quotes": (['lxc.uts.name = "q"'], "q", {}, []),
    "single quotes": (["lxc.uts.name = 'q'"], "q", {}, []),
    "a quote without a second one": (["lxc.uts.name = 'q"], "'q", {}, []),
    "quotes that are not around it all": (['lxc.environment = T="x y"'], HOST, {"T": '"x y"'}, []),
    "quotes around it all": (['lxc.environment = "T=  x"'], HOST, {"T": "  x"}, []),
    "only the first equals sign counts": (["lxc.environment = T=a=b"], HOST, {"T": "a=b"}, []),
    "the last of two": (["lxc.uts.name = one", "lxc.uts.name = two"], "two", {}, []),
    "an empty value": (["lxc.uts.name = one", "lxc.uts.name ="], HOST, {}, []),
    "empty quotes": (["lxc.uts.name = one", 'lxc.uts.name = ""'], HOST, {}, []),
    "an empty value among several": (
        ["lxc.environment = T1=1", "lxc.environment =", "lxc.environment = T2=2"], HOST, {"T2": "2"}, [],
    ),
    "the last of two variables": (
        ["lxc.environment = T1=1", "lxc.environment = T1=2"], HOST, {"T1": "2"}, [],
    ),
    "a comment": (["# lxc.uts.name = no", "   # lxc.uts.name = no"], HOST, {}, []),
    "lines that are for others": (["foo bar baz", "LXC.uts.name = up", "lxcx = 1"], HOST, {}, []),
    "an unknown key": (["lxc.bogus = 1"], REFUSED, {}, []),
    "an unknown key of a network": (["lxc.net.0.type = empty", "lxc.net.0.bogus = 1"], REFUSED, {}, []),
    "no equals sign": (["lxc.uts.name"], REFUSED, {}, []),
    "a variable that is not set": (["lxc.environment = NO_SUCH_VARIABLE"], REFUSED, {}, []),
    "drop and keep": (["lxc.cap.drop = sys_time", "lxc.cap.keep = chown"], REFUSED, {}, []),
    "drop, taken back, and keep": (
        ["lxc.cap.drop = sys_time", "lxc.cap.drop =", "lxc.cap.keep = chown"], HOST, {}, [],
    ),
    "an unknown capability": (["lxc.cap.drop = nosuchcap"], REFUSED, {}, []),
    "a capability's number": (["lxc.cap.drop = 16"], HOST, {}, []),
    "neither yes nor no": (["lxc.autodev = 2"], REFUSED, {}, []),
    "an unknown architecture": (["lxc.arch = bogus"], REFUSED, {}, []),
    "a signal without SIG": (["lxc.signal.halt = RTMIN+3"], REFUSED, {}, []),
    "a real-time signal": (["lxc.signal.halt = SIGRTMIN+3"], HOST, {}, []),
    "blanks around a limit's colon": (["lxc.prlimit.nofile = 64 : 128"], HOST, {}, []),
    "an unknown limit": (["lxc.prlimit.bogus = 1"], REFUSED, {}, []),
    "an unknown option without a value": (
        ["lxc.mount.entry = tmpfs tmp tmpfs foo,size=1m 0 0"], HOST, {}, ["/tmp"],
    ),
    "a target that is not in the root": (["lxc.mount.entry = tmpfs /tmp tmpfs rw 0 0"], HOST, {}, []),
    "three fields": (["lxc.mount.entry = tmpfs tmp tmpfs"], HOST, {}, ["/tmp"]),
    "two fields": (["lxc.mount.entry = tmpfs tmp"], REFUSED, {}, []),
    "a blank in a target": (["lxc.mount.entry = tmpfs a\\040b tmpfs create=dir"], HOST, {}, ["/a b"]),
    "a backslash in a target": (["lxc.mount.entry = tmpfs a\\134b tmpfs create=dir"], HOST, {}, ["/a\\b"]),
    "a backslash that is two": (["lxc.mount.entry = tmpfs a\\\\b tmpfs create=dir"], HOST, {}, ["/a\\b"]),
    "a number that is no blank": (["lxc.mount.entry = tmpfs a\\101 tmpfs create=dir"], HOST, {}, ["/a\\101"]),
    "a hash in a target": (["lxc.mount.entry = tmpfs a#b tmpfs create=dir"], HOST, {}, ["/a#b"]),
    "a blank that separates nothing": (
        ["lxc.mount.entry = tmpfs a\u00a0b tmpfs create=dir"], HOST, {}, ["/a\u00a0b"],
    ),
    "a fstab without a name": (["lxc.mount.fstab ="], REFUSED, {}, []),
    "an unknown kind of mount": (["lxc.mount.auto = bogus"], REFUSED, {}, []),
    "all networks taken back": (["lxc.net.0.type = empty", "lxc.net ="], HOST, {}, []),
    "one network taken back": (["lxc.net.0.type = empty", "lxc.net.0 ="], HOST, {}, []),
    "all hooks taken back": (["lxc.hook.mount = /nothing", "lxc.hook ="], HOST, {}, []),
    "a missing file": (["lxc.include = /no/such/file"], REFUSED, {}, []),
    "a missing directory": (["lxc.include = /no/such/directory/"], HOST, {}, []),
    "an empty include": (["lxc.uts.name = one", "lxc.include ="], "one", {}, []),
    "a name of LXC 2": (["lxc.utsname = old"], REFUSED, {}, []),
    "a mapping without a number": (["lxc.idmap = u 0 100000"], REFUSED, {}, []),
    "an unknown type of network": (["lxc.net.0.type = bogus"], REFUSED, {}, []),
}  # fmt: skip
#: Read here all the same.
OURS = {"a name of LXC 2": ("old", {}, [])}


def seen(data):
    """What a container would show, by its config.json."""
    variables = dict(entry.split("=", 1) for entry in data["process"]["env"] if entry.startswith("T"))
    mounts = [m["destination"] for m in data["mounts"] if not m["destination"].startswith(("/dev", "/proc"))]
    return data.get("hostname", HOST), variables, mounts


@pytest.mark.parametrize("case", CASES)
def test_lines_mean(tmp_path, case):
    lines, *expected = CASES[case]
    expected = list(OURS.get(case, expected))
    if expected[0] is REFUSED:
        with pytest.raises(ConfigError, match=r"^config:[0-9]+: lxc\."):
            made.data(tmp_path, *lines)
    else:
        assert list(seen(made.data(tmp_path, *lines))) == expected


SCRIPT = r"""
for case in "$1"/*; do
    name=${case##*/}
    echo "CASE $name"
    timeout 20 lxc-execute -n "g$name" -P "$1" -f "$case/config" -- /bin/sh -c '
        echo "NAME $(hostname)"; env | while read -r line; do echo "ENV $line"; done
        while read -r id parent device from to rest; do echo "MOUNT $to"; done </proc/self/mountinfo
        echo END' </dev/null 2>/dev/null
done
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """{case: lines that lxc-execute printed}"""
    real.needs_lxc()
    directory = tmp_path_factory.mktemp("grammar")
    root = real.busybox_root(directory / "root")
    names = {}
    for number, (case, (lines, *_)) in enumerate(CASES.items()):
        place = directory / "cases" / str(number)
        made.configure(place, "lxc.mount.auto = proc:rw", *lines, root=root)
        names[str(number)] = case
    said = real.sandboxed(SCRIPT, directory / "cases")
    parts = re.split(r"^CASE (\d+)\n", said.stdout, flags=re.MULTILINE)[1:]
    return {names[number]: text.splitlines() for number, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.kernel
@pytest.mark.parametrize("case", CASES)
def test_lxc_says_the_same(answers, case):
    _, name, variables, mounts = CASES[case]
    lines = answers[case]
    if name is REFUSED:
        assert "END" not in lines
        return
    assert lines[-1] == "END"
    values = {kind: [line[len(kind) + 1 :] for line in lines if line.startswith(f"{kind} ")]
              for kind in ("NAME", "ENV", "MOUNT")}  # fmt: skip
    assert values["NAME"] == [os.uname().nodename if name is HOST else name]
    found = dict(entry.split("=", 1) for entry in values["ENV"] if entry.startswith("T"))
    assert {key: value.strip() for key, value in found.items()} == {
        key: value.strip() for key, value in variables.items()
    }
    places = {mount.replace("\\040", " ").replace("\\134", "\\") for mount in values["MOUNT"]}
    assert {place for place in places if not place.startswith(("/dev", "/proc", "/sys"))} == {"/", *mounts}


@pytest.mark.parametrize("value", ["", "a", " a ", '"a"', "'", "a 'b' c", "'a' 'b'", "#", "\t", "a\\"])
def test_a_value_is_written_so_that_it_is_read_again(value):
    (entry,) = grammar.entries(grammar.line("lxc.environment", value) + "\n", "config")
    assert (entry.key, entry.value, entry.place) == ("lxc.environment", value, "config:1")


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_what_is_no_single_line_can_not_be_written(value):
    for key, said in (("lxc.environment", value), (f"lxc.cgroup2.{value}", "1")):
        with pytest.raises(ValueError, match="single line"):
            grammar.line(key, said)


@pytest.mark.parametrize("key", ["lxc.sysctl.a = b", "lxc.sysctl.a ", "lxc.sysctl.a=b"])
def test_a_key_ends_where_it_is_said_to_end(key):
    with pytest.raises(ValueError, match="can't be a key"):
        grammar.line(key, "1")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a b", ["a", "b"]),
        ("  a\t b ", ["a", "b"]),
        ("sh -c 'echo \"a  b\"'", ["sh", "-c", 'echo "a  b"']),
        ("it's a", ["it's", "a"]),
        ("'a'b", ["a", "b"]),
        ('""', [""]),
    ],
)
def test_a_command_is_split_as_lxc_splits_it(command, words):
    assert grammar.quoted_words(command) == words
    assert grammar.quoted_words(grammar.quote_words(words)) == words


def test_a_word_with_quotes_of_both_kinds_can_not_be_quoted():
    with pytest.raises(ValueError, match="both kinds"):
        grammar.quote_words(["a \"b\" 'c'"])
