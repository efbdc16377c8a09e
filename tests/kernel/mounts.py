"""What tests of mounts share: mounts as a container sees them, and a host whose mounts are the test's own."""

import subprocess

#: A mount of the host with all flags that a bind may take away or keep, and one below it with others.
FLAGGED = "mount -t tmpfs -o nosuid,nodev,noexec,noatime,mode=755 flagged {0}; mkdir {0}/below; "
FLAGGED += "mount -t tmpfs -o nosuid,mode=755 below {0}/below"

SHOW = "cat /proc/self/mountinfo"


class Mount:
    """A line of mountinfo; `tags` are its propagation: shared, master, unbindable."""

    def __init__(self, line):
        fields = line.split(" ")
        dash = fields.index("-", 6)
        self.root, self.target = fields[3], fields[4]
        self.options = set(fields[5].split(","))
        self.tags = {tag.partition(":")[0] for tag in fields[6:dash]}
        self.fstype, self.source = fields[dash + 1 : dash + 3]
        self.superblock = set(fields[dash + 3].split(","))

    def __repr__(self):
        return f"{self.fstype} {self.root} at {self.target} {self.options} {self.tags} {self.superblock}"


def seen(box, setup=""):
    """target -> the topmost Mount there, as the container sees it; `setup` is done on the host, privately."""
    if setup:
        on_host(box, setup)
    return {mount.target: mount for mount in map(Mount, box.sh(SHOW).splitlines())}


def on_host(box, setup, propagation="private", runtime=None):
    """Run the box's verbs in a mount namespace that a shell script has prepared, and that goes with them."""
    launcher, root = box.ocipy.command
    runtime = runtime or [launcher, "--root", root]
    script = f'set -e\n{setup}\nexec "$@"'
    prefix = ["unshare", "--mount", "--propagation", propagation, "sh", "-c", script, "sh"]

    def run(*words, status=0, **how):
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **how}
        command = [*prefix, *runtime, *map(str, words)]
        done = subprocess.run(command, check=False, **how)
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    run.command = launcher, root
    box.ocipy = run


def mount(box, destination, fstype=None, source=None, options=(), **more):
    """Add a mount to a box's config; its JSON pointer."""
    entry = {"destination": str(destination), "options": list(options), **more}
    if fstype:
        entry["type"] = fstype
    if source:
        entry["source"] = str(source)
    box.config["mounts"].append(entry)
    return f"/mounts/{len(box.config['mounts']) - 1}"


def bind(box, source, destination, *options, **more):
    """Add a bind to a box's config, not recursive unless it is said; its JSON pointer."""
    options = options if "rbind" in options else ("bind", *options)
    return mount(box, destination, None, source, options, **more)


def tmpfs(box, destination, *options, **more):
    return mount(box, destination, "tmpfs", "tmpfs", options, **more)
