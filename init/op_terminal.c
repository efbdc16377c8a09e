/* The terminal and the standard streams. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"

void op_SETSID(struct context *context, const union argument *argument)
{
    (void)argument;
    if (setsid() < 0)
        fail(context, errno, "setsid()");
}

/* Everything is asked of the descriptor, for the image can put anything in the way (CVE-2025-52565): the
 * multiplexer must be inode 2 of a devpts, and the slave comes from the master, not from a name. */
void op_OPEN_PTY(struct context *context, const union argument *argument)
{
    static const char path[] = "/dev/pts/ptmx";
    int master_fd = open_resolved(AT_FDCWD, path, O_RDWR, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    int unlock = 0;
    struct stat status;
    struct statfs filesystem;

    (void)argument;
    if (master_fd < 0)
        fail(context, errno, "openat2(AT_FDCWD, \"%s\", O_RDWR)", path);
    if (fstat(master_fd, &status) < 0 || fstatfs(master_fd, &filesystem) < 0)
        fail(context, errno, "fstat(\"%s\")", path);
    if (filesystem.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2) ||
        status.st_ino != 2)
        fail(context, ENODEV, "fstat(\"%s\"): not the multiplexer of a devpts", path);
    if (ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
        fail(context, errno, "ioctl(\"%s\", TIOCSPTLCK)", path);
    if (context->slave_fd >= 0)
        close(context->slave_fd);
    context->slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (context->slave_fd < 0)
        fail(context, errno, "ioctl(\"%s\", TIOCGPTPEER)", path);
    answer(context, ANSWER_FD, 0, master_fd);
    close(master_fd);
}

static void bind_console(struct context *context)
{
    static const char path[] = "/dev/console";
    int target_fd = open_resolved(AT_FDCWD, path, O_PATH | O_NOFOLLOW, RESOLVE_NO_MAGICLINKS);
    int mount_fd;
    struct stat status;

    if (target_fd < 0)
        fail(context, errno, "openat2(AT_FDCWD, \"%s\", O_PATH|O_NOFOLLOW)", path);
    if (fstat(target_fd, &status) < 0)
        fail(context, errno, "fstat(\"%s\")", path);
    if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
        fail(context, ELOOP, "fstat(\"%s\"): neither a file nor a character device", path);
    mount_fd = (int)syscall(SYS_open_tree, context->slave_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount_fd < 0)
        fail(context, errno, "open_tree(%d, \"\", AT_EMPTY_PATH|OPEN_TREE_CLONE) of the terminal", context->slave_fd);
    if (syscall(SYS_move_mount, mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(context, errno, "move_mount(%d, \"\", \"%s\")", mount_fd, path);
    close(mount_fd);
    close(target_fd);
}

void op_TERMINAL(struct context *context, const union argument *argument)
{
    if (context->slave_fd < 0)
        fail(context, EINVAL, "TERMINAL without OPEN_PTY");
    if (argument[0].number)
        bind_console(context);
    if (ioctl(context->slave_fd, TIOCSCTTY, 0) < 0)
        fail(context, errno, "ioctl(TIOCSCTTY)");
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(context->slave_fd, fd) < 0)
            fail(context, errno, "dup2(%d, %d)", context->slave_fd, fd);
    close(context->slave_fd);
    context->slave_fd = -1;
}

/* So that the user can open /dev/stdin and its kind.  The null device may be the host's own. */
void op_CHOWN_STDIO(struct context *context, const union argument *argument)
{
    uid_t uid = (uid_t)argument[0].number;
    gid_t gid = (gid_t)argument[1].number;

    for (int fd = 0; fd <= 2; fd++) {
        struct stat status;

        if (fstat(fd, &status) < 0)
            fail(context, errno, "fstat(%d)", fd);
        if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))
            continue;
        if (status.st_uid == uid && (gid == (gid_t)-1 || status.st_gid == gid))
            continue;
        if (fchown(fd, uid, gid) < 0 && errno != EROFS && errno != EPERM && errno != EINVAL && errno != EIO)
            fail(context, errno, "fchown(%d, %u, %u)", fd, uid, gid);
    }
}
