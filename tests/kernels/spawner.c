/* A process that spawns ten times in each of three ways, from functions of known names. */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char *const words[] = {"true", 0};

__attribute__((noinline)) static pid_t forks(void)
{
    pid_t child = fork();
    if (child == 0) {
        execve("/bin/true", words, environ);
        _exit(1);
    }
    return child;
}

__attribute__((noinline)) static pid_t vforks(void)
{
    pid_t child = vfork();
    if (child == 0) {
        execve("/bin/true", words, environ);
        _exit(1);
    }
    return child;
}

__attribute__((noinline)) static pid_t spawns(void)
{
    pid_t child = -1;
    posix_spawn(&child, "/bin/true", 0, 0, words, environ);
    return child;
}

int main(void)
{
    pid_t (*const ways[])(void) = {forks, vforks, spawns};

    for (int turn = 0; turn < 30; turn++)
        if (waitpid(ways[turn % 3](), 0, 0) < 0)
            return 1;
    return 0;
}
