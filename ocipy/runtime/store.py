"""Where containers are remembered: one directory each, 0700, below the state root.

<root>/<id>/lock         flock(2): held by a verb that changes the container
            state.json   written anew by rename, fsynced
            config.json  the configuration as it was at create
            resources.json  linux.resources as `update` left them, once there was one
            waiting      flock(2): held by init from `created` until execve, so the kernel itself says
                         whether a container is created or running, whoever died in between
            start        the listener on which init waits for `start`
            notify/      the directory of the sd_notify socket, when there is one

A directory that is a symlink, or holds anything else, is not one of ours: nothing in it is touched.
"""

from __future__ import annotations

import _socket
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH
from fcntl import flock as _flock

from ocipy.errors import ContainerError, UsageError, describe
from ocipy.linux import const, os
from ocipy.runtime import document
from ocipy.spec import jsontext

ID_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-")
LOCK_DEADLINE = 10.0  # seconds that a verb waits for another one to finish
MAX_ID = 1024
FILES = frozenset(("lock", "state.json", "config.json", "resources.json", "waiting", "start", "notify"))
MAX_FILE = 2 * jsontext.MAX_BYTES  # what was read of a bundle, and may be escaped at greater length

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

flock = os.worded("flock", _flock)


def default_root():
    """/run/ocipy for root, $XDG_RUNTIME_DIR/ocipy for others."""
    runtime = _user_directory()
    return f"{runtime}/ocipy" if runtime else "/run/ocipy"


def _user_directory():
    """$XDG_RUNTIME_DIR where it counts, else "".

    As runc has it: root's own counts for nothing.  In a user namespace uid 0 is whoever made it (podman and
    buildah call us so), but for one that is told by $USER that it is root: a container in the container.
    """
    directory = os.environ.get("XDG_RUNTIME_DIR", "")
    if not directory or os.geteuid() != 0:
        return directory
    from ocipy.runtime.host import in_user_namespace

    return directory if in_user_namespace() and os.environ.get("USER") != "root" else ""


def check_id(id):
    """Raises UsageError for what can't be a container's id."""
    if not id or id in (".", "..") or len(id) > MAX_ID or not ID_ALPHABET.issuperset(id):
        raise UsageError(f'invalid container id "{id}": letters, digits and _ + - . only')


class Store:
    """The state root."""

    def __init__(self, root):
        self.root = os.path.abspath(os.fspath(root) if root else default_root())
        if not self.root.strip("/"):
            raise UsageError("--root can't be /")

    def entry(self, id):
        check_id(id)
        return Entry(f"{self.root}/{id}", id)

    def create(self, id):
        """A new, locked entry.  Of two callers one wins, the other gets the standard error."""
        entry = self.entry(id)
        try:
            os.mkdir(entry.path, 0o700)
        except FileNotFoundError:
            try:
                os.makedirs(self.root, 0o711, exist_ok=True)
            except OSError as error:
                why = f"state directory {describe(error)}"
                raise UsageError(f"{why} (--root or XDG_RUNTIME_DIR can name another)") from error
            directory = _user_directory()
            if directory and self.root == os.path.abspath(f"{directory}/ocipy"):
                # What is not sticky there may be cleaned away (XDG Base Directory Specification).
                os.chmod(self.root, 0o1700)
            return self.create(id)
        except FileExistsError:
            raise ContainerError("container with given ID already exists") from None
        try:
            entry.lock()
        except BaseException:
            entry.remove()
            raise
        return entry

    def ids(self):
        try:
            return sorted(name for name in os.listdir(self.root) if ID_ALPHABET.issuperset(name))
        except FileNotFoundError:
            return []


