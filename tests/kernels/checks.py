"""What the answers from a guest must say, whatever its kernel.

Times are those of an emulated machine: only orderings with wide margins, counts and
sums are looked at.
"""

import errno
import json
import re
import traceback


class Checks:
    """The answers of one guest, and what was found of them."""

    def __init__(self, folder):
        self.folder = folder
        self.passed = 0
        self.failures = []

    def that(self, holds, claim):
        if holds:
            self.passed += 1
        else:
            self.failures.append(claim)

    def run(self, check, *arguments):
        """One group of claims; an answer that lacks what they are about fails them."""
        try:
            check(self, *arguments)
        except (KeyError, IndexError, StopIteration, TypeError, ValueError, OSError) as error:
            told = traceback.extract_tb(error.__traceback__)[-1]
            self.failures.append(f"{check.__name__}{arguments}: {error!r} in line {told.lineno}")

    def read(self, name):
        return json.loads(self.text(name))

    def text(self, name):
        return (self.folder / name).read_text(errors="replace")


def missing_figures(part, path=""):
    """All missing figures below a part of a document, with their paths."""
    if isinstance(part, list):
        part = dict(enumerate(part))
    if isinstance(part, dict):
        if "missing" in part:
            yield path, part
        for key, below in part.items():
            yield from missing_figures(below, f"{path}/{key}")


def statuses(checks, plan):
    """Each command ended as it should, and what is missing says why."""
    for step in plan:
        status = int(checks.text(f"{step.name}.status"))
        said = checks.text(f"{step.name}.err").strip()
        checks.that(status == step.status, f"{step.name}: status {status}: {said}")
        if step.status == 0 and step.command.startswith("forktax"):
            checks.that("panicked" not in said and not said, f"{step.name}: said {said}")
    for path in sorted(checks.folder.glob("*.json")):
        document = checks.read(path.name)
        figures = missing_figures(document)
        untold = [where for where, figure in figures if not figure.get("reason")]
        checks.that(not untold, f"{path.name}: no reason is given at {untold}")
        if "noise" in document:
            noise(checks, path.name, document)


def traced(checks, name, spawns):
    """A shell was watched by tracepoints: each of its spawns, with call, program and end."""
    document = checks.read(f"{name}.json")
    found = document["findings"]["trace"]
    checks.that(found["watched"] == "tracepoints", f"{name}: watched by {found['watched']}")
    checks.that(not document["caveats"], f"{name}: {document['caveats']}")
    counted = sum(path["spawns"] for path in found["paths"])
    checks.that(counted == spawns, f"{name}: {counted} spawns")
    checks.that(found["incomplete"] == 0, f"{name}: {found['incomplete']} are incomplete")
    checks.that(found["left_running"] == 0, f"{name}: {found['left_running']} go on")
    for spawn in found["spawns"]:
        whole = spawn["ending"] == {"exit": 0} and 0 < spawn["call_ns"]
        whole = whole and spawn["to_exec_ns"] < spawn["life_ns"] and "caller" in spawn
        checks.that(whole, f"{name}: {spawn}")


def noise(checks, name, document):
    """What else the guest did is told round by round, or why it is not."""
    told = document["noise"]
    checks.that(len(told["rounds"]) >= document["run"]["rounds"], f"{name}: rounds are missing")
    for span in [told["whole"], *told["rounds"]]:
        shares = {key: value for key, value in span.items() if key.endswith("_share")}
        known = [value for value in shares.values() if not isinstance(value, dict)]
        checks.that(all(0 <= value <= 1 for value in known), f"{name}: shares are {shares}")
    waited = told["whole"]["run_delay_ns"]
    checks.that(not isinstance(waited, dict), f"{name}: what workers waited is {waited}")


def median(cell, figure="total_ns"):
    return cell[figure]["median"]["value"]


def cell_of(cells, method, mappings):
    found = (c for c in cells if c["method"] == method)
    return next(c for c in found if c["space"]["request"]["mappings"] == mappings)


