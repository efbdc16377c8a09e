"""``validate``: all that is wrong with a bundle, at once."""

from ocipy.cli.common import bundle_only, runtime, two_formats
from ocipy.cli.output import out
from ocipy.errors import ConfigError
from ocipy.spec import jsontext


def main(flags, options, args):
    bundle, source = bundle_only(options, args), "config.json"
    form, written_in = two_formats(options)
    try:
        problems = runtime(flags).validate(bundle, strict=options["strict"], format=written_in)
    except ConfigError as e:
        # Not JSON, or not there: one problem more of the same kind.
        problems, source = list(e.problems), e.source
    if form == "json":
        report = [document(problem) for problem in problems]
        out(jsontext.dump(report, 2) + "\n")
    else:
        out("".join(f"{p.within(source)} ({p.rule})\n" for p in problems))
    return 1 if problems else 0


def document(problem):
    """A problem as JSON; its place only where the container is written in another format."""
    place = {"place": problem.place} if problem.place else {}
    return {"pointer": problem.pointer, "message": problem.message, "rule": problem.rule, **place}
