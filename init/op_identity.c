/* Who the payload is and what it may: ids, capabilities, scheduling, seccomp. */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"

/* The fourth field of what KEYCTL_DESCRIBE gives, "keyring;0;0;3f1b0000;name", is the permissions. */
static int parse_permissions(const char *description, uint32_t *permissions)
{
    *permissions = 0;
    for (int fields = 3; fields > 0; fields--) {
        description = strchr(description, ';');
        if (!description)
            return 0;
        description++;
    }
    for (; *description && *description != ';'; description++) {
        const char *digit = strchr("0123456789abcdef", *description);

        if (!digit)
            return 0;
        *permissions = *permissions << 4 | (uint32_t)(digit - "0123456789abcdef");
    }
    return 1;
}

/* Another user than the maker, who will be the payload's, can use the keyring only if he may search it.  In a
 * user namespace he does not count as the keyring's owner. */
void op_SESSION_KEYRING(struct context *context, const union argument *argument)
{
    enum { OWNER_SEARCH = 0x00080000, OTHER_SEARCH = 0x00000008 };
    char description[4096 + 64]; /* a name of the largest size, and the rest */
    uint32_t permissions;
    long length, key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, argument[0].string, 0, 0, 0);

    if (key < 0 && errno == ENOSYS)
        return;
    if (key < 0)
        fail(context, errno, "keyctl(KEYCTL_JOIN_SESSION_KEYRING, \"%s\")", argument[0].string);
    length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, description, sizeof description, 0);
    if (length < 0 || (size_t)length > sizeof description)
        fail(context, length < 0 ? errno : EMSGSIZE, "keyctl(KEYCTL_DESCRIBE, %ld)", key);
    if (!parse_permissions(description, &permissions))
        fail(context, EBADMSG, "keyctl(KEYCTL_DESCRIBE, %ld) = \"%s\"", key, description);
    permissions |= context->in_user_namespace ? OTHER_SEARCH : OWNER_SEARCH;
    if (syscall(SYS_keyctl, KEYCTL_SETPERM, key, permissions, 0, 0) < 0)
        fail(context, errno, "keyctl(KEYCTL_SETPERM, %ld, 0x%x)", key, permissions);
}

void op_DUMPABLE(struct context *context, const union argument *argument)
{
    if (prctl(PR_SET_DUMPABLE, argument[0].number, 0, 0, 0) < 0)
        fail(context, errno, "prctl(PR_SET_DUMPABLE, %lld)", (long long)argument[0].number);
}

void op_NO_NEW_PRIVS(struct context *context, const union argument *argument)
{
    (void)argument;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(context, errno, "prctl(PR_SET_NO_NEW_PRIVS, 1)");
}

void op_SCHEDULER(struct context *context, const union argument *argument)
{
    struct bytes attr = argument[0].bytes;
    uint32_t size = 0;

    if (attr.length >= sizeof size)
        memcpy(&size, attr.data, sizeof size);
    /* The kernel reads as much as the structure says of itself, and for 0 the first version's size. */
    if (attr.length < SCHED_ATTR_SIZE_VER0 || size != attr.length)
        fail(context, EINVAL, "sched_setattr(0, {size=%u}) of %u bytes", size, attr.length);
    if (syscall(SYS_sched_setattr, 0, attr.data, 0) < 0)
        fail(context, errno, "sched_setattr(0, {size=%u})", size);
}

void op_IOPRIO(struct context *context, const union argument *argument)
{
    enum { WHO_PROCESS = 1 };

    if (syscall(SYS_ioprio_set, WHO_PROCESS, 0, (int)argument[0].number) < 0)
        fail(context, errno, "ioprio_set(IOPRIO_WHO_PROCESS, 0, 0x%llx)", (unsigned long long)argument[0].number);
}

void op_PERSONALITY(struct context *context, const union argument *argument)
{
    if (syscall(SYS_personality, (unsigned int)argument[0].number) < 0)
        fail(context, errno, "personality(0x%llx)", (unsigned long long)argument[0].number);
}

void op_MEMPOLICY(struct context *context, const union argument *argument)
{
    unsigned long nodes[1024 / 8 / sizeof(unsigned long)] = {0}; /* as many as a kernel can be built for */
    struct bytes bits = argument[1].bytes;

    if (bits.length > sizeof nodes)
        fail(context, EINVAL, "set_mempolicy(0x%llx) with %u bytes of nodes", (unsigned long long)argument[0].number,
             bits.length);
    memcpy(nodes, bits.data, bits.length);
    /* The kernel takes its count of bits to be one too many. */
    if (syscall(SYS_set_mempolicy, (int)argument[0].number, bits.length > 0 ? nodes : NULL,
                bits.length > 0 ? sizeof nodes * 8 + 1 : 0) < 0)
        fail(context, errno, "set_mempolicy(0x%llx)", (unsigned long long)argument[0].number);
}

void op_AFFINITY(struct context *context, const union argument *argument)
{
    if (syscall(SYS_sched_setaffinity, 0, (size_t)argument[0].bytes.length, argument[0].bytes.data) < 0)
        fail(context, errno, "sched_setaffinity(0, %u)", argument[0].bytes.length);
}

struct limits {
    uint64_t soft, hard; /* of 64 bits everywhere, unlike struct rlimit */
};