def sweep(checks, name, mappings):
    """Forks from many mappings are dear, other ways to spawn are not, and the parent is
    the one that was ordered."""
    document = checks.read(f"{name}.json")
    checks.that("noise" in document, f"{name}: the guest was not watched")
    cells = document["findings"]["sweep"]["cells"]
    fork, spawn = (cell_of(cells, m, mappings) for m in ("fork", "posix_spawn"))
    empty = cell_of(cells, "fork", 0)
    checks.that(median(fork) > 2 * median(spawn), f"{name}: fork is not dearer than posix_spawn")
    checks.that(median(fork) > 1.5 * median(empty), f"{name}: mappings do not add to a fork")
    checks.that(median(fork) >= median(fork, "call_ns"), f"{name}: a call outlasts the spawn")
    grown, before = fork["space"]["parent"], fork["space"]["before"]
    for figure in "vmas", "anon_vmas", "ptes":
        added = grown["mappings"][figure] - before["mappings"][figure]
        off = abs(added - mappings)
        checks.that(off <= 16 + mappings / 50, f"{name}: {mappings} mappings add {added} {figure}")
    for cell in cells:
        child = cell["minor_faults"]["child"]
        value = child["value"] if "value" in child else None
        checks.that(value is None or 0 < value < 200, f"{name}: {value} faults of a child")


def methods(checks, name):
    """Every way to spawn was there, or it is one that the libc lacks, and says so."""
    cells = checks.read(f"{name}.json")["findings"]["sweep"]["cells"]
    for cell in cells:
        total = cell["total_ns"]
        lacks = cell["method"] == "pidfd_spawn" and "glibc 2.39" in total.get("reason", "")
        checks.that("median" in total or lacks, f"{name}: {cell['method']} has no total: {total}")


def jobs(checks, name, methods):
    """Each method is timed with one parent and with two, and all of them are counted; a helper
    is one program more."""
    cells = checks.read(f"{name}.json")["findings"]["sweep"]["cells"]
    of = {(cell["method"], cell["space"]["jobs"]): cell for cell in cells}
    for jobs in 1, 2:
        plain, helped = (median(of[method, jobs]) for method in methods[1:])
        checks.that(helped > plain, f"{name}: a helper takes {helped} ns, none {plain} ns")
        for method in methods:
            all_of_them = of[method, jobs]["all_per_second"]
            told = all_of_them.get("value", 0) > 0 or all_of_them.get("reason")
            checks.that(told, f"{name}: {method} of {jobs} parents comes to {all_of_them}")


def ledger_of(checks, name, explained):
    ledger = explained["ledger"]
    phases = {phase["phase"]: phase["ns"].get("value", 0) for phase in ledger["phases"]}
    total = ledger["total_ns"]["value"]
    sum_ns = sum(phases.values()) + ledger["unexplained_ns"]["value"]
    what = f"{name}: {explained['method']}"
    checks.that(abs(sum_ns - total) < 1, f"{what}: phases are {sum_ns} of {total} ns")
    checks.that(all(ns >= 0 for ns in phases.values()), f"{what}: a phase is below 0: {phases}")
    checks.that(ledger["lost"] == 0, f"{what}: {ledger['lost']} records were lost")
    whole = ledger["spawns"] > 2 * ledger["incomplete"]
    checks.that(whole, f"{what}: {ledger['incomplete']} of {ledger['spawns']} are incomplete")
    return phases


def mechanisms_of(checks, name, explained):
    found = explained["mechanisms"]
    shares = {share["mechanism"]: share["share"]["value"] for share in found["shares"]}
    what = f"{name}: {explained['method']}"
    checks.that(found["samples"] >= 20, f"{what}: {found['samples']} samples only")
    checks.that(abs(sum(shares.values()) - 1) < 1e-6, f"{what}: shares are not whole: {shares}")
    other = shares.get("other", 0)
    checks.that(other < 0.05, f"{what}: {other:.1%} of the samples are of no mechanism")
    return shares


