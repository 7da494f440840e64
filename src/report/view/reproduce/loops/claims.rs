//! What the study supposed to be the cause, and what this host's figures say of
//! it: each with a verdict that the intervals support, or with none.

use std::cmp::Ordering;

use super::names::{key, prose};
use super::prose::difference;
use crate::analysis::reproduce::loops::{
    self, Apart, BASE, LikePython, Longer, Programs, Size, sign, size,
};
use crate::model::LoopSystem::{
    CFork, CForkLikePython, CForkMalloc, PythonFork, PythonPopen, PythonPosixSpawn,
};
use crate::report::view::number::{counted, integer, number};
use crate::report::view::prose::{percent_within, time_within};
use crate::stats::Estimate;

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
    let found = loops::start(programs)?;
    let mut told = vec![format!(
        "before and after its loop, row {} spends {}, spread over {}; that is {} of its time",
        prose(PythonPopen),
        time_within(found.ns),
        counted(found.iterations, "run"),
        percent_within(found.share)
    )];
    let year = programs.study.source.year;
    told.extend(found.longer.map(|longer| in_longer(longer, year)));
    told.push(match found.of_extra {
        Some(extra) => format!(
            "its start is {} of what the row takes beyond row {}: {}",
            percent_within(extra),
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
fn in_longer(longer: Longer, year: u16) -> String {
    let runs = counted(longer.iterations, "run");
    let here = match difference(longer.change) {
        Some(words) => format!("in a loop of {runs}, a run takes {words}"),
        None => format!("in a loop of {runs}, a run is not seen to take more or less"),
    };
    let then = longer.published_s.map(|published| {
        let [short, long] = published.map(|seconds| number(seconds * 1e3, 3));
        format!(" ({year}: {short} and {long} ms)")
    });
    here + &then.unwrap_or_default()
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
    let told: Vec<String> = [heap(programs), like_python(programs)]
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
fn like_python(programs: &Programs<'_>) -> Option<String> {
    let found = loops::like_python(programs)?;
    let more = difference(found.more);
    let lead = format!(
        "in the mappings of Python, with nothing of Python running, a fork in C takes {} (row {})",
        more.unwrap_or_else(|| "no more and no less, as far as can be seen".to_owned()),
        key(CForkLikePython)
    );
    let Some(share) = found.share else {
        return Some(lead);
    };
    let vmas = programs
        .looped(CForkLikePython)
        .and_then(|looped| looped.parent.measured())
        .map_or(String::new(), |space| {
            format!(", {} VMAs,", integer(space.mappings.vmas))
        });
    let verdict = cause(share, "it is the smaller part", "it is the larger part");
    Some(format!(
        "{lead}: the address space{vmas} explains {} of what row {} takes beyond row {}{}; \
         {verdict}, and {}",
        percent_within(share),
        prose(PythonFork),
        key(CFork),
        found.apart.map_or(String::new(), apart),
        rest(&found)
    ))
}

/// What the likeness has more or less than its model, and so copies more or less.
fn apart(apart: Apart) -> String {
    let built = key(CForkLikePython);
    match apart {
        Apart::More(more) => {
            let more = more.in_words();
            format!(", or somewhat less, as row {built} has {more} more")
        }
        Apart::Less(less) => {
            let less = less.in_words();
            format!(", or somewhat more, as row {built} has {less} less")
        }
        Apart::Mixed => {
            format!(", about, as row {built} has more of one thing and less of another")
        }
    }
}

fn rest(found: &LikePython) -> String {
    let faults = found.faults.map_or(String::new(), |more| {
        format!(
            " and {} more minor faults a run, of pages that it writes to after each fork",
            number(more, 0)
        )
    });
    format!("the rest is the interpreter's own work{faults}")
}

/// The verdict on a share.
fn cause(share: Estimate, small: &str, large: &str) -> String {
    match size(share) {
        Size::Smaller => small.to_owned(),
        Size::Larger => large.to_owned(),
        Size::Untold => "whether that is the larger part the intervals do not say".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_on_both_sides_of_the_half_is_no_verdict() {
        let told = |low, high| {
            let share = Estimate {
                value: 0.5,
                ci95: [low, high],
            };
            cause(share, "small", "large")
        };
        assert_eq!([told(0.1, 0.4), told(0.6, 0.9)], ["small", "large"]);
        let untold = "whether that is the larger part the intervals do not say";
        assert_eq!(told(0.4, 0.6), untold);
    }
}