class Entry:
    """The directory of one container."""

    def __init__(self, path, id):
        self.path = path
        self.id = id
        self._lock = None

    def exists(self):
        return os.path.isdir(self.path) and not os.path.islink(self.path)

    def _open(self, name, flags):
        """A descriptor of something in the directory; neither it nor the directory may be a symlink."""
        directory = os.open(self.path, _DIRECTORY | os.O_PATH)
        try:
            return os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=directory)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{self.path}/{name}") from None
        finally:
            os.close(directory)

    def lock(self):
        """Take the container's lock, which ends with the process at the latest."""
        try:
            fd = self._open("lock", os.O_RDWR | os.O_CREAT)
        except (FileNotFoundError, NotADirectoryError):
            raise ContainerError("container does not exist") from None
        try:
            self._wait_for(fd)
        except BaseException:
            os.close(fd)
            raise
        self._lock = fd

    @staticmethod
    def _wait_for(fd):
        deadline = time.monotonic() + LOCK_DEADLINE
        while True:
            try:
                flock(fd, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ContainerError("another command is still at work on this container") from None
                time.sleep(0.005)  # noqa: TID251  flock(2) knows no deadline
        if os.fstat(fd).st_nlink == 0:  # deleted while we waited
            raise ContainerError("container does not exist")

    def unlock(self):
        # Forgotten before it is closed: then another thread may have it, and remember its own.
        fd, self._lock = self._lock, None
        if fd is not None:
            os.close(fd)

    def __enter__(self):
        self.lock()
        return self

    def __exit__(self, *_):
        self.unlock()

    # ------------------------------------------------------------ what is in it

    def write(self, name, content, durable=True):
        """Replace a file at once: no reader sees half of it, and with `durable` no power cut loses it.

        What only a running host can need (the pid of a container that is being made) need not be durable: it
        outlives our death, and the host's takes the container with it.
        """
        fd = self._open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(f"{self.path}/.{name}", f"{self.path}/{name}")

    def save(self, state, durable=True):
        self.write("state.json", jsontext.dump(state).encode(), durable)

    def load(self):
        """The state document.  Raises ContainerError when there is no such container, or it is damaged."""
        data = self.read("state.json")
        if data is None:
            raise ContainerError("container does not exist")
        name = f"{self.path}/state.json"
        state = jsontext.parse(data, name, lone_surrogates=True)
        document.check(state, self.id, name)
        return state

    def holds(self, name):
        """Is there anything of this name?"""
        return os.path.lexists(f"{self.path}/{name}")

    def read(self, name):
        """Content of a file of the entry, or None.

        What it says will be done, so it must be ours alone to write: on whatever path it came here, nobody
        else has it from us that something is to be killed.  Raises ContainerError for anything else.
        """
        path = f"{self.path}/{name}"
        try:
            fd = self._open(name, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ContainerError(f"read {describe(error)}") from None
        try:
            info = os.fstat(fd)
            if info.st_mode & 0o170000 != 0o100000 or info.st_size > MAX_FILE:
                raise ContainerError(f"{path} is not a file that ocipy has written")
            if info.st_uid not in (os.geteuid(), 0) or info.st_mode & 0o022:
                raise ContainerError(f"{path} can be written by others: it is not trusted")
            parts = []
            while part := os.read(fd, max(info.st_size, 4096)):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def hold_waiting(self):
        """The descriptor whose lock says `created` for as long as init keeps it."""
        fd = self._open("waiting", os.O_RDWR | os.O_CREAT)
        flock(fd, LOCK_EX)
        return fd

    def is_waiting(self):
        """Does init still wait for start?"""
        try:
            fd = self._open("waiting", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            flock(fd, LOCK_SH | LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)

    # ------------------------------------------------------------ the socket

    def listen(self):
        """The listener on which init will wait for start."""

        def listen(socket, path):
            os.worded("bind", socket.bind)(path)
            os.worded("listen", socket.listen)(1)

        return self._socket(listen)

    def connect(self):
        """A connection to init, which accepts once: who connects is who starts."""
        try:
            return self._socket(_socket.socket.connect)
        except OSError as error:
            raise ContainerError(f"init does not wait for start: {error.strerror}") from error

    def _socket(self, use):
        socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        directory = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
        try:
            use(socket, f"/proc/self/fd/{directory}/start")  # sun_path has 108 bytes, paths may have more
        except OSError:
            socket.close()
            raise
        finally:
            os.close(directory)
        return socket

    # ------------------------------------------------------------ the end

    def require_ours(self):
        """Raises ContainerError when there is something that is no directory of ours."""
        if os.path.lexists(self.path) and not self.exists():
            raise ContainerError(f"{self.path} is not a directory of ocipy's")
        self.names()

    def names(self):
        """What is in the directory.  Raises ContainerError when there is more than we make."""
        names = _listdir(self.path)
        strange = [name for name in names if name.removeprefix(".") not in FILES]
        if strange:
            raise ContainerError(f"{self.path}/{min(strange)} is not ocipy's: nothing there is removed")
        return names

    def remove(self):
        """Remove the directory and all in it, the lock last: until then others wait for it."""
        while True:
            for name in sorted(self.names(), key=lambda name: name == "lock"):
                path = f"{self.path}/{name}"
                if os.path.isdir(path) and not os.path.islink(path):
                    for inner in _listdir(path):
                        _unlink(f"{path}/{inner}")
                    os.rmdir(path)
                else:
                    _unlink(path)
            try:
                os.rmdir(self.path)
                break
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno != const.ENOTEMPTY:
                    raise
                # Somebody wanted the lock at the very end, and made a new one.
        self.unlock()


def _listdir(path):
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
