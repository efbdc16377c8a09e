"""What a shell reads."""

SHELL = "/bin/sh"


def plain(word: str) -> str:
    """A word for a shell, as it is where that can only mean itself."""
    return word if word and all(char.isalnum() or char in "._-/" for char in word) else quoted(word)


def quoted(word: str) -> str:
    """A word for a shell, whatever is in it."""
    return "'" + word.replace("'", "'\\''") + "'"
