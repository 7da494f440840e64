//! The picture: time over the size of the parent, published lines dashed beside
//! this host's own.

use crate::analysis::reproduce::spaces::{Axis, Layout, Parent, Study, layout, published};
use crate::model::{Missing, Part, Space, SpawnMethod};
use crate::stats::Estimate;

use super::super::super::number::{Unit, counted};
use super::super::super::picture::{Plot, PlotAxis, PlotPoint, Scale, Series, logarithmic};
use super::compared::word;
use super::names::line_name;

/// What spans more than this is shown by its ratios.
const WIDE: f64 = 30.0;

/// Places in the renderer's palette: of each method, in their order; of their
/// lines over scattered pages; and of further published lines of one method.
const METHODS: [usize; 7] = [0, 5, 4, 6, 7, 11, 12];
const SCATTERED: [usize; 7] = [10, 9, 3, 8, 6, 1, 2];
const FURTHER: [usize; 3] = [3, 8, 9];

/// Draws it, with these lines above it.
///
/// # Errors
/// If there is no time to draw.
pub(super) fn plot(study: &Study<'_>, lines: Vec<String>) -> Result<Plot, Missing> {
    let mut series = published_lines(study);
    series.extend(own_lines(study));
    series.retain(|series| !series.points.is_empty());
    let points = || series.iter().flat_map(|series| &series.points);
    if points().next().is_none() {
        return Err(Missing::not_asked(
            "nothing was published in numbers, and nothing was measured",
        ));
    }
    let highest = points().map(|point| point.up.value).fold(0.0, f64::max);
    let unit = Unit::of_time(std::iter::once(highest));
    let across = across(
        study,
        &points().map(|point| point.across).collect::<Vec<_>>(),
    );
    for point in series.iter_mut().flat_map(|series| &mut series.points) {
        point.up = point.up.map(|ns| ns / unit.size);
    }
    let heights = series.iter().flat_map(|series| &series.points);
    let heights: Vec<f64> = heights.map(|point| point.up.value).collect();
    let part = if study.has_one_part() {
        format!(", {}", word(study.part()))
    } else {
        String::new()
    };
    Ok(Plot {
        title: "One spawn, as published and here".to_owned(),
        lines,
        across,
        up: axis(format!("time of one spawn{part} ({})", unit.name), &heights),
        series,
    })
}

/// Each line of the study, in its order.
fn published_lines(study: &Study<'_>) -> Vec<Series> {
    let mut lines: Vec<((SpawnMethod, &str), Series)> = Vec::new();
    for (index, parent) in study.parents.iter().enumerate() {
        for asked in study.asked(parent) {
            let ns = published(&asked).measured().copied();
            let (Some(figure), Some(ns)) = (asked.figure, ns.filter(|ns| *ns > 0.0)) else {
                continue;
            };
            // A size that was not published is forktax's own choice, and is
            // known once it was built.
            let built = parent.space().filter(|_| study.is_whole());
            let size = match study.axis() {
                Axis::Pages => Some(index as u64 + 1),
                Axis::Vmas => parent
                    .point
                    .vmas
                    .or(built.map(|space| space.parent.mappings.vmas)),
                Axis::Ptes => parent
                    .point
                    .ptes
                    .or(built.map(|space| space.parent.mappings.present_ptes)),
            };
            let Some(across) = size.map(|size| size as f64) else {
                continue;
            };
            let name = format!("{}{}, published", line_name(&figure.series), kind(parent));
            let point = PlotPoint {
                across,
                up: Estimate::exact(ns),
                story: story_of_published(&name, parent, ns),
            };
            if let Some((_, line)) = lines.iter_mut().find(|(_, line)| line.name == name) {
                line.points.push(point);
                continue;
            }
            let others = lines
                .iter()
                .filter(|((method, known), _)| *method == asked.method && *known == kind(parent));
            let others = others.count();
            let line = Series {
                name,
                hue: hue(asked.method, kind(parent), others),
                published: true,
                joined: study.axis() != Axis::Pages,
                marked: true,
                points: vec![point],
            };
            lines.push(((asked.method, kind(parent)), line));
        }
    }
    lines.into_iter().map(|(_, line)| ordered(line)).collect()
}

/// This host's lines: one a method, a layout of pages and a part.
fn own_lines(study: &Study<'_>) -> Vec<Series> {
    let mut lines: Vec<Series> = Vec::new();
    for (index, parent) in study.parents.iter().enumerate() {
        let mut drawn: Vec<(SpawnMethod, Part)> = Vec::new();
        for asked in study.asked(parent) {
            let here = study.here(parent, asked.method, asked.part);
            let here = here
                .measured()
                .filter(|here| here.value.is_finite() && here.value > 0.0);
            let (Some(here), Some(space)) = (here, parent.space()) else {
                continue;
            };
            if drawn.contains(&(asked.method, asked.part)) {
                continue;
            }
            drawn.push((asked.method, asked.part));
            let across = match study.axis() {
                Axis::Pages => index as f64 + 1.0,
                Axis::Vmas => space.parent.mappings.vmas as f64,
                Axis::Ptes => space.parent.mappings.present_ptes as f64,
            };
            let name = format!("{}{}, here", asked.method.name(), kind(parent));
            let point = PlotPoint {
                across,
                up: *here,
                story: story(&name, parent, *here, space),
            };
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Series {
                    name,
                    hue: hue(asked.method, kind(parent), 0),
                    published: false,
                    joined: study.axis() != Axis::Pages,
                    marked: true,
                    points: vec![point],
                }),
            }
        }
    }
    lines.into_iter().map(ordered).collect()
}

fn ordered(mut line: Series) -> Series {
    line.points.sort_by(|a, b| a.across.total_cmp(&b.across));
    line
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

/// A published time, which has no interval.
fn story_of_published(name: &str, parent: &Parent<'_>, ns: f64) -> String {
    let unit = Unit::of_time(std::iter::once(ns));
    let time = unit.bare(ns).plain();
    format!("{name}, {}: {time} {}", parent.name(), unit.name)
}

/// A time of this host, and what the parent has.
fn story(name: &str, parent: &Parent<'_>, here: Estimate, space: &Space) -> String {
    let unit = Unit::of_time(std::iter::once(here.value));
    format!(
        "{name}, {} ({}, {}): {} {}",
        parent.name(),
        counted(space.parent.mappings.vmas, "VMA"),
        counted(space.parent.mappings.present_ptes, "PTE"),
        unit.entry(here).plain(),
        unit.name
    )
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
    axis(name.to_owned(), sizes)
}

/// An axis that holds some values: logarithmic if they are wide apart and none
/// is 0, and from 0 on otherwise.
fn axis(name: String, values: &[f64]) -> PlotAxis {
    let values = || values.iter().copied().filter(|value| value.is_finite());
    let highest = values().fold(0.0, f64::max);
    let lowest = values().fold(f64::INFINITY, f64::min);
    if lowest > 0.0 && highest / lowest > WIDE && highest < 1e18 {
        return logarithmic(name, lowest, highest);
    }
    let top = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    PlotAxis {
        name,
        scale: Scale::Linear,
        range: [0.0, top],
        ticks: super::super::super::picture::ticks(top),
    }
}
