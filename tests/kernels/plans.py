"""What guests are asked, and what their answers are checked for."""

import dataclasses
import errno

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
    """A guest's commands, how it is booted, what to check (functions of `checks` and their
    arguments), and files that it brings from other guests."""

    name: str
    steps: list
    claims: list
    options: str = ""
    cpu: str = "max"
    prepare: str = ""
    brings: tuple = ()

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
GENERATIONS = "generations >/tmp/youngest &\n"
TRACED = "forktax trace -q --call-times"

# A shell that spawns 20 times.
SPAWNING = "sh -c 'n=0; while [ $n -lt 20 ]; do /bin/busybox true; n=$((n+1)); done; exit 3'"

AT_ONCE = "fork,posix_spawn,posix_spawn+helper"

USUAL = Plan(
    "as it is",
    [
        measured("sweep", "sweep --mappings 0,1k --method all --spawns 8"),
        measured("jobs", f"sweep --jobs 1,2 --mappings 500 --method {AT_ONCE} --spawns 8"),
        measured("explain", "explain --mappings 500 --spawns 10"),
        Step("shape", "forktax shape --pid $(cat /tmp/roots) -o shape.json"),
        Step("smaps", "cat /proc/$(cat /tmp/roots)/smaps"),
        measured("process", "explain --pid $(cat /tmp/roots) --time 7s"),
        measured("rewrite", "explain --shape shape.json --rewrite 100 --time 6s"),
        Step("generations", "forktax shape --pid $(cat /tmp/youngest) -o generations.json"),
        measured("descendant", "explain --shape generations.json --time 4s"),
        Step("trace", f"{TRACED} --export trace.json -- spawner 2>/dev/null"),
        Step("user-trace", f"{TRACED} --export user-trace.json -- spawner 2>/dev/null", "nobody"),
        measured("advise", "advise --shape shape.json --time 6s"),
        measured("card", "card --quick --no-store"),
        Step("no-tracefs", "forktax trace --all", status=2),
        Step("tracefs", "mount -t tracefs tracefs /sys/kernel/tracing"),
        Step("points", f"forktax trace -q --export points.json -- {SPAWNING}", status=3),
        Step("again", "forktax show sweep.json"),
        Step("csv", "forktax show card.json --format csv"),
        Step("compare", "forktax compare sweep.json sweep.json --export compare.json"),
        measured("user-sweep", "sweep --mappings 0,1k --spawns 8", user="nobody"),
        measured("user-explain", "explain --mappings 200 --spawns 8", user="nobody"),
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
        (checks.jobs, "jobs", AT_ONCE.split(",")),
        (checks.guest, "sweep"),
        (checks.explanation, "explain", 500),
        (checks.shape, "shape", "smaps.out"),
        (checks.huge_pages, "shape", True),
        (checks.process, "process"),
        (checks.written_again, "rewrite"),
        (checks.generations, "generations"),
        (checks.process, "descendant"),
        (checks.ways, "trace"),
        (checks.ways, "user-trace"),
        (checks.advice, "advise"),
        (checks.card, "card"),
        (checks.refused, "no-tracefs", "mount -t tracefs"),
        (checks.traced, "points", 20),
        (checks.same_answer, "again", "sweep"),
        (checks.no_difference, "compare"),
        (checks.sweep, "user-sweep", 1000),
        (checks.unprivileged, "user-explain"),
        (checks.shape, "user-shape"),
        (checks.refused, "user-refused", "run as the owner of process 1, or as root"),
        (checks.refused, "no-program", "/no/program"),
        (checks.refused, "no-folder", "/no/folder.json"),
    ],
    prepare=CGROUP_V2 + HOLDERS + GENERATIONS,
)

IN_GROUPS = [
    Step("groups", "cat /proc/self/mounts"),
    Step("in-group", "small forktax sweep --mappings 0,500 -q --spawns 12 --export in-group.json"),
    Step("no-room", "small forktax sweep --mappings 1 --pages 100k", status=2),
    Step("no-pids", "few forktax sweep --mappings 1", status=2),
]


def within(group, files):
    """A command that executes another one within control groups."""
    enter = "; ".join(f"echo $$ >{file}/cgroup.procs" for file in files)
    return f"""
printf '#!/bin/sh\\n{enter}\\nexec "$@"\\n' >/bin/{group}
chmod +x /bin/{group}
"""


