"""An image to load, made of a directory: an archive such as `docker save` writes."""

import hashlib
import io
import json
import os
import tarfile


def archive(path, root, name, config):
    """Write the archive of an image of one layer.

    name:   with its tag, "box:latest"
    config: of its containers, with the keys of an image's configuration (Cmd, Env, ...)

    Source: image-spec config.md; the layout is that of Docker's image specification v1.2.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for entry in sorted(os.listdir(root)):
            tar.add(os.path.join(root, entry), arcname=entry)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    image = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    files = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(image).encode(),
        "manifest.json": json.dumps(
            [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        ).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for file, data in files.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
