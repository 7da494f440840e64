/* Creates one process after another, each from a function of its own. With an argument
 * that is a path, it removes the file there before. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FROM __attribute__((noinline)) void
/* What follows a call, so that it is no jump. */
#define AFTER __asm__ volatile("" ::: "memory")

extern char **environ;
static char *arguments[] = { "true", NULL };
static char stack[65536] __attribute__((aligned(64)));

static int leave(void *none)
{
	(void)none;
	_exit(0);
}

FROM by_fork(void)
{
	if (fork() == 0)
		_exit(0);
	wait(NULL);
}

FROM by_vfork(void)
{
	if (vfork() == 0)
		_exit(0);
	wait(NULL);
}

FROM by_posix_spawn(void)
{
	pid_t pid;
	posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
	wait(NULL);
}

FROM by_posix_spawnp(void)
{
	pid_t pid;
	posix_spawnp(&pid, "true", NULL, NULL, arguments, environ);
	wait(NULL);
}

FROM by_system(void)
{
	if (system("exit 0"))
		exit(1);
	AFTER;
}

FROM by_popen(void)
{
	FILE *pipe = popen("exit 0", "r");
	pclose(pipe);
	AFTER;
}

FROM by_clone(void)
{
	clone(leave, stack + sizeof stack, SIGCHLD | CLONE_VM | CLONE_VFORK, NULL);
	wait(NULL);
}

FROM by_syscall(void)
{
	if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0)
		_exit(0);
	wait(NULL);
}

/* The stack is realigned here: its pointer of before is computed. */
FROM from_aligned(int depth)
{
	volatile char line[64] __attribute__((aligned(64)));
	line[depth] = 1;
	by_vfork();
	line[depth] = 2;
}

/* A large frame of no fixed size. */
FROM from_deep(int size)
{
	volatile char *room = __builtin_alloca(size);
	room[0] = 1;
	by_posix_spawn();
	room[size - 1] = 2;
}

FROM on_signal(int signal)
{
	(void)signal;
	by_fork();
	AFTER;
}

FROM from_handler(void)
{
	raise(SIGUSR1);
	AFTER;
}

static void *in_thread(void *none)
{
	by_vfork();
	return none;
}

FROM from_thread(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
	AFTER;
}

FROM all(int count)
{
	by_fork();
	by_vfork();
	by_posix_spawn();
	by_posix_spawnp();
	by_system();
	by_popen();
	by_clone();
	by_syscall();
	from_aligned(count);
	from_deep(20000 + count);
	from_handler();
	from_thread();
	AFTER;
}

int main(int count, char **words)
{
	if (count > 1)
		unlink(words[1]);
	signal(SIGUSR1, on_signal);
	all(count);
	return 0;
}
