"""Profiles for tests: one of the shape that docker's default has, and small ones."""

from ocipy.plan.profile import ARCHITECTURES

#: What an ordinary program may call, as x86_64 and x86 name it.
ORDINARY = """
    _llseek _newselect accept accept4 access adjtimex alarm arch_prctl bind brk capget capset chdir chmod
    chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat
    dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
    fanotify_mark fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
    flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
    ftruncate64 futex futex_time64 futex_waitv futimesat get_robust_list get_thread_area getcpu getcwd
    getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32
    getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
    getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
    io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc
    kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
    linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise membarrier
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2
    modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
    mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall
    munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_getfd pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64
    preadv preadv2 prlimit64 process_madvise process_mrelease pselect6 pselect6_time64 pwrite64 pwritev
    pwritev2 read readahead readdir readlink readlinkat readv recvfrom recvmmsg recvmmsg_time64 recvmsg
    remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 sendfile sendfile64
    sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32
    setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid
    setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd signalfd4
    sigpending sigprocmask sigreturn sigsuspend socketcall socketpair splice stat stat64 statfs statfs64
    statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
    ugetrlimit umask uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice wait4
    waitid waitpid write writev
""".split()

#: What other architectures have, and what is newer than most copies of libseccomp.
ELSEWHERE = """
    arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2 riscv_flush_icache
    s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr spu_create spu_run subpage_prot swapcontext
    sys_debug_setcontext switch_endian atomic_barrier atomic_cmpxchg_32
    cachestat fchmodat2 futex_requeue futex_wait futex_wake getxattrat listmount listxattrat lsm_get_self_attr
    lsm_list_modules map_shadow_stack mseal removexattrat setxattrat statmount uretprobe
    io_uring_enter io_uring_register io_uring_setup process_vm_readv process_vm_writev ptrace
""".split()

#: What needs CAP_SYS_ADMIN, and is let through with it.
ADMIN = """
    bpf fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setdomainname
    sethostname setns umount umount2 unshare
""".split()

EPERM, ENOSYS = 1, 38
AF_VSOCK = 40
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW*
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


def rule(*names, action="ALLOW", errno=None, args=()):
    """An entry of `syscalls`; args are (index, operator, value[, valueTwo])."""
    made = {"names": list(names), "action": f"SCMP_ACT_{action}"}
    if errno is not None:
        made["errnoRet"] = errno
    if args:
        keys = ("index", "op", "value", "valueTwo")
        made["args"] = [dict(zip(keys, (a[0], f"SCMP_CMP_{a[1]}", *a[2:]))) for a in args]
    return made


def profile(*rules, default="ERRNO", errno=None, **more):
    made = {"defaultAction": f"SCMP_ACT_{default}", "syscalls": list(rules), **more}
    if errno is not None:
        made["defaultErrnoRet"] = errno
    return made


def all_but(*rules, **more):
    return profile(*rules, default="ALLOW", **more)


def docker_like(capabilities=()):
    """399 names in the shape of docker's default profile: a long list, and rules with arguments.

    capabilities: of the container; CAP_SYS_ADMIN opens more
    """
    rules = [rule(*ORDINARY, *ELSEWHERE)]
    rules += [rule("personality", args=[(0, "EQ", value)]) for value in PERSONALITIES]
    rules.append(rule("socket", args=[(0, "NE", AF_VSOCK)]))
    if "CAP_SYS_ADMIN" in capabilities:
        rules.append(rule(*ADMIN, "clone", "clone3"))
    else:
        rules.append(rule("clone", args=[(0, "MASKED_EQ", NEW_NAMESPACES, 0)]))
        rules.append(rule("clone3", action="ERRNO", errno=ENOSYS))
    if "CAP_SYS_CHROOT" in capabilities:
        rules.append(rule("chroot"))
    architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    return profile(*rules, errno=EPERM, architectures=architectures)


#: What a static program needs that does nothing but exit.
LITTLE = ("execve", "exit_group")

assert {"x86_64", "x86", "x32"} <= set(ARCHITECTURES)
