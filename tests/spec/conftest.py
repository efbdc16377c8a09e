import pathlib

import pytest

from ocipy.spec import jsontext

EXAMPLES = pathlib.Path(__file__).parents[2] / "spec" / "examples"


@pytest.fixture(scope="session")
def examples():
    """The example configs by name; copy before you change one."""
    return {
        path.stem: jsontext.parse(path.read_bytes(), path.name) for path in sorted(EXAMPLES.glob("*.json"))
    }
