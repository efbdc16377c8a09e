"""Records: values that compare by type and content, and can't be changed."""

import pytest

from ocipy.record import Record


class Point(Record):
    x: int
    y: int = 2


class Other(Record):
    x: int
    y: int = 2


class Deep(Point):
    z: int


def test_fields_come_from_annotations_in_order():
    assert Point(1, 3) == Point(y=3, x=1)
    assert Point._fields == ("x", "y")


def test_required_fields_of_a_subclass_come_before_inherited_defaults():
    assert Deep(1, 5) == Deep(x=1, z=5, y=2)


def test_records_of_different_types_differ():
    assert Point(1) != Other(1)
    assert hash(Point(1)) == hash(Point(1))


def test_a_record_is_immutable():
    with pytest.raises(AttributeError, match="immutable"):
        Point(1).x = 4
    with pytest.raises(AttributeError):
        Point(1).new = 4


def test_replace_makes_a_copy():
    point = Point(1)
    assert (point.replace(y=9), point) == (Point(1, 9), Point(1, 2))


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [((), {}, "needs x"), ((1, 2, 3), {}, "takes 2"), ((1,), {"q": 1}, "no field q")],
)
def test_wrong_fields_are_refused(args, kwargs, words):
    with pytest.raises(TypeError, match=words):
        Point(*args, **kwargs)


def test_repr_is_the_call_that_makes_it():
    assert repr(Point(1)) == "Point(x=1, y=2)"
