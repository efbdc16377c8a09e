"""The source tree as the house's tests read it."""

import ast
from pathlib import Path
from typing import NamedTuple

TREE = Path(__file__).parent.parent.parent


class Source(NamedTuple):
    """A Python file."""

    path: Path
    text: str
    tree: ast.Module


def modules_of(directory):
    """The modules below a directory by name; what the build generates is not source."""
    found = {}
    for path in sorted((TREE / directory).rglob("*.py")):
        if path.name == "_generated.py":
            continue
        relative = path.relative_to(TREE).with_suffix("")
        name = ".".join(relative.parts).removesuffix(".__init__")
        text = path.read_text(encoding="utf-8")
        found[name] = Source(path, text, ast.parse(text, str(path)))
    return found


MODULES = modules_of("ocipy")
TESTS = modules_of("tests")
ALL = (
    MODULES
    | TESTS
    | modules_of("conformance")
    | modules_of("bench")
    | modules_of("tools")
    | modules_of("hooks")
)
