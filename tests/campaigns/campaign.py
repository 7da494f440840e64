"""What the campaigns share: their arguments, their runs one by one, and how they end."""

import argparse
import collections
import dataclasses
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests/data"


@dataclasses.dataclass
class Outcome:
    """What came of one run."""

    what: str
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    faults: list = dataclasses.field(default_factory=list)


def arguments(text, runs):
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=runs, metavar="N", help=f"usually {runs}")
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="S")
    parser.add_argument("--only", type=int, metavar="RUN", help="this run, and keep its files")
    parser.add_argument("--binary", type=pathlib.Path, help="a forktax that is built already")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="J", help="at once")
    given = parser.parse_args()
    given.binary = (given.binary or built()).resolve()
    return given


def built():
    """A release build."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    manifest = ROOT / "Cargo.toml"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest]
    subprocess.run(command, check=True)
    return target / "release/forktax"


def carry_out(given, run, least, before=None):
    """All runs, in several processes: `run(number, folder)` gives an `Outcome`. Of each
    count in `least` there must be so large a share of the runs, or they show nothing.
    What comes before them has a folder too. Gives the exit status."""
    begin = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="forktax-campaign-"))
    if before:
        (folder / "before").mkdir()
        before(folder / "before")
    numbers = range(given.runs) if given.only is None else [given.only]
    tasks = [(number, folder, given.only is None) for number in numbers]
    counts, failed = collections.Counter(), 0
    # What a fork has need not be sent with each task.
    with multiprocessing.get_context("fork").Pool(given.jobs, use, [run]) as pool:
        for number, outcome in pool.imap_unordered(carry_out_one, tasks):
            counts.update(outcome.counts)
            failed += bool(outcome.faults)
            for fault in outcome.faults[:3]:
                print(f"run {number} of --seed {given.seed}: {outcome.what}: {fault}", flush=True)
    if given.only is not None:
        print(f"its files are in {folder}: {outcome.what}")
    else:
        shutil.rmtree(folder)
        for name, share in least.items():
            if counts[name] < share * given.runs:
                print(f"only {counts[name]} of {given.runs} runs: {name}: that shows nothing")
                failed += 1
    for name, count in sorted(counts.items()):
        print(f"  {count:>7} {name}")
    word, seconds = "FAILED" if failed else "ok", time.monotonic() - begin
    print(f"{word}: {len(tasks)} runs of --seed {given.seed}, {failed} faulty ({seconds:.0f} s)")
    return 1 if failed else 0


def use(run):
    global to_run
    to_run = run


def carry_out_one(task):
    number, folder, is_passing = task
    folder = folder / str(number)
    folder.mkdir()
    try:
        outcome = to_run(number, folder)
    except Exception:
        outcome = Outcome("the campaign itself", faults=[traceback.format_exc()])
    if is_passing:
        shutil.rmtree(folder)
    return number, outcome
