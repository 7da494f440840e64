//! Every figure of a study in base units, for other programs.

use crate::analysis::reproduce::spaces::{
    Asked, Cost, Over, Parent, Per, Study, over_published, published,
};
use crate::model::{Availability, Part, PublishedFigure, PublishedUnit};
use crate::stats::Estimate;

use super::compared::word;
use super::costs::parents;

/// A figure and what it belongs to. The words are those of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyRecord {
    /// Whether it was published, built, or measured here, or is made of those.
    pub part: &'static str,
    /// The parent, or the span of parents.
    pub parent: String,
    /// The spawn method; empty of what has none.
    pub method: &'static str,
    /// The study's line; empty of what has none.
    pub series: String,
    /// What it is.
    pub item: String,
    /// The figure, if there is one.
    pub value: Option<f64>,
    /// Its 95 % interval, if it has one.
    pub ci95: Option<[f64; 2]>,
    /// Its unit.
    pub unit: &'static str,
}

/// All of them, parent by parent, then the costs on one scale.
pub(super) fn records(study: &Study<'_>, costs: &[Cost<'_>]) -> Vec<StudyRecord> {
    let mut records = Vec::new();
    for parent in &study.parents {
        records.extend(sizes(parent));
        for asked in study.asked(parent) {
            records.extend(times(study, parent, &asked));
        }
    }
    records.extend(costs.iter().flat_map(self::costs));
    records
}

fn sizes(parent: &Parent<'_>) -> Vec<StudyRecord> {
    let record = |part, item: &str, value: Option<u64>, unit| StudyRecord {
        part,
        parent: parent.point.name.clone(),
        method: "",
        series: String::new(),
        item: item.to_owned(),
        value: value.map(|value| value as f64),
        ci95: None,
        unit,
    };
    let space = parent.space();
    vec![
        record("published", "vmas", parent.point.vmas, "count"),
        record("published", "ptes", parent.point.ptes, "count"),
        record(
            "built",
            "vmas",
            space.map(|s| s.parent.mappings.vmas),
            "count",
        ),
        record(
            "built",
            "present_ptes",
            space.map(|s| s.parent.mappings.present_ptes),
            "count",
        ),
        record(
            "built",
            "page_tables",
            space.map(|s| s.parent.page_table_bytes),
            "bytes",
        ),
        record(
            "built",
            "resident",
            space.map(|s| s.parent.resident_bytes),
            "bytes",
        ),
        record("built", "huge", space.map(|s| s.parent.huge_bytes), "bytes"),
    ]
}

fn times(study: &Study<'_>, parent: &Parent<'_>, asked: &Asked<'_>) -> Vec<StudyRecord> {
    let figure = asked.figure;
    let record = |part, item: &str, value, ci95, unit| StudyRecord {
        part,
        parent: parent.point.name.clone(),
        method: asked.method.name(),
        series: figure.map_or(String::new(), |figure| figure.series.clone()),
        item: item.to_owned(),
        value,
        ci95,
        unit,
    };
    let own = |part: &'static str, item: &str, found: &Availability<Estimate>, unit| {
        let found = found.measured();
        record(
            part,
            item,
            found.map(|f| f.value),
            found.map(|f| f.ci95),
            unit,
        )
    };
    let mut records = Vec::new();
    if let Some(PublishedFigure { value, unit, .. }) = figure {
        let value = Some(*value).filter(|value| value.is_finite());
        records.push(record("published", "figure", value, None, raw(*unit)));
    }
    let ns = published(asked).measured().copied();
    records.push(record("published", word(asked.part), ns, None, "ns"));
    for part in [Part::Call, Part::Total] {
        let here = study.here(parent, asked.method, part);
        records.push(own("here", word(part), &here, "ns"));
    }
    let ratio = over_published(study, parent, asked);
    records.push(own(
        "here_over_published",
        word(asked.part),
        &ratio,
        "times",
    ));
    records
}

fn raw(unit: PublishedUnit) -> &'static str {
    match unit {
        PublishedUnit::SpawnsIn10S => "spawns_in_10_s",
        PublishedUnit::SecondsOf500 => "seconds_of_500",
        PublishedUnit::Milliseconds => "ms",
    }
}

fn costs(cost: &Cost<'_>) -> Vec<StudyRecord> {
    let item = match (cost.per, &cost.over) {
        (Per::Alone(_), _) => "derived",
        (_, Over::Whole(_)) => "whole",
        _ => "growth",
    };
    let record = |part, of: Part, value, ci95| StudyRecord {
        part,
        parent: parents(&cost.over),
        method: cost.method.name(),
        series: cost.series.unwrap_or_default().to_owned(),
        item: format!("{} of one {}, {item}", word(of), cost.per.noun()),
        value,
        ci95,
        unit: "ns",
    };
    let published = cost.published.measured().copied();
    let mut records = vec![record("published_cost", cost.part, published, None)];
    for (part, here) in [Part::Call, Part::Total].into_iter().zip(&cost.here) {
        let here = here.measured();
        records.push(record(
            "cost_here",
            part,
            here.map(|h| h.value),
            here.map(|h| h.ci95),
        ));
    }
    records
}
