/* What init says: answers, and the words for a failure. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compat.h"
#include "init.h"

struct text {
    char bytes[PROTOCOL_MAX_TEXT];
    size_t length;
};

static void put(struct text *text, char byte)
{
    if (text->length < sizeof text->bytes)
        text->bytes[text->length++] = byte;
}

static void put_number(struct text *text, unsigned long long value, unsigned int base)
{
    char digits[24]; /* 64 bits in octal */
    unsigned int count = 0;

    do
        digits[count++] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    while (count > 0)
        put(text, digits[--count]);
}

/* Escapes what would break the line; bytes from 128 on are left for the runtime, which knows UTF-8. */
static void put_string(struct text *text, const char *string)
{
    enum { SHOWN = 200 };
    const char *start = string;

    for (; *string && string - start < SHOWN; string++) {
        unsigned char byte = (unsigned char)*string;

        if (byte == '"' || byte == '\\') {
            put(text, '\\');
            put(text, *string);
        } else if (byte == '\n') {
            put(text, '\\');
            put(text, 'n');
        } else if (byte < ' ' || byte == 127) {
            put(text, '\\');
            put_number(text, byte >> 6, 8);
            put_number(text, byte >> 3 & 7, 8);
            put_number(text, byte & 7, 8);
        } else {
            put(text, *string);
        }
    }
    for (int dots = *string ? 3 : 0; dots > 0; dots--)
        put(text, '.');
}

static void format_text(struct text *text, const char *format, va_list arguments)
{
    for (; *format; format++) {
        unsigned int longs = 0, base;
        unsigned long long value;

        if (*format != '%') {
            put(text, *format);
            continue;
        }
        while (*++format == 'l')
            longs++;
        if (*format == 's') {
            put_string(text, va_arg(arguments, const char *));
            continue;
        }
        base = *format == 'x' ? 16 : *format == 'o' ? 8 : 10;
        if (*format == 'd') {
            long long number = longs > 1   ? va_arg(arguments, long long)
                               : longs > 0 ? va_arg(arguments, long)
                                           : va_arg(arguments, int);

            if (number < 0)
                put(text, '-');
            value = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
        } else {
            value = longs > 1   ? va_arg(arguments, unsigned long long)
                    : longs > 0 ? va_arg(arguments, unsigned long)
                                : va_arg(arguments, unsigned int);
        }
        put_number(text, value, base);
    }
}

static void __attribute__((format(printf, 2, 3))) append(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_text(text, format, arguments);
    va_end(arguments);
}

/* A filter may forbid exit_group(2) too, and a C library's _exit() would try it for ever.  A trap ends even the
 * first process of a pid namespace. */
_Noreturn void leave(int status)
{
    syscall(SYS_exit_group, status);
    __builtin_trap();
}

/* The system call itself: a C library may make sendmsg(2) of sendmmsg(2). */
static long send_message(const struct context *context, const struct msghdr *message)
{
    struct mmsghdr messages = {.msg_hdr = *message};

    if (context->by_sendmmsg)
        return syscall(SYS_sendmmsg, context->socket, &messages, 1, MSG_NOSIGNAL);
    return sendmsg(context->socket, message, MSG_NOSIGNAL);
}

static void send_answer(struct context *context, const struct answer *head, const char *text, int fd)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof *head},
        {.iov_base = (void *)(uintptr_t)text, .iov_len = head->length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (fd >= 0) {
        struct cmsghdr *rights;

        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    while (send_message(context, &message) < 0) {
        if (errno == EINTR)
            continue;
        if (head->kind != ANSWER_FAIL || message.msg_controllen == 0)
            leave(1); /* nobody is left to tell */
        message.msg_controllen = 0; /* rather the reason alone, as with ETOOMANYREFS */
    }
}

void answer(struct context *context, enum answer_kind kind, int64_t value, int fd)
{
    struct answer head = {.kind = kind, .index = context->index, .value = value};

    send_answer(context, &head, "", fd);
}

_Noreturn void fail(struct context *context, int error, const char *format, ...)
{
    struct text text = {.length = 0};
    struct answer head = {.kind = ANSWER_FAIL, .index = context->index, .error = error};
    va_list arguments;

    va_start(arguments, format);
    format_text(&text, format, arguments);
    va_end(arguments);
    if (context->remark && *context->remark)
        append(&text, " [%s]", context->remark);
    head.length = (uint32_t)text.length;
    send_answer(context, &head, text.bytes, context->evidence);
    leave(1);
}
