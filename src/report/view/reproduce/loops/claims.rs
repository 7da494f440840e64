//! What the study supposed to be the cause, and what this host's figures say of
//! it: each with a verdict that the intervals support, or with none.

use std::cmp::Ordering;

use super::compare::{Span, difference, percent, sign, time};
use super::growth::Growth;
use super::names::{key, prose};
use super::{BASE, Programs};
use crate::model::LoopSystem::{
    CFork, CForkLikePython, CForkMalloc, PythonFork, PythonPopen, PythonPopenLong, PythonPosixSpawn,
};
use crate::report::view::number::{counted, integer, number};
use crate::stats::Estimate;

/// From this share on, one cause is the larger part.
const MOST: f64 = 0.5;

/// One paragraph a supposition; what cannot be tested is said so.
pub(super) fn lines(programs: &Programs<'_>) -> Vec<String> {
    if programs
        .loops
        .rows
        .iter()
        .all(|row| row.here.measured().is_none())
    {
        return Vec::new();
    }
    [start(programs), module(programs), space(programs)]
        .into_iter()
        .zip([
            "The start of the interpreter",
            "The subprocess module",
            "The address space",
        ])
        .map(|(told, name)| {
            let untold = || "the rows that it takes were not timed in two rounds".to_owned();
            format!("{name}: {}.", told.unwrap_or_else(untold))
        })
        .collect()
}

/// (a) It takes the interpreter long to start.
fn start(programs: &Programs<'_>) -> Option<String> {
    let terms = [
        (PythonPopen, Span::Start),
        (PythonPopen, Span::Whole),
        (CFork, Span::Whole),
    ];
    let own = programs.statistic(&terms[..1], |v| v[0])?;
    let share = programs.share(&terms[..2], |v| v[0], |v| v[1])?;
    let iterations = programs.row(PythonPopen)?.iterations;
    let mut told = vec![format!(
        "before and after its loop, row {} spends {}, spread over {}; that is {} of its time",
        prose(PythonPopen),
        time(own.map(|ns| ns * iterations as f64)),
        counted(iterations, "run"),
        percent(share)
    )];
    told.extend(longer(programs));
    told.push(match programs.share(&terms, |v| v[0], |v| v[1] - v[2]) {
        Some(extra) => format!(
            "its start is {} of what the row takes beyond row {}: {}",
            percent(extra),
            key(BASE),
            cause(
                extra,
                "it is the smaller part of that",
                "it is most of that"
            )
        ),
        None => format!(
            "row {} is not seen to take longer than row {}",
            key(PythonPopen),
            key(BASE)
        ),
    });
    Some(told.join("; "))
}

/// What ten times as many iterations change, here and as published.
fn longer(programs: &Programs<'_>) -> Option<String> {
    let terms = [(PythonPopenLong, Span::Whole), (PythonPopen, Span::Whole)];
    let change = programs.statistic(&terms, |v| v[0] - v[1])?;
    let runs = counted(programs.row(PythonPopenLong)?.iterations, "run");
    let here = match difference(change) {
        Some(words) => format!("in a loop of {runs}, a run takes {words}"),
        None => format!("in a loop of {runs}, a run is not seen to take more or less"),
    };
    let published = |system| {
        let figures = programs.row(system)?.published?;
        (figures.iterations > 0).then(|| figures.real_s / figures.iterations as f64 * 1e3)
    };
    let year = programs.study.source.year;
    let then = published(PythonPopen)
        .zip(published(PythonPopenLong))
        .map(|(short, long)| format!(" ({year}: {} and {} ms)", number(short, 3), number(long, 3)));
    Some(here + &then.unwrap_or_default())
}

