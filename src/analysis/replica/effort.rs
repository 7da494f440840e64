//! How long workers of a shape take, roughly: to plan the time of a run by, and never
//! printed as a figure.

use super::counts::{fan_out, total};
use super::groups::weight;
use crate::model::{ProcessShape, SpawnMethod};

/// A worker's start, on a host of two CPUs.
const START_S: f64 = 0.12;
/// To touch a page, and to clear one of a huge page's.
const PAGE_S: f64 = 0.5e-6;
const HUGE_SHARE_S: f64 = 0.2e-6;
/// Forks of a worker with one method: it tries it, and has a pair of turns. With several,
/// each spawn has another before it.
const ALONE: f64 = 3.0;
const OF_SEVERAL: f64 = 5.0;
/// Trials beside the whole, most of which have less than that.
const OTHERS: f64 = 8.0;
const OF_THE_WHOLE: f64 = 0.6;
/// Forks of a worker that writes to its pages again: by two methods, each with one before it
/// and a child that is held after it.
const OF_REWRITING: f64 = 8.0;
/// So many rounds tell how workers differ.
const ROUNDS: f64 = 5.0;

/// Seconds in which a shape can be tried often enough, if the workers take as long as most;
/// in so many trials they write to their pages again.
pub fn enough_s(shape: &ProcessShape, methods: &[SpawnMethod], rewriting: usize) -> f64 {
    let page_size = shape.process.page_size;
    let counts = total(&shape.mappings, page_size);
    let huge = counts.huge_entries.saturating_mul(fan_out(page_size));
    let built_s = START_S + counts.present_ptes as f64 * PAGE_S + huge as f64 * HUGE_SHARE_S;
    let fork_s = weight(&counts) * 1e-9;
    let forks = methods.iter().filter(|method| method.copies()).count();
    let whole_s = built_s + OF_SEVERAL * forks as f64 * fork_s;
    let other_s = OF_THE_WHOLE * (built_s + ALONE * fork_s);
    let rewriting_s = rewriting as f64 * (built_s + OF_REWRITING * fork_s);
    ROUNDS * (whole_s + OTHERS * other_s + rewriting_s)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HIGH, anonymous, shape};
    use super::*;

    #[test]
    fn large_parents_take_longer_by_what_they_have() {
        let of = |pages: u64| {
            let own: &[[u64; 2]] = if pages > 0 { &[[0, pages]] } else { &[] };
            enough_s(
                &shape(vec![anonymous(HIGH, pages.max(1), own)]),
                &[SpawnMethod::Fork, SpawnMethod::Vfork],
                0,
            )
        };
        assert!(of(0) < 5.0, "{}", of(0));
        let large = of(2 << 20);
        assert!((20.0..200.0).contains(&large), "8 GiB: {large} s");
        assert!(of(4 << 20) > 1.8 * large);
    }
}
