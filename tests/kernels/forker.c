/* A process that tells what forks of its own come to: at SIGUSR1 it forks 200 times, and
 * writes errno, or 0, to /tmp/forked.PID. It has as many MiB as its argument says, and has
 * written to none of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int forks(int count)
{
    while (count--) {
        pid_t child = fork();
        if (child < 0)
            return errno;
        if (child == 0)
            _exit(0);
        waitpid(child, 0, 0);
    }
    return 0;
}

int main(int count, char **words)
{
    long size = count > 1 ? atol(words[1]) << 20 : 0;
    char made[64], name[64];
    sigset_t asked;
    int got;

    if (size && mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                    MAP_FAILED)
        return 1;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asked, 0);
    snprintf(made, sizeof made, "/tmp/forked.%d.part", getpid());
    snprintf(name, sizeof name, "/tmp/forked.%d", getpid());
    while (sigwait(&asked, &got) == 0) {
        int error = forks(200);
        FILE *file = fopen(made, "w");
        if (!file)
            return 1;
        fprintf(file, "%d\n", error);
        if (fclose(file) || rename(made, name))
            return 1;
    }
    return 1;
}
