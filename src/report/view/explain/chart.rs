//! The ledger as a picture: one bar a method, made of its phases.
//!
//! What is drawn and how it is worded is decided here; where it stands, by the
//! renderer.

use crate::analysis::explain::{Explained, phases, time};
use crate::analysis::sweep::Sizes;
use crate::model::{Document, Explanation, Ledger, Missing, Phase};

use super::super::header;
use super::super::number::{Unit, counted, percent};
use super::super::picture::{Bar, Chart, Kind, Segment};
use super::{Found, names};

/// What the phases leave of the total.
const UNEXPLAINED: &str = "unexplained";

/// The picture of an explanation, or why there is none.
pub(in crate::report::view) fn chart(
    document: &Document,
    explanation: &Explanation,
) -> Result<Chart, Missing> {
    let sizes = Sizes::of(document);
    let nothing = || Missing::not_asked("no method was explained");
    let explained = Explained::of(document, explanation, &sizes);
    let methods = &explanation.methods;
    let found: Found<'_, Ledger> = methods
        .iter()
        .filter_map(|method| Some((method.method, method.ledger.measured()?)))
        .filter(|(_, ledger)| ledger.total_ns.value.is_finite())
        .collect();
    if found.is_empty() {
        let mut reasons = methods.iter().filter_map(|method| method.ledger.missing());
        return Err(reasons.next().cloned().unwrap_or_else(nothing));
    }
    Ok(draw(document, &explained, &found))
}

fn draw(document: &Document, explained: &Explained<'_>, found: &Found<'_, Ledger>) -> Chart {
    // The longest bar sets the scale, so its unit is the axis's.
    let longest = found.iter().map(|(_, ledger)| ledger.total_ns.value.abs());
    let unit = Unit::of_one(longest.fold(0.0, f64::max));
    let kinds = phases(found.iter().map(|(_, ledger)| *ledger));
    let mut legend: Vec<Kind> = kinds
        .iter()
        .map(|phase| {
            let hue = Phase::ALL.iter().position(|p| p == phase).unwrap_or(0);
            Kind::from((names::phase(*phase)[0], hue))
        })
        .collect();
    legend.push(Kind::from((UNEXPLAINED, Phase::ALL.len())));
    let bars = found.iter().map(|(method, ledger)| Bar {
        group: String::new(),
        name: method.name().to_owned(),
        total: ledger.total_ns.value / unit.size,
        label: unit.prose(ledger.total_ns.value),
        segments: segments(ledger, &kinds, unit),
    });
    Chart {
        title: title(explained),
        lines: header::of_picture(document),
        axis: format!("time of one spawn ({})", unit.name),
        bars: bars.collect(),
        legend,
    }
}

fn segments(ledger: &Ledger, kinds: &[Phase], unit: Unit) -> Vec<Segment> {
    let phases = kinds.iter().enumerate().filter_map(|(kind, phase)| {
        let time = time(ledger, *phase)?;
        Some((kind, names::phase(*phase), time.ns.measured()?.value))
    });
    let rest = (kinds.len(), [UNEXPLAINED; 2], ledger.unexplained_ns.value);
    phases
        .chain(std::iter::once(rest))
        .filter(|(_, _, ns)| ns.is_finite() && *ns > 0.0)
        .map(|(kind, [long, short], ns)| {
            let size = unit.prose(ns);
            let share = percent(ns / ledger.total_ns.value);
            Segment {
                kind,
                value: ns / unit.size,
                label: format!("{short} {size}"),
                story: format!("{long}: {size}, {share} % of the total"),
            }
        })
        .collect()
}

fn title(explained: &Explained<'_>) -> String {
    let place = explained.space.map_or(String::new(), |group| {
        let space = group.space;
        format!(
            ": {}, {}",
            counted(space.parent.mappings.vmas, "mapping"),
            counted(space.parent.mappings.present_ptes, "present PTE")
        )
    });
    format!("Where the time of one spawn goes{place}")
}
