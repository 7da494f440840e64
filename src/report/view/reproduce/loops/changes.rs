//! What this host does otherwise than the study's, as far as its own figures
//! show it: a sentence that they contradict is replaced by what was seen.

use super::names::{program, prose};
use super::prose::difference;
use crate::analysis::reproduce::loops::{self, BASE, Memory, Programs, alike, memory};
use crate::model::LoopSystem::{
    self, CFork, CForkMalloc, CPosixSpawn, CPosixSpawnPlain, PythonFork, PythonPopen,
    PythonPopenPreexec,
};
use crate::model::ObservedCall;
use crate::report::view::calls;
use crate::report::view::number::{counted, number, significant};
use crate::report::view::prose::{interval, percent_within, time_within};

/// The sentences; none about what was not seen.
pub(super) fn lines(programs: &Programs<'_>) -> Vec<String> {
    [
        subprocess(programs),
        preexec(programs),
        flag(programs),
        malloc(programs),
        floor(programs),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn seen<'a>(programs: &Programs<'a>, system: LoopSystem) -> Option<&'a [ObservedCall]> {
    let calls = programs.looped(system)?.calls.measured()?;
    (!calls.is_empty()).then_some(calls)
}

/// What subprocess does with the parent's memory, and what follows.
fn subprocess(programs: &Programs<'_>) -> Option<String> {
    let calls = seen(programs, PythonPopen)?;
    let version = programs.loops.interpreter.measured();
    let version = version.map_or(String::new(), |found| {
        format!(" of Python {}", found.version)
    });
    let what = match memory(calls)? {
        Memory::Borrowed => "lends its memory to the child instead of copying it",
        Memory::Copied => "still copies its memory, as in the study",
        Memory::Mixed => "is seen to spawn in more than one way",
    };
    let cost = against(programs, PythonPopen, PythonFork)
        .map_or(String::new(), |cost| format!("; {cost}"));
    Some(format!(
        "subprocess{version} {what}: {}{cost}.",
        calls::listed(calls)
    ))
}

/// What a preexec_fn makes of that.
fn preexec(programs: &Programs<'_>) -> Option<String> {
    let calls = seen(programs, PythonPopenPreexec)?;
    let usual = seen(programs, PythonPopen)?;
    let listed = calls::listed(calls);
    let what = match (memory(usual)?, memory(calls)?) {
        (Memory::Borrowed, Memory::Copied) => {
            format!("With preexec_fn it falls back to a copy without a word: {listed}")
        }
        (_, Memory::Borrowed) => {
            format!("With preexec_fn it lends its memory too: {listed}")
        }
        (Memory::Copied, Memory::Copied) => {
            format!("With preexec_fn it copies its memory as it does without: {listed}")
        }
        _ => format!("With preexec_fn it is seen to call {listed}"),
    };
    let cost = against(programs, PythonPopenPreexec, PythonPopen)
        .map_or(String::new(), |cost| format!("; {cost}"));
    Some(format!("{what}{cost}."))
}

/// Whether POSIX_SPAWN_USEVFORK changes anything.
fn flag(programs: &Programs<'_>) -> Option<String> {
    let with = seen(programs, CPosixSpawn)?;
    let without = seen(programs, CPosixSpawnPlain)?;
    let calls = if alike(with, without) {
        format!(
            "The flag 0x40 (POSIX_SPAWN_USEVFORK) changes no system call: {} with it and without",
            calls::listed(with)
        )
    } else {
        format!(
            "The flag 0x40 (POSIX_SPAWN_USEVFORK) changes the system call: {} with it, {} without",
            calls::listed(with),
            calls::listed(without)
        )
    };
    let cost = programs.more(CPosixSpawn, CPosixSpawnPlain).map(|more| {
        difference(more).map_or_else(
            || {
                let [low, high] = more.ci95.map(|bound| number(bound / 1e3, 1));
                format!("; no difference in time is seen ({low} to {high} us a run)")
            },
            |words| format!("; with it, a run takes {words}"),
        )
    });
    Some(calls + &cost.unwrap_or_default() + ".")
}

/// What malloc adds to the address space.
fn malloc(programs: &Programs<'_>) -> Option<String> {
    let added = programs.growth(CForkMalloc, CFork)?;
    let pages = added.pages();
    Some(match added.vmas {
        0 if added.ptes == 0 => {
            "1,000 blocks from malloc add neither a mapping nor a present PTE to a \
                           process."
                .to_owned()
        }
        0 => format!(
            "1,000 blocks from malloc add no mapping to a process, but {pages}: it is these that \
             a fork copies."
        ),
        vmas => format!(
            "1,000 blocks from malloc add {} to a process, and {pages}.",
            counted(vmas, "mapping")
        ),
    })
}

/// How much of the cheapest row is the program's own start and end.
fn floor(programs: &Programs<'_>) -> Option<String> {
    let found = loops::floor(programs)?;
    let spawned = programs.spawned();
    Some(format!(
        "Of a run of row {}, {}, or {}, are the start and the end of {spawned} itself: with a \
         program of three instructions {} are left, and another way to spawn can save no more than \
         those. A fork server, which does not start the program anew each time, saves the rest.",
        prose(CPosixSpawn),
        time_within(found.own),
        percent_within(found.share),
        time_within(found.least),
    ))
}

/// "a run takes 80 us less than ...", or that no difference is seen.
fn against(programs: &Programs<'_>, first: LoopSystem, second: LoopSystem) -> Option<String> {
    let more = programs.more(first, second)?;
    Some(difference(more).map_or_else(
        || format!("no difference in time to row {} is seen", prose(second)),
        |words| format!("a run takes {words} than one of row {}", prose(second)),
    ))
}

/// The study's own rows in two sentences.
pub(super) fn in_short(programs: &Programs<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = first_row(programs).into_iter().collect();
    sentences.extend(fastest(programs));
    sentences
}

/// The study's headline: subprocess against fork in C, then and now.
fn first_row(programs: &Programs<'_>) -> Option<String> {
    let found = loops::headline(programs)?;
    let [ours, theirs] = [PythonPopen, BASE].map(program);
    let compared = if found.here.differs_from(1.0) {
        let (times, span) = (significant(found.here.value), interval(found.here));
        format!("{ours} takes {times} times ({span}) as long as {theirs}")
    } else {
        format!("no difference is seen between {ours} and {theirs}")
    };
    let year = programs.study.source.year;
    Some(match found.published {
        Some(then) => format!(
            "Here {compared}; in {year} it was {} times.",
            significant(then)
        ),
        None => format!(
            "Here, in loops of {}, {compared}.",
            counted(found.iterations, "run")
        ),
    })
}

fn fastest(programs: &Programs<'_>) -> Option<String> {
    let best = loops::fastest(programs)?;
    Some(format!(
        "Of the study's programs that ran here, {} is the fastest, with {} us a run.",
        prose(best.system),
        significant(best.seconds * 1e6)
    ))
}
