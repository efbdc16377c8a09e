"""Python runs code that somebody left for it: what is imported is the host's, whatever lies elsewhere.

No peer has this class of flaws; its nearest kin is CVE-2019-14271, a library that was loaded after chroot(2).
"""

import subprocess
import sys
from pathlib import Path

from tests.conftest import TREE
from tests.security.corpus import attack
from tests.security.weakenings import PYTHON_IN_THE_CONTAINER, PYTHON_IN_THE_ROOT, PYTHON_OF_THE_CALLER


def poison(directory, marker, names):
    """Modules that say that they were imported."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\n")


def search_path(launcher):
    """Where the interpreter of a command looks for modules."""
    interpreter = Path(launcher).read_text().split("\n")[0][2:].split(" ")[0]
    code = "import sys; print('\\n'.join(sys.path))"
    done = subprocess.run([interpreter, "-IS", "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


@attack("CVE-2019-14271", without={"create": PYTHON_IN_THE_ROOT, "exec": PYTHON_IN_THE_CONTAINER})
def modules_of_the_image(scene):
    """The image has a whole library of Python where the host has it, and ocipy as well."""
    box = scene.box()
    for place in search_path(scene.launcher):
        poison(box.root / place.lstrip("/"), "/poisoned", sorted(sys.stdlib_module_names))
    for path in Path(TREE, "ocipy").rglob("*.py"):
        poison((box.root / str(path).lstrip("/")).parent, "/poisoned", [path.stem])
    # Also with an error, whose words come from modules that nothing else needs.
    scene.process(box, "true")
    if scene.verb == "create":
        box.config["mounts"].append({"destination": "/x", "type": "nosuch", "source": "none"})
    scene.process(box, "true", asked={"args": ["/nosuch"]})
    poisoned = box.root / "poisoned"
    return [f"imported {poisoned.read_text()}"] if poisoned.exists() else []


@attack("start-up of the interpreter", without={"create": PYTHON_OF_THE_CALLER, "exec": PYTHON_OF_THE_CALLER})
def modules_of_the_working_directory(scene):
    """Shims start the runtime in the bundle, whose maker is a stranger, and with their own variables."""
    box = scene.box()
    marker = scene.directory / "poisoned"
    # The interpreter itself imports encodings, before any code could say so.
    names = {*sys.stdlib_module_names, "ocipy", "sitecustomize", "usercustomize", "jsonschema"}
    poison(box.bundle, marker, names - {"encodings"})
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(box.bundle),
        "PYTHONPATH": str(box.bundle),
        "PYTHONSTARTUP": str(box.bundle / "json.py"),
        "PYTHONUSERBASE": str(box.bundle),
        "PYTHONBREAKPOINT": "json.x",
        "PYTHONWARNINGS": "error::json.X",
        "LD_LIBRARY_PATH": str(box.bundle),
    }
    scene.process(box, "true", cwd=box.bundle, env=env)
    return [f"imported {marker.read_text()}"] if marker.exists() else []
