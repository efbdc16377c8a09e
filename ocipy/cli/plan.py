"""``plan``: what create and start would do, in order and why, without doing it."""

from ocipy.cli.common import bundle_only, id_from, making, runtime, two_formats
from ocipy.cli.output import out
from ocipy.record import Record
from ocipy.spec import jsontext


def main(flags, options, args):
    bundle = bundle_only(options, args[:1])
    id = args[1] if args[1:] else id_from(bundle)
    form, written_in = two_formats(options)
    plan = runtime(flags).plan(bundle, id, format=written_in, **making(options))
    if form == "json":
        phases = {name: [document(step) for step in getattr(plan, name)] for name in ("create", "start")}
        out(jsontext.dump(phases, 2) + "\n")
    else:
        out(f"{plan}\n")
    return 0


def document(value):
    """A step as JSON: its name, its fields, and the line that the text form has."""
    if isinstance(value, Record):
        fields = {name: document(getattr(value, name)) for name in value._fields}
        return {"step": type(value).__name__, "text": str(value), **fields}
    if isinstance(value, (tuple, list)):
        return [document(item) for item in value]
    if isinstance(value, dict):
        return {str(key): document(item) for key, item in value.items()}
    return value.hex() if isinstance(value, bytes) else value
