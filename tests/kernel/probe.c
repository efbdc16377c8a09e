/* What a container's process can find out about itself only by system calls; a test's words in, lines out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The name of the session keyring. */
static void keyring(void)
{
    char description[256] = "";
    long key = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);

    if (key < 0 || syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, description, sizeof description - 1, 0) < 0)
        printf("%s\n", strerror(errno));
    else
        printf("%s\n", strrchr(description, ';') + 1);
}

/* The signal that the end of its parent would send. */
static void death_signal(void)
{
    int number = -1;

    prctl(PR_GET_PDEATHSIG, &number);
    printf("%d\n", number);
}

/* Every access to each process that comes into being that was not refused; what allows these would allow
 * ptrace(2) as well, which is not tried because a traced process does not end by itself. */
static void pry(void)
{
    printf("ready\n");
    fflush(stdout);
    for (int pid = 2; pid < 3000; pid++) {
        char path[64], target[256];
        int gone = 0, fd;

        for (int tries = 0; tries < 20000 && kill(pid, 0) < 0; tries++)
            usleep(100);
        while (!gone) {
            ssize_t length;

            for (fd = 0; fd < 20; fd++) {
                snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
                length = readlink(path, target, sizeof target - 1);
                if (length > 0)
                    printf("%s -> %.*s\n", path, (int)length, target);
            }
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            length = readlink(path, target, sizeof target - 1);
            target[length > 0 ? length : 0] = 0;
            snprintf(path, sizeof path, "/proc/%d/mem", pid);
            fd = open(path, O_RDWR);
            if (fd >= 0) {
                printf("%s of %s\n", path, target);
                close(fd);
            }
            fflush(stdout);
            gone = kill(pid, 0) < 0;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "keyring"))
        keyring();
    else if (argc > 1 && !strcmp(argv[1], "death-signal"))
        death_signal();
    else if (argc > 1 && !strcmp(argv[1], "pry"))
        pry();
    else
        return 2;
    return 0;
}
