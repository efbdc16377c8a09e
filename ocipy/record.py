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
    """Turns the annotations of a class body into slots: required fields, then others, then those by name."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        own = tuple(n for n in body.get("__annotations__", ()) if n[0] != "_")
        defaults = {n: body.pop(n) for n in own if n in body}
        body.setdefault("__slots__", own)
        cls: Any = super().__new__(mcs, name, bases, body)
        base: Any = bases[0] if bases else None
        by_name = {n: d.default for n, d in defaults.items() if type(d) is _Keyword}
        cls._by_name = {**base._by_name, **by_name} if base else {}
        cls._defaults = {**base._defaults, **defaults, **by_name} if base else {}
        positional = [n for n in (*(base._fields if base else ()), *own) if n not in cls._by_name]
        required = [n for n in positional if n not in cls._defaults]
        optional = [n for n in positional if n in cls._defaults]
        cls._fields = tuple(dict.fromkeys((*required, *optional, *cls._by_name)))
        return cls


@dataclass_transform(frozen_default=True, kw_only_default=False, field_specifiers=(keyword,))
class Record(metaclass=_RecordType):
    """Base of all values that plans, facts and messages are made of."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        _defaults: dict[str, Any]
        _by_name: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any):
        fields = self._fields
        if len(args) > len(fields) - len(self._by_name):
            raise TypeError(
                f"{type(self).__name__} takes {len(fields) - len(self._by_name)} fields, got {len(args)}"
            )
        put = object.__setattr__
        for name, value in zip(fields, args):
            put(self, name, value)
        for name in fields[len(args) :]:
            if name in kwargs:
                put(self, name, kwargs.pop(name))
            elif name in self._defaults:
                put(self, name, self._defaults[name])
            else:
                raise TypeError(f"{type(self).__name__} needs {name}")
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(kwargs))}")

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
