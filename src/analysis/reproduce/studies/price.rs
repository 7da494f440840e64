//! What a page-table entry or a VMA costs, by published figures alone.

use super::Parent;

/// A price that follows from published figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// What the study calls the line that it follows from.
    pub series: String,
    /// The parent whose whole time it is, if there is no smaller one to subtract;
    /// the price is then more than what is asked for.
    pub whole: Option<String>,
    /// What it is the price of.
    pub per: Per,
    /// Nanoseconds.
    pub ns: f64,
}

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A page-table entry.
    Pte,
    /// A VMA.
    Vma,
}

/// A published time, and the size of its parent.
struct Timed<'a> {
    parent: &'a Parent,
    size: f64,
    ns: f64,
}

/// The prices of all lines: between the smallest and the largest parent, or of
/// each parent alone where all have one size.
pub(super) fn of(parents: &[Parent]) -> Vec<Price> {
    let mut prices = Vec::new();
    for series in series(parents) {
        for per in [Per::Pte, Per::Vma] {
            prices.extend(of_series(parents, &series, per));
        }
    }
    prices
}

fn series(parents: &[Parent]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for figure in parents.iter().flat_map(|parent| &parent.figures) {
        if !found.contains(&figure.series) {
            found.push(figure.series.clone());
        }
    }
    found
}

fn of_series(parents: &[Parent], series: &str, per: Per) -> Vec<Price> {
    let mut timed: Vec<Timed<'_>> = parents
        .iter()
        .filter_map(|parent| timed(parent, series, per))
        .collect();
    timed.sort_by(|a, b| a.size.total_cmp(&b.size));
    let (Some(first), Some(last)) = (timed.first(), timed.last()) else {
        return Vec::new();
    };
    let price = |whole, ns| Price {
        series: series.to_owned(),
        whole,
        per,
        ns,
    };
    if first.size < last.size {
        let slope = (last.ns - first.ns) / (last.size - first.size);
        return vec![price(None, slope)];
    }
    let alone = timed.iter();
    alone
        .map(|timed| price(Some(timed.parent.name.clone()), timed.ns / timed.size))
        .collect()
}

fn timed<'a>(parent: &'a Parent, series: &str, per: Per) -> Option<Timed<'a>> {
    let size = match per {
        Per::Pte => parent.ptes,
        Per::Vma => parent.vmas,
    }?;
    let figure = parent.figures.iter().find(|f| f.series == series)?;
    Some(Timed {
        parent,
        size: size as f64,
        ns: figure.per_spawn_ns(),
    })
}
