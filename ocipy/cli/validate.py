"""``validate``: all that is wrong with a bundle, at once."""

from ocipy.cli.common import bundle_only, runtime
from ocipy.cli.output import out
from ocipy.errors import ConfigError
from ocipy.spec import jsontext


def main(flags, options, args):
    bundle, source = bundle_only(options, args), "config.json"
    try:
        problems = runtime(flags).validate(bundle, strict=options["strict"])
    except ConfigError as e:
        # Not JSON, or not there: one problem more of the same kind.
        problems, source = list(e.problems), e.source
    if options["format"] == "json":
        report = [{"pointer": p.pointer, "message": p.message, "rule": p.rule} for p in problems]
        out(jsontext.dump(report, 2) + "\n")
    else:
        out("".join(f"{source}: {p} ({p.rule})\n" for p in problems))
    return 1 if problems else 0
