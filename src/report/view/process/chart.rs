//! The cost of a fork as a picture: who is charged for it.

use super::{Rebuilt, figures, names};
use crate::analysis::process::{is_extrapolated, unshared};
use crate::model::{Cost, Missing};
use crate::report::view::header;
use crate::report::view::number::{Unit, significant};
use crate::report::view::picture::{Bar, Chart, Kind, Segment};

/// What segments stand for: the legend, from the bottom up, with its hues.
const KINDS: [(&str, usize); 2] = [
    ("in the call: the thread that forks stands still", 0),
    ("after it: the copy is thrown away", 3),
];

/// The most mappings by name that have a bar.
const MOST: usize = 8;

/// No word below a bar is longer.
const LONGEST: usize = 20;

/// Times that a fork may take, in nanoseconds: no picture is drawn of others.
const TIMES: [f64; 2] = [1.0, 1e15];

/// A bar before its unit is known.
pub(in crate::report::view) struct Raw {
    pub(in crate::report::view) name: String,
    pub(in crate::report::view) story: String,
    /// In the call and after it, in nanoseconds.
    pub(in crate::report::view) parts: [f64; 2],
    pub(in crate::report::view) total: f64,
}

/// Who is charged for a fork.
pub(super) fn blame(rebuilt: &Rebuilt<'_>) -> Result<Chart, Missing> {
    let Some(blame) = rebuilt.blame() else {
        let missing = rebuilt.blame.and_then(|blame| blame.missing().cloned());
        return Err(missing.unwrap_or_else(Missing::not_reached));
    };
    let raw = |name: &str, cost: &Cost| Raw {
        name: below(name),
        story: name.to_owned(),
        parts: [cost.call_ns.value, cost.after_ns.value],
        total: cost.total_ns.value,
    };
    let groups = blame.groups.iter().take(MOST);
    let groups = groups.map(|group| raw(&group.name, &group.cost));
    let others = unshared(blame).map(|rung| raw(names::rung(rung.rung), &rung.cost));
    let bars: Vec<Raw> = groups.chain(others).collect();
    let mut lines = header::of_picture(rebuilt.document);
    let extrapolated = blame.rungs.iter().any(is_extrapolated);
    lines.push(format!(
        "a fork takes {}",
        figures::told(blame.fork.total_ns, extrapolated)
    ));
    let left_out = blame.groups.len().saturating_sub(MOST);
    if left_out > 0 {
        lines.push(format!(
            "{left_out} of the groups, the cheapest, have no bar"
        ));
    }
    draw("Whose the cost of a fork is", lines, &bars)
}

/// A name below a bar, where it may be broken between words.
fn below(name: &str) -> String {
    let words = name.split_whitespace();
    let words = words.map(|word| names::shortened(word, LONGEST));
    words.collect::<Vec<_>>().join(" ")
}

/// Draws them.
pub(in crate::report::view) fn draw(
    title: &str,
    lines: Vec<String>,
    raw: &[Raw],
) -> Result<Chart, Missing> {
    let is_time = |bar: &&Raw| (TIMES[0]..TIMES[1]).contains(&bar.total);
    let drawn: Vec<&Raw> = raw.iter().filter(is_time).collect();
    let highest = drawn.iter().map(|bar| bar.total).fold(0.0, f64::max);
    if drawn.is_empty() {
        return Err(Missing::unavailable("no cost is told from 0", None));
    }
    let unit = Unit::of_one(highest);
    let bars: Vec<Bar> = drawn.iter().map(|raw| bar(raw, unit)).collect();
    Ok(Chart {
        title: title.to_owned(),
        lines,
        axis: format!("time of one spawn ({})", unit.name),
        legend: KINDS.map(Kind::from).into(),
        bars,
    })
}

fn bar(raw: &Raw, unit: Unit) -> Bar {
    // Differences of medians do not add up, and one of both parts may lie below 0: the
    // bar is as high as its total.
    let parts = raw
        .parts
        .map(|part| if part.is_finite() { part.max(0.0) } else { 0.0 });
    let sum: f64 = parts.iter().sum();
    let fit = if sum > 0.0 { raw.total / sum } else { 0.0 };
    let segment = |(kind, part): (usize, &f64)| Segment {
        kind,
        value: part * fit / unit.size,
        label: significant(part / unit.size),
        story: format!(
            "{}: {}: {} of {}",
            raw.story,
            KINDS[kind].0,
            unit.prose(raw.parts[kind]),
            unit.prose(raw.total)
        ),
    };
    Bar {
        group: raw.name.clone(),
        name: String::new(),
        total: raw.total / unit.size,
        label: unit.prose(raw.total),
        segments: parts
            .iter()
            .enumerate()
            .map(segment)
            .filter(|segment| segment.value > 0.0 && segment.value.is_finite())
            .collect(),
    }
}