def limited(name, group, mebibytes=0):
    """A forker in a control group, whose number is in a file of that name."""
    return f"sh -c 'echo $$ >{group}/cgroup.procs; exec forker {mebibytes}' & echo $! >/tmp/{name}\n"


GROUPS_V1 = (
    """
mount -t tmpfs groups /sys/fs/cgroup
for controller in memory pids; do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller $controller /sys/fs/cgroup/$controller
done
mkdir /sys/fs/cgroup/cpu
mount -t cgroup -o cpu cpu /sys/fs/cgroup/cpu
mkdir /sys/fs/cgroup/memory/small /sys/fs/cgroup/pids/few /sys/fs/cgroup/pids/full
mkdir /sys/fs/cgroup/cpu/slow
echo 200M >/sys/fs/cgroup/memory/small/memory.limit_in_bytes
echo 3 >/sys/fs/cgroup/pids/few/pids.max
echo 1 >/sys/fs/cgroup/pids/full/pids.max
echo 10000 >/sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us
"""
    + limited("full", "/sys/fs/cgroup/pids/full")
    + limited("slow", "/sys/fs/cgroup/cpu/slow")
    + within("small", ["/sys/fs/cgroup/memory/small"])
    + within("few", ["/sys/fs/cgroup/pids/few"])
)

GROUPS_V2 = (
    CGROUP_V2
    + """
echo "+memory +pids +cpu" >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/small /sys/fs/cgroup/few /sys/fs/cgroup/full /sys/fs/cgroup/slow
echo 200M >/sys/fs/cgroup/small/memory.max
echo 3 >/sys/fs/cgroup/few/pids.max
echo 1 >/sys/fs/cgroup/full/pids.max
echo "10000 100000" >/sys/fs/cgroup/slow/cpu.max
"""
    + limited("full", "/sys/fs/cgroup/full")
    + limited("slow", "/sys/fs/cgroup/slow")
    + within("small", ["/sys/fs/cgroup/small"])
    + within("few", ["/sys/fs/cgroup/few"])
)

SHAPE = Step("shape", "forktax shape --pid $(cat /tmp/roots) -o shape.json")


def of_forker(name, status=0):
    """What forktax says of a forker, and what forks of its own come to."""
    own = f"$(cat /tmp/{name})"
    told = f"/tmp/forked.{own}"
    asked = f"kill -USR1 {own}; for i in $(seq 300); do [ -e {told} ] && break; sleep 0.1; done"
    return [
        Step(name, f"forktax explain --pid {own} --time 3s -q", status=status),
        Step(f"{name}-itself", f"{asked}; cat {told}"),
    ]

# Of a guest's GiB: one forker has more in one mapping, and one more than half. No worker can
# be like the latter where nothing may be committed twice.
LARGE = """
echo 1 >/proc/sys/vm/overcommit_memory
forker 1500 & echo $! >/tmp/wide
forker 550 & echo $! >/tmp/large
sleep 1
echo 0 >/proc/sys/vm/overcommit_memory
"""
TWICE = Step(
    "twice",
    "kill $(cat /tmp/wide); echo 90 >/proc/sys/vm/overcommit_ratio;"
    " echo 2 >/proc/sys/vm/overcommit_memory",
)

# Enough workers for verdicts.
TO_COMPARE = "--mappings 0,500 --method fork,posix_spawn --spawns 24"

PTI = Plan(
    "kernel page tables apart, pages cleared",
    [measured("sweep", f"sweep {TO_COMPARE}")],
    [
        (checks.sweep, "sweep", 500),
        (checks.boot_option, "sweep", "pti=on"),
        (checks.boot_option, "sweep", "init_on_alloc=1"),
    ],
    options="pti=on init_on_alloc=1",
    prepare=CGROUP_V2,
)

NO_CLONE3 = Step(
    "filtered",
    "without_clone3 forktax sweep -q --mappings 0 --spawns 12"
    " --method fork,posix_spawn,clone3-vfork --export filtered.json",
)
PERF_FOR_ALL = CGROUP_V2 + "echo -1 >/proc/sys/kernel/perf_event_paranoid\n"

