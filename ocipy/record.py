"""Immutable values, at a cost that start-up can bear.

``dataclasses`` and ``typing.NamedTuple`` cost 6 to 20 ms of start-up and a NamedTuple compares by content
alone, so ``Mkdir("/a") == Rmdir("/a")``.  A `Record` is a slotted, frozen class whose annotations are its
fields; equality and hash include the type.

    class Bind(Record):
        source: str
        target: str
        flags: int = 0
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


class _RecordType(type):
    """Turns the annotations of a class body into slots, in order, parents' fields first."""

    def __new__(mcs, name, bases, body):
        own = tuple(n for n in body.get("__annotations__", ()) if not n.startswith("_"))
        defaults = {n: body.pop(n) for n in own if n in body}
        body.setdefault("__slots__", own)
        cls = super().__new__(mcs, name, bases, body)
        inherited = getattr(bases[0], "_fields", ()) if bases else ()
        # Positional order: required fields first, so that a base class may end in defaulted fields.
        merged = {**getattr(cls, "_defaults", {}), **defaults}
        fields = tuple(dict.fromkeys(inherited + own))
        cls._fields = tuple(f for f in fields if f not in merged) + tuple(f for f in fields if f in merged)
        cls._defaults = merged
        return cls


@dataclass_transform(frozen_default=True, kw_only_default=False)
class Record(metaclass=_RecordType):
    """Base of all values that plans, facts and messages are made of."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        _defaults: dict[str, Any]

    def __init__(self, *args, **kwargs):
        fields = self._fields
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}")
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

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} is immutable")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __eq__(self, other):
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self._fields)

    def __hash__(self):
        return hash((type(self), *(getattr(self, f) for f in self._fields)))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in self._fields)})"

    def replace(self, **changes) -> "Self":
        """A copy with some fields changed."""
        return type(self)(**{f: getattr(self, f) for f in self._fields} | changes)
