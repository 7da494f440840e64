//! What a spawn takes here, beside what was published of it.

use super::parents::{Asked, Row, Study};
use crate::model::{Availability, Missing, PublishedFigure};
use crate::stats::Estimate;

/// The published time of one spawn, or why there is none.
pub fn published(asked: &Asked<'_>) -> Availability<f64> {
    match asked.figure.map(PublishedFigure::per_spawn_ns) {
        Some(ns) if ns.is_finite() => Availability::Measured(ns),
        Some(_) => Availability::unavailable("the published figure is no time", None),
        None => Availability::unavailable("the study prints no number for it", None),
    }
}

/// This host's time over the published one, where parents and parts are alike.
pub fn over_published(study: &Study<'_>, row: &Row<'_>) -> Availability<Estimate> {
    let asked = &row.asked;
    let ns = match published(asked) {
        Availability::Measured(ns) if ns > 0.0 => ns,
        Availability::Measured(_) => {
            return Availability::unavailable("the published figure is no time", None);
        }
        Availability::Missing(missing) => return Availability::Missing(missing),
    };
    let here = study.here(row.parent, asked.method, asked.part);
    if here.measured().is_some() && !study.is_whole() {
        return Availability::Missing(Missing::unavailable(
            format!("built at {} of the published size", study.share()),
            Some("compare the costs of a PTE or a VMA below"),
        ));
    }
    here.map(|here| here.map(|time| time / ns))
}
