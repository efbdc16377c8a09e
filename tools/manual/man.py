"""Manual pages: ocipy(8), and one for each verb, in the macros of man(7)."""

import textwrap

import ocipy
from tools.manual.model import program

EXIT = """\
0 if all went well, and 1 after an error, which is one line on standard error.
.BR ocipy\\-run (8)
and
.BR ocipy\\-exec (8)
pass on the exit status of their program."""

FILES = """\
.TP
.I /run/ocipy
The state of root's containers, unless
.B \\-\\-root
says otherwise.
.TP
.I $XDG_RUNTIME_DIR/ocipy
That of other users' containers.
.TP
.I config.json
The configuration in a bundle, as the OCI runtime specification has it.
"""

DESCRIPTION = """\
.B ocipy
runs containers.
It is an OCI runtime: podman, containerd, dockerd and other engines call it,
and so can you.
Its verbs, flags and exit statuses are those of
.BR runc (8).
.PP
A container is made of a bundle: a directory with a
.I config.json
and a root filesystem.
.B ocipy bundle
makes one,
.B ocipy validate
says what is wrong with it, and
.B ocipy plan
what would be done with it.
"""

EXAMPLES = """\
.EX
# ocipy bundle box
# ocipy run box/
.EE
"""


def escaped(text):
    """Text that roff prints as it is, in lines that mandoc does not find too long."""
    text = textwrap.fill(text, 72, break_long_words=False, break_on_hyphens=False)
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in text.splitlines())


def page(name, date, sections):
    """A whole page.  date: ISO 8601."""
    head = f'.TH {escaped(name.upper())} 8 {date} "ocipy {ocipy.__version__}" "System administration"\n'
    return head + "".join(f".SH {title}\n{body.strip()}\n" for title, body in sections if body)


def option(flag):
    spellings = ", ".join(f"\\fB{escaped(spelling)}\\fR" for spelling in flag.spellings)
    value = f" \\fI{escaped(flag.metavar)}\\fR" if flag.metavar else ""
    return f".TP\n{spellings}{value}\n{escaped(flag.help)}\n"


def options(flags):
    return "".join(map(option, flags))


def verb_page(verb, date):
    flags = " [\\fIoptions\\fR]" if verb.flags else ""
    paragraphs = verb.notes or f"{verb.summary[0].upper()}{verb.summary[1:]}."
    return page(
        f"ocipy-{verb.name}",
        date,
        [
            ("NAME", f"ocipy\\-{verb.name} \\- {escaped(verb.summary)}"),
            ("SYNOPSIS", f"\\fBocipy {verb.name}\\fR{flags} {escaped(verb.usage)}"),
            ("DESCRIPTION", escaped(paragraphs)),
            ("OPTIONS", options(verb.flags)),
            ("SEE ALSO", ".BR ocipy (8)"),
        ],
    )


def main_page(flags, verbs, date):
    described = "".join(
        f".TP\n.BR ocipy\\-{verb.name} (8)\n{escaped(verb.summary)}\n"
        for verb in verbs
        if verb.name != "help"
    )
    return page(
        "ocipy",
        date,
        [
            ("NAME", "ocipy \\- an OCI container runtime"),
            (
                "SYNOPSIS",
                "\\fBocipy\\fR [\\fIglobal options\\fR] \\fIverb\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]",
            ),
            ("DESCRIPTION", DESCRIPTION),
            ("VERBS", described),
            ("OPTIONS", options(flags)),
            ("EXIT STATUS", EXIT),
            ("FILES", FILES),
            ("EXAMPLES", EXAMPLES),
            ("SEE ALSO", ".BR runc (8),\n.BR crun (1),\n.BR podman (1),\n.BR containerd (8)"),
        ],
    )


def pages(date):
    """{path below share: text} of all pages."""
    flags, verbs = program()
    made = {"man/man8/ocipy.8": main_page(flags, verbs, date)}
    for verb in verbs:
        if verb.name != "help":
            made[f"man/man8/ocipy-{verb.name}.8"] = verb_page(verb, date)
    return made
