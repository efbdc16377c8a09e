"""A seccomp filter written anew: the same answers, in a fifth of the instructions.  Pure.

libseccomp asks for each system call by its own number.  The kernel pays for every instruction when a filter
is loaded: it checks, translates and, for each number, runs the program once to learn which calls it always
lets through.  So what a program answers is read off it as ranges of numbers, which are searched by halves:

    load arch                        one comparison for each architecture
    load nr, >= 183? >= 91? ...      of its own; a leaf returns, or goes on to
    load an argument ...             what compares arguments

Arguments are compared by rules that are given, where they are: libseccomp (2.5.4, 2.6.0) confuses the halves
of an argument when rules of one call compare it in several ways (with "a0 <= 9 or a0 >= 1 << 32" it lets 100
pass).  Elsewhere it is done as libseccomp wrote it.

The ranges are exact: along each path through the program the numbers that take it are a union of ranges,
because all that it can do with a number is to compare it with constants.  What this reader does not know,
libseccomp having learnt something new, is not rewritten.

Source: kernel Documentation/userspace-api/seccomp_filter.rst; net/core/filter.c for what a program may hold;
kernel commit 8e01b51a31a1 "seccomp/cache: Add \"emulator\" to check if filter is constant allow".
"""

from __future__ import annotations

from bisect import bisect_left

from ocipy.plan.profile import OPERATORS, instruction
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Instruction = tuple[int, int, int, int]  # code, jt, jf, k
    Ranges = list[tuple[int, int]]  # first and last number of each, in order

LOAD, AND, JUMP, EQUAL, GREATER, GREATER_EQUAL, SET, RETURN = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
NR, ARCH, IP = 0, 4, 8  # offsets in struct seccomp_data; arguments follow
_LAST = 0xFFFFFFFF
_REACH = 250  # a conditional jump goes over 255 instructions, and one more may have to be put between


_NE, _LT, _LE, _EQ, _GE, _GT, _MASKED_EQ = OPERATORS.values()


class Unknown(Exception):
    """The program does what this module does not understand."""


class Decision(Record):
    """What becomes of a call by its arguments: `action` if one of the alternatives holds, else `otherwise`.

    Alternatives are comparisons that all have to hold: (argument, operator, value, second value) each.
    """

    action: int
    otherwise: int
    alternatives: tuple[tuple[tuple[int, int, int, int], ...], ...]


if TYPE_CHECKING:
    #: An instruction that returns; where arguments decide: how, or the index of the one where they begin to.
    Answer = Instruction | int | Decision
    Table = list[tuple[int, int, Answer]]  # first number, last number, what they get; in order


def rewrite(program: bytes, decisions: Mapping[int, Mapping[int, Decision]] | None = None) -> bytes:
    """A program that returns what `program` does for every call, in fewer instructions if that can be had.

    decisions: architecture -> number -> what decides on that call instead
    """
    try:
        made = _Writer(_read(program)).write(decisions or {})
    except Unknown:
        return program
    return made if decisions or len(made) < len(program) else program


def _read(program: bytes) -> list[Instruction]:
    rows = (program[i : i + 8] for i in range(0, len(program), 8))
    return [(int.from_bytes(r[:2], "little"), r[2], r[3], int.from_bytes(r[4:], "little")) for r in rows]


# ---------------------------------------------------------------- what a program answers


def architectures(code: list[Instruction]) -> list[int]:
    """The architectures that a program tells apart: all that it compares `arch` with."""
    holds: list[set[int | None]] = [set() for _ in code]  # what the accumulator may hold at each instruction
    holds[0].add(None)
    found = {}
    for at, (kind, jt, jf, k) in enumerate(code):
        following = {LOAD: (0,), AND: (0,), JUMP: (k,), RETURN: ()}.get(kind, (jt, jf))
        for distance in following:
            holds[at + 1 + distance] |= {k} if kind == LOAD else {None} if kind == AND else holds[at]
        if ARCH in holds[at] and kind not in (LOAD, JUMP, RETURN):
            if kind != EQUAL or len(holds[at]) > 1:
                raise Unknown
            found[k] = True
    return list(found)


