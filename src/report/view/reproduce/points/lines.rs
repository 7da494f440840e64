//! The picture: time over the size of the parent, published lines dashed beside
//! this host's own.

use super::compared::word;
use super::names::line_name;
use crate::analysis::reproduce::spaces::{Axis, Layout, Parent, Row, Study, layout, published};
use crate::model::{Missing, Space, SpawnMethod};
use crate::report::view::number::{Unit, counted};
use crate::report::view::picture::{Plot, PlotAxis, PlotPoint, Scale, Series, spanning};
use crate::stats::Estimate;

/// Places in the renderer's palette: of each method, in their order; of their
/// lines over scattered pages; and of further published lines of one method.
const METHODS: [usize; 7] = [0, 5, 4, 6, 7, 11, 12];
const SCATTERED: [usize; 7] = [10, 9, 3, 8, 6, 1, 2];
const FURTHER: [usize; 3] = [3, 8, 9];

/// A point, and what tells its line from others.
struct Drawn {
    line: String,
    method: SpawnMethod,
    kind: &'static str,
    point: PlotPoint,
}

/// Draws it, with these lines above it.
///
/// # Errors
/// If there is no time to draw.
pub(super) fn plot(study: &Study<'_>, lines: Vec<String>) -> Result<Plot, Missing> {
    let rows = study.rows();
    let published = rows.iter().filter_map(|row| of_study(study, row));
    let mut series = joined(study, published, true);
    let here = rows.iter().filter_map(|row| of_host(study, row));
    series.extend(joined(study, here, false));
    let of_all = |value: fn(&PlotPoint) -> f64| -> Vec<f64> {
        let points = series.iter().flat_map(|series| &series.points);
        points.map(value).collect()
    };
    let (sizes, times) = (of_all(|point| point.across), of_all(|point| point.up.value));
    if times.is_empty() {
        return Err(Missing::not_asked(
            "nothing was published in numbers, and nothing was measured",
        ));
    }
    let unit = Unit::of_one(times.iter().copied().fold(0.0, f64::max));
    let heights: Vec<f64> = times.iter().map(|ns| ns / unit.size).collect();
    for point in series.iter_mut().flat_map(|series| &mut series.points) {
        point.up = point.up.map(|ns| ns / unit.size);
    }
    let part = match study.has_one_part() {
        true => format!(", {}", word(study.part())),
        false => String::new(),
    };
    Ok(Plot {
        title: "One spawn, as published and here".to_owned(),
        lines,
        across: across(study, &sizes),
        up: spanning(format!("time of one spawn{part} ({})", unit.name), &heights),
        series,
    })
}

/// The points as lines, those in the order of their first points.
fn joined(study: &Study<'_>, points: impl Iterator<Item = Drawn>, published: bool) -> Vec<Series> {
    let mut lines: Vec<((SpawnMethod, &str), Series)> = Vec::new();
    for drawn in points {
        let like = (drawn.method, drawn.kind);
        if let Some((_, line)) = lines.iter_mut().find(|(_, line)| line.name == drawn.line) {
            line.points.push(drawn.point);
            continue;
        }
        let others = lines.iter().filter(|(known, _)| *known == like).count();
        let line = Series {
            name: drawn.line,
            hue: hue(drawn.method, drawn.kind, others),
            published,
            joined: study.axis() != Axis::Pages,
            marked: true,
            points: vec![drawn.point],
        };
        lines.push((like, line));
    }
    let ordered = |(_, mut line): (_, Series)| {
        line.points.sort_by(|a, b| a.across.total_cmp(&b.across));
        line
    };
    lines.into_iter().map(ordered).collect()
}

/// A published time, which has no interval.
fn of_study(study: &Study<'_>, row: &Row<'_>) -> Option<Drawn> {
    let (figure, parent) = (row.asked.figure?, row.parent);
    let ns = *published(&row.asked).measured().filter(|ns| **ns > 0.0)?;
    // A size that was not published is forktax's own choice, and is known once it was
    // built.
    let built = parent.space().filter(|_| study.is_whole());
    let built = built.map(|space| study.built_size(space));
    let across = place(study, row, study.published_size(parent).or(built))?;
    let line = format!("{}{}, published", line_name(&figure.series), kind(parent));
    let unit = Unit::of_one(ns);
    let time = unit.bare(ns).plain();
    Some(Drawn {
        method: row.asked.method,
        kind: kind(parent),
        point: PlotPoint {
            across,
            up: Estimate::exact(ns),
            story: format!("{line}, {}: {time} {}", parent.name(), unit.name),
        },
        line,
    })
}

/// A time of this host, and what the parent has.
fn of_host(study: &Study<'_>, row: &Row<'_>) -> Option<Drawn> {
    let (asked, parent) = (&row.asked, row.parent);
    let here = *study.here(parent, asked.method, asked.part).measured()?;
    let space = parent.space()?;
    if !row.first_of_method || !here.value.is_finite() || here.value <= 0.0 {
        return None;
    }
    let line = format!("{}{}, here", asked.method.name(), kind(parent));
    let unit = Unit::of_one(here.value);
    let time = unit.entry(here).plain();
    let has = contents(space);
    Some(Drawn {
        method: asked.method,
        kind: kind(parent),
        point: PlotPoint {
            across: place(study, row, Some(study.built_size(space)))?,
            up: here,
            story: format!("{line}, {} ({has}): {time} {}", parent.name(), unit.name),
        },
        line,
    })
}

fn contents(space: &Space) -> String {
    let mappings = &space.parent.mappings;
    let ptes = counted(mappings.present_ptes, "PTE");
    format!("{}, {ptes}", counted(mappings.vmas, "VMA"))
}

/// Where a parent stands on the axis: by its size, or side by side with the others.
fn place(study: &Study<'_>, row: &Row<'_>, size: Option<u64>) -> Option<f64> {
    match study.axis() {
        Axis::Pages => Some(row.place as f64 + 1.0),
        Axis::Vmas | Axis::Ptes => size.map(|size| size as f64),
    }
}

/// What sets a parent's line apart from those of dense pages.
fn kind(parent: &Parent<'_>) -> &'static str {
    match &parent.request {
        Ok(request) if layout(request) == Layout::Scattered => ", scattered",
        _ => "",
    }
}

/// The same colour for a method, published or not; further lines have others.
fn hue(method: SpawnMethod, kind: &str, others: usize) -> usize {
    if let Some(further) = others.checked_sub(1) {
        return FURTHER[further % FURTHER.len()];
    }
    let place = SpawnMethod::ALL.iter().position(|known| *known == method);
    let hues = if kind.is_empty() { METHODS } else { SCATTERED };
    hues[place.unwrap_or(0)]
}

/// The axis of the parents.
fn across(study: &Study<'_>, sizes: &[f64]) -> PlotAxis {
    let name = match study.axis() {
        Axis::Ptes => "page-table entries of the parent",
        Axis::Vmas => "VMAs of the parent",
        Axis::Pages => {
            let names = (1..).zip(&study.parents);
            return PlotAxis {
                name: "the parent".to_owned(),
                scale: Scale::Linear,
                range: [0.5, study.parents.len() as f64 + 0.5],
                ticks: names
                    .map(|(place, parent)| (f64::from(place), parent.name()))
                    .collect(),
            };
        }
    };
    spanning(name.to_owned(), sizes)
}
