//! Pictures: what is drawn and how it is worded; where it stands is decided by
//! the renderer.

use super::number::{number, significant};
use crate::stats::Estimate;

/// What spans more than this is shown by its ratios.
const WIDE: f64 = 30.0;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Stacked bars.
    Bars(Chart),
    /// Lines over an axis.
    Lines(Plot),
    /// Both, one below the other.
    Both(Plot, Chart),
}

/// A picture of stacked bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// Where and how that was measured.
    pub lines: Vec<String>,
    /// What the axis measures, and its unit.
    pub axis: String,
    /// What every segment stands for, from the bottom up.
    pub legend: Vec<Kind>,
    /// The bars, from left to right.
    pub bars: Vec<Bar>,
}

/// What segments stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Which colour it has: the same in every picture.
    pub hue: usize,
}

impl From<(&str, usize)> for Kind {
    fn from((name, hue): (&str, usize)) -> Self {
        Self {
            name: name.to_owned(),
            hue,
        }
    }
}

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What its neighbours of the same group have in common; empty if it stands
    /// alone.
    pub group: String,
    /// What it is; empty if its group says it.
    pub name: String,
    /// The total, in the unit of the axis.
    pub total: f64,
    /// The total in words.
    pub label: String,
    /// Its parts, from the bottom up; each greater than 0.
    pub segments: Vec<Segment>,
}

/// A part of a bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The index of its name in the legend.
    pub kind: usize,
    /// Its size, in the unit of the axis.
    pub value: f64,
    /// Its name in short, and its size.
    pub label: String,
    /// The same in full, with its share of the total.
    pub story: String,
}

/// A picture of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// Where and how that was measured.
    pub lines: Vec<String>,
    /// What lies below the lines, from left to right.
    pub across: PlotAxis,
    /// What the lines measure, from the bottom up.
    pub up: PlotAxis,
    /// The lines, in the legend's order.
    pub series: Vec<Series>,
}

/// An axis of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotAxis {
    /// What it measures, and its unit.
    pub name: String,
    /// How values become places.
    pub scale: Scale,
    /// The values at its two ends; both above 0 on a logarithmic axis.
    pub range: [f64; 2],
    /// Marks, each with its value and its words.
    pub ticks: Vec<(f64, String)>,
}

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart.
    Logarithmic,
}

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Which colour it has: the same in every picture.
    pub hue: usize,
    /// Whether it was published, and so is dashed.
    pub published: bool,
    /// Whether a line joins its points: not those of unlike things.
    pub joined: bool,
    /// Whether its points are marked: not those of a line that others are compared with.
    pub marked: bool,
    /// Its points, from left to right.
    pub points: Vec<PlotPoint>,
}

/// A point of a line, in the units of the axes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotPoint {
    /// Its place on the axis below.
    pub across: f64,
    /// Its height, which is exact where it has no interval.
    pub up: Estimate,
    /// The point in words.
    pub story: String,
}

impl Chart {
    /// How high its highest bar reaches.
    pub fn height(&self) -> f64 {
        self.bars.iter().map(Bar::height).fold(0.0, f64::max)
    }

    /// Marks of the axis, from 0 on: each with its place and its words.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        ticks(self.height())
    }
}

impl Bar {
    /// How high it reaches: its parts may be more than their total, as medians
    /// do not add up.
    pub fn height(&self) -> f64 {
        let parts: f64 = self.segments.iter().map(|segment| segment.value).sum();
        parts.max(self.total)
    }
}

/// Round marks, about six of them, the last one not above the highest bar.
fn ticks(highest: f64) -> Vec<(f64, String)> {
    if !(highest > 0.0 && highest.is_finite()) {
        return vec![(0.0, "0".to_owned())];
    }
    let power = 10_f64.powf((highest / 6.0).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = round.into_iter().find(|step| highest / step <= 6.0);
    let step = step.unwrap_or(highest);
    let decimals = if step >= 1.0 { 0 } else { 1 };
    (0..=6_u32)
        .map(|tick| f64::from(tick) * step)
        .filter(|value| *value <= highest)
        .map(|value| (value, number(value, decimals)))
        .collect()
}

/// An axis that holds some values: logarithmic if they are wide apart and none
/// is 0, and from 0 on otherwise.
pub(super) fn spanning(name: String, values: &[f64]) -> PlotAxis {
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
        ticks: ticks(top),
    }
}

/// A logarithmic axis from one value to another; marks at powers, and between if few.
pub(super) fn logarithmic(name: String, lowest: f64, highest: f64) -> PlotAxis {
    let (from, to) = (lowest.log10().floor(), highest.log10().ceil());
    let powers = (0..=40_u32)
        .map(|step| from + f64::from(step))
        .take_while(|power| *power <= to);
    let steps: &[f64] = if to - from > 4.0 { &[1.0] } else { &[1.0, 3.0] };
    let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powf(power)));
    // The data's own ends, with a margin, rather than whole powers of ten.
    let range = [lowest / 1.3, highest * 1.3];
    PlotAxis {
        name,
        scale: Scale::Logarithmic,
        range,
        ticks: ticks
            .filter(|value| range[0] <= *value && *value <= range[1])
            .map(|value| (value, mark(value)))
            .collect(),
    }
}

/// A round number without needless decimals.
fn mark(value: f64) -> String {
    if value >= 1.0 {
        number(value, 0)
    } else {
        significant(value).trim_end_matches('0').to_owned()
    }
}
