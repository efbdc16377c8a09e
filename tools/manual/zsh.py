"""The completion for zsh, as a function that compinit finds."""

from tools.manual.model import COMMAND, CONTAINERS, DIRECTORIES, FILES, SIGNALS, TEXT, VERB, program

SCRIPT = """\
#compdef ocipy
# zsh completion of ocipy.  Written by tools/manual from the table of its verbs.

_ocipy_containers() {
    local -a ids
    ids=(${(f)"$(_call_program containers ocipy $root list --quiet)"})
    compadd -a "$@" ids
}

_ocipy_verbs() {
    local -a verbs
    verbs=(
@VERBS@
    )
    _describe verb verbs
}

_ocipy() {
    local curcontext=$curcontext state line
    local -A opt_args
    local -a root
    _arguments -C \\
@GLOBAL@
        '1:verb:_ocipy_verbs' \\
        '*:: :->arguments' && return
    [[ $state = arguments ]] || return
    # What follows has flags of its own, which take the place of these.
    root=(${opt_args[--root]:+--root ${opt_args[--root]}})
    curcontext=${curcontext%:*}-$words[1]:
    case $words[1] in
@CASES@
    esac
}

_ocipy "$@"
"""

_ACTIONS = {
    FILES: "_files",
    DIRECTORIES: "_files -/",
    CONTAINERS: "_ocipy_containers",
    SIGNALS: "_signals",
    VERB: "_ocipy_verbs",
    COMMAND: "_command_names -e",
    TEXT: " ",
}


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def escaped(text, what):
    for character in what:
        text = text.replace(character, "\\" + character)
    return text


def specs(flag):
    """The arguments of _arguments for a flag, one for each spelling."""
    value = ""
    if flag.value:
        action = f"({' '.join(flag.choices)})" if flag.choices else _ACTIONS[flag.value]
        value = f":{escaped(flag.metavar, ':')}:{action}"
    for spelling in flag.spellings:
        others = "" if flag.repeats else f"({' '.join(flag.spellings)})"
        takes = "=" if flag.value and spelling.startswith("--") else ""
        repeats = "*" if flag.repeats else ""
        text = f"{others}{repeats}{spelling}{takes}[{escaped(flag.help, '[]:')}]{value}"
        yield quoted(text.replace(value, ":*::" + value[1:]) if flag.rest else text)


def case(verb):
    lines = [spec for flag in verb.flags for spec in specs(flag)]
    for at, kind in enumerate(verb.places, 1):
        if 0 < verb.opaque < at:
            # The command is a command line of its own.
            lines.append(quoted("*::command:_normal" if kind == COMMAND else "*:argument: "))
            break
        lines.append(quoted(f"{at}:{kind.removesuffix('s')}:{_ACTIONS[kind]}"))
    body = " \\\n".join(f"                {line}" for line in lines)
    return f"        {verb.name})\n            _arguments \\\n{body} ;;"


def script():
    """The whole file."""
    flags, verbs = program()
    parts = {
        "VERBS": "\n".join(f"        {quoted(f'{verb.name}:{verb.summary}')}" for verb in verbs),
        "GLOBAL": "\n".join(f"        {spec} \\" for flag in flags for spec in specs(flag)),
        "CASES": "\n".join(map(case, verbs)),
    }
    text = SCRIPT
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text
