"""The completion for bash: needs no bash-completion package, only ``complete``."""

from tools.manual.model import program

SCRIPT = """\
# bash completion of ocipy.  Written by tools/manual from the table of its verbs.

# The flags of a verb, or of the program.
_ocipy_flags() {
    case $1 in
@FLAGS@
    esac
}

# What the value of VERB/FLAG is, nothing for a flag without one.
_ocipy_value() {
    case $1 in
@VALUES@
    esac
}

# What the argument VERB/NUMBER is.
_ocipy_argument() {
    case $1 in
@ARGUMENTS@
    esac
}

# Sets COMPREPLY to what of a kind begins with the current word.
_ocipy_offer() {
    local kind=$1 current=$2 root=$3
    case $kind in
        files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        containers) kind=$(command ocipy ${root:+--root "$root"} list --quiet 2>/dev/null) ;;
        signals) kind=$(compgen -A signal -X '!SIG[!J]*') ;;
        verbs) kind="@VERBS@" ;;
        command) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
        text) return ;;
    esac
    [[ $1 = @(files|directories|command) ]] || mapfile -t COMPREPLY < <(compgen -W "$kind" -- "$current")
}

_ocipy() {
    # Where "=" divides words, --flag=value is three of them, and the value what is completed.
    local words=() word i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word = "=" && ${words[-1]-} = -* ]]; then
            ((i == COMP_CWORD)) && words+=("")
        else
            words+=("$word")
        fi
    done
    local current=${words[-1]} verb="" arguments=0 value="" name="" root="" ended=""
    unset 'words[-1]'
    COMPREPLY=()
    for word in "${words[@]}"; do
        if [[ $value ]]; then
            [[ $verb$name = root ]] && root=$word
            [[ $value = command ]] && ended=1
            value=""
        elif [[ $ended ]]; then
            continue
        elif [[ $word = -- ]]; then
            ended=1
        elif [[ $word = -?* ]]; then
            name=${word#-} name=${name#-}
            value=$(_ocipy_value "$verb/$name")
        elif [[ ! $verb ]]; then
            verb=$word
        else
            arguments=$((arguments + 1))
            [[ $verb = @(@OPAQUE@) ]] && ended=1
        fi
    done
    if [[ $value ]]; then
        _ocipy_offer "$value" "$current" "$root"
    elif [[ ! $ended && $current = -* ]]; then
        _ocipy_offer "$(_ocipy_flags "$verb")" "$current"
    elif [[ ! $verb ]]; then
        _ocipy_offer verbs "$current"
    else
        _ocipy_offer "$(_ocipy_argument "$verb/$arguments")" "$current" "$root"
    fi
}

complete -F _ocipy ocipy
"""


def cases(rows):
    return "\n".join(f"        {pattern}) echo '{text}' ;;" for pattern, text in rows)


def script():
    """The whole script."""
    flags, verbs = program()
    every = [("", flags)] + [(verb.name, verb.flags) for verb in verbs]
    offered = [(name or "''", " ".join(s for f in own for s in f.spellings)) for name, own in every]
    values = []
    for name, own in every:
        for flag in own:
            spellings = " | ".join(f"{name}/{spelling.lstrip('-')}" for spelling in flag.spellings)
            if flag.value:
                values.append((spellings, " ".join(flag.choices) or flag.value))
    arguments = [(f"{v.name}/{at}", kind) for v in verbs for at, kind in enumerate(v.places)]
    parts = {
        "FLAGS": cases(offered),
        "VALUES": cases(values),
        "ARGUMENTS": cases(arguments),
        "VERBS": " ".join(verb.name for verb in verbs),
        "OPAQUE": "|".join(verb.name for verb in verbs if verb.opaque > 0),
    }
    text = SCRIPT
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text
