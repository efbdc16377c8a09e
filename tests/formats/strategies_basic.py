"""What the strategies of Specs are made of: text, names, numbers, paths, objects."""

from hypothesis import strategies as st

#: What makes quoting hard: blanks, quotes, comments, escapes, separators of other formats.
_HARD = "aB1 '\"#=:,;\\$%{}[]|\t\u00e9\u20ac\U0001f433"
words = st.text(_HARD, min_size=1, max_size=8)
#: As `words`, and with line ends: for formats that have no lines.
texts = st.text(f"{_HARD}\n", min_size=1, max_size=8)
names = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
u16, u32, u63 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 63))
ids = st.integers(0, 2**32 - 2)


def paths(word=words):
    """Absolute ones, without "." and ".."."""
    step = word.map(lambda text: text.replace("/", "_")).filter(lambda text: text not in (".", ".."))
    return st.lists(step, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps))


def some(strategy, **how):
    """A list that is not empty."""
    return st.lists(strategy, min_size=1, max_size=how.pop("most", 3), **how)


def objects(required=None, **optional):
    """An object of these properties, often of all of them, that is not empty."""
    required = required or {}
    return st.fixed_dictionaries({**required, **optional}) | st.fixed_dictionaries(
        required, optional=optional
    ).filter(bool)


def variables(word=words):
    """NAME=value, each name once."""
    name = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
    pair = st.tuples(name, word | st.just("")).map("=".join)
    return st.lists(pair, max_size=3, unique_by=lambda entry: entry.partition("=")[0])
