"""From config.json to execve: the directory, the environment, the file, and why there may be none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import need

pytestmark = pytest.mark.kernel


# ---------------------------------------------------------------- the working directory


def test_the_working_directory_is_as_asked(box):
    box.process["cwd"] = "/usr"
    assert box.sh("pwd; readlink /proc/self/cwd") == "/usr\n/usr\n"


def test_a_working_directory_that_is_missing_is_made(box):
    root = box.own_root()
    box.process.update(cwd="/srv/new/one", user={"uid": 1000, "gid": 1000})
    assert box.run("pwd", umask=0o77) == "/srv/new/one\n"
    assert (root / "srv/new/one").stat().st_mode & 0o777 == 0o755


def test_a_working_directory_may_be_missing_below_a_mount(box):
    box.process["cwd"] = "/tmp/new/one"
    assert box.run("pwd") == "/tmp/new/one\n"


def test_a_working_directory_may_lie_behind_a_symlink_of_the_image(box):
    root = box.own_root()
    (root / "link").symlink_to("/usr")
    box.process["cwd"] = "/link"
    assert box.run("readlink", "/proc/self/cwd") == "/usr\n"


def test_a_working_directory_that_is_a_file_is_refused(box):
    box.process["cwd"] = "/etc/passwd"
    message = box.fails("true")
    assert "(config.json /process/cwd)" in message
    assert "ENOTDIR: not a directory" in message


def test_a_working_directory_that_only_its_user_may_enter_is_entered(box):
    private = box.own_root() / "private"
    private.mkdir(mode=0o700)
    os.chown(private, 1000, 1000)
    box.process.update(cwd="/private", user={"uid": 1000, "gid": 1000})
    box.capabilities()
    assert box.run("pwd") == "/private\n"


def test_a_working_directory_that_its_user_may_not_enter_is_entered_as_root(box):
    """As runc does: root's home is where images of other users' programs begin."""
    (box.own_root() / "private").mkdir(mode=0o700)
    box.process.update(cwd="/private", user={"uid": 1000, "gid": 1000})
    assert box.run("readlink", "/proc/self/cwd") == "/private\n"


@pytest.mark.parametrize("number", range(3, 21))
def test_a_descriptor_is_no_working_directory(box, number):
    """CVE-2024-21626: a directory of the host that the runtime has open is no way out of the container."""
    box.process["cwd"] = f"/proc/self/fd/{number}"
    message = box.fails("pwd", close_fds=False)
    assert "/process/cwd" in message


def test_a_descriptor_of_the_caller_is_no_working_directory(box):
    host = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(host, True)
    try:
        for number in (host, 3):
            box.process["cwd"] = f"/proc/self/fd/{number}"
            how = {"preexec_fn": lambda: os.dup2(host, 3), "pass_fds": (3, host)}
            assert "/process/cwd" in box.fails("ls", flags=("--preserve-fds", "1"), **how)
    finally:
        os.close(host)


def test_a_descriptor_is_no_working_directory_of_an_exec(box):
    box.start("sleep", "100")
    host = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(host, True)
    try:
        for number in (host, *range(3, 21)):
            cwd = f"/proc/self/fd/{number}"
            how = {"preexec_fn": lambda: os.dup2(host, 3), "pass_fds": (3, host)}
            out = box.exec_process(status=255, args=["ls"], cwd=cwd, flags=("--preserve-fds", "1"), how=how)
            assert "(process /cwd)" in box.error(out)
    finally:
        os.close(host)


# ---------------------------------------------------------------- the environment


def test_the_environment_is_the_configs_and_nothing_else(box):
    box.process["env"] = ["PATH=/bin", "A=1", "EMPTY=", "SPACE=a b", "LINE=a\nb", "HOME=/h"]
    out = box.run("cat", "/proc/self/environ", env={"SECRET": "1"})
    assert out.rstrip("\0").split("\0") == box.process["env"]


def test_of_a_variable_given_twice_the_last_value_counts(box):
    box.process["env"] = ["PATH=/bin", "A=1", "B=2", "A=3"]
    assert box.run("cat", "/proc/self/environ").split("\0").count("A=3") == 1
    assert "A=1" not in box.run("cat", "/proc/self/environ")


@pytest.mark.parametrize(("uid", "home"), [(0, "/root"), (1000, "/home/someone"), (77, "/")])
def test_home_comes_from_the_containers_passwd(box, uid, home):
    box.script(
        "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbroken\n#\nx:y:1000:1000::/home/someone:/bin/sh\n"
    )
    box.process["user"] = {"uid": uid, "gid": uid}
    assert box.sh("echo $HOME") == f"{home}\n"
    box.process["env"].append("HOME=")
    assert box.sh("echo $HOME") == f"{home}\n"
    box.process["env"].append("HOME=/given")
    assert box.sh("echo $HOME") == "/given\n"


def test_home_is_the_root_without_a_passwd(box):
    (box.own_root() / "etc/passwd").unlink()
    assert box.sh("echo $HOME") == "/\n"


# ---------------------------------------------------------------- the file


def test_a_program_is_looked_for_along_the_containers_path(box):
    box.script("/one/tool", "#!/bin/sh\necho one $0\n")
    box.script("/two/tool", "#!/bin/sh\necho two $0\n")
    box.process["env"] = ["PATH=/nowhere:/two:/one:/bin"]
    assert box.run("tool") == "two /two/tool\n"


def test_what_can_not_be_executed_is_passed_by_in_the_path(box):
    box.script("/one/tool", "#!/bin/sh\necho one\n", mode=0o644)
    box.script("/two/tool", "#!/bin/sh\necho two\n")
    box.process["env"] = ["PATH=/one:/two:/bin"]
    assert box.run("tool") == "two\n"


def test_without_a_path_the_usual_places_are_searched(box):
    box.process["env"] = []
    assert box.run("echo", "found") == "found\n"


def test_a_relative_program_is_looked_for_from_the_working_directory(box):
    box.script("/srv/tool", "#!/bin/sh\necho here\n")
    box.process["cwd"] = "/srv"
    assert box.run("./tool") == "here\n"


def test_arguments_arrive_as_they_are(box):
    arguments = ["a b", "", "-x", "ä", "line\nbreak", "'\"$HOME"]
    assert box.run("printf", "[%s]", *arguments) == "".join(f"[{a}]" for a in arguments)


# ---------------------------------------------------------------- why there is none


def why(box, program, verb="create"):
    """The reason that a verb gives; the other one must not have."""
    box.process["args"] = [program]
    if verb == "create":
        message = box.error(box.create(status=1))
    else:
        box.create()
        message = box.error(box.start(status=1))
        box.stopped()
        box.delete()
    prefix = f"{verb} {box.id}: "
    assert message.startswith(prefix), message
    return message[len(prefix) :]


def test_a_name_that_is_in_no_directory_of_the_path(box):
    assert why(box, "nope") == 'exec: "nope": executable file not found in $PATH'


def test_an_empty_name(box):
    assert why(box, "") == 'exec: "": executable file not found in $PATH'


def test_a_path_that_does_not_exist(box):
    assert why(box, "/bin/nope") == 'exec: "/bin/nope": no such file or directory'
    assert why(box, "./nope") == 'exec: "./nope": no such file or directory'
    assert why(box, "/etc/passwd/x") == 'exec: "/etc/passwd/x": not a directory'


def test_a_file_without_execute_permission(box):
    expected = 'exec: "/etc/passwd": permission denied (it is not executable, mode 0644)'
    assert why(box, "/etc/passwd") == expected


def test_a_file_of_another_user_without_permission(box):
    box.script("/private", "#!/bin/sh\n", mode=0o700)
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.capabilities()
    expected = 'exec: "/private": permission denied (mode 0700 does not let everyone execute it)'
    assert why(box, "/private") == expected


def test_a_directory_can_not_be_executed(box):
    assert why(box, "/etc") == 'exec: "/etc": permission denied (it is a directory)'


def test_a_file_on_a_noexec_mount(box):
    program = box.bundle / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    box.bind(program, "/mnt/tool", "noexec")
    expected = 'exec: "/mnt/tool": permission denied (its filesystem is mounted noexec)'
    assert why(box, "/mnt/tool") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "#!/bin/nope -x\n",
            "no such file or directory (its interpreter /bin/nope does not exist, or lacks its own)",
        ),
        (
            "#!/bin/sh\r\necho\r\n",
            "no such file or directory "
            "(its lines end in CRLF, so its interpreter is /bin/sh and a carriage return)",
        ),
        ("#!/etc/passwd\n", "permission denied (its interpreter /etc/passwd can't be executed)"),
        ("#!\n", "exec format error (its first line names no interpreter)"),
        ("", "exec format error (it is empty)"),
        (
            "echo\n",
            "exec format error (it is neither a program nor a script that begins with #!)",
        ),
        (
            b"\x00\xff\x80garbage",
            "exec format error (it is neither a program nor a script that begins with #!)",
        ),
        (b"\x7fELF", "exec format error (it is a program for another machine, this host is {machine})"),
    ],
)
def test_what_the_kernel_refuses_to_execute_is_explained_at_start(box, text, words):
    box.script("/tool", text)
    assert why(box, "/tool", "start") == f'exec: "/tool": {words.format(machine=os.uname().machine)}'


def test_a_name_found_in_the_path_is_explained_as_well(box):
    box.script("/bin/tool", "#!/bin/nope\n")
    assert why(box, "tool", "start").startswith('exec: "tool": no such file or directory (its interpreter')


def elf_of(path, machine=None, interpreter=None):
    """A program of this host, changed."""
    image = bytearray(Path(path).read_bytes())
    if machine:
        image[18:20] = machine.to_bytes(2, "little")
    if interpreter:
        at, size = interpreter_of(image)
        image[at : at + size] = interpreter.encode().ljust(size, b"\0")
    return bytes(image)


def interpreter_of(image):
    """(offset, size) of the PT_INTERP segment of a 64 bit program, None without one.  Source: elf(5)."""
    table, entry, count = (int.from_bytes(image[a : a + n], "little") for a, n in ((32, 8), (54, 2), (56, 2)))
    for at in range(table, table + entry * count, entry):
        if int.from_bytes(image[at : at + 4], "little") == 3:
            return tuple(int.from_bytes(image[at + n : at + n + 8], "little") for n in (8, 32))
    return None


def test_a_program_for_another_machine(box):
    box.script(
        "/tool", elf_of(box.root / "bin/busybox", machine=0xB7 if os.uname().machine != "aarch64" else 62)
    )
    message = why(box, "/tool", "start")
    assert "exec format error (it is a program for " in message
    assert message.endswith(f", this host is {os.uname().machine})")


def test_a_program_whose_loader_is_missing(box):
    true = shutil.which("true")
    need(interpreter_of(Path(true).read_bytes()), "needs a dynamic /bin/true")
    box.script("/tool", elf_of(true, interpreter="/lib/ld-nope.so"))
    expected = 'exec: "/tool": no such file or directory (its ELF interpreter /lib/ld-nope.so does not exist)'
    assert why(box, "/tool", "start") == expected


def test_after_a_failed_start_nothing_runs_and_delete_works(box):
    box.script("/tool", "")
    box.create("/tool")
    pid = box.pid
    assert "exec format error" in box.error(box.start(status=1))
    box.stopped()
    assert not os.path.exists(f"/proc/{pid}/exe")
    assert box.delete().stderr == ""


def test_a_program_that_exec_can_not_find_gives_255(box):
    box.start("sleep", "100")
    for program, words in (
        ("nope", 'exec: "nope": executable file not found in $PATH'),
        ("/bin/nope", 'exec: "/bin/nope": no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied (it is not executable, mode 0644)'),
    ):
        assert box.error(box.exec(program, status=255)) == f"exec {box.id}: {words}"


def test_a_file_that_someone_writes_to_is_busy(box):
    box.script("/tool", (box.root / "bin/busybox").read_bytes())
    with open(box.root / "tool", "ab"):
        assert why(box, "/tool", "start") == 'exec: "/tool": text file busy'


def test_too_many_arguments_are_refused_as_such(box):
    message = box.fails("echo", *["x" * 130000] * 40)
    assert message.endswith('exec: "echo": argument list too long')


# ---------------------------------------------------------------- the session keyring


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("own", [True, False])
def test_the_session_keyring_is_new_unless_asked_not_to_be(box, probe, own, user):
    need(os.path.exists("/proc/keys"), "has no keyrings", kernel=True)
    box.bind(probe, "/mnt/probe")
    box.process["user"] = {"uid": user, "gid": user}
    box.create("sleep", "100", flags=() if own else ("--no-new-keyring",))
    box.start()
    seen = box.exec("/mnt/probe", "keyring").strip()
    assert (seen == f"_ses.{box.id}") == own
    box.delete("--force")
    seen = box.run("/mnt/probe", "keyring", flags=() if own else ("--no-new-keyring",)).strip()
    assert (seen == f"_ses.{box.id}") == own


# ---------------------------------------------------------------- CVE-2019-5736


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_runtime_can_not_be_executed_from_inside_nor_written_to(box, launcher, verb):
    """/proc/self/exe as the program, or its interpreter, is init: a sealed copy that does nothing."""
    (box.own_root() / "me").symlink_to("/proc/self/exe")
    box.script("/script", "#!/proc/self/exe\n")
    init = os.path.join(os.path.dirname(os.path.dirname(launcher)), "ocipy/_bin/ocipy-init")
    before = subprocess.run(["sha256sum", init, launcher], capture_output=True, check=True).stdout
    for program in ("/me", "/script"):
        if verb == "run":
            box.run(program, status=1)
        else:
            box.start("sleep", "100")
            box.exec(program, status=1)
            box.delete("--force")
    assert subprocess.run(["sha256sum", init, launcher], capture_output=True, check=True).stdout == before


def test_the_binary_of_a_created_container_can_not_be_opened_for_writing(box):
    box.create("true")
    exe = f"/proc/{box.pid}/exe"
    assert os.readlink(exe).startswith("/memfd:ocipy-init")
    with pytest.raises(OSError, match="Text file busy|Operation not permitted"):
        os.open(exe, os.O_WRONLY)
    copy = os.open(exe, os.O_RDONLY)
    with pytest.raises(OSError):
        os.open(f"/proc/self/fd/{copy}", os.O_WRONLY | os.O_TRUNC)
    os.close(copy)
