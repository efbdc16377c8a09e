"""Reading a bundle: whatever lies where config.json should be, the answer is a spec or one clear line."""

import os
import socket

import pytest

from ocipy import formats
from ocipy.errors import ConfigError
from ocipy.formats import oci
from ocipy.spec import Spec, jsontext


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "config.json").write_text('{"ociVersion": "1.0.0"}')
    return tmp_path


def refusal(directory):
    with pytest.raises(ConfigError) as caught:
        formats.load(str(directory))
    return str(caught.value)


def test_a_bundle_is_read(bundle):
    assert formats.load(str(bundle)) == Spec({"ociVersion": "1.0.0"}, "config.json", ())
    assert formats.load(str(bundle), "oci") == formats.load(str(bundle))


def test_a_symlink_to_a_config_is_followed(bundle, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").symlink_to(bundle / "config.json")
    assert formats.load(str(tmp_path / "other")).data == {"ociVersion": "1.0.0"}


def test_a_missing_config_is_said_in_the_words_that_callers_match(tmp_path):
    assert refusal(tmp_path) == f"config.json: not found in {tmp_path}: no such file or directory"


def test_a_missing_bundle_is_told_from_a_missing_config(tmp_path):
    said = refusal(tmp_path / "none")
    assert (
        said == f"config.json: not found in {tmp_path}/none, which is no directory: no such file or directory"
    )


def test_a_bundle_that_is_a_file_is_refused(bundle):
    assert refusal(bundle / "config.json") == (
        f"config.json: open {bundle}/config.json/config.json: not a directory"
    )


def test_a_fifo_does_not_make_us_wait(bundle):
    (bundle / "config.json").unlink()
    os.mkfifo(bundle / "config.json")
    assert refusal(bundle) == f"config.json: {bundle}/config.json is not a regular file but a FIFO"


def test_a_directory_is_no_config(bundle):
    (bundle / "config.json").unlink()
    (bundle / "config.json").mkdir()
    assert refusal(bundle).endswith("is not a regular file but a directory")


def test_a_socket_is_no_config(bundle):
    (bundle / "config.json").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bundle / "config.json"))
        assert refusal(bundle) == f"config.json: open {bundle}/config.json: no such device or address"


def test_a_device_without_end_is_not_read(bundle):
    (bundle / "config.json").unlink()
    (bundle / "config.json").symlink_to("/dev/zero")
    assert refusal(bundle).endswith("is not a regular file but a character device")


def test_a_dangling_symlink_is_not_found(bundle):
    (bundle / "config.json").unlink()
    (bundle / "config.json").symlink_to("nowhere")
    assert refusal(bundle) == f"config.json: not found in {bundle}: no such file or directory"


def test_a_symlink_to_itself_is_refused(bundle):
    (bundle / "config.json").unlink()
    (bundle / "config.json").symlink_to("config.json")
    assert refusal(bundle) == f"config.json: open {bundle}/config.json: too many levels of symbolic links"


def test_a_huge_file_is_refused_by_its_size(bundle):
    os.truncate(bundle / "config.json", 50 << 20)
    assert refusal(bundle) == "config.json: larger than 16 MiB"


def test_a_file_of_the_largest_size_is_read(bundle):
    text = b'{"ociVersion": "1.0.0"}'
    (bundle / "config.json").write_bytes(text + b" " * (jsontext.MAX_BYTES - len(text)))
    assert formats.load(str(bundle)).data == {"ociVersion": "1.0.0"}


def test_a_file_that_says_it_is_empty_may_have_content():
    """Files of procfs do."""
    assert os.stat("/proc/self/status").st_size == 0
    assert oci.read("/proc/self", "status").startswith(b"Name:")


def test_what_is_no_object_is_no_config(bundle):
    for text, kind in (("[]", "an array"), ('"x"', "a string"), ("1", "a number"), ("null", "null")):
        (bundle / "config.json").write_text(text)
        assert refusal(bundle) == f"config.json: must be an object, not {kind}"


def test_a_property_that_is_null_is_not_there(bundle):
    """As peers have it; but for what the container names itself, and for items of an array."""
    text = '{"hooks": null, "linux": {"devices": [{"uid": null}, null], "sysctl": {"a": null}}}'
    (bundle / "config.json").write_text(text)
    assert formats.load(str(bundle)).data == {"linux": {"devices": [{}, None], "sysctl": {"a": None}}}


def test_bad_json_is_refused_with_its_place(bundle):
    (bundle / "config.json").write_text('{"a": 1,\n "a": 2}')
    assert refusal(bundle) == 'config.json: /a: line 2 column 2: duplicate key "a"'


def test_no_descriptor_is_left_open(bundle):
    before = os.listdir("/proc/self/fd")
    formats.load(str(bundle))
    os.truncate(bundle / "config.json", 50 << 20)
    refusal(bundle)
    assert os.listdir("/proc/self/fd") == before


def test_writing_and_reading_gives_the_same(tmp_path):
    spec = Spec({"ociVersion": "1.0.0", "annotations": {"a": "\u00e9"}, "mounts": []})
    files, notes = oci.dump(spec)
    assert (list(files), notes) == (["config.json"], ())
    (tmp_path / "config.json").write_bytes(files["config.json"])
    assert formats.load(str(tmp_path)) == spec
