"""Writes the manual pages, and what completes the command's words in bash, zsh and fish.

    python3 -m tools.manual DIR       below DIR: man/man8/ocipy*.8, and one file where each shell looks

DIR is what $PREFIX/share is to be.  The date of the pages is $SOURCE_DATE_EPOCH, as packagers set it, or that
of the table that they are made of.
"""

import os
import sys
import time

from ocipy.cli import table
from tools.manual import bash, fish, man, zsh


def date():
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or os.stat(table.__file__).st_mtime
    return time.strftime("%Y-%m-%d", time.gmtime(float(seconds)))


def files():
    """{path below share: text} of everything."""
    return man.pages(date()) | {
        "bash-completion/completions/ocipy": bash.script(),
        "zsh/site-functions/_ocipy": zsh.script(),
        "fish/vendor_completions.d/ocipy.fish": fish.script(),
    }


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for name, text in files().items():
        path = os.path.join(sys.argv[1], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
