import subprocess

devnull = open(os.devnull, "w")


def spawn():
    code = subprocess.Popen(
        argv, executable=program, stdout=devnull, preexec_fn=lambda: None
    ).wait()
    if code != 0:
        refuse(code)
