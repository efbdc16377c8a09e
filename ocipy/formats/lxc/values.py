"""Values of single keys: text to what it means.  What can't be meant is a ConfigError, with its line."""

from __future__ import annotations

from ocipy.formats.lxc.grammar import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.grammar import Entry

#: Without SIG.  Source: signal(7), numbers of all architectures but alpha, mips, parisc and sparc.
SIGNALS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN "
    "TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_ALIASES = {"IOT": "ABRT", "POLL": "IO", "CLD": "CHLD", "UNUSED": "SYS"}
SUFFIXES = "KMGTPE"
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_FRACTIONS = {"ms": 10**6, "us": 10**3, "ns": 1}

#: What uname(2) says -> linux.personality.domain.  Source: liblxc, confile_utils.c, lxc_config_parse_arch().
DOMAINS = dict.fromkeys(
    "arm armel armhf armv7l athlon i386 i486 i586 i686 linux32 mips mipsel ppc powerpc x86".split(), "LINUX32"
) | dict.fromkeys(
    "aarch64 amd64 arm64 linux64 loongarch64 mips64 mips64el ppc64 ppc64el ppc64le powerpc64 riscv64 s390x "
    "x86_64".split(),
    "LINUX",
)


def number(entry: Entry, most: int = 2**32 - 1) -> int:
    """A whole number from 0 up."""
    text = entry.value
    if not is_number(text) or int(text) > most:
        raise entry.problem(f'"{text}" is not a number from 0 to {most}')
    return int(text)


def integer(entry: Entry, text: str) -> int:
    """A whole number, perhaps below 0.

    >>> from ocipy.formats.lxc.grammar import Entry
    >>> integer(Entry("lxc.proc.oom_score_adj", "-5", "config:1"), "-5")
    -5
    """
    digits = text.removeprefix("-")
    if not is_number(digits):
        raise entry.problem(f'"{text}" is not a number')
    return int(text)


def size(entry: Entry, text: str) -> int:
    """Bytes, with a suffix as the kernel's memparse() has it: 64M; "max" and anything below 0 is -1."""
    digits, suffix = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if text == "max":
        return -1
    if suffix and suffix not in SUFFIXES:
        raise entry.problem(f'"{text}" is not a size, such as 64M')
    return max(-1, integer(entry, digits) << 10 * (SUFFIXES.index(suffix) + 1 if suffix else 0))


def signal(entry: Entry) -> str:
    """A signal as kill(1) has it, in one spelling: SIGPWR, SIGRTMIN+3, or a number."""
    text = entry.value
    if is_number(text):
        if int(text) > 64:
            raise entry.problem(f"there is no signal {text}")
        return str(int(text))
    name = text.removeprefix("SIG")
    if text.startswith("SIG"):
        if name in SIGNALS or name in _ALIASES:
            return f"SIG{_ALIASES.get(name, name)}"
        for end, sign in (("RTMIN", "+"), ("RTMAX", "-")):
            start, found, rest = name.partition(sign)
            if start == end and (rest if found else "0").isdecimal() and int(rest or 0) <= 30:
                return f"SIG{end}{sign}{int(rest)}" if found else f"SIG{end}"
    raise entry.problem(f'"{text}" is not a signal, such as SIGPWR or SIGRTMIN+3')


def offset(entry: Entry) -> dict[str, int]:
    """A clock's offset, {"secs", "nanosecs"}: the latter from 0 up to a second, as timens_offsets has it."""
    text = entry.value.replace(" ", "")
    digits = text.rstrip("hmsun")
    unit = text[len(digits) :]
    if unit not in (*_SECONDS, *_FRACTIONS):
        raise entry.problem(f'"{entry.value}" is not an offset, such as 10h, -5s or 20ms')
    amount = integer(entry, digits.removeprefix("+"))
    if unit in _SECONDS:
        return {"secs": amount * _SECONDS[unit]}
    secs, nanosecs = divmod(amount * _FRACTIONS[unit], 10**9)
    return {name: value for name, value in (("secs", secs), ("nanosecs", nanosecs)) if value}


def limit(entry: Entry) -> tuple[int, int]:
    """(soft, hard) of a resource limit: "64:128", one value for both, "unlimited"."""
    soft, colon, hard = entry.value.partition(":")
    return _limit(entry, soft.strip()), _limit(entry, hard.strip() if colon else soft.strip())


def _limit(entry: Entry, text: str) -> int:
    if text == "unlimited":
        return 2**64 - 1
    if not is_number(text) or int(text) >= 2**64:
        raise entry.problem(f'"{text}" is not a limit: a number, or unlimited')
    return int(text)
