"""``convert``: a container of one format, written in another."""

import os

from ocipy.cli.common import bundle_only
from ocipy.cli.output import out, write
from ocipy.errors import ConfigError, OcipyError, UsageError
from ocipy.formats import convert
from ocipy.runtime.create import bundle_directory
from ocipy.spec.origin import CHANGED, judge


def main(flags, options, args):
    if not options["to"]:
        raise UsageError("needs --to and the name of a format, such as oci, lxc, libcontainer")
    directory = bundle_directory(bundle_only(options, args))
    loaded = convert.load(directory, options["format"] or None, options["args"])
    files, lost = convert.dump(loaded, options["to"], directory, options["target-version"] or None)
    notes = (*loaded.notes, *lost)
    problems, warnings = judge(notes, options["strict"])
    for note in notes:
        if note.fate == CHANGED:
            flags["log"].info(str(note))
    for warning in warnings:
        flags["log"].warning(warning)
    if problems:
        raise ConfigError(problems, loaded.source)
    if options["output"] not in ("", "-"):
        save(options["output"], files, options["force"], flags["log"].warning)
    else:
        out(shown(files))
    return 0


def shown(files):
    """One file as it is, several as head(1) shows them."""
    texts = {name: data.decode("utf-8", "surrogateescape") for name, data in files.items()}
    if len(texts) == 1:
        return "".join(texts.values())
    return "\n".join(f"==> {name} <==\n{text}" for name, text in texts.items())


def save(directory, files, force, warn):
    """Write all files into a directory, which is made if need be: all of them, or none.

    A file that exists is overwritten only with `force`, and then `warn` is told.
    """
    for name in files:
        if not name or "/" in name or name in (".", ".."):
            raise OcipyError(f"the format wants to write {name!r}, which is no name of a file")
    there = [name for name in files if os.path.lexists(os.path.join(directory, name))]
    if there and not force:
        raise OcipyError(f"{', '.join(there)} in {directory}: would be overwritten, --force does so")
    made = not os.path.isdir(directory)
    if made:
        os.mkdir(directory)
    written, placed = [], []
    try:
        for name, data in files.items():
            new = os.path.join(directory, f".{name}.new")
            _write(new, data)
            written.append(new)
        for name in files:
            new, path = os.path.join(directory, f".{name}.new"), os.path.join(directory, name)
            if name in there:
                os.rename(new, path)
                warn(f"{path} was overwritten")
            else:
                os.link(new, path)  # unlike a rename, never over what somebody else made meanwhile
                placed.append(path)
    except BaseException:
        for path in placed:
            os.unlink(path)
        raise
    finally:
        for path in written:
            if os.path.lexists(path):
                os.unlink(path)
        if made and not os.listdir(directory):
            os.rmdir(directory)


def _write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        write(data.decode("utf-8", "surrogateescape"), fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)
