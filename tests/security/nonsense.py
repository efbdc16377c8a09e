"""What does not belong where it stands, for documents of all kinds."""

from hypothesis import strategies as st

NASTY = (
    0,
    -1,
    2**31,
    2**32,
    2**63,
    2**64,
    10**30,
    1.5,
    "",
    "\0",
    "/",
    "..",
    "/../..",
    "a" * 70000,
    "\n",
    "\udcff",
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(NASTY)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(document, path=()):
    """The path of every value in a document."""
    yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(value, (*path, key))


def with_at(document, path, value):
    """The document with another value at a path."""
    if not path:
        return value
    key, *rest = path
    made = document.copy()
    made[key] = with_at(document[key], rest, value)
    return made


@st.composite
def broken(draw, documents):
    """One of the documents with nonsense in one or two places."""
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(document))))
        document = with_at(document, path, draw(ANYTHING))
    return document
