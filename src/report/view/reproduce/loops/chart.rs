//! The study's figures and this host's as pairs of bars.

use super::names;
use crate::analysis::reproduce::loops::Programs;
use crate::model::{Loop, Missing};
use crate::report::view::number::{number, significant};
use crate::report::view::picture::{Bar, Chart, Kind, Segment, ticks};
use crate::report::view::{header, table::Block};

/// What segments stand for: the legend, from the bottom up, with its hues.
const KINDS: [(&str, usize); 4] = [
    ("CPU time in the kernel (sys)", 0),
    ("CPU time in user mode (user)", 1),
    ("neither: waiting", 12),
    ("real: its CPU time exceeds it, or is unknown", 8),
];

/// The last of them.
const UNSPLIT: usize = 3;

/// Sums of medians are not medians of sums: by so much they may exceed them.
const SLACK: f64 = 1.02;

/// Seconds of a run.
struct Times {
    real: f64,
    /// In user mode and in the kernel.
    split: Option<[f64; 2]>,
}

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
                (year.clone(), published(row)),
                ("here".to_owned(), here(row)),
            ];
            named
                .into_iter()
                .filter_map(move |(name, times)| Some(bar(&group, name, &times?)))
        })
        .collect();
    let year = &programs.study.source.year;
    Ok(Chart {
        title: format!("Time of one run of {}, {year} and here", programs.spawned()),
        lines: origin(programs),
        axis: "real time of a run (ms)".to_owned(),
        ticks: ticks(bars.iter().map(Bar::height).fold(0.0, f64::max)),
        legend: KINDS
            .iter()
            .map(|(name, hue)| Kind {
                name: (*name).to_owned(),
                hue: *hue,
            })
            .collect(),
        bars,
    })
}

fn origin(programs: &Programs<'_>) -> Vec<String> {
    let source = &programs.study.source;
    let mut lines = vec![format!(
        "{}, {} ({}): {}",
        source.title, source.authors, source.year, source.address
    )];
    if let Block::Lines { lines: host, .. } = header::lines(programs.document) {
        lines.extend(host.into_iter().next().map(|line| format!("here: {line}")));
    }
    if let Some(found) = programs.loops.interpreter.measured() {
        lines.push(format!("Python {}", found.version));
    }
    lines
}

fn published(row: &Loop) -> Option<Times> {
    let figures = row.published?;
    let runs = figures.iterations as f64;
    times(
        figures.real_s / runs,
        Some([figures.user_s / runs, figures.sys_s / runs]),
    )
}

fn here(row: &Loop) -> Option<Times> {
    let looped = row.here.measured()?;
    let runs = row.iterations as f64;
    let split = looped.user_s.measured().zip(looped.sys_s.measured());
    times(
        looped.real_s.value / runs,
        split.map(|(user, sys)| [user.value / runs, sys.value / runs]),
    )
}

/// Times that can be drawn; CPU time only where it fits into real time.
fn times(real: f64, split: Option<[f64; 2]>) -> Option<Times> {
    let fits = |split: &[f64; 2]| {
        split.iter().all(|part| part.is_finite() && *part >= 0.0)
            && split.iter().sum::<f64>() <= real * SLACK
    };
    (real.is_finite() && real > 0.0).then(|| Times {
        real,
        split: split.filter(fits),
    })
}

fn bar(group: &str, name: String, times: &Times) -> Bar {
    let real = times.real * 1e3;
    let parts = match times.split {
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
