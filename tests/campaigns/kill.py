#!/usr/bin/env python3
"""Ends processes of forktax at any moment, and looks at what is left.

    tests/campaigns/kill.py [--runs N] [--seed S] [--jobs J] [--binary FILE] [--only RUN]

Each run is a command, any of them, in a session of its own. A shell becomes it that has
left a sibling beside it and a daemon to be, whose parent ends during the run: processes of
somebody else. At a random moment, often close to the start or while the result is written,
a signal goes to the tool, its group, its supervisor, the run, a worker or what is below
that, sometimes two; or the process that `--pid` looks at is killed. SIGKILL to the
supervisor and to the run at once is not tried: nobody is left then to end a daemon.

A fault is: a process of forktax that is there 5 s after the tool has ended, or a tool that
does not end; an end of somebody else's process; a file that is neither what it was nor a
whole result; a result that was printed and not written; a file that nobody asked for, but
for a `.part` after SIGKILL; a status that does not tell of the signal, 0 without a whole
result, or one of failure without a message; a panic.
"""

import csv
import dataclasses
import functools
import io
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time

from campaign import DATA, Outcome, arguments, carry_out
from tool import MARK, Tool, stat

# Longer than any of these runs takes on a loaded machine.
END_SECONDS = 120
LEFT_SECONDS = 5
SIGNALS = {"KILL": 3, "INT": 1, "TERM": 2, "HUP": 1, "QUIT": 1}
VICTIMS = {"tool": 3, "group": 2, "supervisor": 2, "attendant": 2, "run": 2, "worker": 4, "below": 12}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as it is tried: its words, how often, how long it takes on an idle
    machine, and how it ends where nobody ends it."""

    words: str
    weight: float
    seconds: float
    ends: tuple = (0,)

    @property
    def name(self):
        return self.words.split()[0]

    def is_supervised(self):
        return self.name not in ("show", "compare") and "shape --shape" not in self.words


# It works when it is tried, and hangs from then on.
HANGS = "sh -c 'test -e trace && sleep 600; echo >>trace'"

# What it does to the host is a line in a file. The last one is to be that it was undone.
SETS = "--a-setup 'echo a >>../host' --b-setup 'echo b >>../host' --restore 'echo - >>../host'"

# {data} is where stored results are, {target} a live process.
COMMANDS = [
    Command("sweep --mappings 0,1k --method fork,posix_spawn --time 600ms", 3, 1.0),
    Command("sweep --mappings 0,100 --method all --spawns 20", 3, 1.5),
    Command("sweep --mappings 10 --method fork-server,vfork --time 500ms", 3, 1.0),
    Command("sweep --mappings 10 --child exit --spawns 50", 1, 0.5),
    Command("sweep --mappings 10 --pages 100 --backing file --spawns 20 --cpu any", 1, 0.5),
    Command("sweep --mappings 10 --pages 100 --backing shared --spawns 20", 1, 0.5),
    Command("sweep --mappings 0,10 --huge --spawns 20", 1, 0.7),
    Command("sweep --malloc 1000x10000 --spawns 20", 1, 0.5),
    Command("sweep --mappings 10 --fds 0,200 --spawns 20", 1, 0.7),
    Command("sweep --mappings 10 --threads 10 --spawns 20", 1, 0.5),
    # Of one CPU it says that there is none for the other.
    Command("sweep --mappings 10 --jobs 1,2 --method fork,vfork --time 600ms", 3, 1.0, (0, 2)),
    Command("sweep --mappings 0 --spawns 3 --cold --method fork", 1, 0.5),
    Command("sweep --mappings 0 --spawns 20 -- sh -c :", 2, 0.5),
    # Each leaves a daemon.
    Command(
        "sweep --mappings 0 --method fork-server,fork --spawns 9 -- setsid -f sleep 600", 3, 0.6
    ),
    Command(f"sweep --mappings 0 --timeout 1s -- {HANGS}", 2, 1.5, (3,)),
    Command("sweep --mappings 0,10 --time 600ms --vs '--fds 50'", 4, 1.0),
    Command("sweep --mappings 0 --method vfork --time 600ms --vs '-- setsid -f sleep 600'", 3, 1.0),
    Command("reproduce posix-spawn-2011 --time 800ms --vs '--cpu any'", 2, 1.5),
    Command(f"sweep --mappings 0 --method vfork --time 800ms {SETS}", 4, 1.2),
    Command("explain --mappings 100 --time 800ms", 3, 1.3),
    Command("explain --mappings 10 --child exit --time 500ms --tree", 1, 1.0),
    Command("explain --pid {target} --time 600ms", 3, 1.2),
    Command("explain --pid {target} --ledger --time 800ms", 2, 1.8),
    Command("explain --shape {data}/shapes/shape-threads.json --time 500ms", 2, 1.2),
    Command("reproduce posix-spawn-2011 --time 500ms", 2, 2.0),
    Command("reproduce hotos-2019 --time 500ms", 1, 2.0),
    Command("reproduce mt-dup-2023 --time 500ms", 1, 2.0),
    Command("reproduce pte-batching-2024 --time 500ms", 1, 2.0),
    Command("reproduce python-2014 --iterations 3 --repeats 2", 3, 1.5),
    Command("card --quick", 1, 14.0),
    Command("advise --pid {target} --time 600ms", 3, 1.5),
    Command("advise --mappings 100 --fds 100 --time 600ms", 2, 1.5),
    Command("shape --pid {target}", 4, 0.02),
    Command("shape --shape {data}/shapes/shape-threads.json", 2, 0.01),
    Command("compare {data}/sweep.json {data}/sweep-methods.json", 3, 0.03),
    Command("show {data}/card.json", 3, 0.03),
]


# How long commands took here.
lengths = {}

# Files that are there before each run, and links to one of them and to nothing.
OLD = {
    "old.json": (DATA / "sweep.json").read_bytes(),
    "behind.json": (DATA / "sweep-exit.json").read_bytes(),
    "shape.json": (DATA / "shapes/shape.json").read_bytes(),
    "old.csv": b"precious\n",
}
LINKS = {"link.json": "behind.json", "nowhere.json": "somewhere.json"}
EXPORTS = ["old.json", "link.json", "nowhere.json", "new.json", "old.csv", "new.csv"]
SHAPES = ["shape.json", "link.json", "nowhere.json", "new.json"]


# What is done to a run.


def complete(command, rng, tool):
    """The words of a command with the files that its result goes to, which the tool keeps
    in mind."""
    words = shlex.split(command.words.format(data=DATA, target=tool.target and tool.target.pid))
    options = []
    if command.name in ("sweep", "explain", "reproduce", "card", "advise"):
        options += ["--env", f"{MARK}={tool.mark}"]
        options += ["--quiet"] if rng.random() < 0.5 else []
    is_shape = command.name == "shape"
    tool.exports = rng.sample(SHAPES, 1) if is_shape else rng.sample(EXPORTS, rng.randint(1, 3))
    for name in tool.exports:
        options += ["-o" if is_shape else "--export", name]
    program = words.index("--") if "--" in words else len(words)
    return words[:program] + options + words[program:]


def choose(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


def await_moment(tool, command, rng):
    """Waits for a moment: any, one close to the start, or while the result is written. What
    there is to be hit is then known already, as a result is written in no time."""
    seconds = lengths.get(command, command.seconds)
    kind = choose(rng, {"any": 5, "start": 2, "result": 3})
    begin = time.monotonic()
    if kind == "result":
        victims = await_result(tool, command)
        lengths[command] = time.monotonic() - begin
        time.sleep(rng.expovariate(1 / 0.0005))
        return kind, victims
    usual = rng.uniform(0, 0.9 * seconds)
    delay = usual if kind == "any" else rng.expovariate(1 / min(0.05, seconds / 4))
    while (left := begin + delay - time.monotonic()) > 0:
        if tool.process.poll() is not None:
            lengths[command] = time.monotonic() - begin
            break
        time.sleep(min(left, 0.02))
    return kind, tool.victims() if command.is_supervised() else {}


def await_result(tool, command):
    victims, looked = {}, 0
    before = set(os.listdir(tool.work))
    until = time.monotonic() + END_SECONDS
    while (now := time.monotonic()) < until and tool.process.poll() is None:
        if os.stat(tool.folder / "out").st_size or set(os.listdir(tool.work)) != before:
            break
        if command.is_supervised() and now - looked > 0.05:
            victims, looked = tool.victims(), now
        time.sleep(0.0003)
    return victims


def strike(tool, rng, victims, sent):
    """Sends a signal to a process of the tool; gives whom it reached."""
    victims = {kind: living for kind, known in victims.items() if (living := alive(known))}
    if tool.process.poll() is None:
        # It was not waited for, so that its number is still its own.
        victims = victims | {"tool": [(tool.pid, None)], "group": [(tool.pid, None)]}
    if not victims:
        return []
    kind, name = choose(rng, {kind: VICTIMS[kind] for kind in victims}), choose(rng, SIGNALS)
    killed = {victim for victim, other in sent if other == "KILL"}
    if name == "KILL" and killed | {kind} >= {"supervisor", "run"}:
        name = "TERM"
    pid, _ = rng.choice(victims[kind])
    try:
        (os.killpg if kind == "group" else os.kill)(pid, getattr(signal, f"SIG{name}"))
        return [(kind, name)]
    except ProcessLookupError:
        return []


def alive(known):
    """Those of the processes that are there yet, and nobody else with their number."""
    found = [(pid, start, stat(pid)) for pid, start in known]
    return [(pid, start) for pid, start, now in found if now and now[3] == start and now[1] != "Z"]


def strike_all(tool, rng, victims):
    """One signal, or two: whom they reached, and which."""
    if tool.process.poll() is not None:
        return []
    if tool.target and rng.random() < 0.25:
        tool.target.kill()
        return [("target", "KILL")]
    sent = strike(tool, rng, victims, [])
    if rng.random() < 0.3:
        time.sleep(rng.expovariate(1 / 0.01))
        sent += strike(tool, rng, victims, sent)
    return sent


# What must be so after it.


def statuses(sent, command):
    """The statuses that tell of what was done to it."""
    allowed = set(command.ends)
    for victim, name in sent:
        number = getattr(signal, f"SIG{name}")
        if victim in ("worker", "below"):
            allowed |= {1, 3}
            # It may have been who restores.
            allowed |= {5} if SETS in command.words else set()
        elif victim == "target":
            allowed |= {1, 2}
        elif name != "KILL":
            allowed |= {128 + number, -number}
        else:
            allowed.add(-number if victim in ("tool", "group") else 1)
        if victim == "attendant" and name == "KILL":
            allowed.add(5)
    return allowed


class Look:
    """All that is looked at after a run."""

    def __init__(self, command, tool, sent, outcome):
        self.command, self.tool, self.sent, self.outcome = command, tool, sent, outcome
        self.status = tool.process.returncode
        self.fault = outcome.faults.append

    def all(self):
        self.look_at_ours()
        self.look_at_strangers()
        self.look_at_status()
        self.look_at_files()
        self.look_at_host()

    def look_at_ours(self):
        until = time.monotonic() + LEFT_SECONDS
        while left := dict(self.tool.left()):
            if time.monotonic() > until:
                self.fault(f"left behind: {', '.join(left.values())}")
                return
            time.sleep(0.01)

    def look_at_strangers(self):
        ended = {victim for victim, _ in self.sent}
        for name, pid in self.tool.strangers():
            known = stat(pid) if pid else None
            is_alive = known and known[0] in ("sleep", "sh") and known[1] not in "ZTt"
            if not is_alive and name not in ended:
                self.fault(f"somebody else's process, the {name}, is gone or stopped: {known}")

    def look_at_host(self):
        """A setup is undone once; what is begun and ended by a signal may be anything."""
        host = self.tool.folder / "host"
        done = host.read_text().split() if host.exists() else []
        self.outcome.counts["with a setup"] += bool(done)
        struck = {("below", name) for name in SIGNALS} | {("attendant", "KILL")}
        if done and not struck & set(self.sent):
            if done.count("-") != 1 or done[-1] != "-":
                self.fault(f"the host was not restored once and last: {done}")

    def look_at_status(self):
        said = self.tool.text("err")
        self.outcome.counts[f"status {self.status}"] += 1
        allowed = statuses(self.sent, self.command)
        if self.status not in allowed:
            self.fault(f"status {self.status} and none of {sorted(allowed)}: {said[-300:]!r}")
        if 0 < self.status < 128 and "forktax: " not in said:
            self.fault(f"status {self.status} without a message")
        if "panicked" in said:
            self.fault(f"a panic: {said!r}")

    def look_at_files(self):
        work, kills = self.tool.work, [victim for victim, name in self.sent if name == "KILL"]
        parts = {name for name in os.listdir(work) if name.endswith(".part")}
        self.outcome.counts["a .part left by SIGKILL"] += len(parts)
        if parts and not set(kills) & {"tool", "group", "run", "supervisor"}:
            self.fault(f"left without a SIGKILL: {parts}")
        expected = set(OLD) | {LINKS.get(name, name) for name in self.tool.exports} | set(LINKS)
        if others := set(os.listdir(work)) - parts - expected - {"trace"}:
            self.fault(f"files that nobody asked for: {others}")
        if others := os.listdir(self.tool.folder / "tmp"):
            self.fault(f"temporary files: {others}")
        if any(not (work / link).is_symlink() for link in LINKS):
            self.fault("a link was replaced")
        new = {name for name in self.tool.exports if self.is_new(name)}
        for name in set(OLD) - {LINKS.get(name, name) for name in self.tool.exports}:
            if (work / name).read_bytes() != OLD[name]:
                self.fault(f"{name} was changed, and nobody asked for that")
        documents = [self.document(name) for name in sorted(new) if name.endswith(".json")]
        self.look_at_completeness(new, [document for document in documents if document])
        self.look_at_store()

    def is_new(self, name):
        """Whether there is something else than before."""
        try:
            return (self.tool.work / name).read_bytes() != OLD.get(LINKS.get(name, name))
        except FileNotFoundError:
            if LINKS.get(name, name) in OLD:
                self.fault(f"{name} is lost")
            return False

    def document(self, name):
        """A whole result."""
        path = self.tool.work / name
        reading = ["shape", "--shape"] if self.command.name == "shape" else ["show"]
        read = subprocess.run([self.tool.binary, *reading, path], capture_output=True, check=False)
        if read.returncode or not read.stdout:
            self.fault(f"{name} is neither what it was nor a whole result: {read.stderr!r}")
            return None
        return json.loads(path.read_bytes())

    def look_at_completeness(self, new, documents):
        printed = (self.tool.folder / "out").stat().st_size > 0
        self.outcome.counts["with a result"] += bool(new)
        if self.status == 0 and not printed:
            self.fault("status 0 and nothing printed")
        # What has no handler for a signal may end between the two.
        is_cut = self.status < 0 or ("run", "KILL") in self.sent
        if printed and not is_cut and (missing := set(self.tool.exports) - new):
            self.fault(f"printed and not written: {missing}")
        for name in new:
            if name.endswith(".csv"):
                self.look_at_table(name)
        for document in documents:
            run = document.get("by_turns", {}).get("a", document).get("run", {})
            is_whole = run.get("stopped") in (None, "precision", "time", "spawns", "out_of_reach")
            if self.status == 0 and not is_whole:
                self.fault(f"status 0 of a run that was stopped: {run}")
            self.outcome.counts["with a part of the result"] += not is_whole

    def look_at_table(self, name):
        text = (self.tool.work / name).read_text()
        rows = list(csv.reader(io.StringIO(text)))
        if not text.endswith("\n") or {len(row) for row in rows} != {18} or len(rows) < 2:
            self.fault(f"{name} is no whole table")

    def look_at_store(self):
        folder = self.tool.folder / "cache/forktax"
        for path in folder.glob("*") if folder.exists() else []:
            read = [self.tool.binary, "show", path]
            if path.suffix == ".json" and subprocess.run(read, capture_output=True).returncode:
                self.fault(f"the stored card {path.name} is not whole")


def prepare(folder, binary):
    for name in ("work", "tmp", "cache"):
        (folder / name).mkdir()
    try:
        os.link(binary, folder / "forktax")
    except OSError:
        shutil.copy(binary, folder / "forktax")
    for name, content in OLD.items():
        (folder / "work" / name).write_bytes(content)
    for name, target in LINKS.items():
        (folder / "work" / name).symlink_to(target)


def run(binary, seed, number, folder):
    rng = random.Random(f"{seed}/{number}")
    command = rng.choices(COMMANDS, [command.weight for command in COMMANDS])[0]
    prepare(folder, binary)
    delay = rng.uniform(0, min(command.seconds, 2))
    words = functools.partial(complete, command, rng)
    tool = Tool(words, folder, rng, delay, "{target}" in command.words)
    outcome = Outcome(" ".join(tool.words))
    try:
        if not tool.awaits_its_begin():
            outcome.faults.append(f"it did not start: {tool.text('err')}")
        moment, victims = await_moment(tool, command, rng)
        sent = strike_all(tool, rng, victims)
        signals = [f"SIG{name} to {victim}" for victim, name in sent]
        outcome.what += f" [{moment}: {', '.join(signals) or 'it had ended'}]"
        outcome.counts.update([command.name, *signals])
        outcome.counts[f"moment: {moment}{'' if sent else ', but it had ended'}"] += 1
        outcome.counts["two signals"] += len(sent) == 2
        try:
            tool.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            outcome.faults.append(f"it does not end: {dict(tool.left())}")
            tool.process.kill()
            tool.process.wait()
        Look(command, tool, sent, outcome).all()
    finally:
        tool.end()
    return outcome


def main():
    given = arguments(__doc__, 1000)
    # A shell ignores some for what it starts in the background, and all below would do so.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    one = functools.partial(run, given.binary, given.seed)
    return carry_out(given, one, {"with a result": 0.2})


if __name__ == "__main__":
    sys.exit(main())
