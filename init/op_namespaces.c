/* Namespaces: joining and making them, and what belongs to one as a whole. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"

const char *clone_flags(uint64_t flags)
{
    static const struct {
        uint64_t flag;
        char name[16];
    } names[] = {
        {CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {CLONE_NEWIPC, "CLONE_NEWIPC"}, {CLONE_NEWNET, "CLONE_NEWNET"},
        {CLONE_NEWNS, "CLONE_NEWNS"},         {CLONE_NEWPID, "CLONE_NEWPID"}, {CLONE_NEWTIME, "CLONE_NEWTIME"},
        {CLONE_NEWUSER, "CLONE_NEWUSER"},     {CLONE_NEWUTS, "CLONE_NEWUTS"},
    };
    static char text[sizeof names + 24];
    size_t length = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (flags & names[i].flag) {
            if (length > 0)
                text[length++] = '|';
            memcpy(text + length, names[i].name, strlen(names[i].name));
            length += strlen(names[i].name);
            flags &= ~names[i].flag;
        }
    if (flags || length == 0) {
        if (length > 0)
            text[length++] = '|';
        text[length++] = '0';
        text[length++] = 'x';
        for (int shift = 60; shift >= 0; shift -= 4)
            if (flags >> shift || shift == 0)
                text[length++] = "0123456789abcdef"[flags >> shift & 15];
    }
    text[length] = 0;
    return text;
}

void op_JOIN(struct context *context, const union argument *argument)
{
    int fd = argument[0].fd;
    int type = (int)argument[1].number;
    int actual = ioctl(fd, NS_GET_NSTYPE);

    if (actual < 0)
        fail(context, errno, "ioctl(%d, NS_GET_NSTYPE)", fd);
    if (actual != type) {
        char found[24] = {0};

        strncpy(found, clone_flags((uint64_t)actual), sizeof found - 1);
        fail(context, EINVAL, "setns(%d, %s): the namespace is of type %s", fd, clone_flags((uint64_t)type), found);
    }
    if (syscall(SYS_setns, fd, type) < 0)
        fail(context, errno, "setns(%d, %s)", fd, clone_flags((uint64_t)type));
    context->in_user_namespace |= type == CLONE_NEWUSER;
}

void op_JOIN_PROCESS(struct context *context, const union argument *argument)
{
    if (syscall(SYS_setns, argument[0].fd, (int)argument[1].number) < 0)
        fail(context, errno, "setns(%d, %s)", argument[0].fd, clone_flags((uint64_t)argument[1].number));
    context->in_user_namespace |= (argument[1].number & CLONE_NEWUSER) != 0;
}

void op_UNSHARE(struct context *context, const union argument *argument)
{
    if (syscall(SYS_unshare, argument[0].number) < 0)
        fail(context, errno, "unshare(%s)", clone_flags((uint64_t)argument[0].number));
    context->in_user_namespace |= (argument[0].number & CLONE_NEWUSER) != 0;
}

void op_BECOME_ROOT(struct context *context, const union argument *argument)
{
    (void)argument;
    if (syscall(SYS_setresgid, 0, 0, 0) < 0)
        fail(context, errno, "setresgid(0, 0, 0)");
    if (syscall(SYS_setresuid, 0, 0, 0) < 0)
        fail(context, errno, "setresuid(0, 0, 0)");
}

static void move_into(struct context *context, int cgroup_fd)
{
    int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        fail(context, errno, "openat(cgroup, \"cgroup.procs\")");
    if (write(fd, "0", 1) < 0)
        fail(context, errno, "write(cgroup.procs, \"0\")");
    close(fd);
}

void op_CLONE(struct context *context, const union argument *argument)
{
    int pid_fd = -1;
    struct clone_args args = {
        .flags = (uint64_t)argument[0].number | CLONE_PARENT | CLONE_PIDFD,
        .pidfd = (uintptr_t)&pid_fd,
        .exit_signal = 0, /* with CLONE_PARENT it is the parent's own, SIGCHLD */
    };
    long pid;

    if (argument[1].number >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)context->fds[argument[1].number];
    }
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0 && errno == EAGAIN && args.flags & CLONE_INTO_CGROUP) {
        /* There are as many processes in the cgroup as may be.  That holds for forks, not for who moves in
         * (cgroup-v2.rst, PID), and somebody must be able to look at a container that is full. */
        args.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
        pid = syscall(SYS_clone3, &args, sizeof args);
        if (pid == 0)
            move_into(context, (int)args.cgroup);
    }
    if (pid < 0)
        fail(context, errno, "clone3(%s)", clone_flags(args.flags & ~(uint64_t)(CLONE_PARENT | CLONE_PIDFD)));
    if (pid > 0) {
        answer(context, ANSWER_PID, pid, pid_fd);
        leave(0);
    }
    context->in_user_namespace |= (args.flags & CLONE_NEWUSER) != 0;
}

void op_NAMESPACE(struct context *context, const union argument *argument)
{
    char path[64] = "/proc/self/ns/";
    const char *name = argument[0].string;
    int fd;

    if (strlen(name) >= sizeof path - strlen(path) || strchr(name, '/'))
        fail(context, EINVAL, "open(\"/proc/self/ns/%s\")", name);
    fd = open(strcat(path, name), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(context, errno, "open(\"%s\")", path);
    if (ioctl(fd, NS_GET_NSTYPE) < 0)
        fail(context, errno, "ioctl(\"%s\", NS_GET_NSTYPE)", path);
    answer(context, ANSWER_FD, 0, fd);
    close(fd);
}

void op_SETHOSTNAME(struct context *context, const union argument *argument)
{
    if (sethostname(argument[0].string, strlen(argument[0].string)) < 0)
        fail(context, errno, "sethostname(\"%s\")", argument[0].string);
}

void op_SETDOMAINNAME(struct context *context, const union argument *argument)
{
    if (setdomainname(argument[0].string, strlen(argument[0].string)) < 0)
        fail(context, errno, "setdomainname(\"%s\")", argument[0].string);
}

void op_LOOPBACK_UP(struct context *context, const union argument *argument)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)argument;
    if (fd < 0)
        fail(context, errno, "socket(AF_INET, SOCK_DGRAM)");
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        fail(context, errno, "ioctl(SIOCGIFFLAGS, \"lo\")");
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail(context, errno, "ioctl(SIOCSIFFLAGS, \"lo\", IFF_UP)");
    close(fd);
}

/* A single thread that moves itself skips the lock that moving another process takes, 5 to 20 ms of RCU
 * (since Linux 5.5, 9a3284fad42f "cgroup: Optimize single thread migration").  The runtime opened the file,
 * and its permission counts. */
void op_JOIN_CGROUP(struct context *context, const union argument *argument)
{
    if (write(argument[0].fd, "0", 1) != 1)
        fail(context, errno, "write(%d, \"0\") to the tasks file of a cgroup", argument[0].fd);
}
