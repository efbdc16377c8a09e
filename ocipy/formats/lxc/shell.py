"""What a shell reads."""

SHELL = "/bin/sh"


def quoted(word: str) -> str:
    """A word for a shell, whatever is in it."""
    return "'" + word.replace("'", "'\\''") + "'"
