//! The picture: what calls took over the run.

use super::names;
use crate::model::{Missing, Spawn, SpawnPath, Trace};
use crate::report::view::number::{Unit, significant};
use crate::report::view::picture::{Plot, PlotPoint, Series, spanning};
use crate::stats::Estimate;

/// Ways that are drawn: the most frequent.
const WAYS: usize = 6;
/// Points of one of them.
const POINTS: usize = 1_000;
/// Places in the renderer's palette.
const HUES: [usize; WAYS] = [0, 5, 4, 6, 7, 11];

/// Draws it, with these lines above it.
///
/// # Errors
/// Why there is no time to draw.
pub(in crate::report::view) fn plot(trace: &Trace, lines: Vec<String>) -> Result<Plot, Missing> {
    let ways = trace.paths.iter().take(WAYS).zip(HUES);
    let drawn: Vec<Series> = ways
        .map(|(path, hue)| series(trace, path, hue))
        .filter(|series| !series.points.is_empty())
        .collect();
    if drawn.is_empty() {
        let why = trace.paths.iter().find_map(|path| path.call_ns.missing());
        return Err(why
            .cloned()
            .unwrap_or_else(|| Missing::not_asked("no spawn was seen")));
    }
    let of_all = |value: fn(&PlotPoint) -> f64| -> Vec<f64> {
        let points = drawn.iter().flat_map(|series| &series.points);
        points.map(value).collect()
    };
    let (seconds, times) = (of_all(|point| point.across), of_all(|point| point.up.value));
    let unit = Unit::of_time(times.iter().copied());
    let heights: Vec<f64> = times.iter().map(|ns| ns / unit.size).collect();
    let mut series = drawn;
    for point in series.iter_mut().flat_map(|series| &mut series.points) {
        point.up = point.up.map(|ns| ns / unit.size);
    }
    Ok(Plot {
        title: "Spawning calls over the run".to_owned(),
        lines,
        across: spanning("seconds since the beginning".to_owned(), &seconds),
        up: spanning(format!("time of a call ({})", unit.name), &heights),
        series,
    })
}

fn series(trace: &Trace, path: &SpawnPath, hue: usize) -> Series {
    let is_its = |spawn: &&Spawn| {
        (spawn.program, spawn.caller, spawn.call, spawn.flags)
            == (path.program, path.caller, path.call, path.flags)
    };
    let program = names::program(trace, path.program);
    let name = format!("{program}: {}", names::way(trace, path));
    let points: Vec<PlotPoint> = trace
        .spawns
        .iter()
        .filter(is_its)
        .filter_map(|spawn| point(spawn, &name))
        .collect();
    let apart = points.len().div_ceil(POINTS).max(1);
    Series {
        points: points.into_iter().step_by(apart).collect(),
        name,
        hue,
        published: false,
        joined: false,
        marked: true,
    }
}

fn point(spawn: &Spawn, name: &str) -> Option<PlotPoint> {
    let call_ns = spawn.call_ns.filter(|call_ns| *call_ns > 0)? as f64;
    let at_s = spawn.at_ns as f64 / 1e9;
    let unit = Unit::of_one(call_ns);
    Some(PlotPoint {
        across: at_s,
        up: Estimate::exact(call_ns),
        story: format!(
            "{name}, at {} s: {}",
            significant(at_s),
            unit.prose(call_ns)
        ),
    })
}
