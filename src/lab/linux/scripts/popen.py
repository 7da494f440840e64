import subprocess

devnull = open(os.devnull, "w")


def spawn():
    code = subprocess.Popen(argv, executable=program, stdout=devnull).wait()
    if code != 0:
        refuse(code)