/* Needs the host's CAP_SYS_RESOURCE, which is gone once a user namespace is entered. */
void op_RAISE_RLIMIT(struct context *context, const union argument *argument)
{
    int resource = (int)argument[0].number;
    uint64_t hard = (uint64_t)argument[1].number;
    struct limits limits = {0, 0};

    if (syscall(SYS_prlimit64, 0, resource, NULL, &limits) < 0)
        fail(context, errno, "prlimit64(0, %d, NULL)", resource);
    if (limits.hard >= hard)
        return;
    limits.hard = hard;
    if (syscall(SYS_prlimit64, 0, resource, &limits, NULL) < 0)
        fail(context, errno, "prlimit64(0, %d, {%llu, %llu})", resource, (unsigned long long)limits.soft,
             (unsigned long long)limits.hard);
}

void op_SET_RLIMIT(struct context *context, const union argument *argument)
{
    int resource = (int)argument[0].number;
    struct limits limits = {(uint64_t)argument[1].number, (uint64_t)argument[2].number};

    if (syscall(SYS_prlimit64, 0, resource, &limits, NULL) < 0)
        fail(context, errno, "prlimit64(0, %d, {%llu, %llu})", resource, (unsigned long long)limits.soft,
             (unsigned long long)limits.hard);
}

void op_UMASK(struct context *context, const union argument *argument)
{
    (void)context;
    umask((mode_t)argument[0].number);
}

/* Dropping what is not in the set would need CAP_SETPCAP all the same, which a nested runtime may lack. */
void op_BOUNDING(struct context *context, const union argument *argument)
{
    uint64_t mask = (uint64_t)argument[0].number;
    int held;

    for (int capability = 0; capability < 64; capability++) {
        held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0 && errno == EINVAL)
            break; /* beyond the last that this kernel has */
        if (held < 0)
            fail(context, errno, "prctl(PR_CAPBSET_READ, %d)", capability);
        if (held && !(mask >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            fail(context, errno, "prctl(PR_CAPBSET_DROP, %d)", capability);
    }
}

void op_KEEP_CAPS(struct context *context, const union argument *argument)
{
    if (prctl(PR_SET_KEEPCAPS, argument[0].number, 0, 0, 0) < 0)
        fail(context, errno, "prctl(PR_SET_KEEPCAPS, %lld)", (long long)argument[0].number);
}

/* The system calls themselves: a C library would tell its threads, of which there are none. */
void op_SETGROUPS(struct context *context, const union argument *argument)
{
    uint32_t count = argument[0].bytes.length / 4;

    if (argument[0].bytes.length % 4)
        fail(context, EINVAL, "setgroups() of %u bytes", argument[0].bytes.length);
    if (syscall(SYS_setgroups, (size_t)count, argument[0].bytes.data) == 0)
        return;
    /* A user namespace may deny it, even to have none: the runtime has dropped them outside if it could. */
    if (errno != EPERM || count > 0 || !context->in_user_namespace)
        fail(context, errno, "setgroups(%u)", count);
}

/* To the kernel -1 is "leave it as it is" and more than 32 bits are not there: either would leave the payload
 * root. */
static uint32_t id_of(struct context *context, const char *call, int64_t number)
{
    if (number < 0 || number >= UINT32_MAX)
        fail(context, EINVAL, "%s(%lld)", call, (long long)number);
    return (uint32_t)number;
}

void op_SETGID(struct context *context, const union argument *argument)
{
    uint32_t gid = id_of(context, "setresgid", argument[0].number);

    if (syscall(SYS_setresgid, gid, gid, gid) < 0)
        fail(context, errno, "setresgid(%u, %u, %u)", gid, gid, gid);
}

void op_SETUID(struct context *context, const union argument *argument)
{
    uint32_t uid = id_of(context, "setresuid", argument[0].number);

    if (syscall(SYS_setresuid, uid, uid, uid) < 0)
        fail(context, errno, "setresuid(%u, %u, %u)", uid, uid, uid);
}

void op_CAPSET(struct context *context, const union argument *argument)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)((uint64_t)argument[0].number >> 32 * i);
        data[i].permitted = (uint32_t)((uint64_t)argument[1].number >> 32 * i);
        data[i].inheritable = (uint32_t)((uint64_t)argument[2].number >> 32 * i);
    }
    if (syscall(SYS_capset, &header, data) < 0)
        fail(context, errno, "capset({effective=0x%llx, permitted=0x%llx, inheritable=0x%llx})",
             (unsigned long long)argument[0].number, (unsigned long long)argument[1].number,
             (unsigned long long)argument[2].number);
}

void op_AMBIENT(struct context *context, const union argument *argument)
{
    uint64_t mask = (uint64_t)argument[0].number;

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        fail(context, errno, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)");
    for (int capability = 0; capability < 64; capability++)
        if (mask >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            fail(context, errno, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, %d)", capability);
}

void op_ANSWER_BY_SENDMMSG(struct context *context, const union argument *argument)
{
    (void)argument;
    context->by_sendmmsg = 1;
}

/* A filter may forbid anything but execve(2), so whatever can be done before it is. */
void op_SECCOMP(struct context *context, const union argument *argument)
{
    struct sock_fprog program;
    struct bytes filter = argument[0].bytes;
    unsigned int flags = (unsigned int)argument[1].number;
    long fd;

    if (filter.length % sizeof(struct sock_filter) || filter.length / sizeof(struct sock_filter) > BPF_MAXINSNS)
        fail(context, EINVAL, "seccomp(SECCOMP_SET_MODE_FILTER) of %u bytes", filter.length);
    settle_directory(context);
    program.len = (unsigned short)(filter.length / sizeof(struct sock_filter));
    program.filter = (struct sock_filter *)(uintptr_t)filter.data;
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    context->filtered = 1;
    if (fd < 0)
        fail(context, errno, "seccomp(SECCOMP_SET_MODE_FILTER, 0x%x, {len=%u})", flags, program.len);
    if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        answer(context, ANSWER_FD, 0, (int)fd);
        close((int)fd);
    }
}
