"""A running command of forktax with somebody else's processes beside it, and what is known
of all of them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import uuid

MARK, STRANGER = "FORKTAX_TEST_MARK", "FORKTAX_TEST_STRANGER"

# The shell, which becomes the tool once there is what is somebody else's, in sessions of its
# own. The tool gives way to who is to hit it in time.
SHELL = f"""
setsid sh -c 'echo $$ >sibling; exec sleep 600' &
setsid sh -c 'echo >starter; sleep "$DELAY"; sleep 600 & echo $! >daemon' &
until [ -s sibling ] && [ -s starter ]; do sleep 0.01; done
unset {STRANGER}; export {MARK}="$GIVEN"
cd work; exec nice "$@"
"""


def stat(pid):
    """Name, state, parent and start of a process; nothing if it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, fields[0], int(fields[1]), int(fields[19])


def processes():
    """All processes."""
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {pid: known for pid in numbers if (known := stat(pid))}


def said_of(pid, file):
    try:
        return pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


class Tool:
    """A running command: `words(target)` gives its words, be the target a live process."""

    def __init__(self, words, folder, rng, delay, has_target):
        self.folder, self.work = folder, folder / "work"
        self.mark, self.stranger = (str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(2))
        self.binary = folder / "forktax"
        self.seen = set()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "DELAY": f"{delay:.3f}",
            "GIVEN": self.mark,
            STRANGER: self.stranger,
        }
        self.target = None
        if has_target:
            words_of_target = ["sleep", "600"]
            self.target = subprocess.Popen(words_of_target, env=environment, start_new_session=True)
        self.words = words(self)
        with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
            self.process = subprocess.Popen(
                ["sh", "-c", SHELL, "sh", self.binary, *self.words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def awaits_its_begin(self):
        """Waits until the shell has become the tool, and tells whether it has."""
        until = time.monotonic() + 10
        while self.process.poll() is None and executable(self.pid) != str(self.binary):
            if time.monotonic() > until:
                return False
            time.sleep(0.0002)
        return True

    def below(self):
        """The processes below the tool that are none of somebody else's, with how many
        steps they are away; remembers them."""
        found, known = {}, processes()
        children = {}
        for pid, (_, _, parent, _) in known.items():
            children.setdefault(parent, []).append(pid)
        level, steps = [self.pid], 0
        while level:
            steps += 1
            level = [child for pid in level for child in children.get(pid, [])]
            level = [pid for pid in level if not self.is_strange(pid)]
            found.update({pid: (steps, known[pid]) for pid in level})
        self.seen |= {(pid, known[3]) for pid, (_, known) in found.items()}
        return found

    def victims(self):
        """By their kinds, the processes below the tool that a signal may go to, with their
        starts."""
        below, found = self.below(), {}
        if any(name == "supervisor" for _, (name, *_) in below.values()):
            kinds = {1: "supervisor", 2: "run", 3: "worker"}
            for pid, (steps, (name, _, _, start)) in below.items():
                kind = name if name == "attendant" else kinds.get(steps, "below")
                found.setdefault(kind, []).append((pid, start))
        return found

    def is_marked(self, pid):
        return f"{MARK}={self.mark}".encode() in said_of(pid, "environ")

    def is_strange(self, pid):
        return f"{STRANGER}={self.stranger}".encode() in said_of(pid, "environ")

    def left(self):
        """What of it is there, with its names."""
        for pid, (name, state, _, start) in processes().items():
            is_known = (pid, start) in self.seen or executable(pid) == str(self.binary)
            if state != "Z" and (is_known or self.is_marked(pid)):
                yield pid, f"{pid} ({name}, {state})"

    def strangers(self):
        """What is somebody else's, by what it is called; nothing of what there is not."""
        until = time.monotonic() + 10
        for name in ("sibling", "daemon"):
            file = self.folder / name
            while not (text := file.read_text() if file.exists() else ""):
                if time.monotonic() > until:
                    break
                time.sleep(0.01)
            yield name, int(text) if text else None
        if self.target:
            yield "target", self.target.pid

    def end(self):
        """Ends what was started here, whatever happened."""
        ours = {pid for pid, _ in self.left()}
        for pid in processes():
            if pid in ours or self.is_strange(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in filter(None, [self.process, self.target]):
            process.kill()
            process.wait()

    def text(self, name):
        return (self.folder / name).read_text(errors="replace")
