/* The protocol between the runtime (Python, on the host's side) and init (C, inside the container).
 *
 * One SOCK_SEQPACKET socket pair; its init end is inherited as descriptor argv[1].  The runtime sends
 * programs; init executes their ops in order and answers.  Nothing else is ever read by init: no file, no
 * environment, no argument.
 *
 *   runtime                         init, stage (runtime's child)         init, PID 1 (CLONE_PARENT)
 *   -------                         -----------------------------         --------------------------
 *   posix_spawn(sealed memfd) ----> close leaked fds, reset signals
 *   program [JOIN.. UNSHARE user] -> ............... DONE ->
 *   write uid_map, gid_map
 *   program [BECOME_ROOT UNSHARE
 *            time WRITE.. CLONE] --> clone3 ....... PID + pidfd ->
 *                                   _exit(0)                              waits for a program
 *   program [JOIN_CGROUP..,
 *            UNSHARE cgroup,
 *            names, FSMOUNT..] -----------------------------------------> a descriptor per FSMOUNT, DONE ->
 *   attach mounts, /dev, hooks, masks
 *   program [PIVOT, terminal,
 *            identity.., LOOKUP] ---------------------------------------> DONE ->
 *   set rlimits, write state
 *   program [WAIT_START EXECVE] ----------------------------------------> accept
 *   exit                                                                     :
 *   start: connect -----------------------------------------------------> execve; the connection closes by
 *                                                                         itself: end of file is success
 *
 * A request is one message: 1 byte 'P', with descriptors by SCM_RIGHTS: the first is a regular file (a memfd)
 * that holds the program, the others are what its 'f' arguments index (0 is the first of them).  All received
 * descriptors but the standard streams are close-on-exec; those of a request are closed when its program ends.
 *
 * A program is ops back to back, little-endian, without padding:
 *     u32 op, u32 size of the arguments in bytes, arguments as the op's signature says:
 *       i  int64                          f  int64, index of a descriptor of this request
 *       s  u32 length, bytes, one NUL that the length does not count; no NUL inside
 *       b  u32 length, bytes              l  u32 count, then as many s
 * The arguments must fill their size to the byte.  Anything else is a failure with EBADMSG, before any op of
 * the program has run: a program is checked as a whole first.
 *
 * An answer is one message: struct answer, then `length` bytes of text, with at most one descriptor.
 * After ANSWER_FAIL init exits with status 1.  When the runtime's end closes, init exits with status 1.
 * The text is UTF-8 as far as the program was; control characters, quotes and backslashes are escaped as in C,
 * long strings are cut and end in "...", and what the kernel had to say more follows in brackets.
 *
 * ocipy/plan/protocol.py has the same table; a test reads this header and compares.
 */
#ifndef OCIPY_PROTOCOL_H
#define OCIPY_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_REQUEST 'P'
#define PROTOCOL_MAX_ARGUMENTS 6  /* of one op */
#define PROTOCOL_MAX_FDS 64       /* of one request, the program's own included */
#define PROTOCOL_MAX_TEXT 1024    /* of one answer */

