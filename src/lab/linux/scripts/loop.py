# What comes last in every script: its loop, between two stops.


def await_word():
    """Waits until the lab says to go on, and ends if it is gone."""
    if not os.read(control, 1):
        sys.exit(1)


# What the children say is thrown away; until here, stderr took the reason of a
# failure.
os.dup2(null, 2)
os.close(null)
os.write(control, b"ready\n")
await_word()
try:
    begin = time.monotonic_ns()
    for _ in range(iterations):
        spawn()
    end = time.monotonic_ns()
except Exception as error:
    # A ChildProcessError is the wait's: somebody else waited for the child.
    if isinstance(error, OSError) and not isinstance(error, ChildProcessError):
        reason = "refused %d\n" % (error.errno or 0)
    else:
        reason = "raised %s: %s\n" % (type(error).__name__, " ".join(str(error).split()))
    os.write(control, reason.encode("utf-8", "replace"))
    sys.exit(1)
os.write(control, b"done %d %d\n" % (begin, end))
await_word()
