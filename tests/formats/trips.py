"""There and back: what a backend wrote, read by it again."""

import json
import tempfile
from pathlib import Path


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
