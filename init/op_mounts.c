/* Files, filesystems and the root. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"
#include "program.h"

int open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = resolve};

    if (!(flags & O_PATH)) /* with which openat2(2) takes few others */
        how.flags |= O_NOCTTY;
    return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

/* RESOLVE_NO_XDEV: the file is of the same mount as the directory, which the runtime has made or checked, so
 * that nothing mounted over a file of a procfs can be meant (CVE-2019-16884).  Ordinary symlinks are followed
 * below the directory: "self" is one. */
void op_WRITE(struct context *context, const union argument *argument)
{
    const char *path = argument[1].string, *text = argument[2].string;
    int fd = open_resolved(argument[0].fd, path, O_WRONLY,
                           RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
    ssize_t length;

    if (fd < 0)
        fail(context, errno, "openat2(%d, \"%s\", O_WRONLY)", argument[0].fd, path);
    length = write(fd, text, strlen(text));
    if (length < 0)
        fail(context, errno, "write(\"%s\", \"%s\")", path, text);
    if ((size_t)length != strlen(text))
        fail(context, EIO, "write(\"%s\", \"%s\") = %ld", path, text, (long)length);
    close(fd);
}

static int set_propagation(int fd, const char *path, unsigned int flags, uint64_t propagation)
{
    struct mount_attr attr = {.propagation = propagation};

    return (int)syscall(SYS_mount_setattr, fd, path, flags, &attr, sizeof attr);
}

void op_PROPAGATION(struct context *context, const union argument *argument)
{
    if (set_propagation(AT_FDCWD, "/", argument[1].number ? AT_RECURSIVE : 0, (uint64_t)argument[0].number) < 0)
        fail(context, errno, "mount_setattr(\"/\", %s, propagation=0x%llx)",
             argument[1].number ? "AT_RECURSIVE" : "0", (unsigned long long)argument[0].number);
}

/* The reason that the kernel wrote into a filesystem context: one message a read(2), "e tmpfs: Bad value". */
static const char *kernel_log(int fs_fd)
{
    static char text[512];
    size_t length = 0;
    ssize_t got;

    while (length + 3 < sizeof text && (got = read(fs_fd, text + length, sizeof text - length - 3)) > 0) {
        while (got > 0 && text[length + (size_t)got - 1] == '\n')
            got--;
        if (got > 2 && text[length + 1] == ' ') { /* the level */
            got -= 2;
            memmove(text + length, text + length + 2, (size_t)got);
        }
        length += (size_t)got;
        text[length++] = ';';
        text[length++] = ' ';
    }
    text[length < 2 ? 0 : length - 2] = 0;
    return text;
}

/* "key=value" or "key" */
static void set_option(struct context *context, int fs_fd, const char *option)
{
    char key[256]; /* what fsconfig(2) takes at most */
    const char *equals = strchr(option, '=');
    size_t length = equals ? (size_t)(equals - option) : strlen(option);
    int error;

    if (length >= sizeof key)
        fail(context, EINVAL, "fsconfig(FSCONFIG_SET_STRING, \"%s\")", option);
    memcpy(key, option, length);
    key[length] = 0;
    if (!syscall(SYS_fsconfig, fs_fd, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
                 equals ? equals + 1 : NULL, 0))
        return;
    error = errno;
    context->remark = kernel_log(fs_fd);
    if (equals)
        fail(context, error, "fsconfig(FSCONFIG_SET_STRING, \"%s\", \"%s\")", key, equals + 1);
    fail(context, error, "fsconfig(FSCONFIG_SET_FLAG, \"%s\")", key);
}

void op_FSMOUNT(struct context *context, const union argument *argument)
{
    const char *type = argument[0].string, *source = argument[1].string;
    struct list options = argument[2].list;
    int fs_fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    int mount_fd;

    if (fs_fd < 0)
        fail(context, errno, "fsopen(\"%s\")", type);
    if (*source && syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0) {
        int error = errno;

        context->remark = kernel_log(fs_fd);
        fail(context, error, "fsconfig(FSCONFIG_SET_STRING, \"source\", \"%s\")", source);
    }
    for (const char *option; (option = program_string(&options));)
        set_option(context, fs_fd, option);
    if (syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        int error = errno;

        context->remark = kernel_log(fs_fd);
        fail(context, error, "fsconfig(FSCONFIG_CMD_CREATE) of \"%s\"", type);
    }
    mount_fd = (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, (unsigned int)argument[3].number);
    if (mount_fd < 0) {
        int error = errno;

        context->remark = kernel_log(fs_fd);
        fail(context, error, "fsmount(0x%llx) of \"%s\"", (unsigned long long)argument[3].number, type);
    }
    close(fs_fd);
    answer(context, ANSWER_FD, 0, mount_fd);
    close(mount_fd);
}

/* The old root ends up on top of the new one, without a directory for it.  It becomes a slave before it is
 * unmounted, or the unmounting would spread to the host where its mounts are shared; by its own descriptor,
 * because "." is the new root here for every call but umount2(2).  That one takes off what lies on "." first:
 * where the container's root is "/" and another mount covers it, that is the root's own mount, and the host's
 * would stay above the container's, where setns(2) leads.  What is gone is of no namespace, and can't be set. */
void op_PIVOT(struct context *context, const union argument *argument)
{
    int old_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (old_fd < 0)
        fail(context, errno, "open(\"/\")");
    if (fchdir(argument[0].fd) < 0)
        fail(context, errno, "fchdir(%d)", argument[0].fd);
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        fail(context, errno, "pivot_root(\".\", \".\")");
    if (set_propagation(old_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, MS_SLAVE) < 0)
        fail(context, errno, "mount_setattr(\"\", AT_RECURSIVE, propagation=MS_SLAVE) of the old root");
    if (fchdir(old_fd) < 0)
        fail(context, errno, "fchdir() to the old root");
    do {
        if (syscall(SYS_umount2, ".", MNT_DETACH) < 0)
            fail(context, errno, "umount2(\".\", MNT_DETACH) of the old root");
    } while (set_propagation(old_fd, "", AT_EMPTY_PATH, MS_SLAVE) == 0);
    if (chdir("/") < 0)
        fail(context, errno, "chdir(\"/\")");
    close(old_fd);
}

static void enter(struct context *context)
{
    if (chroot(".") < 0)
        fail(context, errno, "chroot(\".\")");
    if (chdir("/") < 0)
        fail(context, errno, "chdir(\"/\")");
}

void op_MOVE_ROOT(struct context *context, const union argument *argument)
{
    if (fchdir(argument[0].fd) < 0)
        fail(context, errno, "fchdir(%d)", argument[0].fd);
    if (syscall(SYS_move_mount, argument[0].fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        fail(context, errno, "move_mount(%d, \"\", AT_FDCWD, \"/\", MOVE_MOUNT_F_EMPTY_PATH)", argument[0].fd);
    enter(context);
}

void op_CHROOT(struct context *context, const union argument *argument)
{
    if (fchdir(argument[0].fd) < 0)
        fail(context, errno, "fchdir(%d)", argument[0].fd);
    enter(context);
}
