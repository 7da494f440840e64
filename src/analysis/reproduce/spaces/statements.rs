//! What may be said of a study's figures: each finding only where the intervals
//! support it.

use super::compared::over_published;
use super::parents::Study;
use super::scale::{Cost, Over, grew};
use crate::model::{Availability, Part, SpawnMethod};
use crate::stats::Estimate;

/// What changes by less than this share of itself stays flat.
const FLAT: f64 = 0.1;

/// The value of a cost that is not 0.
pub fn certain(found: &Availability<Estimate>) -> Option<f64> {
    let found = found.measured()?;
    found.is_above(0.0).then_some(found.value)
}

/// What a method's total does from the smaller parent to the larger one, in ns, with
/// the total at the smaller one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grown {
    /// It stays as it was, but for this.
    Flat {
        /// The change.
        change: Estimate,
        /// The total that changes.
        of: f64,
    },
    /// It grows.
    By {
        /// The growth.
        change: Estimate,
        /// The total that grows.
        of: f64,
    },
}

/// Whether the total of a cost's method grows; `None` where it cannot be told.
pub fn grown(study: &Study<'_>, cost: &Cost<'_>) -> Option<Grown> {
    let Over::Growth(small, large) = cost.over else {
        return None;
    };
    let change = grew(study, [small, large], cost.method).ok()?;
    let of = study.here(small, cost.method, Part::Total);
    let of = of.measured()?.value;
    if change.ci95.iter().all(|bound| bound.abs() < FLAT * of) {
        return Some(Grown::Flat { change, of });
    }
    change.is_above(0.0).then_some(Grown::By { change, of })
}

/// The least and the most of this host's times over the published ones of one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioSpan<'a> {
    /// The spawn method.
    pub method: SpawnMethod,
    /// The study's line, where methods do not tell its lines apart.
    pub series: Option<&'a str>,
    /// The lowest ratio.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// The ratios of each line, in the order of the parents.
pub fn ratio_spans<'a>(study: &'a Study<'a>) -> Vec<RatioSpan<'a>> {
    let mut spans: Vec<RatioSpan<'a>> = Vec::new();
    for row in study.rows() {
        let ratio = over_published(study, &row);
        let ratio = ratio.measured().map(|ratio| ratio.value);
        let Some(ratio) = ratio.filter(|ratio| ratio.is_finite()) else {
            continue;
        };
        let series = row.asked.figure.filter(|_| study.has_series());
        let series = series.map(|figure| figure.series.as_str());
        let method = row.asked.method;
        let of_line = |span: &&mut RatioSpan<'_>| (span.method, span.series) == (method, series);
        match spans.iter_mut().find(of_line) {
            Some(span) => (span.low, span.high) = (span.low.min(ratio), span.high.max(ratio)),
            None => spans.push(RatioSpan {
                method,
                series,
                low: ratio,
                high: ratio,
            }),
        }
    }
    spans
}
