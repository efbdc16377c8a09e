/* The payload: its directory, its arguments and environment, its file. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat.h"
#include "ops.h"
#include "program.h"

/* The kernel's word, not the C library's: a directory that the root does not contain is "(unreachable)/..."
 * to the former (CVE-2024-21626). */
static void verify_directory(struct context *context)
{
    char directory[PATH_MAX];

    if (syscall(SYS_getcwd, directory, sizeof directory) < 0) {
        /* A filter may forbid the call, that was made for this directory before the filter was loaded. */
        if (context->filtered && context->verified)
            return;
        fail(context, errno, "getcwd()");
    }
    if (*directory != '/')
        fail(context, ENOENT, "getcwd() = \"%s\": outside the container's root", directory);
    context->verified = 1;
}

/* Only root may enter some directories, and only the payload's user others: it is tried as either. */
void op_CHDIR(struct context *context, const union argument *argument)
{
    context->pending_directory = NULL;
    context->settled = context->verified = 0;
    if (chdir(argument[0].string) < 0) {
        if (errno != EACCES && errno != EPERM)
            fail(context, errno, "chdir(\"%s\")", argument[0].string);
        context->pending_directory = argument[0].string;
        context->pending_index = (int64_t)context->index;
        context->keep_program = 1;
        return;
    }
    verify_directory(context);
}

void settle_directory(struct context *context)
{
    if (context->settled)
        return;
    if (context->pending_directory && chdir(context->pending_directory) < 0) {
        if (context->pending_index >= 0)
            context->index = (uint32_t)context->pending_index;
        fail(context, errno, "chdir(\"%s\")", context->pending_directory);
    }
    context->pending_directory = NULL;
    verify_directory(context);
    /* Every descriptor was opened close-on-exec; this holds should one be forgotten.  A filter may forbid it. */
    syscall(SYS_close_range, context->first_private_fd, ~0U, CLOSE_RANGE_CLOEXEC);
    context->settled = 1;
}

/* A field of a line of passwd(5), cut off it; NULL when there is none. */
static char *next_field(char **line)
{
    char *field = *line;
    char *colon = field ? strchr(field, ':') : NULL;

    if (colon)
        *colon = 0;
    *line = colon ? colon + 1 : NULL;
    return field;
}

static int is_number(const char *text, uint32_t number)
{
    uint64_t value = 0;

    if (!text || !*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > UINT32_MAX)
            return 0;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    return value == number;
}

/* The home directory in a line "name:password:uid:gid:comment:home:shell" of that user, else NULL. */
static const char *home_of_line(char *line, uint32_t uid)
{
    char *fields[6];

    for (int i = 0; i < 6; i++)
        fields[i] = next_field(&line);
    if (!fields[5] || !*fields[0] || !is_number(fields[2], uid))
        return NULL;
    return *fields[5] == '/' ? fields[5] : "/";
}

/* Finds the user in a file that the image's maker wrote: a line that is too long is passed over, and so is
 * what lies beyond 8 MB. */
static void read_home(int fd, uint32_t uid, char *home, size_t size)
{
    char buffer[2048];
    size_t length = 0;
    int skip = 0; /* the rest of a line that did not fit */

    for (int reads = 0; reads < 4096; reads++) {
        ssize_t got = read(fd, buffer + length, sizeof buffer - 1 - length);
        char *line = buffer, *end;

        if (got < 0 || (got == 0 && length == 0))
            return;
        if (got == 0)
            buffer[length++] = '\n'; /* the last line may lack it */
        else
            length += (size_t)got;
        for (; (end = memchr(line, '\n', length - (size_t)(line - buffer))); line = end + 1, skip = 0) {
            const char *found;

            *end = 0;
            found = skip || strlen(line) != (size_t)(end - line) ? NULL : home_of_line(line, uid);
            if (found && strlen(found) < size) {
                strcpy(home, found);
                return;
            }
        }
        length -= (size_t)(line - buffer);
        memmove(buffer, line, length);
        if (length == sizeof buffer - 1) {
            skip = 1;
            length = 0;
        }
    }
}

/* Writes "HOME=/..." of the user, "HOME=/" when the container's /etc/passwd does not tell.  Neither a fifo nor
 * a device that someone put there may hold us up. */
static void find_home(uint32_t uid, char *variable, size_t size)
{
    int fd = open_resolved(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK, RESOLVE_NO_MAGICLINKS);
    struct stat status;

    strcpy(variable, "HOME=/");
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        read_home(fd, uid, variable + 5, size - 5);
    close(fd);
}

static char **fill(char **pointers, struct list list)
{
    const char *string;

    while ((string = program_string(&list)))
        *pointers++ = (char *)(uintptr_t)string;
    *pointers = NULL;
    return pointers;
}

/* Where the environment has this variable, or its end. */
static char **find_variable(char **env, const char *name)
{
    size_t length = strlen(name);

    while (*env && (strncmp(*env, name, length) || (*env)[length] != '='))
        env++;
    return env;
}

