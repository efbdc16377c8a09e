/* Landlock: what the payload may do to files, whoever it is (landlock(7)).
 *
 * The kernel's structures are spelt out here, because <linux/landlock.h> is younger than what this is built on.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"

enum { RULE_PATH_BENEATH = 1 };

struct ruleset_attr {
    uint64_t handled_access_fs; /* newer kernels have more; to them, who speaks of less means none of it */
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* LANDLOCK_ACCESS_FS_ EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV: all that makes sense for a file. */
static const uint64_t OF_A_FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;

void op_LANDLOCK_RULESET(struct context *context, const union argument *argument)
{
    struct ruleset_attr attr = {.handled_access_fs = (uint64_t)argument[0].number};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

    if (fd < 0)
        fail(context, errno, "landlock_create_ruleset({handled_access_fs=0x%llx})",
             (unsigned long long)attr.handled_access_fs);
    if (context->ruleset_fd >= 0)
        close(context->ruleset_fd);
    context->ruleset_fd = fd;
}

void op_LANDLOCK_RULE(struct context *context, const union argument *argument)
{
    const char *path = argument[1].string;
    struct path_beneath_attr attr = {.allowed_access = (uint64_t)argument[0].number};
    struct stat status;

    attr.parent_fd = open_resolved(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
    if (attr.parent_fd < 0)
        fail(context, errno, "openat2(AT_FDCWD, \"%s\", O_PATH)", path);
    if (fstat(attr.parent_fd, &status) < 0)
        fail(context, errno, "fstat(\"%s\")", path);
    if (!S_ISDIR(status.st_mode))
        attr.allowed_access &= OF_A_FILE;
    /* A rule that allows nothing is ENOMSG to the kernel. */
    if (attr.allowed_access &&
        syscall(SYS_landlock_add_rule, context->ruleset_fd, RULE_PATH_BENEATH, &attr, 0) < 0)
        fail(context, errno, "landlock_add_rule({allowed_access=0x%llx, \"%s\"})",
             (unsigned long long)attr.allowed_access, path);
    close(attr.parent_fd);
}

void op_LANDLOCK_RESTRICT(struct context *context, const union argument *argument)
{
    (void)argument;
    if (syscall(SYS_landlock_restrict_self, context->ruleset_fd, 0) < 0)
        fail(context, errno, "landlock_restrict_self(%d)", context->ruleset_fd);
    close(context->ruleset_fd);
    context->ruleset_fd = -1;
}
