/* Runs a command, and stops it and its descendants wherever they create a process: says
 * who stands there and with which registers, and waits for a byte before it lets them go.
 * So tests have processes that stand still, seen by other code than the program's own. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is said; the command has no part in it. */
static FILE *said, *heard;

static void tell(pid_t pid)
{
	struct user_regs_struct r;
	struct iovec all = { &r, sizeof r };
	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &all))
		exit(3);
#ifdef __x86_64__
	fprintf(said, "created %d %llx %llx %llx 0 %llx\n", pid, r.rip, r.rsp, r.rbp, r.rdi);
#else
	fprintf(said, "created %d %llx %llx %llx %llx %llx\n", pid, r.pc, r.sp, r.regs[29],
	       r.regs[30], r.regs[30]);
#endif
	fflush(said);
	if (getc(heard) == EOF)
		exit(2);
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status, nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	heard = fdopen(fcntl(0, F_DUPFD_CLOEXEC, 3), "r");
	said = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 3), "w");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(nothing, 0);
		dup2(nothing, 1);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_SETOPTIONS, pid, 0, options))
		return 1;
	ptrace(PTRACE_CONT, pid, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int event = status >> 16, signal = WSTOPSIG(status);
		if (!WIFSTOPPED(status)) {
			fprintf(said, "ended %d\n", pid);
			continue;
		}
		if (event == PTRACE_EVENT_EXEC)
			fprintf(said, "executed %d\n", pid);
		else if (event)
			tell(pid);
		ptrace(PTRACE_CONT, pid, 0, event || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
	}
	return 0;
}
