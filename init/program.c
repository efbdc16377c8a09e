#include "program.h"

#include <string.h>

static const char *const signatures[] = {
#define X(number, name, signature) [number] = signature,
    PROTOCOL_OPS(X)
#undef X
};

/* No signature is longer than what an operation has room for. */
#define X(number, name, signature)                                                                             \
    _Static_assert(sizeof signature <= PROTOCOL_MAX_ARGUMENTS + 1, #name " has too many arguments");
PROTOCOL_OPS(X)
#undef X

/* The part of a program that is left.  A read beyond the end makes it bad and gives zeros from then on. */
struct reader {
    const unsigned char *next, *end;
    int bad;
};

static const unsigned char *take(struct reader *reader, size_t size)
{
    const unsigned char *taken = reader->next;

    if (reader->bad || size > (size_t)(reader->end - reader->next)) {
        reader->bad = 1;
        return NULL;
    }
    reader->next += size;
    return taken;
}

static uint64_t take_integer(struct reader *reader, unsigned int size)
{
    const unsigned char *bytes = take(reader, size);
    uint64_t value = 0;

    while (bytes && size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

static struct bytes take_bytes(struct reader *reader)
{
    uint32_t length = (uint32_t)take_integer(reader, 4);

    return (struct bytes){.data = take(reader, length), .length = length};
}

static const char *take_string(struct reader *reader)
{
    struct bytes string = take_bytes(reader);
    const unsigned char *nul = take(reader, 1);

    if (!string.data || !nul || *nul || memchr(string.data, 0, string.length))
        reader->bad = 1;
    return string.data;
}

static struct list take_list(struct reader *reader)
{
    struct list list = {.count = (uint32_t)take_integer(reader, 4)};

    list.next = reader->next;
    for (uint32_t left = list.count; left > 0 && !reader->bad; left--)
        take_string(reader);
    list.end = reader->next;
    return list;
}

const char *program_string(struct list *list)
{
    struct reader reader = {.next = list->next, .end = list->end};
    const char *string = list->count > 0 ? take_string(&reader) : NULL;

    if (!string)
        return NULL;
    list->next = reader.next;
    list->count--;
    return string;
}

static void take_argument(struct reader *reader, char type, const int *fds, uint32_t fd_count,
                          union argument *argument)
{
    uint64_t index;

    switch (type) {
    case 'i':
        argument->number = (int64_t)take_integer(reader, 8);
        break;
    case 'f':
        index = take_integer(reader, 8);
        if (index >= fd_count)
            reader->bad = 1;
        else
            argument->fd = fds[index];
        break;
    case 's':
        argument->string = take_string(reader);
        break;
    case 'b':
        argument->bytes = take_bytes(reader);
        break;
    case 'l':
        argument->list = take_list(reader);
        break;
    default:
        reader->bad = 1;
    }
}

/* What a signature can't say. */
static int acceptable(const struct operation *operation, const struct program *rest, uint32_t fd_count)
{
    if (operation->number == OP_CLONE)
        return rest->next == rest->end && operation->arguments[1].number >= -1 &&
               operation->arguments[1].number < (int64_t)fd_count;
    return 1;
}

int program_next(struct program *program, const int *fds, uint32_t fd_count, struct operation *operation)
{
    struct reader header = {.next = program->next, .end = program->end};
    struct reader body;
    const char *signature;
    uint32_t size;

    if (program->next == program->end)
        return 0;
    memset(operation, 0, sizeof *operation);
    operation->number = (uint32_t)take_integer(&header, 4);
    size = (uint32_t)take_integer(&header, 4);
    body.bad = 0;
    body.next = take(&header, size);
    if (header.bad || operation->number >= sizeof signatures / sizeof *signatures)
        return -1;
    body.end = header.next;
    signature = signatures[operation->number];
    if (!signature)
        return -1;
    for (union argument *argument = operation->arguments; *signature; signature++, argument++)
        take_argument(&body, *signature, fds, fd_count, argument);
    program->next = header.next;
    return body.bad || body.next != body.end || !acceptable(operation, program, fd_count) ? -1 : 1;
}

int program_check(struct program program, const int *fds, uint32_t fd_count, uint32_t *index)
{
    struct operation operation;
    int more;

    *index = 0;
    while ((more = program_next(&program, fds, fd_count, &operation)) > 0)
        ++*index;
    return more == 0;
}