def answers(code: list[Instruction], arch: int) -> Table:
    """The answer for every number of an architecture."""
    reaching: dict[int, Ranges] = {0: [(0, _LAST)]}  # index -> the numbers that come there
    loaded: dict[int, set[int | None]] = {0: {None}}  # index -> what the accumulator may hold there
    found: Table = []

    def go(at: int, ranges: Ranges, holds: set[int | None]) -> None:
        if ranges:
            reaching.setdefault(at, []).extend(ranges)
            loaded.setdefault(at, set()).update(holds)

    for at, one in enumerate(code):
        kind, jt, jf, k = one
        ranges = sorted(reaching.pop(at, ()))
        if not ranges:
            continue
        if kind == RETURN or (kind == LOAD and k >= IP):
            answer: Answer = one if kind == RETURN else at
            found += [(first, last, answer) for first, last in ranges]
        elif kind == LOAD:
            go(at + 1, ranges, {k})
        elif kind == JUMP:
            go(at + 1 + k, ranges, loaded[at])
        elif loaded[at] == {ARCH} and kind == EQUAL:
            go(at + 1 + (jt if arch == k else jf), ranges, {ARCH})
        elif loaded[at] == {NR} and kind in (EQUAL, GREATER, GREATER_EQUAL):
            yes, no = _split(ranges, kind, k)
            go(at + 1 + jt, yes, {NR})
            go(at + 1 + jf, no, {NR})
        else:
            raise Unknown
    return _joined(found)


def _split(ranges: Ranges, kind: int, k: int) -> tuple[Ranges, Ranges]:
    """The numbers for which a comparison holds, and the others."""
    below, rest = _cut(ranges, k + 1 if kind == GREATER else k)
    if kind != EQUAL:
        return rest, below
    yes, above = _cut(rest, k + 1)
    return yes, below + above


def _cut(ranges: Ranges, number: int) -> tuple[Ranges, Ranges]:
    """The numbers below one, and the others."""
    at = bisect_left(ranges, (number, 0))
    if at == 0 or ranges[at - 1][1] < number:
        return ranges[:at], ranges[at:]
    first, last = ranges[at - 1]
    return [*ranges[: at - 1], (first, number - 1)], [(number, last), *ranges[at:]]


def _joined(found: Table) -> Table:
    """Neighbouring ranges with one answer as one range."""
    made: Table = []
    expected = 0
    for first, last, answer in sorted(found, key=lambda each: each[0]):
        if first != expected:
            raise Unknown
        expected = last + 1
        if made and made[-1][2] == answer:
            made[-1] = (made[-1][0], last, answer)
        else:
            made.append((first, last, answer))
    return made


def decided(table: Table, decisions: Mapping[int, Decision]) -> Table:
    """A table in which some numbers are decided otherwise."""
    made: Table = []
    for first, last, answer in table:
        start = first
        for number in sorted(n for n in decisions if first <= n <= last):
            if start < number:
                made.append((start, number - 1, answer))
            made.append((number, number, decisions[number]))
            start = number + 1
        if start <= last:
            made.append((start, last, answer))
    return _joined(made)


# ---------------------------------------------------------------- the new program


