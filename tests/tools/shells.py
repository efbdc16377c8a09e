"""Asks the shells what they would offer for a line, as a person does: with the tab key of a terminal."""

import os
import select
import subprocess
import time

# Each line editor is told to write down what it offers; then the line is typed, and a tab.
BASH = """\
PS1='ready>' PS2= PROMPT_COMMAND=
bind 'set enable-bracketed-paste off' 2>/dev/null
bind '"\\t": insert-completions'
_show() { printf '%s\\n' "$READLINE_LINE" >"$OFFERS"; exit; }
bind -x '"\\C-xp": _show'
source "$COMPLETION"
"""
ZSH = """\
PS1='ready>'
autoload -Uz compinit && compinit -D -u
compadd() {
    local -a found
    # With one of these it only counts; what is shown is added by a call without.
    if [[ ${@[1,(i)-]} != *-[AOD]* ]]; then
        builtin compadd -O found "$@"
        print -rl -- $found >>"$OFFERS"
    fi
    builtin compadd "$@"
}
zstyle ':completion:*' list-prompt ''
LISTMAX=0
_show() { exit }
zle -N _show
bindkey '^Xp' _show
"""
SECONDS = 20.0


def _typed(argv, environment, keys):
    """Start an interactive shell on a terminal, type the keys once it is ready, and wait for its end."""
    master, slave = os.openpty()
    with subprocess.Popen(
        argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as shell:
        os.close(slave)
        said, typed, deadline = b"", False, time.monotonic() + SECONDS
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], deadline - time.monotonic())[0]:
                    break
                try:
                    said += os.read(master, 65536)
                except OSError:  # EIO: nobody has the terminal open any more
                    break
                if not typed and b"ready>" in said:
                    os.write(master, keys.encode())
                    typed = True
        finally:
            shell.kill()
            os.close(master)
    return said.decode(errors="replace")


def _offers(directory, argv, environment, line):
    offers = directory / "offers"
    offers.unlink(missing_ok=True)
    environment |= {"OFFERS": str(offers), "TERM": "dumb", "HOME": str(directory)}
    said = _typed(argv, environment, f"{line}\t\x18p")
    assert offers.exists(), said
    return offers.read_text()


def bash(share, directory, line, environment):
    """What bash makes of the line: every possible completion in the place of the last word."""
    startup = directory / "bashrc"
    startup.write_text(BASH)
    environment = environment | {"COMPLETION": str(share / "bash-completion/completions/ocipy")}
    whole = _offers(directory, ["bash", "--noprofile", "--rcfile", str(startup), "-i"], environment, line)
    begun = line.rpartition(" ")[0]
    assert whole.startswith(begun)
    return set(whole.removeprefix(begun).split())


def zsh(share, directory, line, environment):
    """What zsh's functions add for the line."""
    (directory / ".zshrc").write_text(f"fpath=({share}/zsh/site-functions $fpath)\n" + ZSH)
    return set(_offers(directory, ["zsh", "-d", "-i"], environment, line).split())


def fish(share, directory, line, environment):
    """What fish would list, without the descriptions."""
    script = f"source {share}/fish/vendor_completions.d/ocipy.fish; complete -C '{line}'"
    environment = environment | {"HOME": str(directory)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=SECONDS,
    )
    return {offered.partition("\t")[0] for offered in done.stdout.splitlines()}


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
