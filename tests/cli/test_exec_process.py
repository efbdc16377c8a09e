"""The process object that ``exec`` makes of its options."""

import pytest

from ocipy.cli import exec as verb
from ocipy.cli.parse import arguments
from ocipy.errors import ConfigError, UsageError

OWN = {
    "terminal": True,
    "args": ["sleep", "9"],
    "env": ["PATH=/bin", "A=1"],
    "cwd": "/srv",
    "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
    "capabilities": {"bounding": ["CAP_KILL"], "inheritable": [], "ambient": []},
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1, "soft": 1}],
    "noNewPrivileges": True,
}


def made(*words, own=OWN):
    options, (_, *command) = arguments("exec", [*words, "web", "ls", "-l"])
    return verb.build(own, command, options, verb._changes(options))


def error(*words):
    options, _ = arguments("exec", [*words, "web", "ls"])
    with pytest.raises(UsageError) as caught:
        verb._changes(options)
    return str(caught.value)


def test_the_command_takes_the_place_of_the_containers_own():
    assert made() == {**OWN, "args": ["ls", "-l"], "terminal": False}


def test_the_containers_own_process_is_not_changed():
    before = {**OWN, "user": dict(OWN["user"])}
    made("-e", "B=2", "-u", "1", "-g", "8", "-c", "CAP_CHOWN", "-t")
    assert before == OWN
    assert OWN["capabilities"]["bounding"] == ["CAP_KILL"]
    assert OWN["user"]["additionalGids"] == [7]


def test_a_terminal_is_there_only_if_asked_for():
    assert made("--tty")["terminal"] is True
    assert made("--tty=false")["terminal"] is False


def test_the_environment_is_added_to():
    assert made("-e", "A=2", "--env", "B=")["env"] == ["PATH=/bin", "A=1", "A=2", "B="]


def test_a_user_without_a_group_keeps_the_group():
    assert made("-u", "1")["user"] == {"uid": 1, "gid": 6, "additionalGids": [7]}
    assert made("-u", "1:2")["user"] == {"uid": 1, "gid": 2, "additionalGids": [7]}


def test_groups_are_added():
    assert made("-g", "8", "-g", "9")["user"]["additionalGids"] == [7, 8, 9]


@pytest.mark.parametrize(
    "text",
    ["x", "1:", ":1", "1:x", "-1", "+1", "1.0", "0x1", "1:2:3", "4294967295", "root", " 1", "1 ", "1_0"],
)
def test_a_user_that_is_no_number_is_refused(text):
    """It must never come to mean root (CVE-2026-30892)."""
    assert error(f"--user={text}").endswith("for --user: not a number")


@pytest.mark.parametrize("text", ["x", "", "-1", "4294967295"])
def test_a_group_that_is_no_number_is_refused(text):
    assert error("-g", text) == f'invalid value "{text}" for --additional-gids: not a number'


@pytest.mark.parametrize("text", ["A", "=A", ""])
def test_a_variable_without_a_name_is_refused(text):
    assert error("-e", text) == f'invalid value "{text}" for --env: not NAME=VALUE'


def test_capabilities_are_never_inheritable():
    """CVE-2022-29162, CVE-2022-27650."""
    sets = made("-c", "CAP_CHOWN", "--cap", "CAP_KILL")["capabilities"]
    assert sets == {
        "bounding": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": [],
        "ambient": [],
    }


def test_labels_and_directory_are_as_asked():
    got = made("--cwd", "/", "--apparmor", "a", "--process-label", "l", "--no-new-privs=false")
    assert (got["cwd"], got["apparmorProfile"], got["selinuxLabel"]) == ("/", "a", "l")
    assert got["noNewPrivileges"] is False


def test_without_the_flag_privileges_are_as_the_container_has_them():
    assert "noNewPrivileges" not in made(own={"args": ["x"], "cwd": "/", "user": {"uid": 0, "gid": 0}})
    assert made()["noNewPrivileges"] is True


def test_a_container_without_a_process_has_none_to_start_from():
    with pytest.raises(UsageError, match="has no process to start from"):
        made(own=None)


def test_a_command_is_needed(refused):
    assert refused("exec", "web", status=255) == "exec: needs a command, or --process FILE"
    assert refused("exec", "web", "--", status=255) == "exec: needs a command, or --process FILE"
    message = refused("exec", "-p", "p.json", "web", "ls", status=255)
    assert message == 'exec: takes no argument "ls" with --process'


@pytest.mark.parametrize(
    ("text", "message"), [("[]", "must be an object"), ("{", "p.json: "), ('{"a":1,"a":2}', "p.json: /a: ")]
)
def test_a_process_file_that_is_none_is_a_configuration_error(tmp_path, text, message):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        verb.read(str(path))


def test_a_property_of_a_process_file_that_is_null_is_not_there(tmp_path):
    path = tmp_path / "process.json"
    path.write_text('{"args": ["true"], "capabilities": null, "user": {"additionalGids": null}}')
    assert verb.read(path) == {"args": ["true"], "user": {}}
