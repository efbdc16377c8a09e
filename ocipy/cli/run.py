"""``run``: create, start, wait, delete; the status of the program is ours."""

from ocipy.cli.common import bundle_and_id, making, runtime


def main(flags, options, args):
    bundle, id = bundle_and_id(flags, options, args)
    return runtime(flags).run(
        bundle,
        id,
        format=options["format"] or None,
        detach=options["detach"],
        keep=options["keep"],
        no_subreaper=options["no-subreaper"],
        signals=True,
        **making(options),
    )
