devnull = os.open(os.devnull, os.O_WRONLY)


def spawn():
    child = os.fork()
    if child == 0:
        try:
            os.dup2(devnull, 1)
            os.execvp(program, argv)
        finally:
            os._exit(127)
    _, status = os.waitpid(child, 0)
    if status != 0:
        refuse(returncode(status))