/*  X(number, NAME, signature)   numbers are never reused */
#define PROTOCOL_OPS(X)                                                                                        \
    /* namespaces */                                                                                           \
    X(1, JOIN, "fi")             /* setns(fd, type), after NS_GET_NSTYPE agrees with type */                   \
    X(2, JOIN_PROCESS, "fi")     /* setns(pidfd, flags) */                                                     \
    X(3, UNSHARE, "i")           /* unshare(flags) */                                                          \
    X(4, BECOME_ROOT, "")        /* setresgid(0), setresuid(0): the mapped root of a user namespace */         \
    X(5, CLONE, "ii")            /* last op of its program.  clone3(flags | CLONE_PARENT | CLONE_PIDFD), with  \
                                    CLONE_INTO_CGROUP when the second argument, an index, is not -1.  The     \
                                    parent answers PID with the pidfd and exits 0; the child answers nothing   \
                                    and waits for its next program */                                          \
    X(6, SETHOSTNAME, "s")                                                                                     \
    X(7, SETDOMAINNAME, "s")                                                                                   \
    X(8, LOOPBACK_UP, "")                                                                                      \
    X(9, JOIN_CGROUP, "f")       /* write "0" into a cgroup v1 `tasks` file: move the caller itself */         \
    /* files and mounts */                                                                                     \
    X(10, WRITE, "fss")          /* open the path under the directory fd for writing, without following a      \
                                    symlink out of it, and write the text in one write(2) */                   \
    X(11, PROPAGATION, "ii")     /* mount_setattr("/", propagation), second argument: recursive */             \
    X(12, FSMOUNT, "ssli")       /* type, source or "", options, MOUNT_ATTR_*: fsopen, fsconfig, fsmount;      \
                                    answers FD with the detached mount.  "key=value" is a string, "key" a      \
                                    flag; a failure's text has what the kernel wrote into the fs context */    \
    X(13, PIVOT, "f")            /* pivot_root into the directory fd; the old root is detached */              \
    X(14, MOVE_ROOT, "f")        /* without pivot_root: move the mount of fd over "/", chroot */               \
    X(15, CHROOT, "f")                                                                                         \
    /* terminal and standard streams */                                                                        \
    X(20, SETSID, "")                                                                                          \
    X(21, OPEN_PTY, "")          /* a new pty of the devpts at /dev/pts, which is checked to be one; answers   \
                                    FD with the master, keeps the slave */                                     \
    X(22, TERMINAL, "i")         /* the slave becomes controlling terminal and 0, 1, 2; argument 1: also bind  \
                                    it on /dev/console, a regular file or character device that exists */      \
    X(23, CHOWN_STDIO, "ii")     /* fchown 0, 1, 2 to uid, gid where they are not the null device; EROFS,      \
                                    EPERM, EINVAL, EIO are ignored */                                          \
    /* identity, in the order of the plan */                                                                   \
    X(30, SESSION_KEYRING, "s")  /* join a new session keyring of this name, owner-only possession rights      \
                                    widened to search; ENOSYS is ignored */                                    \
    X(31, DUMPABLE, "i")                                                                                       \
    X(32, NO_NEW_PRIVS, "")                                                                                    \
    X(33, SCHEDULER, "b")        /* struct sched_attr, of exactly the size that it says */                     \
    X(34, IOPRIO, "i")                                                                                         \
    X(35, PERSONALITY, "i")                                                                                    \
    X(36, MEMPOLICY, "ib")       /* set_mempolicy(mode | flags, bits of nodes, at most 1024) */                \
    X(37, AFFINITY, "b")         /* sched_setaffinity(bits of processors) */                                   \
    X(38, UMASK, "i")                                                                                          \
    X(39, BOUNDING, "i")         /* drop every capability that is not in this mask from the bounding set */    \
    X(40, KEEP_CAPS, "i")        /* PR_SET_KEEPCAPS */                                                         \
    X(41, SETGROUPS, "b")        /* uint32 each; none where a user namespace denies setgroups is no failure */ \
    X(42, SETGID, "i")           /* all of them; -1 and what 32 bits don't hold are refused */                 \
    X(43, SETUID, "i")                                                                                         \
    X(44, CAPSET, "iii")         /* effective, permitted, inheritable */                                       \
    X(45, AMBIENT, "i")          /* clear the ambient set, raise those of this mask */                         \
    X(46, SECCOMP, "bi")         /* filter (struct sock_filter each), seccomp(2) flags; answers FD when the    \
                                    flags ask for a listener.  Does what EXECVE does before execve(2), so that \
                                    of the system calls only execve is needed when EXECVE follows at once */   \
    X(47, CHDIR, "s")            /* and the directory must lie inside the root (CVE-2024-21626).  What may not \
                                    be entered yet (EACCES, EPERM) is tried again by LOOKUP, SECCOMP, EXECVE,  \
                                    whose failure then has the index of this op: put it before SETUID */       \
    X(48, RAISE_RLIMIT, "ii")    /* resource, hard limit: raise it if it is lower; the soft one stays */        \
    X(49, SET_RLIMIT, "iii")     /* resource, soft, hard */                                                    \
    /* the program */                                                                                          \
    X(50, PROCESS, "lli")        /* args, env, uid or -1: with a uid, and no HOME or an empty one in env, HOME \
                                    is taken from the container's /etc/passwd, else "/".  Stays in force to    \
                                    EXECVE; another one after LOOKUP changes all but the file: a hook's        \
                                    argv[0] is its own */                                                      \
    X(51, LOOKUP, "")            /* find args[0] (in PATH of env when it has no slash); a failure may carry a  \
                                    descriptor of the file for the runtime to say why */                       \
    X(52, WAIT_START, "f")       /* close the runtime's socket, accept(2) on the listener; answers go there.   \
                                    Who connects after the first gets ECONNRESET or ECONNREFUSED */            \
    X(53, EXECVE, "")            /* verify the working directory once more, execve what LOOKUP found */        \
    /* confinement */                                                                                          \
    X(54, LANDLOCK_RULESET, "i") /* a ruleset that handles these kinds of access, LANDLOCK_ACCESS_FS_* */      \
    X(55, LANDLOCK_RULE, "is")   /* allow these kinds beneath the path, which is opened now; of a file that is \
                                    no directory, those that a file can have */                                \
    X(56, LANDLOCK_RESTRICT, "") /* landlock_restrict_self */                                                  \
    X(57, ANSWER_BY_SENDMMSG, "") /* from now on, because a filter forbids sendmsg, or sends it to an agent */     \
    X(58, NAMESPACE, "s")        /* answers FD with init's own namespace of this name in /proc/self/ns, for a     \
                                    runtime that may not open it */

enum op {
#define X(number, name, signature) OP_##name = number,
    PROTOCOL_OPS(X)
#undef X
};

enum answer_kind {
    ANSWER_DONE = 1, /* the whole program has run */
    ANSWER_FD = 2,   /* op `index` made this descriptor */
    ANSWER_PID = 3,  /* value: the child as the stage's pid namespace numbers it; with its pidfd */
    ANSWER_FAIL = 4, /* op `index` failed with `error`; the text is the call that failed */
    ANSWER_WAITING = 5, /* WAIT_START is next to accept: the last answer on this socket */
};

struct answer {
    uint32_t kind;
    uint32_t index; /* of the op in its program, from 0 */
    int32_t error;  /* errno, or 0 */
    uint32_t length;
    int64_t value;
};

#endif