void op_PROCESS(struct context *context, const union argument *argument)
{
    struct list args = argument[0].list, env = argument[1].list;
    size_t count = (size_t)args.count + 1 + env.count + 2;
    size_t size = count * sizeof(char *) + sizeof "HOME=" + PATH_MAX;
    char **pointers, **home;

    if (args.count == 0)
        fail(context, EINVAL, "execve() without arguments");
    pointers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pointers == MAP_FAILED)
        fail(context, errno, "mmap(NULL, %ld)", (long)size);
    context->args = pointers;
    context->env = fill(pointers, args) + 1;
    fill(context->env, env);
    home = find_variable(context->env, "HOME");
    if (argument[2].number >= 0 && (!*home || !strcmp(*home, "HOME="))) {
        *home = (char *)(pointers + count); /* at the end there is room for one more, before the last zero */
        find_home((uint32_t)argument[2].number, *home, size - count * sizeof(char *));
    }
    context->keep_program = 1;
}

/* Returns 0, or the errno why this file can't be executed. */
static int check_executable(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    if (!S_ISREG(status.st_mode) || !(status.st_mode & 0111))
        return EACCES;
    if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
        return 0;
    /* Neither is faccessat2's own answer: a filter forbids the call.  execve(2) will tell. */
    return errno == EPERM || errno == ENOSYS ? 0 : errno;
}

/* What the runtime looks at to say what is wrong with a file.  Called only before the end, so that standard
 * input can make room: the payload's RLIMIT_NOFILE may leave no other number. */
static int open_evidence(const char *path)
{
    int fd;

    close(STDIN_FILENO);
    fd = open_resolved(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, RESOLVE_NO_MAGICLINKS);
    return fd >= 0 ? fd : open_resolved(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
}

/* Writes "directory/name" into the context's path; an empty directory is the current one. */
static int join_path(struct context *context, const char *directory, size_t length, const char *name)
{
    char *path = context->path;

    if (length == 0) {
        directory = ".";
        length = 1;
    }
    if (length + 1 + strlen(name) >= sizeof context->path)
        return 0;
    memcpy(path, directory, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
    return 1;
}

/* Leaves in the context's path what is executable, else what was closest to it.  Returns 0 or an errno. */
static int search(struct context *context, const char *directories, const char *name)
{
    char refused[PATH_MAX];

    *refused = 0;
    for (const char *end; directories; directories = *end ? end + 1 : NULL) {
        int error;

        end = strchrnul(directories, ':');
        if (!join_path(context, directories, (size_t)(end - directories), name))
            continue;
        error = check_executable(context->path);
        if (!error)
            return 0;
        if (error == EACCES && !*refused)
            strcpy(refused, context->path);
    }
    strcpy(context->path, refused);
    return *refused ? EACCES : ENOENT;
}

void op_LOOKUP(struct context *context, const union argument *argument)
{
    static const char usual[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const char *name;
    char **path;
    int error;

    (void)argument;
    if (!context->args)
        fail(context, EINVAL, "LOOKUP without PROCESS");
    settle_directory(context);
    name = context->args[0];
    *context->path = 0;
    if (!*name) {
        error = ENOENT;
    } else if (strchr(name, '/')) {
        error = strlen(name) < sizeof context->path ? 0 : ENAMETOOLONG;
        if (!error) {
            strcpy(context->path, name);
            error = check_executable(name);
        }
    } else {
        path = find_variable(context->env, "PATH");
        error = search(context, *path ? *path + strlen("PATH=") : usual, name);
    }
    if (!error)
        return;
    if (*context->path)
        context->evidence = open_evidence(context->path);
    fail(context, error, "lookup(\"%s\")", name);
}

/* Whoever connects says "start"; there is nothing to read.  The listener is closed before anything else, so
 * that one who comes too late is told by ECONNRESET or ECONNREFUSED, not by what he would take for success. */
void op_WAIT_START(struct context *context, const union argument *argument)
{
    int listener_fd = argument[0].fd;
    int fd;

    answer(context, ANSWER_WAITING, 0, -1);
    close(context->socket);
    do
        fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        leave(1); /* there is no one to tell */
    context->socket = fd;
    for (uint32_t i = 0; i < context->fd_count; i++)
        if (context->fds[i] == listener_fd)
            context->fds[i] = -1;
    shutdown(listener_fd, SHUT_RDWR); /* whoever else has it open */
    close(listener_fd);
    context->settled = 0;
}

void op_EXECVE(struct context *context, const union argument *argument)
{
    int error;

    (void)argument;
    if (!context->args || !*context->path)
        fail(context, EINVAL, "EXECVE without LOOKUP");
    settle_directory(context);
    execve(context->path, context->args, context->env);
    error = errno;
    context->evidence = open_evidence(context->path);
    fail(context, error, "execve(\"%s\")", context->path);
}
