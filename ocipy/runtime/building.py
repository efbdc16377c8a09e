"""The building of a root: between init, who makes filesystems, and ocipy/rootfs, who attaches them."""

from __future__ import annotations

import fcntl

from ocipy import rootfs
from ocipy.errors import StepError
from ocipy.linux import os
from ocipy.linux.syscalls import openat2
from ocipy.plan import steps
from ocipy.rootfs.build import Session
from ocipy.runtime import channel, process, usermaps

_NS_GET_USERNS = 0xB701  # linux/nsfs.h


class Building:
    """What root steps of one execution need of it, and what they leave.

    The execution has: fds, pid, namespace(), cgroup, has_user_namespace
    """

    def __init__(self, execution):
        self.execution = execution
        self.session = None
        self._apart = None  # descriptor of a mount namespace for a root that is to have none
        self._program = None  # of init, that makes the mounts
        self._unmade = set()  # steps whose filesystem init could not make
        self._user_namespaces = {}  # mappings -> descriptor

    def mounts(self, group):
        """Those steps of a group for which init is to make a filesystem.

        What a session needs of init it gets here: once init makes filesystems, it may end at one of them.
        """
        self._begin(group)
        made = []
        for step in group:
            if isinstance(step, steps.MountFs):
                if step.fallback and self._is_foreign("net"):
                    self._unmade.add(step)
                else:
                    made.append(step)
        return made

    def run(self, group, program):
        """One stay in the container's mount namespace, while init still makes the mounts for it."""
        self._program = program
        self._begin(group)
        self._prepare(group)
        execution = self.execution
        namespace = execution.namespace("mnt") if self._apart is None else self._apart
        if execution.has_user_namespace and os.geteuid() != 0:
            from ocipy.rootfs import remote

            remote.build(self.session, execution.namespace("user"), namespace, group)
        else:
            rootfs.build(self.session, namespace, group)

    @property
    def root_fd(self):
        return self.session.root.fd

    def undo(self):
        if self.session:
            self.session.undo()

    def close(self):
        if self.session:
            self.session.close()
        for fd in (*self._user_namespaces.values(), self._apart):
            if fd is not None:
                os.close(fd)
        self._apart = None
        self._user_namespaces = {}

    # ------------------------------------------------------------ what a session asks for

    def _begin(self, group):
        if self.session:
            return
        self.session = self._session()
        if isinstance(group[0], steps.AttachRoot) and group[0].apart:
            self._apart = self._mount_namespace(group[0])
        else:
            self.execution.namespace("mnt")

    def _session(self):
        execution = self.execution
        owned = execution.has_user_namespace
        ids = None
        if owned:
            ids = tuple(usermaps.read(execution.fds["proc"], execution.pid, kind) for kind in ("uid", "gid"))
        return Session(
            mount_of=self._mount_of,
            userns=lambda uids, gids: self._user_namespaces[uids, gids],
            cgroup=lambda controller: execution.cgroup.paths.get(controller) if execution.cgroup else None,
            container=execution.namespace("user") if owned else None,
            ids=ids,
        )

    def _mount_of(self, step):
        return None if step in self._unmade else self._program.take(step)

    def _prepare(self, group):
        """User namespaces for id-mapped mounts: made here, where we have not left our mount namespace."""
        for step in group:
            ids = getattr(step, "ids", ())
            if ids and ids != ("container",) and ids not in self._user_namespaces:
                try:
                    self._user_namespaces[ids] = self._user_namespace_of(*ids)
                except OSError as error:
                    raise StepError(step, error, step.pointer) from error

    def _mount_namespace(self, step):
        """A mount namespace of which nothing appears on the host."""

        def nothing(_):
            pass

        made = [
            steps.NewNamespaces(("mount",), pointer=step.pointer),
            steps.Propagation("rslave", pointer=step.pointer),
        ]
        return self._namespace_of_helper(made, "mnt", nothing)

    def _user_namespace_of(self, uids, gids):
        """A user namespace with these mappings."""
        proc = self.execution.fds["proc"]

        def map_ids(pid):
            usermaps.write(proc, pid, "uid", uids)
            usermaps.write(proc, pid, "gid", gids)

        return self._namespace_of_helper([steps.NewNamespaces(("user",))], "user", map_ids)

    def _namespace_of_helper(self, made, name, prepare):
        """A namespace that a short-lived init makes; the descriptor outlives it."""
        fds = self.execution.fds
        helper = channel.spawn()
        try:
            helper.run(made, fds)
            prepare(helper.pid)
            return openat2(fds["proc"], f"{helper.pid}/ns/{name}", os.O_RDONLY)
        finally:
            helper.close()
            process.forget(helper.pid)

    def _is_foreign(self, kind):
        """Does a namespace of the container belong to another user namespace than the container's?"""
        try:
            owner = fcntl.ioctl(self.execution.namespace(kind), _NS_GET_USERNS)
        except PermissionError:
            return True  # to one that is no descendant of ours
        try:
            return not os.path.sameopenfile(owner, self.execution.namespace("user"))
        finally:
            os.close(owner)
