/* libFuzzer's entry: whatever bytes a program has, the parser stays inside them, and what it has accepted can
 * be walked the way that the ops do. */
#include <stdlib.h>
#include <string.h>

#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void touch(const void *data, size_t size)
{
    for (const unsigned char *byte = data; size > 0; byte++, size--)
        sink = *byte;
}

static void walk_list(struct list list)
{
    uint32_t count = 0;

    for (const char *string; (string = program_string(&list)); count++)
        touch(string, strlen(string));
    if (list.count != 0)
        abort(); /* it was checked to hold as many as it says */
}

static void walk(const struct operation *operation, int fd_count)
{
    static const char *const signatures[] = {
#define X(number, name, signature) [number] = signature,
        PROTOCOL_OPS(X)
#undef X
    };
    const union argument *argument = operation->arguments;

    for (const char *type = signatures[operation->number]; *type; type++, argument++)
        switch (*type) {
        case 'f':
            if (argument->fd < 100 || argument->fd >= 100 + fd_count)
                abort();
            break;
        case 's':
            touch(argument->string, strlen(argument->string) + 1);
            break;
        case 'b':
            touch(argument->bytes.data, argument->bytes.length);
            break;
        case 'l':
            walk_list(argument->list);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int fds[] = {100, 101, 102};
    const uint32_t fd_count = size > 0 ? data[0] % 4 : 0;
    struct program program = {.next = data + (size > 0), .end = data + size};
    struct operation operation;
    uint32_t index = 0, bad;
    int more;

    if (program_check(program, fds, fd_count, &bad)) {
        for (; (more = program_next(&program, fds, fd_count, &operation)) > 0; index++)
            walk(&operation, (int)fd_count);
        if (more < 0 || index != bad)
            abort(); /* it was checked whole */
    }
    return 0;
}
