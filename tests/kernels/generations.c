/* A process that has three ancestors which executed nothing either, and 200 mappings of a page
 * that each of them has written to. It says its number, and all of them sleep until they are
 * killed. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAPPINGS = 200, ANCESTORS = 3 };

static char *made[MAPPINGS];

static void write_to_each(void)
{
    for (int at = 0; at < MAPPINGS; at++)
        *made[at] = 1;
}

int main(void)
{
    long page = sysconf(_SC_PAGESIZE);

    for (int at = 0; at < MAPPINGS; at++) {
        /* What lies between keeps two of them from being one. */
        made[at] = mmap(0, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (made[at] == MAP_FAILED || mprotect(made[at], page, PROT_READ | PROT_WRITE))
            return 1;
    }
    write_to_each();
    int left = ANCESTORS;
    for (; left && fork() == 0; left--)
        write_to_each();
    if (left == 0) {
        printf("%d\n", getpid());
        fflush(stdout);
    }
    for (;;)
        pause();
}