def explanation(checks, name, mappings):
    """The ledger is whole, the kernel's functions are known, and its tables are found."""
    document = checks.read(f"{name}.json")
    found = document["findings"]["explanation"]
    fork, spawn = found["methods"]
    phases, others = (ledger_of(checks, name, explained) for explained in (fork, spawn))
    checks.that(phases["copy"] > 2 * others["copy"], f"{name}: the copy takes no longer")
    torn = phases["exec_teardown"] > others["exec_teardown"]
    checks.that(torn, f"{name}: the copy is thrown away in no time")
    shares, _ = (mechanisms_of(checks, name, explained) for explained in (fork, spawn))
    copying = sum(shares.get(m, 0) for m in ("vma_duplication", "anon_vma", "page_table_copy"))
    checks.that(copying > 0.08, f"{name}: copying is {copying:.1%} of a fork")
    probe = found["exit_probe"]
    gaps = {
        "before_teardown": probe["after_record_ns"],
        "after_teardown": probe["before_record_ns"],
    }
    clear = 3 * sum(gaps.values()) < 4 * gaps[probe["order"]]
    checks.that(clear, f"{name}: when EXIT is recorded is not clear: {probe}")
    tables(checks, name, found, document["host"]["page_size"])
    # The parent's pages that were copied are written to again.
    after = [c for c in fork["faults"]["counts"] if c["phase"] == "parent_after"]
    checks.that(any(c["counted"]["value"] > 0 for c in after), f"{name}: no page is written again")


def levels(checks, name, count):
    """How many levels the page tables have, whatever addresses are in use."""
    found = checks.read(f"{name}.json")["findings"]["explanation"]
    names = [level["level"] for level in found["page_tables"]["levels"]]
    checks.that(len(names) == count, f"{name}: levels are {names}")


def guest(checks, name):
    """The host's description tells that it is a guest."""
    told = checks.read(f"{name}.json")["host"]["virtualisation"]
    checks.that("hypervisor" in told, f"{name}: virtualisation is {told}")


def tables(checks, name, found, page_size):
    """The tables that are counted are the kernel's, and each new page has an entry."""
    before, after = found["page_tables_before"], found["page_tables"]
    for built in before, after:
        levels = {level["level"]: level for level in built["levels"]}
        below = sum(levels[level]["tables"] for level in levels if level not in ("p4d", "pgd"))
        kernels = built["vm_pte_bytes"] / page_size
        checks.that(kernels * 0.7 <= below <= kernels, f"{name}: {below} of {kernels} tables")
    copied = [sum(kind["copied"] for kind in built["kinds"]) for built in (before, after)]
    asked = found["space"]["mappings"]
    off = abs(copied[1] - copied[0] - asked)
    checks.that(off <= 16 + asked / 50, f"{name}: {asked} pages add {copied} entries to copy")


def entries_per_table(page_size):
    return page_size // 8


def runs(mapping, kind):
    return sum(count for _, count in mapping.get(kind, []))


def shape(checks, name, smaps=None):
    """What holder.c has, page by page."""
    found = checks.read(f"{name}.json")
    mappings = found["mappings"]
    page_size = found["process"]["page_size"]
    most = 4 * entries_per_table(page_size)

    def one(claim, has):
        checks.that(sum(map(has, mappings)) == 1, f"{name}: {claim}")

    # Each of the 1,000 pages is a run of its own.
    scattered = [[page, 1] for page in range(0, 2000, 2)]
    one("1,000 scattered pages", lambda m: m["pages"] == 2000 and m.get("own") == scattered)
    one("300 shared pages", lambda m: m["permissions"] == "rw-s" and runs(m, "file") == 300)
    one("40 pages that no fork copies", lambda m: "dont_fork" in m.get("flags", []))
    one("four huge pages", lambda m: m["pages"] == runs(m, "own") + runs(m, "huge") == most)
    # Before Linux 6.7 such a page is not seen in a mapping with no other.
    unseen = "no_zero_pages" in found["process"].get("reservations", [])
    zero = [] if unseen else [[5, 1]]
    one("a page of zeros", lambda m: m["pages"] == 64 and m.get("zero", []) == zero)
    if smaps:
        lines = (line.split() for line in checks.text(smaps).splitlines())
        resident = sum(int(words[1]) << 10 for words in lines if words[0] == "Rss:")
        off = abs(found["process"]["resident_bytes"] - resident)
        checks.that(off <= 4 * page_size, f"{name}: resident memory is off by {off} bytes")


