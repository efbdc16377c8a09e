"""Every verb and every flag, as data.

Read by the parser, by ``--help``, and by whatever makes completions and manual pages.  It is imported at
every start, so it is literals alone, which marshal loads as they are: no object is made per flag.

A flag is (name, short, kind, default, metavar, hidden, help); kinds are

    bool    --flag, --flag=false
    text    the last one given counts
    list    repeatable, all count
    count   an integer from 0 up
    integer may be below zero
    choice  one of metavar, which reads "a|b|c"
    rest    takes every word that follows

A verb is (summary, arguments, least, most, opaque, flags): how few and how many arguments it takes (-1: any
number), and after how many of them the rest is not looked at for flags (-1: never): the command of
``exec ID ls -l`` belongs to the container.

Source: names and meanings are those of runc(8) and its verbs' pages, whose callers ours are; --cgroup-manager
is crun's.
"""

GLOBAL = (
    ("debug", "", "bool", False, "", False, "log what is done, and show a traceback of an internal error"),
    ("log", "", "text", "", "FILE", False, "append messages to FILE (errors still go to standard error too)"),
    ("log-format", "", "choice", "", "text|json", False, "format of the log (default: text)"),
    ("root", "", "text", "", "DIR", False, "directory of the containers' state (default: /run/ocipy)"),
    ("systemd-cgroup", "", "bool", False, "", False, "cgroups by systemd; cgroupsPath is slice:prefix:name"),
    ("cgroup-manager", "", "choice", "cgroupfs", "cgroupfs|systemd|disabled", False,
     "who makes cgroups (default: cgroupfs)"),
    ("rootless", "", "choice", "auto", "true|false|auto", False,
     "go without cgroups where they are not permitted (default: auto, if not called by root)"),
    ("help", "h", "bool", False, "", False, "show help"),
    ("version", "v", "bool", False, "", False, "print the version"),
)  # fmt: skip

BUNDLE = ("bundle", "b", "text", "", "DIR", False, "the bundle's directory (default: the current one)")
WRITTEN = ("format", "", "text", "", "NAME", False,
 "what it is written in, such as oci, lxc, libcontainer (default: found out)")  # fmt: skip
FORMAT = ("format", "f", "list", (), "text|json|NAME", False,
 "how to print it (default: text); or the name of the format that it is written in")  # fmt: skip
STRICT = ("strict", "", "bool", False, "", False,
 "count as errors properties that no specification knows, and what another format loses")  # fmt: skip
CONSOLE = (
    ("console-socket", "", "text", "", "PATH", False,
     "AF_UNIX socket that is sent the terminal's master end"),
    ("pidfd-socket", "", "text", "", "PATH", False, "AF_UNIX socket that is sent a pidfd of the process"),
    ("pid-file", "", "text", "", "FILE", False, "write the process id to FILE"),
)  # fmt: skip
PRESERVE = ("preserve-fds", "", "count", 0, "N", False,
 "pass on N descriptors more (after $LISTEN_FDS)")  # fmt: skip

# What the three verbs that make a container share.
MAKE = (
    BUNDLE,
    *CONSOLE,
    ("no-pivot", "", "bool", False, "", False, "do not use pivot_root(2): for a root on a ramdisk"),
    ("no-new-keyring", "", "bool", False, "", False, "keep the caller's session keyring"),
    PRESERVE,
    STRICT,
)  # fmt: skip

# What a new config.json can be told: shared by spec and bundle.
CONFIG = (
    ("env", "e", "list", (), "NAME=VALUE", False, "set an environment variable"),
    ("cwd", "", "text", "", "DIR", False, "working directory of the process (default: /)"),
    ("user", "u", "text", "", "UID[:GID]", False, "user and group of the process (default: 0:0)"),
    ("hostname", "", "text", "", "NAME", False, "name of the host inside (default: ocipy)"),
    ("terminal", "t", "bool", None, "", False, "give the process a terminal"),
    ("no-terminal", "", "bool", False, "", False, "give it none"),
    ("read-only", "", "bool", None, "", False, "mount the root read-only"),
    ("no-read-only", "", "bool", False, "", False, "mount the root writable"),
    ("mount", "", "list", (), "KEY=VALUE,...", False, "add a mount: type=T,src=S,dst=D and mount options"),
    ("cap-add", "", "list", (), "CAP", False, "add a capability, or ALL"),
    ("cap-drop", "", "list", (), "CAP", False, "take a capability away, or ALL"),
    ("no-new-privs", "", "bool", True, "", False, "forbid gaining privileges by execve(2) (default: true)"),
    ("network", "", "list", (), "MODE[,KEY=VALUE...]", False,
     "none, host, or networks that a hook makes: bridge, macvlan, host-device, join:ID (default: none)"),
    ("publish", "p", "list", (), "[ADDR:]PORT:PORT[/udp]", False,
     "have a port or range of the host lead inside; the network is a bridge if --network does not say"),
    ("userns", "", "text", "", "UID[:SIZE]", False,
     "user namespace whose root is UID, with SIZE ids from there (default: 65536)"),
    ("memory", "", "text", "", "SIZE", False, "memory limit in bytes, or with k, m, g, t"),
    ("cpus", "", "text", "", "N", False, "how many processors' time it may use, 0.5 say"),
    ("pids-limit", "", "integer", None, "N", False, "how many processes it may have (-1: any number)"),
    ("annotation", "", "list", (), "NAME=VALUE", False, "add an annotation"),
    ("rootless", "", "bool", False, "", False,
     "for a caller that is not root: a user namespace of its own id"),
    ("args", "", "rest", (), "ARG...", False, "the command, all that follows; so does -- (default: sh)"),
)  # fmt: skip

