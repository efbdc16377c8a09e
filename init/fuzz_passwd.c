/* libFuzzer's entry: whatever an image has for /etc/passwd, what is taken for a home directory is a text of that
 * file, or "/", and fits.  The first two bytes choose a user, and how much room there is. */
#include <assert.h>
#include <stdlib.h>

#include "op_process.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { SMALL = 64 };
    char variable[SMALL + 1];
    int fd = memfd_create("passwd", MFD_CLOEXEC);
    uint32_t uid = size > 0 ? data[0] % 4 : 0;
    size_t room = size > 1 ? 3 + data[1] % (SMALL - 2) : SMALL;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, size > 1 ? 2 : 0, SEEK_SET) < 0)
        abort();
    memset(variable, 1, sizeof variable);
    strcpy(variable, "/");
    read_home(fd, uid, variable, room);
    close(fd);
    assert(variable[0] == '/' && strlen(variable) < room && !strchr(variable, '\n') && !strchr(variable, ':'));
    for (size_t i = room; i < sizeof variable; i++)
        assert(variable[i] == 1);
    assert(!variable[1] || memmem(data, size, variable, strlen(variable)));
    return 0;
}
