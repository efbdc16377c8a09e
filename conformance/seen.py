"""What collect.sh printed, as values that can be compared between runtimes."""

import re

# Sizes, counters and the like: they differ from run to run of one runtime too.
_CHANCE = re.compile(r"Vm\w+|Rss\w+|HugetlbPages|\w*voluntary_ctxt_switches|FDSize|State|SigQ|PPid")
ID = "compared"
_LISTED = re.compile(r"(\S{10})\S?\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+,\s*\d+|\d+)\s+\S+\s+\S+\s+\S+\s+(.*)")


def sections(text):
    """{section: lines}."""
    found, lines = {}, []
    for line in text.splitlines():
        if line.startswith("@@ "):
            lines = found.setdefault(line[3:], [])
        else:
            lines.append(line)
    found.pop("end", None)
    return found


def listing(lines):
    """``ls -ln`` or ``ls -lRn`` as {path: mode, owner, device numbers, target}; times are left out."""
    found, directory = {}, ""
    for line in lines:
        match = _LISTED.fullmatch(line)
        if line.endswith(":") and not match:
            directory = line[:-1] + "/"
        elif match:
            mode, _, uid, gid, size, name = match.groups()
            name, _, target = name.partition(" -> ")
            # Of a file only a device has a number that says something: sizes of directories are chance.
            number = f" {size.replace(' ', '')}" if mode[0] in "bc" else ""
            found[directory + name] = f"{mode} {uid}:{gid}{number}" + (f" -> {target}" if target else "")
        elif line and not line.startswith("total"):
            found[directory + line] = ""
    return found


def mountinfo(lines):
    """{"/proc" or "/proc (2)": what is mounted there}, and their order under the key "order"."""
    found, order = {}, []
    for line in lines:
        before, _, after = line.partition(" - ")
        _, _, _, root, point, options, *peers = before.split()
        fstype, source, features = (after.split(" ", 2) + [""])[:3]
        peers = " ".join(re.sub(r":\d+", "", p) for p in peers)
        key, again = point, 2
        while key in found:
            key, again = f"{point} ({again})", again + 1
        found[key] = " ".join(x for x in (fstype, source, f"root={root}", options, peers, features) if x)
        order.append(point)
    found["order"] = " ".join(order)
    return found


def pairs(lines):
    """Lines of the form ``key: value``; a line without is a value of the key before it."""
    found, key = {}, ""
    for line in lines:
        if re.match(r"[\w /,-]+:", line):
            key, _, value = line.partition(":")
            found[key] = " ".join(value.split())
        else:
            found[key] = (found.get(key, "") + " " + line).strip()
    return found


def status(lines):
    found = {k: v for k, v in pairs(lines).items() if not _CHANCE.fullmatch(k)}
    # Which number an exec'd process has says nothing; that it leads its session and group does.
    for key in ("Tgid", "NStgid", "NSpid", "NSpgid", "NSsid"):
        found[key] = "Pid" if found[key] == found["Pid"] else found[key]
    del found["Pid"]
    return found


def keys(lines):
    """The container's keyrings by description, with their permissions and owner.

    All keys of a user show in every container of that user without a user namespace; other containers' are
    left out by `ID`, the name that every container here has.
    """
    found = {}
    for line in lines:
        _, _, _, permissions, uid, gid, kind, description = line.split(None, 7)
        if kind == "keyring" and ID in description:
            found[description.partition(":")[0]] = f"{permissions} {uid}:{gid}"
    return found


def limits(lines):
    return {line[:26].strip(): " ".join(line[26:].split()) for line in lines[1:]}


def environment(lines):
    # busybox's shell sets SHLVL, dash _ and OLDPWD; they are not the runtime's.
    return dict(line.partition("=")[::2] for line in lines if "=" in line)


def whole(lines):
    return {str(n): line for n, line in enumerate(lines)}


def namespaces(lines):
    return {name: target.partition(" -> ")[2] for name, target in listing(lines).items()}


PARSERS = {
    "status": status,
    "limits": limits,
    "mountinfo": mountinfo,
    "dev": listing,
    "root": listing,
    "env": environment,
    "namespaces": namespaces,
    "open": listing,
    "cgroupfs": listing,
    "cgroup": lambda lines: {line.split(":")[1]: line.split(":", 2)[2] for line in lines},
    "maps": pairs,
    "process": pairs,
    "sysctl": pairs,
    "network": pairs,
    "tries": pairs,
    "limited": pairs,
    "keys": keys,
    "id": whole,
}


def parse(text, replacements):
    """{(section, key): value} of what collect.sh printed.

    replacements: {text: what stands for it}, for names that differ by accident (paths, inode numbers)
    """
    for old, new in sorted(replacements.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(old, new)
    text = re.sub(r"\b(\w+):\[\d+\]", r"\1:[own]", text)
    text = re.sub(r"/proc/\d+/", "/proc/PID/", text)
    return {
        (section, key): value
        for section, lines in sections(text).items()
        for key, value in PARSERS[section](lines).items()
    }
