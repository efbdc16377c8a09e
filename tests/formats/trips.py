"""There and back: what a backend wrote, read by it again."""

import json
import tempfile
from pathlib import Path

from hypothesis import strategies as st

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 40) | st.text("NEWS/=:", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("aN", max_size=2), inner, max_size=2),
    max_leaves=4,
)


def back(backend, files):
    """The Spec that a backend reads from files that it wrote, with its notes."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in files.items():
            Path(directory, name).write_bytes(data)
        assert backend.detect(directory)
        spec, notes = backend.load(directory)
    return spec.replace(notes=tuple(notes))


def written(files):
    """Files of JSON as values."""
    return {name: json.loads(data) for name, data in files.items()}


def spoil(document, data):
    """Put something else in some places of a document of JSON.

    data: of hypothesis, which chooses
    """
    for _ in range(3):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
            else:
                place[key] = data.draw(_VALUES)
                break
