"""What holds a container: capabilities, labels, system calls."""

from __future__ import annotations

from ocipy.formats.lxc import grammar, seccomp
from ocipy.formats.lxc.grammar import is_number
from ocipy.formats.lxc.read import exists, text_of
from ocipy.spec.names import CAPABILITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

#: What LXC confines a container by that says nothing, where the kernel has cgroup namespaces.
DEFAULT_PROFILE = "lxc-container-default-cgns"
#: And one that is to have containers in it.
NESTING_PROFILE = "lxc-container-default-with-nesting"


def load(draft: Draft) -> None:
    """Capabilities first: other parts ask for them."""
    _capabilities(draft)
    _apparmor(draft)
    config = draft.config
    if entry := config.last("lxc.selinux.context"):
        if entry.value != "unconfined_t":
            draft.set("/process/selinuxLabel", entry.value, entry)
    if entry := config.last("lxc.seccomp.profile"):
        _seccomp(draft, entry)


def keeps(draft: Draft, capability: str) -> bool:
    """Whether a container keeps a capability."""
    return capability in draft.get("/process/capabilities/bounding")


def _capabilities(draft: Draft) -> None:
    """All but those that are dropped, or those that are kept; never more than the host can give.

    In a user namespace of its own a container can be given them all.
    """
    dropped, kept = draft.config.all("lxc.cap.drop"), draft.config.all("lxc.cap.keep")
    if dropped and kept:
        raise kept[0].problem("lxc.cap.drop is there already, they are mutually exclusive")
    chosen = set() if kept else set(CAPABILITIES)
    for entry in kept:
        for word in grammar.words(entry.value):
            chosen = set() if word == "none" else {*chosen, _capability(entry, word)}
    for entry in dropped:
        chosen -= {_capability(entry, word) for word in grammar.words(entry.value)}
    cause = next(iter((*kept, *dropped)), None)
    if not draft.config.all("lxc.idmap"):
        lacking = {name for i, name in enumerate(CAPABILITIES) if not draft.host.bounding >> i & 1}
        if cut := [name for name in CAPABILITIES if name in chosen & lacking]:
            draft.changed(
                _where(draft, "lxc.cap.drop", cause), f"{', '.join(cut)}: can't be had on this host"
            )
        chosen -= lacking
    names = [name for name in CAPABILITIES if name in chosen]
    for kind in ("bounding", "effective", "permitted"):
        draft.set(f"/process/capabilities/{kind}", list(names), cause)


def _where(draft: Draft, key: str, entry: Entry | None) -> Entry:
    """A line to speak of, where no line says it: the file itself."""
    return entry or grammar.Entry(key, "", f"{draft.config.name}: implied")


def _capability(entry: Entry, word: str) -> str:
    name = f"CAP_{word.upper()}"
    if word == word.lower() and name in CAPABILITIES:
        return name
    if is_number(word) and int(word) < len(CAPABILITIES):
        return CAPABILITIES[int(word)]
    raise entry.problem(f'there is no capability "{word}"')


def _apparmor(draft: Draft) -> None:
    entry = draft.config.last("lxc.apparmor.profile")
    if entry is None:
        if draft.host.apparmor:
            draft.set("/process/apparmorProfile", DEFAULT_PROFILE)
    elif entry.value != "unchanged" and not draft.host.apparmor:
        draft.changed(entry, "ignored, as LXC ignores it: AppArmor is not enabled on this host")
    elif entry.value == "generated":
        # Debian's default for every container: to have none would be to let it out.
        nested = draft.config.flag("lxc.apparmor.allow_nesting")
        profile = NESTING_PROFILE if nested else DEFAULT_PROFILE
        draft.set("/process/apparmorProfile", profile, entry)
        draft.lossy(
            entry, f"LXC makes a profile when it starts a container: this one is confined by {profile}"
        )
    elif entry.value != "unchanged":
        draft.set("/process/apparmorProfile", entry.value, entry)


def _seccomp(draft: Draft, entry: Entry) -> None:
    path = entry.value
    beside = f"{draft.config.directory}/{path}"
    if not path.startswith("/") and exists(beside):
        # LXC looks where it is run; what `dump` writes is meant to be run beside it.
        path = beside
    text = text_of(path, path, entry)
    draft.set("/linux/seccomp", seccomp.parse(text, entry, draft.host.machine), entry)
    proxy = draft.config.last("lxc.seccomp.notify.proxy")
    if proxy is not None:
        path = proxy.value.removeprefix("unix:")
        if not (proxy.value.startswith("unix:") and path[:1] in ("/", "@")):
            raise proxy.problem(f'"{proxy.value}" is not unix:/PATH')
        if path.startswith("@"):
            draft.refused(proxy, "a listener's path can't be an abstract socket")
        else:
            draft.set("/linux/seccomp/listenerPath", path, proxy)
    if cookie := draft.config.last("lxc.seccomp.notify.cookie"):
        draft.set("/linux/seccomp/listenerMetadata", cookie.value, cookie)
