//! The study's figures and this host's as pairs of bars.

use super::names;
use crate::analysis::reproduce::loops::{Programs, Split};
use crate::model::Missing;
use crate::report::view::number::{number, significant};
use crate::report::view::picture::{Bar, Chart, Kind, Segment};
use crate::report::view::reproduce::source;

/// What segments stand for: the legend, from the bottom up, with its hues.
const KINDS: [(&str, usize); 4] = [
    ("CPU time in the kernel (sys)", 0),
    ("CPU time in user mode (user)", 1),
    ("neither: waiting", 12),
    ("real: its CPU time exceeds it, or is unknown", 8),
];

/// The last of them.
const UNSPLIT: usize = 3;

/// The picture, or why there is nothing to draw.
pub(in crate::report::view::reproduce) fn chart(programs: &Programs<'_>) -> Result<Chart, Missing> {
    let own = programs.own();
    let mut ran = own.clone().filter(|row| row.here.measured().is_some());
    if ran.next().is_none() {
        let mut reasons = own.filter_map(|row| row.here.missing());
        let none = || Missing::not_asked("no program of the study ran");
        return Err(reasons.next().cloned().unwrap_or_else(none));
    }
    let year = programs.study.source.year.to_string();
    let bars: Vec<Bar> = own
        .flat_map(|row| {
            let group = format!("{} {}", names::key(row.system), names::program(row.system));
            let named = [
                (year.clone(), Split::published(row)),
                ("here".to_owned(), Split::here(row)),
            ];
            named
                .into_iter()
                .filter_map(move |(name, split)| Some(bar(&group, name, split?)))
        })
        .collect();
    let mut lines = source::of_picture(programs.study, programs.document, 1);
    let interpreter = programs.loops.interpreter.measured();
    lines.extend(interpreter.map(|found| format!("Python {}", found.version)));
    Ok(Chart {
        title: format!("Time of one run of {}, {year} and here", programs.spawned()),
        lines,
        axis: "real time of a run (ms)".to_owned(),
        legend: KINDS.map(Kind::from).into(),
        bars,
    })
}

fn bar(group: &str, name: String, split: Split) -> Bar {
    let real = split.real * 1e3;
    let parts = match split.cpu {
        Some([user, sys]) => {
            let (user, sys) = (user * 1e3, sys * 1e3);
            vec![(0, sys), (1, user), (2, real - user - sys)]
        }
        None => vec![(UNSPLIT, real)],
    };
    let segments = parts.into_iter().filter(|(_, value)| *value > 0.0);
    // A bar is as high as its real time, so what exceeds it is drawn that much
    // smaller; the words keep the figures.
    let sum: f64 = segments.clone().map(|(_, value)| value).sum();
    let fit = (real / sum).min(1.0);
    Bar {
        group: group.to_owned(),
        total: real,
        label: number(real, 3),
        segments: segments
            .map(|(kind, value)| {
                let (word, size) = (KINDS[kind].0, number(value, 3));
                let share = significant(value / real * 100.0);
                Segment {
                    kind,
                    value: value * fit,
                    label: if kind == UNSPLIT {
                        "real".to_owned()
                    } else {
                        number(value, 2)
                    },
                    story: format!("{group}, {name}: {word}: {size} ms, {share} % of real"),
                }
            })
            .collect(),
        name,
    }
}
