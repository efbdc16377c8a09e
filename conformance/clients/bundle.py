#!/usr/bin/env python3
"""bundle.py RUNTIME ROOT [KEY=JSON]... -- COMMAND...: make ./bundle of `RUNTIME spec --rootless`.

Its root filesystem is a copy of ROOT.  A KEY is the path of a property, linux.resources.pids.limit.
"""

import json
import os
import shutil
import subprocess
import sys


def main(words):
    split = words.index("--")
    runtime, root, *edits = words[:split]
    os.mkdir("bundle")
    shutil.copytree(root, "bundle/rootfs", symlinks=True)
    subprocess.run([runtime, "spec", "--rootless"], cwd="bundle", check=True)
    with open("bundle/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["process"] |= {"args": words[split + 1 :], "terminal": False}
    config["root"]["readonly"] = False
    for edit in edits:
        path, _, value = edit.partition("=")
        *parents, last = path.split(".")
        inner = config
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = json.loads(value)
    with open("bundle/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)


main(sys.argv[1:])