VERBS = {
    "create": ("create a container, up to but without its program", "[-b DIR] ID | BUNDLE/ [ID]", 1, 2, -1, (
        *MAKE,
        WRITTEN,
        # go-runc sends it to create as well; a created container is detached in any case.
        ("detach", "d", "bool", False, "", True, "no effect: a created container is always detached"),
    )),
    "start": ("run the program of a created container", "ID", 1, 1, -1, ()),
    "run": ("create a container and run its program", "[-b DIR] ID | BUNDLE/ [ID]", 1, 2, -1, (
        *MAKE,
        WRITTEN,
        ("detach", "d", "bool", False, "", False, "do not wait for the program to end"),
        ("keep", "", "bool", False, "", False, "do not delete the container when its program ends"),
        ("no-subreaper", "", "bool", False, "", False, "leave orphans of the container to the caller"),
    )),
    "exec": ("run one more process inside a running container",
             "ID COMMAND [ARG...] | -p FILE ID", 1, -1, 1, (
        *CONSOLE,
        ("cwd", "", "text", "", "DIR", False, "working directory of the process"),
        ("env", "e", "list", (), "NAME=VALUE", False, "set an environment variable"),
        ("tty", "t", "bool", False, "", False, "give the process a terminal"),
        ("user", "u", "text", "", "UID[:GID]", False, "user, and group, of the process, as numbers"),
        ("additional-gids", "g", "list", (), "GID", False, "add a group, as a number"),
        ("process", "p", "text", "", "FILE", False, "take the whole process object from a JSON file"),
        ("detach", "d", "bool", False, "", False, "do not wait for the process to end"),
        ("process-label", "", "text", "", "LABEL", False, "SELinux label of the process"),
        ("apparmor", "", "text", "", "PROFILE", False, "AppArmor profile of the process"),
        ("no-new-privs", "", "bool", None, "", False, "forbid gaining privileges by execve(2)"),
        ("cap", "c", "list", (), "CAP", False, "add a capability (bounding, effective and permitted only)"),
        PRESERVE,
        ("cgroup", "", "list", (), "[CONTROLLER:]PATH", False, "run in a cgroup below the container's"),
        ("ignore-paused", "", "bool", False, "", False, "do so in a paused container too"),
    )),
    "kill": ("send a signal (the container's own, else TERM) to its first process", "ID [SIGNAL]", 1, 2, -1, (
        ("all", "a", "bool", False, "", False, "send it to every process of the container"),
    )),
    "delete": ("remove a stopped container and what was made for it", "ID", 1, 1, -1, (
        ("force", "f", "bool", False, "", False, "kill it first if it runs; no error if it does not exist"),
    )),
    "update": ("change the limits of a container", "ID", 1, 1, -1, (
        ("resources", "r", "text", "", "FILE", False,
         "take linux.resources, as far as they are to change, from a JSON file; - is standard input"),
        ("memory", "", "text", "", "SIZE", False, "memory limit in bytes, or with k, m, g, t (-1: none)"),
        ("memory-swap", "", "text", "", "SIZE", False, "limit of memory and swap together (-1: none)"),
        ("memory-reservation", "", "text", "", "SIZE", False, "memory that is reclaimed last"),
        ("cpu-share", "", "text", "", "N", False, "weight among neighbours, 2 to 262144; 1024 is usual"),
        ("cpu-quota", "", "text", "", "USEC", False, "processor time in each period (-1: no limit)"),
        ("cpu-period", "", "text", "", "USEC", False, "length of a period"),
        ("cpu-burst", "", "text", "", "USEC", False, "unused quota that may be saved for later"),
        ("cpu-idle", "", "text", "", "0|1", False, "1: run only when nobody else wants to"),
        ("cpu-rt-period", "", "text", "", "USEC", False, "length of a period of realtime scheduling"),
        ("cpu-rt-runtime", "", "text", "", "USEC", False, "processor time for realtime in each"),
        ("cpuset-cpus", "", "text", "", "LIST", False, "processors it may use, such as 0-3,7"),
        ("cpuset-mems", "", "text", "", "LIST", False, "memory nodes it may use"),
        ("blkio-weight", "", "text", "", "N", False, "weight of its I/O, 10 to 1000"),
        ("pids-limit", "", "text", "", "N", False, "how many processes it may have (-1: any number)"),
        ("l3-cache-schema", "", "text", "", "SCHEMA", False, "cache allocation by Intel RDT"),
        ("mem-bw-schema", "", "text", "", "SCHEMA", False, "memory bandwidth by Intel RDT"),
        ("kernel-memory", "", "text", "", "SIZE", True, "no effect: no kernel that runs ocipy has it"),
        ("kernel-memory-tcp", "", "text", "", "SIZE", True, "no effect, likewise"),
    )),
    "events": ("print what a container uses, and when it runs out of memory, until it ends", "ID", 1, 1, -1, (
        ("interval", "", "text", "5s", "DURATION", False, "how often to print what it uses (default: 5s)"),
        ("stats", "", "bool", False, "", False, "print that once, at once"),
    )),
    "pause": ("stop all processes of a container, without their notice", "ID", 1, 1, -1, ()),
    "resume": ("let a paused container go on", "ID", 1, 1, -1, ()),
    "ps": ("list the processes of a container, as ps does", "ID [PS-OPTION...]", 1, -1, 1, (
        ("format", "f", "choice", "table", "table|json", False,
         "how to print them; json: the process ids alone (default: table)"),
    )),
    "state": ("print the state of a container as JSON", "ID", 1, 1, -1, ()),
    "list": ("list the containers", "", 0, 0, -1, (
        ("format", "f", "choice", "table", "table|json", False, "how to print them (default: table)"),
        ("quiet", "q", "bool", False, "", False, "print their ids only"),
    )),
    "spec": ("write a new config.json", "[-- COMMAND [ARG...]]", 0, 0, -1, (
        BUNDLE,
        ("file", "f", "text", "", "FILE", False, "write FILE instead; - is standard output"),
        ("rootfs", "", "text", "", "DIR", False, "the root filesystem, from the bundle (default: rootfs)"),
        *CONFIG,
    )),
    "bundle": ("make a bundle that is ready to run", "DIR [-- COMMAND [ARG...]]", 1, 1, -1, (
        ("base", "", "choice", "auto", "auto|busybox|host", False,
         "make the root of a static busybox, or the host's /usr (default: auto)"),
        ("rootfs", "", "text", "", "DIR", True, "of no use, which is said: a bundle has a root of its own"),
        ("demo", "", "bool", False, "", False, "its command shows what a container sees, and ends"),
        *CONFIG,
    )),
    "validate": ("report all that is wrong with a bundle", "[BUNDLE]", 0, 1, -1, (BUNDLE, FORMAT, STRICT)),
    "plan": ("print what create would do, step by step, and do nothing", "[BUNDLE [ID]]", 0, 2, -1, (
        FORMAT,
        *MAKE,
    )),
    "convert": ("write a container in another format", "[BUNDLE] [-- COMMAND [ARG...]]", 0, 1, -1, (
        BUNDLE,
        ("to", "", "text", "", "NAME", False, "the format to write, such as oci, lxc, libcontainer"),
        WRITTEN,
        ("output", "o", "text", "", "DIR", False, "write files into DIR (default: print them)"),
        ("force", "", "bool", False, "", False, "overwrite files of the same names in DIR"),
        ("strict", "", "bool", False, "", False, "write nothing if anything is lost"),
        ("target-version", "", "text", "", "VERSION", False, "the version of the format, if it has several"),
        ("args", "", "rest", (), "ARG...", False, "the command, instead of the one that is configured"),
    )),
    "features": ("print what this runtime can do as JSON", "", 0, 0, -1, ()),
}  # fmt: skip

# Verbs that peers have and this version has not: refused by name.
ABSENT = ("checkpoint", "restore")

HELP = ("help", "h", "bool", False, "", False, "show help")
