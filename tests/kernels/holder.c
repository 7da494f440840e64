/* A process that sleeps, with memory of which each page is known: what a shape of it
 * must say. Takes no argument, and sleeps until it is killed. */
#include <sys/mman.h>
#include <unistd.h>

static long page_size;

/* A mapping of that many pages, the first of each group of `step` written to; none
 * with 0. */
static char *held(long pages, long step, int kind, int advice)
{
    char *start = mmap(0, pages * page_size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || madvise(start, pages * page_size, advice))
        _exit(1);
    for (long page = 0; step && page < pages; page += step)
        start[page * page_size] = 1;
    return start;
}

int main(void)
{
    char nothing;

    page_size = sysconf(_SC_PAGESIZE);
    /* 1,000 of 2,000 pages, with a hole after each. */
    held(2000, 2, MAP_PRIVATE, MADV_NOHUGEPAGE);
    /* 300 shared pages. */
    held(300, 1, MAP_SHARED, MADV_NORMAL);
    /* The kernel's page of zeros, once in 64 pages that nobody has written to. */
    nothing = *(volatile char *)(held(64, 0, MAP_PRIVATE, MADV_NORMAL) + 5 * page_size);
    /* 40 pages that a fork leaves out. */
    held(40, 1, MAP_PRIVATE, MADV_DONTFORK);
    /* As much as four page tables map, whose entries have 8 bytes: at least three huge
     * pages fit. */
    held(4 * page_size / 8, 1, MAP_PRIVATE, MADV_HUGEPAGE);
    for (;;)
        pause();
    return nothing;
}
