//! A comparison in a few sentences, and none that its verdicts do not support.

use crate::analysis::compare::{
    Figure, Place, judged, largest, may_exceed, places, visible_in_half,
};
use crate::model::{ComparedLine, Comparison, FailAbove, HostFact, Verdict};
use crate::report::view::number::{counted, significant};
use crate::report::view::prose::{interval, listed, time_within};
use crate::stats::Estimate;

/// What was found, what would have been, and what was to fail.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let of = |verdict: Verdict| -> Vec<&ComparedLine> {
        judged(comparison)
            .filter(|line| line.verdict == verdict)
            .collect()
    };
    let (dearer, cheaper) = (of(Verdict::Dearer), of(Verdict::Cheaper));
    let level = of(Verdict::NoDifferenceSeen);
    let count = dearer.len() + cheaper.len() + level.len();
    if count == 0 {
        return vec!["No line of the two could be compared.".to_owned()];
    }
    let mut told: Vec<String> = places(comparison).iter().filter_map(place).collect();
    if level.len() == count {
        told.push(format!(
            "No difference is seen in {}{}.",
            counted(count as u64, "line"),
            visible(&level, "; ").unwrap_or_default()
        ));
    } else {
        let largest = farthest(dearer.iter().chain(&cheaper).copied());
        told.push(format!(
            "Of {}, {} dearer in B and {} cheaper{}.",
            counted(count as u64, "line"),
            are(dearer.len()),
            are(cheaper.len()),
            largest.unwrap_or_default()
        ));
        told.extend(
            visible(&level, "")
                .map(|words| format!("In {} no difference is seen: {words}.", others(level.len()))),
        );
    }
    told.extend(
        comparison
            .fail_above
            .as_ref()
            .map(|fail| failed(comparison, fail)),
    );
    told
}

/// Where the difference of a spawn is, as far as chance does not explain it.
fn place(place: &Place<'_>) -> Option<String> {
    let Place {
        total, parts, of, ..
    } = place;
    let parts: Vec<String> = parts
        .iter()
        .map(|(line, difference)| format!("{} in {}", apart(*difference), line.what))
        .collect();
    let nouns = match (of, place.has_lone) {
        (Figure::Rung, false) => "rung",
        (Figure::Rung, true) => "rung that both have",
        (_, false) => "phase",
        (_, true) => "phase that both have",
    };
    let parts = match parts.as_slice() {
        [] => None,
        parts => Some(listed(parts, "and")),
    };
    let with = format!("With {}", total.group);
    if total.verdict == Verdict::NoDifferenceSeen {
        let parts = parts?;
        return Some(format!(
            "{with} no difference of the total is seen; by {nouns} B takes {parts}."
        ));
    }
    let ratio = *total.ratio.measured()?;
    Some(format!(
        "{with} B takes {} than A, {} times as long ({}); {}.",
        apart(total.difference?),
        significant(ratio.value),
        interval(ratio),
        match parts {
            Some(parts) => format!("by {nouns}: {parts}"),
            None => format!("no {nouns} is seen to differ by itself"),
        }
    ))
}

/// How much more, or less.
fn apart(difference: Estimate) -> String {
    match difference.value < 0.0 {
        true => format!("{} less", time_within(difference.turned(|ns| -ns))),
        false => format!("{} more", time_within(difference)),
    }
}

/// From this ratio of the references on, the hosts are said to differ.
const OTHER_SPEED: f64 = 1.15;

/// What differs around the two results and bears on what a spawn costs, by name.
pub(super) fn around(comparison: &Comparison) -> Option<String> {
    let hosts = comparison.host_differences.iter().map(|found| found.fact);
    let hosts = hosts.filter(|fact| fact.bears()).map(HostFact::name);
    let plans = comparison.plan_differences.iter();
    let mut names: Vec<&str> = hosts.chain(plans.map(|found| found.fact.name())).collect();
    let is_other = |ratio: &f64| ratio.ln().abs() > OTHER_SPEED.ln();
    names.extend(
        comparison
            .reference_ratio
            .filter(is_other)
            .map(|_| "speed of the host"),
    );
    // Each address space that differs is a difference of its own.
    names.dedup();
    (!names.is_empty()).then(|| format!("A and B also differ in: {}.", names.join(", ")))
}

fn are(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{count} {verb}")
}

fn others(count: usize) -> String {
    match count {
        1 => "the other".to_owned(),
        more => format!("the other {more}"),
    }
}

/// What size of difference would have been seen where none was.
fn visible(level: &[&ComparedLine], lead: &str) -> Option<String> {
    let percent = significant((visible_in_half(level)? - 1.0) * 100.0);
    let place = if level.len() == 1 {
        ""
    } else {
        " in half of them"
    };
    Some(format!("{lead}one of {percent} % would have been{place}"))
}

/// The largest of several differences.
fn farthest<'a>(lines: impl Iterator<Item = &'a ComparedLine>) -> Option<String> {
    let (line, ratio) = largest(lines)?;
    Some(format!(
        "; the largest difference is that of {} {}: {} times A's ({})",
        line.group,
        line.what,
        significant(ratio.value),
        interval(ratio)
    ))
}

fn failed(comparison: &Comparison, fail: &FailAbove) -> String {
    let percent = fail.percent;
    let lines = comparison.lines.iter();
    let exceeding = lines.filter(|line| fail.exceeded.contains(&line.key));
    let names: Vec<String> = exceeding
        .map(|line| format!("{} {}", line.group, line.what))
        .collect();
    if !judged(comparison).any(|line| may_exceed(comparison.compared, line)) {
        return "--fail-above has nothing to judge: no total could be compared.".to_owned();
    }
    match names.as_slice() {
        [] => format!(
            "Nothing that --fail-above judges is dearer by more than {percent} % with the whole of \
             its interval."
        ),
        [name] => format!(
            "One line is dearer by more than {percent} % with the whole of its interval: {name}."
        ),
        names => format!(
            "{} are dearer by more than {percent} % with the whole of their intervals: {}.",
            counted(names.len() as u64, "line"),
            names.join("; ")
        ),
    }
}