VARIANTS = [
    Plan(
        "control groups of version 1, no huge pages",
        [
            *IN_GROUPS,
            SHAPE,
            *of_forker("full"),
            *of_forker("slow"),
            Step("slow-group", "cat /sys/fs/cgroup/cpu/slow/cpu.stat"),
        ],
        [
            (checks.says, "groups.out", "cgroup rw,relatime,memory"),
            (checks.sweep, "in-group", 500),
            (checks.refused, "no-room", "/sys/fs/cgroup/memory/small/memory.limit_in_bytes"),
            (checks.refused, "no-pids", "/sys/fs/cgroup/pids/few/pids.max"),
            (checks.cannot_fork, "full", "/sys/fs/cgroup/pids/full/pids.max", errno.EAGAIN),
            (checks.throttled, "slow", "/sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us"),
            (checks.shape, "shape"),
            (checks.huge_pages, "shape", False),
        ],
        options="transparent_hugepage=never",
        prepare=GROUPS_V1 + HOLDERS,
    ),
    Plan(
        "control groups of version 2, huge pages always",
        [
            *IN_GROUPS,
            SHAPE,
            measured("huge", "sweep --huge --mappings 0,20 --spawns 8"),
            *of_forker("full"),
            *of_forker("slow"),
            Step("slow-group", "cat /sys/fs/cgroup/slow/cpu.stat"),
        ],
        [
            (checks.says, "groups.out", "cgroup2 rw,relatime"),
            (checks.sweep, "in-group", 500),
            (checks.refused, "no-room", "/sys/fs/cgroup/small/memory.max"),
            (checks.refused, "no-pids", "/sys/fs/cgroup/few/pids.max"),
            (checks.cannot_fork, "full", "/sys/fs/cgroup/full/pids.max", errno.EAGAIN),
            (checks.throttled, "slow", "/sys/fs/cgroup/slow/cpu.max"),
            (checks.shape, "shape"),
            (checks.huge_pages, "shape", True),
            (checks.huge_sweep, "huge", 20),
        ],
        options="transparent_hugepage=always",
        prepare=GROUPS_V2 + HOLDERS,
    ),
    Plan(
        "memory that may not be committed twice",
        [*of_forker("wide"), TWICE, *of_forker("large", status=2)],
        [
            (checks.cannot_fork, "wide", "vm.overcommit_memory = 0", errno.ENOMEM),
            (checks.cannot_fork, "large", "vm.overcommit_memory = 2", errno.ENOMEM),
        ],
        prepare=CGROUP_V2 + LARGE,
    ),
    PTI,
    Plan(
        "five levels of page tables, nopti",
        [
            Step("cpuinfo", "cat /proc/cpuinfo"),
            measured("sweep", f"sweep {TO_COMPARE}"),
            measured("explain", "explain --mappings 500 --spawns 10"),
            Step("compare", "forktax compare /brought/sweep.json sweep.json --export compare.json"),
        ],
        [
            (checks.says, "cpuinfo.out", " la57"),
            (checks.boot_option, "sweep", "nopti"),
            (checks.explanation, "explain", 500),
            (checks.levels, "explain", 5),
            (checks.differs, "compare", "boot"),
            (checks.judged, "compare"),
        ],
        options="nopti",
        cpu="max,la57=on",
        prepare=CGROUP_V2,
        brings=((PTI.name, "sweep.json"),),
    ),
    Plan(
        "four levels of page tables, no clone3, perf events for everybody",
        [
            Step("cpuinfo", "cat /proc/cpuinfo"),
            measured("explain", "explain --mappings 500 --spawns 10", user="nobody"),
            NO_CLONE3,
        ],
        [
            (checks.says_not, "cpuinfo.out", " la57"),
            (checks.explanation, "explain", 500),
            (checks.levels, "explain", 4),
            (checks.lacks, "filtered", "clone3-vfork"),
        ],
        options="no5lvl",
        cpu="max,la57=on",
        prepare=PERF_FOR_ALL,
    ),
]

ARM64_VARIANTS = [
    Plan(
        "addresses of 52 bits",
        [measured("explain", "explain --mappings 500 --spawns 10")],
        [(checks.explanation, "explain", 500), (checks.levels, "explain", 5)],
        prepare=CGROUP_V2,
    ),
    Plan(
        "addresses of 48 bits, no clone3, perf events for everybody",
        [measured("explain", "explain --mappings 500 --spawns 10", user="nobody"), NO_CLONE3],
        [
            (checks.explanation, "explain", 500),
            (checks.levels, "explain", 4),
            (checks.lacks, "filtered", "clone3-vfork"),
        ],
        cpu="max,lpa2=off",
        prepare=PERF_FOR_ALL,
    ),
]
