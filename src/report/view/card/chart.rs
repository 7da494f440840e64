//! The card as a picture: what its prices foretell beside what was measured, and what
//! they make of parents that everybody can picture.

use super::names;
use crate::analysis::card::{Charged, Compared, Fit, Shape, Tried};
use crate::model::{Counts, Term};
use crate::report::view::header;
use crate::report::view::number::{Unit, counted, number};
use crate::report::view::picture::{
    Bar, Chart, Kind, Plot, PlotPoint, Segment, Series, logarithmic,
};
use crate::stats::Estimate;

/// How far off the lines beside the diagonal are.
const OFF: f64 = 0.15;

/// The hue of lines that were not measured.
const GREY: usize = 12;

/// Times that a fork may take, in nanoseconds: no picture is drawn of others.
const TIMES: [f64; 2] = [1.0, 1e15];

/// What was measured over what was foretold; `None` if nothing was foretold.
pub(super) fn forecasts<'a>(charged: &Charged<'a>) -> Option<Plot> {
    let drawn = |tried: Tried<'a>| Some((tried, drawable(tried.total()?)?));
    let fitted: Vec<_> = charged.fitted().filter_map(drawn).collect();
    let unseen: Vec<_> = charged.unseen().filter_map(drawn).collect();
    let all = || fitted.iter().chain(&unseen).map(|(_, compared)| *compared);
    let ends = all().flat_map(|c| [c.measured.value, c.foretold]);
    let highest = ends.clone().fold(0.0, f64::max);
    let lowest = ends.fold(f64::INFINITY, f64::min);
    if highest <= 0.0 {
        return None;
    }
    let unit = Unit::of_one(highest);
    let axis = |name: &str| {
        let name = format!("total of one fork, {name} ({})", unit.name);
        logarithmic(name, lowest / unit.size, highest / unit.size)
    };
    let (across, up) = (axis("foretold"), axis("measured"));
    let mut series = guides(across.range);
    series.push(scattered("parents of the design", 0, &fitted, unit));
    series.push(scattered("parents that no fit has seen", 4, &unseen, unit));
    series.retain(|series| !series.points.is_empty());
    let mut lines = header::of_picture(charged.document);
    lines.push("each foretold by prices that were fitted without it".to_owned());
    Some(Plot {
        title: "What a fork takes, as foretold and as measured".to_owned(),
        lines,
        across,
        up,
        series,
    })
}

fn drawable(compared: Compared) -> Option<Compared> {
    let times = [compared.measured.value, compared.foretold];
    let [least, most] = TIMES;
    let all = times.iter().all(|time| (least..most).contains(time));
    all.then_some(compared)
}

fn scattered(name: &str, hue: usize, found: &[(Tried<'_>, Compared)], unit: Unit) -> Series {
    let point = |(tried, compared): &(Tried<'_>, Compared)| PlotPoint {
        across: compared.foretold / unit.size,
        up: compared.measured.map(|ns| ns / unit.size),
        story: format!(
            "{}: {}: measured {}, foretold {} ({} %)",
            tried.key(),
            tried.trial.space.in_words(),
            unit.prose(compared.measured.value),
            unit.prose(compared.foretold),
            number(compared.error() * 100.0, 1)
        ),
    };
    Series {
        name: name.to_owned(),
        hue,
        published: false,
        joined: false,
        marked: true,
        points: found.iter().map(point).collect(),
    }
}

/// The diagonal, and a line on either side of it.
fn guides(range: [f64; 2]) -> Vec<Series> {
    let percent = number(OFF * 100.0, 0);
    [
        ("as foretold".to_owned(), 1.0),
        (format!("foretold {percent} % too low"), 1.0 / (1.0 - OFF)),
        (format!("foretold {percent} % too high"), 1.0 / (1.0 + OFF)),
    ]
    .into_iter()
    .map(|(name, slope)| {
        // Where the line enters the picture and where it leaves it.
        let from = range[0].max(range[0] / slope);
        let to = range[1].min(range[1] / slope);
        let point = |across: f64| PlotPoint {
            across,
            up: Estimate::exact(across * slope),
            story: name.clone(),
        };
        Series {
            points: vec![point(from), point(to)],
            name,
            hue: GREY,
            published: slope != 1.0,
            joined: true,
            marked: false,
        }
    })
    .collect()
}

/// What the terms make of a few shapes; `None` if the empty worker is not known.
pub(super) fn shares(charged: &Charged<'_>, fit: &Fit) -> Option<Chart> {
    let empty = charged.empty()?;
    let shapes = charged.shapes();
    let bars = shapes.iter().filter_map(|shape| {
        let terms = fit.shares(&shape.counts);
        bar(shape.name, &terms)
    });
    let bars: Vec<Bar> = bars.collect();
    (!bars.is_empty()).then(|| Chart {
        title: "What a fork of these parents is foretold to take, and for what".to_owned(),
        lines: definitions(&shapes, empty),
        axis: "share of the total (%)".to_owned(),
        legend: Term::ALL.iter().zip(0..).map(kind).collect(),
        bars,
    })
}

fn kind((term, hue): (&Term, usize)) -> Kind {
    Kind::from((names::whole_term(*term), hue))
}

fn bar(name: &str, terms: &[(Term, f64)]) -> Option<Bar> {
    let paid = |(_, ns): &&(Term, f64)| ns.is_finite() && *ns > 0.0;
    let total: f64 = terms.iter().filter(paid).map(|(_, ns)| ns).sum();
    if !(total > 0.0 && total < TIMES[1]) {
        return None;
    }
    let unit = Unit::of_one(total);
    let segment = |(term, ns): &(Term, f64)| {
        let share = ns / total * 100.0;
        Segment {
            kind: Term::ALL.iter().position(|t| t == term).unwrap_or(0),
            value: share,
            label: format!("{} %", number(share, 0)),
            story: format!(
                "{name}: {}: {}, {} % of the total",
                names::whole_term(*term),
                unit.prose(*ns),
                number(share, 1)
            ),
        }
    };
    Some(Bar {
        group: name.to_owned(),
        name: String::new(),
        total: 100.0,
        label: unit.prose(total),
        segments: terms.iter().filter(paid).map(segment).collect(),
    })
}

/// What the shapes are made of: the first is the worker that the others are added to.
fn definitions(shapes: &[Shape], empty: Counts) -> Vec<String> {
    let line = |(index, shape): (usize, &Shape)| {
        let base = if index == 0 { Counts::default() } else { empty };
        let more = |count: fn(&Counts) -> u64| count(&shape.counts) - count(&base);
        let counts = [
            (more(|f| f.vmas), "VMA"),
            (more(|f| f.anon_vmas), "anon_vma"),
            (more(|f| f.ptes), "PTE"),
            (more(|f| f.huge_entries), "huge page"),
            (more(|f| f.tables), "page table"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts = counts.map(|(count, noun)| counted(count, noun));
        let counts: Vec<String> = counts.collect();
        let more = if index == 0 { "" } else { " more" };
        format!("{}: {}{more}", shape.name, counts.join(", "))
    };
    shapes.iter().enumerate().map(line).collect()
}
