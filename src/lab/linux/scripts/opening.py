# What comes first in every script. The control channel moves away from stdin, to
# a descriptor that no child gets, and what the children run is taken from the
# command line: ITERATIONS PROGRAM ARGV0 ARGUMENTS...
import os
import sys
import time

control = os.dup(0)
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 0)

iterations = int(sys.argv[1])
program = sys.argv[2]
argv = sys.argv[3:]


def refuse(returncode):
    """Ends the script, because a child ended otherwise than with status 0."""
    os.write(control, b"child %d\n" % returncode)
    sys.exit(1)


def returncode(status):
    """A status of waitpid as subprocess has it: negative for a signal."""
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
