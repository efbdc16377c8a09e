"""convert: all of a container in another format, or nothing, and a word about what is lost."""

import json
import os

import pytest

from tests.formats import plugin

CONFIG = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"cwd": "/", "args": ["true"]},
    "mounts": [
        {"destination": "/a", "source": "volume", "options": ["rbind"]},
        {"destination": "/b", "source": "tmpfs", "type": "tmpfs"},
    ],
}


class Converter:
    """A bundle and the command, with a package that has a format of its own."""

    def __init__(self, directory):
        self.bundle = directory / "bundle"
        self.bundle.mkdir()
        self.out = directory / "out"
        self.site = plugin.install_toy(directory / "site", CONFIG)
        self.state = directory / "state"

    def __call__(self, *words, status=0, annotations=None, **changes):
        config = {**CONFIG, **changes} | ({"annotations": annotations} if annotations else {})
        (self.bundle / "config.json").write_text(json.dumps(config, indent=1))
        done = plugin.ocipy(self.site, "convert", self.bundle, *words, root=self.state)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def written(self):
        return {path.name: path.read_text() for path in self.out.iterdir()}


@pytest.fixture
def convert(tmp_path):
    return Converter(tmp_path)


def test_paths_mean_the_same_from_anywhere(convert):
    document = json.loads(convert("--to", "oci").stdout)
    assert document["root"]["path"] == f"{convert.bundle}/rootfs"
    assert [mount["source"] for mount in document["mounts"]] == [f"{convert.bundle}/volume", "tmpfs"]


def test_a_command_may_be_given(convert):
    for words in (("--", "sh", "-c", "x"), ("--args", "sh", "-c", "x")):
        document = json.loads(convert("--to", "oci", *words).stdout)
        assert document["process"] == {"cwd": "/", "args": ["sh", "-c", "x"]}


def test_one_file_is_printed_as_it_is_and_several_by_their_names(convert):
    for words in ((), ("-o", "-")):
        assert convert("--to", "toy", *words, annotations={"files": "toy"}).stdout == "toy 2\n"
    assert convert("--to", "toy").stdout == "==> toy <==\ntoy 2\n\n==> more <==\nmore 2\n"


def test_files_are_written_into_a_directory_that_is_made(convert):
    done = convert("--to", "toy", "-o", convert.out)
    assert (done.stdout, done.stderr) == ("", "")
    assert convert.written() == {"toy": "toy 2\n", "more": "more 2\n"}


def test_a_version_may_be_asked_for_where_there_are_several(convert):
    convert("--to", "toy", "--target-version", "1", "-o", convert.out)
    assert convert.written() == {"toy": "toy 1\n", "more": "more 1\n"}
    said = convert("--to", "toy", "--target-version", "3", status=1).stderr
    assert "no version 3 of container format 'toy': it has the versions 1, 2" in said
    said = convert("--to", "oci", "--target-version", "3", status=1).stderr
    assert "it comes in one version only" in said


def test_what_is_there_is_not_overwritten_in_silence(convert):
    convert.out.mkdir()
    (convert.out / "more").write_text("mine")
    said = convert("--to", "toy", "-o", convert.out, status=1).stderr
    assert f"more in {convert.out}: would be overwritten, --force does so" in said
    assert convert.written() == {"more": "mine"}
    said = convert("--to", "toy", "-o", convert.out, "--force").stderr
    assert said == f"ocipy: warning: {convert.out}/more was overwritten\n"
    assert convert.written() == {"toy": "toy 2\n", "more": "more 2\n"}


def test_nothing_is_half_written(convert):
    """The second file cannot be written: its temporary name is taken by a directory."""
    (convert.out / ".more.new").mkdir(parents=True)
    (convert.out / ".more.new" / "x").touch()
    convert("--to", "toy", "-o", convert.out, status=1)
    assert os.listdir(convert.out) == [".more.new"]


@pytest.mark.parametrize("name", ["../up", "/abs", "..", "a/b"])
def test_no_format_writes_elsewhere(convert, name):
    said = convert("--to", "toy", "-o", convert.out, annotations={"files": name}, status=1).stderr
    assert "which is no name of a file" in said
    assert not convert.out.exists()


NOTES = {"changed": "another way", "lossy": "gone"}


def test_what_is_lost_is_named_with_its_line_and_reason(convert):
    done = convert("--to", "toy", "-o", convert.out, annotations=NOTES)
    assert done.stderr.splitlines() == [
        "ocipy: info: config.json:27: /annotations/changed: changed: another way",
        "ocipy: warning: config.json:28: /annotations/lossy: lossy: gone",
    ]
    assert convert.written().keys() == {"toy", "more"}


def test_strictly_nothing_is_written_if_anything_is_lost(convert):
    done = convert("--to", "toy", "-o", convert.out, "--strict", annotations=NOTES, status=1)
    assert done.stderr.splitlines()[-1] == "ocipy: config.json:28: /annotations/lossy: lossy: gone"
    assert not convert.out.exists()
    convert("--to", "toy", "-o", convert.out, "--strict", annotations={"changed": "another way"})


def test_what_is_refused_is_an_error(convert):
    said = convert("--to", "toy", "-o", convert.out, annotations={"refused": "no"}, status=1).stderr
    assert said == "ocipy: config.json:27: /annotations/refused: refused: no\n"
    assert not convert.out.exists()


def test_what_was_lost_on_reading_and_on_writing_is_said_together(convert):
    (convert.bundle / "toy").write_text("lossy 'in'\nannotations {'lossy': 'out'}\n")
    done = convert("--format", "toy", "--to", "toy", "--strict", status=1)
    assert done.stderr == (
        "ocipy: toy:1: lossy: lossy: 'in'; toy:2: annotations: /annotations/lossy: lossy: out\n"
    )


def test_a_container_that_is_not_valid_is_not_converted(convert):
    said = convert("--to", "oci", process={"cwd": "relative", "args": ["x"]}, status=1).stderr
    assert said.startswith('ocipy: config.json: /process/cwd: "relative" is not an absolute path')


def test_a_format_must_be_named(convert):
    assert "needs --to and the name of a format" in convert(status=1).stderr
    assert "unknown container format 'lxd'" in convert("--to", "lxd", status=1).stderr