/// (b) The module does more than it has to.
fn module(programs: &Programs<'_>) -> Option<String> {
    let told: Vec<String> = [PythonFork, PythonPosixSpawn]
        .into_iter()
        .filter_map(|other| {
            let more = programs.more(PythonPopen, other)?;
            let words = difference(more)
                .unwrap_or_else(|| "neither more nor less, as far as can be seen,".to_owned());
            Some(format!("{words} than row {}", prose(other)))
        })
        .collect();
    let fork = programs.more(PythonPopen, PythonFork)?;
    let verdict = match sign(fork) {
        Some(Ordering::Greater) => "the module costs more than to fork by hand",
        Some(Ordering::Less) => "the module is the cheaper way: to fork by hand costs more",
        _ => "no difference is seen between the module and a fork by hand",
    };
    Some(format!(
        "in its loop, a run of row {} takes {}; {verdict}",
        prose(PythonPopen),
        told.join(" and ")
    ))
}

/// (c) There is more to copy.
fn space(programs: &Programs<'_>) -> Option<String> {
    let told: Vec<String> = [heap(programs), likeness(programs)]
        .into_iter()
        .flatten()
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What a thousand blocks from malloc add to the C program.
fn heap(programs: &Programs<'_>) -> Option<String> {
    let more = programs.more(CForkMalloc, CFork)?;
    let cost = match difference(more) {
        Some(words) => format!("a run takes {words}"),
        None => "a run is not seen to take more or less".to_owned(),
    };
    let grew = programs.growth(CForkMalloc, CFork);
    let grew = grew.map_or(String::new(), |grew| {
        format!(", which add {},", grew.in_words())
    });
    Some(format!(
        "with 1,000 blocks from malloc{grew} {cost} than without (row {} against {})",
        key(CForkMalloc),
        key(CFork)
    ))
}

/// How much of what Python takes beyond C its mappings cost a C program too.
fn likeness(programs: &Programs<'_>) -> Option<String> {
    let terms = [CForkLikePython, CFork, PythonFork].map(|system| (system, Span::InLoop));
    let more = programs.more(CForkLikePython, CFork)?;
    let lead = format!(
        "in the mappings of Python, with nothing of Python running, a fork in C takes {} (row {})",
        difference(more).unwrap_or_else(|| "no more and no less, as far as can be seen".to_owned()),
        key(CForkLikePython)
    );
    let Some(share) = programs.share(&terms, |v| v[0] - v[1], |v| v[2] - v[1]) else {
        return Some(lead);
    };
    let vmas = programs
        .looped(CForkLikePython)
        .and_then(|looped| looped.parent.measured())
        .map_or(String::new(), |space| {
            format!(", {} VMAs,", integer(space.mappings.vmas))
        });
    let rest = "the rest is the interpreter's own work";
    let rest = copied(programs).map_or(rest.to_owned(), |copied| format!("{rest} and {copied}"));
    let verdict = cause(share, "it is the smaller part", "it is the larger part");
    Some(format!(
        "{lead}: the address space{vmas} explains {} of what row {} takes beyond row {}{}; \
         {verdict}, and {rest}",
        percent(share),
        prose(PythonFork),
        key(CFork),
        surplus(programs)
    ))
}

/// What the likeness has more than its model, and so copies more than that.
fn surplus(programs: &Programs<'_>) -> String {
    let surplus = programs.growth(CForkLikePython, PythonFork);
    let surplus = surplus.filter(|surplus| *surplus != Growth::default());
    surplus.map_or(String::new(), |surplus| {
        let built = key(CForkLikePython);
        format!(
            ", or somewhat less, as row {built} has {} more",
            surplus.in_words()
        )
    })
}

/// The faults that the interpreter has beyond a C program of the same mappings:
/// a fork write-protects the pages of both, but only the interpreter and its
/// child go on to write to many of them.
fn copied(programs: &Programs<'_>) -> Option<String> {
    let faults = |system| programs.looped(system)?.minor_faults.measured();
    let (python, c) = (faults(PythonFork)?, faults(CForkLikePython)?);
    (python.ci95[0] > c.ci95[1]).then(|| {
        let more = number(python.value - c.value, 0);
        format!("{more} more minor faults a run, of pages that it writes to after each fork")
    })
}

/// The verdict on a share.
fn cause(share: Estimate, small: &str, large: &str) -> String {
    match share.ci95 {
        [_, high] if high < MOST => small.to_owned(),
        [low, _] if low > MOST => large.to_owned(),
        _ => "whether that is the larger part the intervals do not say".to_owned(),
    }
}
