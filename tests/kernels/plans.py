"""What guests are asked, and what their answers are checked for."""

import dataclasses

import checks
from checks import Checks


@dataclasses.dataclass(frozen=True)
class Step:
    """A command in a guest, whose files begin with its name."""

    name: str
    command: str
    user: str = "root"
    status: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """A guest's commands, how it is booted, and what to check: functions of `checks` and
    their arguments."""

    name: str
    steps: list
    claims: list
    options: str = ""
    cpu: str = "max"
    prepare: str = ""

    def check(self, found: Checks):
        found.run(checks.statuses, self.steps)
        for claim, *arguments in self.claims:
            found.run(claim, *arguments)


def measured(name, words, **how):
    """A command of forktax that leaves its document."""
    return Step(name, f"forktax {words} -q --seed 1 --export {name}.json", **how)


CGROUP_V2 = """
mkdir -p /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
"""

HOLDERS = """
holder & echo $! >/tmp/roots
su -s /bin/sh nobody -c 'holder & echo $! >/tmp/nobodys'
"""

USUAL = Plan(
    "as it is",
    [
        measured("sweep", "sweep --mappings 0,1k --method all --time 9s"),
        measured("explain", "explain --mappings 500 --time 15s"),
        Step("shape", "forktax shape --pid $(cat /tmp/roots) -o shape.json"),
        Step("smaps", "cat /proc/$(cat /tmp/roots)/smaps"),
        measured("process", "explain --pid $(cat /tmp/roots) --time 7s"),
        measured("advise", "advise --shape shape.json --time 6s"),
        measured("card", "card --quick --no-store"),
        Step("again", "forktax show sweep.json"),
        Step("csv", "forktax show card.json --format csv"),
        Step("compare", "forktax compare sweep.json sweep.json"),
        measured("user-sweep", "sweep --mappings 0,1k --time 4s", user="nobody"),
        measured("user-explain", "explain --mappings 200 --time 4s", user="nobody"),
        Step("user-shape", "forktax shape --pid $(cat /tmp/nobodys) -o user-shape.json", "nobody"),
        Step("user-refused", "forktax shape --pid 1", "nobody", status=2),
        Step("bad-argument", "forktax sweep --mappings many", status=2),
        Step("no-program", "forktax sweep -- /no/program", status=3),
        Step("no-folder", "forktax sweep --export /no/folder.json", status=4),
        Step("failing", "forktax sweep -- false", status=3),
    ],
    [
        (checks.sweep, "sweep", 1000),
        (checks.methods, "sweep"),
        (checks.explanation, "explain", 500),
        (checks.shape, "shape", "smaps.out"),
        (checks.huge_pages, "shape", True),
        (checks.process, "process"),
        (checks.advice, "advise"),
        (checks.card, "card"),
        (checks.same_answer, "again", "sweep"),
        (checks.says, "compare.out", "no difference"),
        (checks.sweep, "user-sweep", 1000),
        (checks.unprivileged, "user-explain"),
        (checks.shape, "user-shape"),
        (checks.refused, "user-refused", "run as the owner of process 1, or as root"),
        (checks.refused, "no-program", "/no/program"),
        (checks.refused, "no-folder", "/no/folder.json"),
    ],
    prepare=CGROUP_V2 + HOLDERS,
)

VARIANTS = []