def huge_pages(checks, name, expected):
    """Whether the kernel gave huge pages where they were asked for."""
    found = checks.read(f"{name}.json")
    least = 3 * entries_per_table(found["process"]["page_size"])
    huge = sum(runs(mapping, "huge") for mapping in found["mappings"])
    checks.that((huge >= least) == expected, f"{name}: {huge} pages are in huge ones")


def process(checks, name):
    """The likeness has what the process has, and its parts add up to the fork."""
    found = checks.read(f"{name}.json")["findings"]["process"]
    for unit in found["replica"]["likeness"]["units"]:
        if unit["unit"] in ("vmas", "ptes"):
            off = abs(unit["built"] - unit["process"])
            checks.that(off <= 384 + unit["process"] / 20, f"{name}: {unit}")
    fork = found["blame"]["fork"]["total_ns"]["value"]
    rungs = sum(rung["cost"]["total_ns"]["value"] for rung in found["blame"]["rungs"])
    checks.that(abs(rungs / fork - 1) < 1e-6, f"{name}: rungs are {rungs} of {fork} ns")


def written_again(checks, name):
    """A page of each kind is dearer after a fork while the child has it than when it is gone."""
    rows = checks.read(f"{name}.json")["findings"]["process"]["rewritten"]
    forks = [row for row in rows if row["method"] == "fork"]
    checks.that(forks, f"{name}: nothing was written again")
    for row in forks:
        found = row["rewriting"]
        checks.that("missing" not in found, f"{name}: {row}")
        if row["of"] == "small":
            dearer = found["held_ns"]["value"] > found["tax_ns"]["value"] > 0
            checks.that(dearer, f"{name}: {row}")


def generations(checks, name):
    """The ancestors of generations.c that live are seen, in each of its mappings."""
    mappings = checks.read(f"{name}.json")["mappings"]
    of_three = [mapping for mapping in mappings if mapping.get("generations") == 3]
    checks.that(len(of_three) >= 200, f"{name}: {len(of_three)} mappings of three ancestors")


def ways(checks, name):
    """All spawns of spawner.c, by its functions."""
    found = checks.read(f"{name}.json")["findings"]["trace"]
    own = [caller.get("own", {}).get("function") for caller in found["callers"]]
    seen = {
        own[path["caller"]]: (path["copies"], path["spawns"], path["executed"])
        for path in found["paths"]
        if "caller" in path
    }
    expected = {"forks": (True, 10, 10), "vforks": (False, 10, 10), "spawns": (False, 10, 10)}
    checks.that(seen == expected, f"{name}: {seen}")
    timed = all("missing" not in path["call_ns"] for path in found["paths"])
    checks.that(timed, f"{name}: a call has no time")
    checks.that(found["incomplete"] == 0, f"{name}: {found['incomplete']} are incomplete")


def advice(checks, name):
    """Each remedy was tried, or it is said why not."""
    found = checks.read(f"{name}.json")["findings"]["advice"]
    outcomes = [remedy["outcome"] for remedy in found["remedies"]]
    checks.that(len(outcomes) >= 12, f"{name}: {len(outcomes)} remedies")
    tried = [outcome for outcome in outcomes if "verdict" in outcome]
    checks.that(len(tried) >= 4, f"{name}: only {len(tried)} remedies were tried")


def card(checks, name):
    """A larger parent is forked longer, by the prices that were found."""
    found = checks.read(f"{name}.json")["findings"]["card"]
    terms = {term["term"] for term in found["prices"]["terms"]}
    checks.that({"fixed", "vma", "pte"} <= terms, f"{name}: prices of {terms}")
    largest = max(found["trials"], key=lambda trial: trial["parent"]["mappings"]["vmas"])
    smallest = min(found["trials"], key=lambda trial: trial["parent"]["mappings"]["vmas"])
    of = [next(c for c in t["cells"] if c["method"] == "fork") for t in (largest, smallest)]
    checks.that(median(of[0]) > 2 * median(of[1]), f"{name}: mappings are free")


def refused(checks, name, words):
    """A refusal names what it is about."""
    said = checks.text(f"{name}.err")
    checks.that(words in said, f"{name}: {words!r} is not in: {said}")


