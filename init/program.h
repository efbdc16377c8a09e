/* The parser of programs.  It knows nothing of the process: fuzz.c runs it alone. */
#ifndef OCIPY_PROGRAM_H
#define OCIPY_PROGRAM_H

#include "init.h"

struct program {
    const unsigned char *next, *end;
};

struct operation {
    uint32_t number;
    union argument arguments[PROTOCOL_MAX_ARGUMENTS];
};

/* Decodes the next op.  Returns 1, 0 at the end of the program, -1 when the program is malformed.  Index
 * arguments are replaced by what `fds` holds. */
int program_next(struct program *program, const int *fds, uint32_t fd_count, struct operation *operation);

/* Whether every op of a program is well formed; if not, *index is the first that is not. */
int program_check(struct program program, const int *fds, uint32_t fd_count, uint32_t *index);

/* The next string of a list, NULL at its end. */
const char *program_string(struct list *list);

#endif
