/* What the files of init share: the state of the process, and how it answers. */
#ifndef OCIPY_INIT_H
#define OCIPY_INIT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

/* A decoded argument; which member holds is what the op's signature says.  Nothing is copied: the pointers
 * lead into the mapping of the program. */
struct bytes {
    const void *data;
    uint32_t length;
};

struct list {
    const unsigned char *next, *end; /* program_string() walks on */
    uint32_t count;
};

union argument {
    int64_t number;
    int fd;
    const char *string;
    struct bytes bytes;
    struct list list;
};

struct context {
    int socket;             /* where requests come from and answers go */
    int first_private_fd;   /* the payload gets those below */
    int fds[PROTOCOL_MAX_FDS]; /* of the request, without the program's own */
    uint32_t fd_count;
    uint32_t index;         /* of the op that runs */
    int evidence;           /* a descriptor that the next failure carries, or -1 */
    const char *remark;     /* what the next failure's text adds in brackets, or NULL */
    int keep_program;       /* something points into the program's mapping: it has to stay */
    int in_user_namespace;
    int by_sendmmsg;        /* answers go by sendmmsg(2), not sendmsg(2) */
    int ruleset_fd;         /* of Landlock, or -1 */
    int slave_fd;           /* of the terminal, or -1 */
    int settled;            /* settle_directory() was called, and init has not waited since */
    int verified;           /* the working directory was seen to lie inside the root */
    int filtered;           /* a seccomp filter is loaded: calls may fail that the container could not make either */
    const char *pending_directory; /* what CHDIR could not enter yet, or NULL */
    int64_t pending_index;  /* of that CHDIR, or -1 when it was in another program */
    char **args;
    char **env;
    char path[PATH_MAX];    /* of the program's file, "" until LOOKUP */
};

/* Sends ANSWER_FAIL for the op that runs and exits.  The text is the call, as strace words it, without the
 * error.  Understands %s %d %u %o %x and l, ll; %s is escaped as in a C string. */
_Noreturn void fail(struct context *context, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends init, whatever a filter forbids. */
_Noreturn void leave(int status);

/* Sends an answer without text, with `fd` unless that is -1. */
void answer(struct context *context, enum answer_kind kind, int64_t value, int fd);

/* "CLONE_NEWNS|CLONE_NEWPID" of namespace flags; anything else in them is one number in hexadecimal. */
const char *clone_flags(uint64_t flags);

/* openat2(2) */
int open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve);

/* Enters the working directory if CHDIR could not yet, and fails unless the container's root contains it. */
void settle_directory(struct context *context);

#endif
