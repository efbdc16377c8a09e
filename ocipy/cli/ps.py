"""``ps``: the processes of a container, by the host's ps(1) or as the host's process ids."""

from ocipy.cli.common import runtime
from ocipy.cli.output import out
from ocipy.errors import OcipyError
from ocipy.spec import jsontext

#: Some callers have no PATH.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(flags, options, args):
    id, *words = args
    pids = runtime(flags).load(id).processes()
    if options["format"] == "json":
        out(jsontext.dump(pids) + "\n")
    else:
        out(select(run_ps(words or ["-ef"]), set(pids)))
    return 0


def run_ps(words):
    """What ps(1) prints."""
    import os
    import subprocess

    environment = {"PATH": PATH, **os.environ}
    how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    try:
        done = subprocess.run(["ps", *words], env=environment, check=False, **how)
    except FileNotFoundError:
        raise OcipyError("there is no ps on this host: use --format json") from None
    if done.returncode:
        # The rest of it is how to use ps.
        said = (done.stderr or done.stdout).strip().partition("\n")[0]
        raise OcipyError(f"ps {' '.join(words)}: exit status {done.returncode}: {said}")
    return done.stdout


def select(text, pids):
    """The heading of ps's output and the lines about some processes.

    >>> select("  PID CMD\\n    1 init\\n   22 sleep 1\\n", {22})
    '  PID CMD\\n   22 sleep 1\\n'
    """
    heading, *lines = text.splitlines()
    if "PID" not in heading.split():
        raise OcipyError("what ps prints has no column PID, by which processes are told apart")
    # Ids are right-aligned: they end where the word does.  Fields can't be counted: commands have spaces.
    end = f" {heading} ".index(" PID ") + len("PID")
    return "".join(f"{line}\n" for line in (heading, *(line for line in lines if _pid(line, end) in pids)))


def _pid(line, end):
    word = line[:end].rpartition(" ")[2] + line[end:].partition(" ")[0]
    return int(word) if word.isdigit() else -1
