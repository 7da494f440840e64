//! What cells cost in the quiet state of the host.

use super::bootstrap::seed_of;
use super::contrast::FEWEST_WORKERS;
use super::control::{Control, Point};
use super::estimate::Replicates;
use super::spells::{Sight, Spells};
use super::summary::median;

/// A visit: spawns of one fresh worker.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Which cell it belongs to, counted from 0.
    pub cell: usize,
    /// What its spawns took, in any unit.
    pub times: &'a [f64],
}

/// What a cell costs in the quiet state.
#[derive(Debug, Clone, PartialEq)]
pub struct Quiet {
    /// The level of its visits, in the unit of their times.
    pub figure: Replicates,
    /// Quiet visits behind it.
    pub visits: usize,
}

/// Not enough to say what a cell costs in the quiet state.
#[derive(Debug, Clone, PartialEq)]
pub struct TooFew {
    /// Quiet visits.
    pub quiet: usize,
    /// All visits.
    pub of: usize,
    /// What two of them say, for what it is worth.
    pub figure: Option<Replicates>,
}

/// What each cell costs in the quiet state, or in the only one, from the visits of a run
/// in the order of time and what was seen beside each.
///
/// The draws of two cells share those of the level of the run: combine them draw by draw.
pub fn quiet(
    visits: &[Visit<'_>],
    sights: &[Sight],
    spells: &Spells,
    seed: u64,
    draws: usize,
) -> Vec<Result<Quiet, TooFew>> {
    let logs: Vec<Vec<f64>> = visits
        .iter()
        .map(|visit| visit.times.iter().map(|time| time.ln()).collect())
        .collect();
    let taken: Vec<usize> = (0..visits.len()).filter(|at| spells.taken(*at)).collect();
    let points: Vec<Point> = taken
        .iter()
        .map(|at| Point {
            cell: visits[*at].cell,
            figure: median(&logs[*at]).unwrap_or(f64::NAN),
            level: sights.get(*at).map_or(f64::NAN, Sight::level),
        })
        .collect();
    let control = Control::of(&points, seed, draws);
    let cells = visits.iter().map(|visit| visit.cell + 1).max().unwrap_or(0);
    (0..cells)
        .map(|cell| {
            let own: Vec<usize> = (0..points.len())
                .filter(|at| points[*at].cell == cell && points[*at].figure.is_finite())
                .collect();
            let times: Vec<Vec<f64>> = own.iter().map(|at| logs[taken[*at]].clone()).collect();
            let seed = seed_of(seed, 1 + cell);
            let level = (own.len() > 1)
                .then(|| control.level_replicates(&own, &times, seed, draws))
                .flatten();
            let figure = level.and_then(|l| Replicates::combine(&[&l], |v| Some(v[0].exp())));
            match figure {
                Some(figure) if own.len() >= FEWEST_WORKERS => Ok(Quiet {
                    figure,
                    visits: own.len(),
                }),
                figure => Err(TooFew {
                    quiet: own.len(),
                    of: visits.iter().filter(|visit| visit.cell == cell).count(),
                    figure,
                }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