class _Writer:
    """Writes a program from its end to its beginning: jumps lead forward, so their targets are there already.

    A place is counted from the end: the last instruction is 1.
    """

    def __init__(self, code: list[Instruction]):
        self.code = code
        self.made: list[Instruction] = []  # the last one first
        self.places: dict[int, int] = {}  # index in the old program -> place
        self.returns: dict[Instruction, int] = {}  # -> the nearest place of such a one
        self.decisions: dict[Decision, int] = {}  # -> the place where it begins

    def write(self, decisions: Mapping[int, Mapping[int, Decision]]) -> bytes:
        known = architectures(self.code)
        stranger = next(n for n in range(len(known) + 1) if n not in known)
        by_arch = {arch: decided(answers(self.code, arch), decisions.get(arch, {})) for arch in known}
        others = answers(self.code, stranger)
        tables = [*by_arch.values(), others]
        self._arguments({answer for table in tables for _, _, answer in table if isinstance(answer, int)})
        for decision in [
            answer for table in tables for _, _, answer in table if isinstance(answer, Decision)
        ]:
            if decision not in self.decisions:
                self.decisions[decision] = self._decide(decision)
        entries = {arch: self._numbers(table) for arch, table in reversed(by_arch.items())}
        target = self._numbers(others)
        for arch, entry in entries.items():
            target = self._branch(EQUAL, arch, entry, target)
        self._put((LOAD, 0, 0, ARCH), target)
        return b"".join(instruction(code, k, jt, jf) for code, jt, jf, k in reversed(self.made))

    def _put(self, one: Instruction, following: int | None = None) -> int:
        """Put an instruction in front; what is to follow it is at that place."""
        if following is not None and following != len(self.made):
            self._put((JUMP, 0, 0, len(self.made) - following))
        self.made.append(one)
        return len(self.made)

    def _return(self, one: Instruction) -> int:
        place = self.returns.get(one, 0)
        if not place or len(self.made) - place > _REACH:
            place = self.returns[one] = self._put(one)
        return place

    def _near(self, place: int) -> int:
        """The place, or one within reach that leads there."""
        if len(self.made) - place <= _REACH:
            return place
        one = self.made[place - 1]
        return self._return(one) if one[0] == RETURN else self._put((JUMP, 0, 0, len(self.made) - place))

    def _branch(self, kind: int, k: int, yes: int, no: int) -> int:
        yes = self._near(yes)
        no = self._near(no)
        end = len(self.made)
        return self._put((kind, end - yes, end - no, k))

    def _arguments(self, entries: set[int]) -> None:
        """What compares arguments, from each entry on, in its old order."""
        wanted = set(entries)
        for at in range(len(self.code)):
            if at in wanted:
                kind, jt, jf, k = self.code[at]
                if kind == JUMP:
                    wanted.add(at + 1 + k)
                elif kind in (EQUAL, GREATER, GREATER_EQUAL, SET):
                    wanted |= {at + 1 + jt, at + 1 + jf}
                elif kind in (LOAD, AND):
                    wanted.add(at + 1)
                elif kind != RETURN:
                    raise Unknown
        for at in sorted(wanted, reverse=True):
            self.places[at] = self._old(at)

    def _old(self, at: int) -> int:
        one = self.code[at]
        kind, jt, jf, k = one
        if kind == RETURN:
            return self._return(one)
        if kind == JUMP:
            return self.places[at + 1 + k]
        if kind in (LOAD, AND):
            return self._put(one, self.places[at + 1])
        return self._branch(kind, k, self.places[at + 1 + jt], self.places[at + 1 + jf])

    def _numbers(self, table: Table) -> int:
        """What one architecture does."""
        if len(table) == 1:
            return self._answer(table[0][2])
        return self._put((LOAD, 0, 0, NR), self._search(table))

    def _answer(self, answer: Answer) -> int:
        if isinstance(answer, Decision):
            return self.decisions[answer]
        return self.places[answer] if isinstance(answer, int) else self._return(answer)

    # ------------------------------------------------------------ arguments

    def _decide(self, decision: Decision) -> int:
        target = self._return((RETURN, 0, 0, decision.otherwise))
        for comparisons in reversed(decision.alternatives):
            holds = self._return((RETURN, 0, 0, decision.action))
            for comparison in reversed(comparisons):
                holds = self._compare(comparison, holds, target)
            target = holds
        return target

    def _compare(self, comparison: tuple[int, int, int, int], yes: int, no: int) -> int:
        """Go on at one of two places by an argument of 64 bits, in two halves.  Little-endian as all here."""
        argument, operator, value, second = comparison
        if operator in (_NE, _LT, _LE):
            yes, no = no, yes
        mask = (1 << 64) - 1
        if operator == _MASKED_EQ:
            mask, value = value, second & value
        kind = {_GT: GREATER, _LE: GREATER, _GE: GREATER_EQUAL, _LT: GREATER_EQUAL}.get(operator, EQUAL)
        low = self._half(argument, 0, mask, self._branch(kind, value & _LAST, yes, no))
        if mask >> 32 == 0:
            return low
        high = self._branch(EQUAL, value >> 32, low, no)
        if kind != EQUAL:
            high = self._branch(GREATER, value >> 32, yes, high)
        return self._half(argument, 32, mask, high)

    def _half(self, argument: int, shift: int, mask: int, following: int) -> int:
        """Load 32 bits of an argument, those of the mask."""
        mask = mask >> shift & _LAST
        if mask != _LAST:
            following = self._put((AND, 0, 0, mask), following)
        return self._put((LOAD, 0, 0, 16 + 8 * argument + shift // 8), following)

    def _search(self, table: Table) -> int:
        if len(table) == 1:
            return self._answer(table[0][2])
        middle = len(table) // 2
        above = self._search(table[middle:])
        below = self._search(table[:middle])
        return self._branch(GREATER_EQUAL, table[middle][0], above, below)
