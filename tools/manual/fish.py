"""The completion for fish."""

from tools.manual.model import COMMAND, CONTAINERS, DIRECTORIES, FILES, SIGNALS, VERB, program

SCRIPT = """\
# fish completion of ocipy.  Written by tools/manual from the table of its verbs.

# Prints the verb, or "none", and how many arguments of it are there.
function __ocipy_at
    set -l words (commandline -opc)
    set -l verb none
    set -l arguments 0
    set -l value no
    for word in $words[2..-1]
        if test $value = yes
            set value no
        else if string match -q -- '-*' $word
            string match -qr -- '^--?[^=]+$' $word
            and contains -- $verb/(string replace -r -- '^--?' '' $word) $__ocipy_takes
            and set value yes
        else if test $verb = none
            set verb $word
        else
            set arguments (math $arguments + 1)
        end
    end
    echo $verb/$arguments
end

function __ocipy_verb
    string match -q -- "$argv[1]/*" (__ocipy_at)
end

# Is the next argument this one?
function __ocipy_argument
    test (__ocipy_at) = $argv[1]
end

function __ocipy_containers
    set -l words (commandline -opc)
    set -l root
    for at in (seq (count $words))
        string match -qr -- '^--?root=' $words[$at]
        and set root --root (string replace -r -- '.*?=' '' $words[$at])
        contains -- $words[$at] -root --root; and set root --root $words[(math $at + 1)]
        string match -q -- '-*' $words[$at]; or contains -- $words[$at] @VERBS@; and break
    end
    command ocipy $root list --quiet 2>/dev/null
end

set -g __ocipy_takes @TAKES@

complete -c ocipy -f
@RULES@
"""

_VALUES = {
    FILES: "-rF",
    DIRECTORIES: "-xa '(__fish_complete_directories)'",
    COMMAND: "-xa '(__fish_complete_command)'",
}
_ARGUMENTS = {
    FILES: "-F",
    DIRECTORIES: "-a '(__fish_complete_directories)'",
    CONTAINERS: "-a '(__ocipy_containers)'",
    SIGNALS: "-a '(kill -l | string split \" \")'",
    COMMAND: "-a '(__fish_complete_command)'",
}


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def flag_rule(verb, flag):
    value = ""
    if flag.value:
        value = (
            f" -xa {quoted(' '.join(flag.choices))}" if flag.choices else f" {_VALUES.get(flag.value, '-x')}"
        )
    short = f" -s {flag.short}" if flag.short else ""
    return f"complete -c ocipy -n '__ocipy_verb {verb}'{short} -l {flag.name}{value} -d {quoted(flag.help)}"


def script():
    """The whole file."""
    flags, verbs = program()
    every = [("none", flags)] + [(verb.name, verb.flags) for verb in verbs]
    names = " ".join(verb.name for verb in verbs)
    takes = [
        f"{name}/{spelling.lstrip('-')}"
        for name, own in every
        for flag in own
        if flag.value
        for spelling in flag.spellings
    ]
    arguments = _ARGUMENTS | {VERB: f"-a '{names}'"}
    rules = [
        f"complete -c ocipy -n '__ocipy_argument none/0' -a {verb.name} -d {quoted(verb.summary)}"
        for verb in verbs
    ]
    rules += [flag_rule(name, flag) for name, own in every for flag in own]
    rules += [
        f"complete -c ocipy -n '__ocipy_argument {verb.name}/{at}' {arguments[kind]}"
        for verb in verbs
        for at, kind in enumerate(verb.places)
        if kind in arguments
    ]
    parts = {"VERBS": names, "TAKES": " ".join(takes), "RULES": "\n".join(rules)}
    text = SCRIPT
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text