def unprivileged(checks, name):
    """Without privileges what is left out is said, with what to do about it."""
    document = checks.read(f"{name}.json")
    paranoid = document["host"]["perf_event_paranoid"]
    found = document["findings"]["explanation"]
    for explained in found["methods"]:
        for part in "ledger", "mechanisms", "faults":
            lost = explained[part]
            told = lost.get("reason") and lost.get("remedy")
            checks.that(told, f"{name}: {part} at perf_event_paranoid {paranoid}: {lost}")
        checks.that("missing" not in explained["rewriting"], f"{name}: no page was written again")


def same_answer(checks, name, stored):
    """A stored document is shown as it was printed."""
    checks.that(checks.text(f"{name}.out") == checks.text(f"{stored}.out"), f"{name} differs")


def boot_option(checks, name, option):
    """The host's description tells an option of the kernel's command line."""
    boot = checks.read(f"{name}.json")["host"]["boot"]
    checks.that(option in boot, f"{name}: {option} is not among {boot}")


def huge_sweep(checks, name, mappings):
    """Each mapping is a huge page, and no entry of a page table."""
    cells = checks.read(f"{name}.json")["findings"]["sweep"]["cells"]
    parent = cell_of(cells, "fork", mappings)["space"]["parent"]
    huge = parent["mappings"]["huge_entries"]
    checks.that(huge == mappings, f"{name}: {huge} huge pages of {mappings}")


def lacks(checks, name, method):
    """One way to spawn is not there, which is said, and the others are."""
    cells = checks.read(f"{name}.json")["findings"]["sweep"]["cells"]
    for cell in cells:
        told = "reason" if cell["method"] == method else "median"
        checks.that(told in cell["total_ns"], f"{name}: {cell['method']}: {cell['total_ns']}")


def no_difference(checks, name):
    """A result compared with itself."""
    found = checks.read(f"{name}.json")
    told = [line["key"] for line in found["lines"] if line["verdict"] in ("dearer", "cheaper")]
    checks.that(not told, f"{name}: a difference is seen in {told}")
    ratios = {line["ratio"]["value"] for line in found["lines"] if "ratio" in line}
    checks.that(ratios == {1}, f"{name}: ratios {ratios}")
    facts = found["host_differences"]
    checks.that(not facts, f"{name}: {facts}")


def differs(checks, name, fact):
    """A comparison tells what differs between the hosts."""
    facts = {d["fact"] for d in checks.read(f"{name}.json")["host_differences"]}
    checks.that(fact in facts, f"{name}: {fact} is not among {facts}")


def judged(checks, name):
    """A comparison judges its lines, whatever it finds."""
    lines = checks.read(f"{name}.json")["lines"]
    verdicts = {line["what"]: line["verdict"] for line in lines}
    known = ("no_difference_seen", "dearer", "cheaper")
    checks.that(lines and all(v in known for v in verdicts.values()), f"{name}: {verdicts}")


def cannot_fork(checks, name, limit, error):
    """It is foretold that forks fail and by what, and the process sees the same."""
    told = " ".join((checks.text(f"{name}.out") + checks.text(f"{name}.err")).split())
    seen = int(checks.text(f"{name}-itself.out").split()[0])
    checks.that(f"was to fail with {errno.errorcode[error]}" in told, f"{name}: told {told}")
    checks.that(limit in told, f"{name}: {limit} is not named in {told}")
    checks.that(seen == error, f"{name}: its fork ended with errno {seen}")


def throttled(checks, name, file):
    """A quota of a tenth is told with the group's file, and has the process wait."""
    told = " ".join(checks.text(f"{name}.out").split())
    checks.that(file in told, f"{name}: {file} is not named in {told}")
    checks.that("it had 10 % of a CPU" in told, f"{name}: told {told}")
    seen = int(checks.text(f"{name}-itself.out").split()[0])
    checks.that(seen == 0, f"{name}: its fork ended with errno {seen}")
    waited = re.search(r"^nr_throttled (\d+)", checks.text(f"{name}-group.out"), re.MULTILINE)
    checks.that(waited and int(waited[1]) > 0, f"{name}: its group never waited: {waited}")


def says(checks, name, words):
    """The report says something."""
    checks.that(words in checks.text(name), f"{name}: {words!r} is not there")


def says_not(checks, name, words):
    """The report does not say something."""
    checks.that(words not in checks.text(name), f"{name}: {words!r} is there")
