"""Immutable values, at a cost that start-up can bear.

``dataclasses`` and ``typing.NamedTuple`` cost 6 to 20 ms of start-up and a NamedTuple compares by content
alone, so ``Mkdir("/a") == Rmdir("/a")``.  A `Record` is a slotted, frozen class whose annotations are its
fields; equality and hash include the type.

    class Bind(Record):
        source: str
        target: str
        flags: int = 0
        pointer: str = keyword(default="", kw_only=True)  # in every subclass: by name, after all others
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


class _Keyword:
    """The default of a field that is given by name only."""

    __slots__ = ("default",)

    def __init__(self, default: Any):
        self.default = default


def keyword(*, default: Any, kw_only: bool) -> Any:
    """A field that is given by name only; `kw_only` is True, for the type checker to see."""
    return _Keyword(default)


class _RecordType(type):
    """Turns the annotations of a class body into slots: required fields, then others, then those by name.

    Everything is put into the body before the class is made: there are fifty of them to start, and setting
    an attribute of a class that exists takes as long as the rest.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        own = body.get("__annotations__", ())
        if "__slots__" not in body:
            body["__slots__"] = tuple(own)
        if own or not bases:
            base: Any = bases[0] if bases else None
            required = base._required if base else ()
            optional = base._optional.copy() if base else {}
            by_name = base._by_name if base else {}
            for field in own:
                if field not in body:
                    required += (field,)
                else:
                    default = body.pop(field)
                    if type(default) is _Keyword:
                        by_name = {**by_name, field: default.default}
                    else:
                        optional[field] = default
            body["_required"], body["_optional"], body["_by_name"] = required, optional, by_name
            body["_fields"] = (*required, *optional, *by_name)
        return type.__new__(mcs, name, bases, body)


@dataclass_transform(frozen_default=True, kw_only_default=False, field_specifiers=(keyword,))
class Record(metaclass=_RecordType):
    """Base of all values that plans, facts and messages are made of."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        _required: tuple[str, ...]
        _optional: dict[str, Any]
        _by_name: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any):
        fields = self._fields
        given = {**self._optional, **self._by_name, **dict(zip(fields, args)), **kwargs}
        if len(given) != len(fields) or len(args) > len(fields) - len(self._by_name):
            raise TypeError(f"{type(self).__name__} {self._fault(args, kwargs)}")
        put = object.__setattr__
        for name in fields:
            put(self, name, given[name])

    def _fault(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """What is wrong with arguments."""
        positional = len(self._fields) - len(self._by_name)
        if len(args) > positional:
            return f"takes {positional} fields, got {len(args)}"
        unknown = [name for name in kwargs if name not in self._fields]
        if unknown:
            return f"has no field {unknown[0]}"
        return f"needs {next(name for name in self._required[len(args) :] if name not in kwargs)}"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self._fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, f) for f in self._fields)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in self._fields)})"

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{f: getattr(self, f) for f in self._fields} | changes)
