//! What a page-table entry and a page-table page cost, each alone: what dense and
//! scattered parents together tell.

use crate::model::{Availability, Missing, Part, SpawnMethod};
use crate::stats::Replicates;

use super::parents::{Parent, Study};
use super::scale::{Alone, Cost, Layout, Over, Per, both, combined, ends, family};

/// The two costs; none without both layouts. Dense and scattered parents have as many
/// entries in different numbers of tables, which makes two equations of two
/// unknowns.
pub(super) fn costs<'a>(study: &'a Study<'a>) -> Vec<Cost<'a>> {
    let method = SpawnMethod::Fork;
    let ends = |layout| ends(study, &family(study, layout));
    let (Some(dense), Some(scattered)) = (ends(Layout::Dense), ends(Layout::Scattered)) else {
        return Vec::new();
    };
    let cost = |alone: Alone| Cost {
        per: Per::Alone(alone),
        method,
        series: None,
        part: study.part(),
        over: Over::Layouts,
        published: Availability::unavailable("the study prints no number for it", None),
        here: both(|part| {
            let growths = [dense, scattered].map(|(small, large)| [small, large]);
            Ok(solved(study, growths, part, alone)?.estimate())
        }),
    };
    vec![cost(Alone::Pte), cost(Alone::Table)]
}

/// Solves `time = entries * a + tables * b` for two growths.
fn solved(
    study: &Study<'_>,
    growths: [[&Parent<'_>; 2]; 2],
    part: Part,
    alone: Alone,
) -> Result<Replicates, Missing> {
    let mut sizes = [[0.0; 2]; 2];
    let mut times = Vec::new();
    for ([small, large], size) in growths.into_iter().zip(&mut sizes) {
        let (from, to) = (
            small.space().ok_or_else(|| small.unseen())?,
            large.space().ok_or_else(|| large.unseen())?,
        );
        let page = study.document.host.page_size.max(1) as f64;
        let tables = to.parent.page_table_bytes as f64 - from.parent.page_table_bytes as f64;
        *size = [
            to.parent.mappings.present_ptes as f64 - from.parent.mappings.present_ptes as f64,
            tables / page,
        ];
        times.push(study.replicates(small, SpawnMethod::Fork, part)?);
        times.push(study.replicates(large, SpawnMethod::Fork, part)?);
    }
    let [[p, t], [q, u]] = sizes;
    let determinant = p * u - q * t;
    if determinant.abs() < 1.0 {
        return Err(Missing::unavailable(
            "dense and scattered parents have as many page tables here",
            None,
        ));
    }
    combined(&times.iter().collect::<Vec<_>>(), |v| {
        let (dense, scattered) = (v[1] - v[0], v[3] - v[2]);
        Some(match alone {
            Alone::Pte => (dense * u - scattered * t) / determinant,
            Alone::Table => (p * scattered - q * dense) / determinant,
        })
    })
}
