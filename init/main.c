/* ocipy-init: all that runs inside a container before its own program.  protocol.h says what it does.
 *
 * It reads no file of its own accord, no environment and no argument but the number of its socket, and loads
 * nothing: what a hostile root filesystem holds can't become part of it.  It keeps off the heap and small,
 * because it is charged to the container's memory cgroup.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat.h"
#include "init.h"
#include "ops.h"
#include "program.h"

static void (*const functions[])(struct context *, const union argument *) = {
#define X(number, name, signature) [number] = op_##name,
    PROTOCOL_OPS(X)
#undef X
};

static struct context context = {.evidence = -1, .slave_fd = -1, .ruleset_fd = -1};

/* A descriptor below 3 that is closed would be given to the next thing that is opened, which the payload
 * would then have for a standard stream.  The lowest free one is what open(2) gives. */
static void open_missing_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_NOCTTY) != fd)
            leave(1);
}

static void end(int number)
{
    leave(128 + number);
}

/* Dispositions and the mask outlive execve(2), and callers of runtimes ignore SIGPIPE and block signals.
 * The raw call, because a C library refuses the signals that it keeps for its threads.  Zeros are SIG_DFL
 * without flags on every architecture.
 *
 * A container that waits for start ends by what would end its program.  That takes handlers: a signal without
 * one does not reach the first process of a pid namespace.  execve(2) removes them. */
static void reset_signals(void)
{
    static const unsigned long zeros[16];
    static const struct sigaction ending = {.sa_handler = end};
    static const int ordinary[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGXCPU,
                                   SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR};

    for (int number = 1; number < _NSIG; number++)
        syscall(SYS_rt_sigaction, number, zeros, NULL, (size_t)(_NSIG - 1) / 8);
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++)
        sigaction(ordinary[i], &ending, NULL);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        sigaction(number, &ending, NULL);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, (size_t)(_NSIG - 1) / 8);
}

static int parse_fd(const char *text)
{
    int fd = 0;

    for (; text && *text >= '0' && *text <= '9' && fd < 1 << 24; text++)
        fd = fd * 10 + (*text - '0');
    return text && !*text && fd > 2 ? fd : -1;
}

/* Receives a request's descriptors into context.fds; returns the one of its program. */
static int receive(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * PROTOCOL_MAX_FDS)];
    } control;
    char kind = 0;
    struct iovec part = {.iov_base = &kind, .iov_len = 1};
    struct msghdr message;
    struct cmsghdr *rights;
    size_t size;
    ssize_t length;
    int fd;

    do {
        message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        length = recvmsg(context.socket, &message, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length <= 0)
        leave(1); /* the runtime is gone */
    rights = CMSG_FIRSTHDR(&message);
    if (kind != PROTOCOL_REQUEST || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !rights ||
        rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS ||
        (size = rights->cmsg_len - CMSG_LEN(0)) < sizeof fd)
        fail(&context, EBADMSG, "recvmsg(): not a request");
    memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    context.fd_count = (uint32_t)(size / sizeof fd) - 1;
    memcpy(context.fds, CMSG_DATA(rights) + sizeof fd, context.fd_count * sizeof fd);
    return fd;
}

static void run_request(void)
{
    int program_fd = receive();
    struct program program = {0};
    struct operation operation = {0};
    struct stat status;
    const unsigned char *start = NULL;
    size_t size;

    if (fstat(program_fd, &status) < 0)
        fail(&context, errno, "fstat() of the program");
    if (!S_ISREG(status.st_mode))
        fail(&context, EBADMSG, "fstat(): the program is not in a file");
    size = (size_t)status.st_size;
    if (size > 0) {
        void *mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, program_fd, 0);

        if (mapping == MAP_FAILED)
            fail(&context, errno, "mmap() of the program");
        start = mapping;
        program = (struct program){.next = start, .end = start + size};
    }
    close(program_fd);
    if (!program_check(program, context.fds, context.fd_count, &context.index))
        fail(&context, EBADMSG, "malformed program");
    for (context.index = 0; program_next(&program, context.fds, context.fd_count, &operation) > 0; context.index++)
        functions[operation.number](&context, operation.arguments);
    while (context.fd_count > 0)
        close(context.fds[--context.fd_count]);
    if (start && !context.keep_program)
        munmap((void *)(uintptr_t)start, size);
    context.keep_program = 0;
    if (operation.number != OP_CLONE)
        answer(&context, ANSWER_DONE, 0, -1);
    context.index = 0;
    context.pending_index = -1;
    context.settled = 0;
}

int main(int argc, char **argv)
{
    context.socket = parse_fd(argc == 2 ? argv[1] : NULL);
    if (context.socket < 0 || fcntl(context.socket, F_SETFD, FD_CLOEXEC) < 0 ||
        syscall(SYS_close_range, context.socket + 1, ~0U, 0) < 0)
        return 1;
    context.first_private_fd = context.socket;
    open_missing_streams();
    reset_signals();
    prctl(PR_SET_NAME, "ocipy:[INIT]");
    for (;;)
        run_request();
}
