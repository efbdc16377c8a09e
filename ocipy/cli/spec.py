"""``spec``: a new config.json."""

import os

from ocipy.cli import network
from ocipy.cli.config import document
from ocipy.cli.output import out, write
from ocipy.errors import OcipyError
from ocipy.spec import jsontext


def main(flags, options, args):
    made = document(options, files=options["file"] != "-")
    text = jsontext.dump(made, 4) + "\n"
    if options["file"] == "-":
        out(text)
        return 0
    name = options["file"] or "config.json"
    path = os.path.join(options["bundle"], name)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        # runc's words, which callers know.
        raise OcipyError(f"File {name} exists. Remove it first") from None
    done = [path]
    try:
        write(text, fd)
        for one in network.write_files(options["bundle"] or ".", made):
            done.append(one)  # noqa: PERF402  what was made before a failure counts
    except OSError:
        for one in reversed(done):
            if os.path.isdir(one):
                os.rmdir(one)
            else:
                os.unlink(one)
        raise
    finally:
        os.close(fd)
    return 0
