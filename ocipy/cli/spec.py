"""``spec``: a new config.json."""

import os

from ocipy.cli.config import document
from ocipy.cli.output import out, write
from ocipy.errors import OcipyError
from ocipy.spec import jsontext


def main(flags, options, args):
    text = jsontext.dump(document(options), 4) + "\n"
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
    try:
        write(text, fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)
    return 0
