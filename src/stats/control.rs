//! Control variates: what a reference says of the luck of a visit is taken out of the
//! figures of that visit.
//!
//! Within one state of the host, visits beside a slow reference tend to be slow. By how
//! much is told by the differences between visits of one cell, over all cells of a run;
//! where cells follow the reference differently by more than chance makes them, each goes
//! its own way. It can only help in expectation: the slope that corrects a visit is one
//! that the visit had no part in, it is drawn towards 0 by what chance alone makes of a
//! slope, and it is 0 where few visits tell.
//!
//! What remains is a cell at the mean level of all visits of the run. That level is one of
//! chance itself: its draws are added to those of each cell, the same to all, so that they
//! cancel where cells of one run are set against each other.

use super::bootstrap::{level_replicates, seed_of};
use super::estimate::Replicates;
use super::tails::weight;

/// What a slope is at most: one that is steeper was made so by chance.
const STEEPEST: f64 = 1.5;

/// Visits beyond one for each cell that tell a slope.
const FEWEST: f64 = 6.0;

/// Rounds of weighing what is far off.
const ROUNDS: usize = 5;

/// Stretches of a run whose levels are taken to be independent.
const STRETCHES: usize = 8;

/// A visit in one state of the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Which cell it was a visit of.
    pub cell: usize,
    /// The median logarithm of its times.
    pub figure: f64,
    /// The level of its reference; not finite if it had none.
    pub level: f64,
}

/// How figures of visits follow their reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// By how much the figure of each visit follows its level.
    slopes: Vec<f64>,
    levels: Vec<f64>,
    /// The level of the run.
    base: Option<Replicates>,
}

impl Control {
    /// From all visits in one state, in the order of time.
    ///
    /// Several figures of the same visits take one seed, so that the level of the run is
    /// the same in all of them.
    pub fn of(points: &[Point], seed: u64, draws: usize) -> Self {
        let levels: Vec<f64> = points.iter().map(|point| point.level).collect();
        Self {
            slopes: slopes(points),
            base: base(&levels, seed_of(seed, 0), draws),
            levels,
        }
    }

    /// By how much the figure of a visit follows its level.
    pub fn slope(&self, visit: usize) -> f64 {
        self.slopes.get(visit).copied().unwrap_or(0.0)
    }

    /// What the reference tells of a visit, to be taken from the logarithms of its times.
    pub fn luck(&self, visit: usize) -> f64 {
        let level = self.levels.get(visit).filter(|level| level.is_finite());
        let off = level.zip(self.base.as_ref());
        off.map_or(0.0, |(level, base)| {
            self.slope(visit) * (level - base.value)
        })
    }

    /// The level of visits of one cell, from the logarithms of their times as they were
    /// measured: corrected, and as uncertain as the level of the run makes it.
    ///
    /// `None` without a single finite value.
    pub fn level_replicates(
        &self,
        visits: &[usize],
        logs: &[Vec<f64>],
        seed: u64,
        draws: usize,
    ) -> Option<Replicates> {
        let correct = |(visit, logs): (&usize, &Vec<f64>)| -> Vec<f64> {
            let luck = self.luck(*visit);
            logs.iter().map(|log| log - luck).collect()
        };
        let corrected: Vec<Vec<f64>> = visits.iter().zip(logs).map(correct).collect();
        let own = level_replicates(&corrected, seed, draws)?;
        let Some(base) = &self.base else {
            return Some(own);
        };
        let slopes = visits.iter().map(|visit| self.slope(*visit));
        let slope = slopes.sum::<f64>() / visits.len() as f64;
        Replicates::combine(&[&own, base], |v| Some(v[0] + slope * (v[1] - base.value)))
    }
}

/// The level of a run. Visits that follow each other are alike where the host wanders, so
/// that stretches of the run take the place of workers.
fn base(levels: &[f64], seed: u64, draws: usize) -> Option<Replicates> {
    let known: Vec<f64> = levels.iter().copied().filter(|l| l.is_finite()).collect();
    let long = known.len().div_ceil(STRETCHES).max(1);
    let stretches: Vec<Vec<f64>> = known.chunks(long).map(<[f64]>::to_vec).collect();
    level_replicates(&stretches, seed, draws)
}

/// A visit that tells of a slope, off the mean of its cell.
#[derive(Debug, Clone, Copy)]
struct Part {
    visit: usize,
    cell: usize,
    level: f64,
    figure: f64,
    /// The inverse of the variance of its figure.
    weight: f64,
    /// How much farther off it is from the mean of the others.
    farther: f64,
}

/// Products over visits, by which a slope is told.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    levels: f64,
    both: f64,
}

impl Sums {
    fn add(&mut self, part: &Part, weight: f64) {
        self.levels += weight * part.level * part.level;
        self.both += weight * part.level * part.figure;
    }

    fn without(mut self, part: &Part) -> Self {
        // The mean of its cell would be another without it.
        self.add(part, -part.weight * part.farther);
        self
    }

    fn slope(self) -> Option<f64> {
        (self.levels > 0.0).then(|| self.both / self.levels)
    }
}

/// The slope for each visit, without its own part in it.
fn slopes(points: &[Point]) -> Vec<f64> {
    let mut slopes = vec![0.0; points.len()];
    let Some(parts) = weighed(points) else {
        return slopes;
    };
    let cells = points.iter().map(|point| point.cell + 1).max().unwrap_or(0);
    let mut all = Sums::default();
    let mut own = vec![Sums::default(); cells];
    for part in &parts {
        all.add(part, part.weight);
        own[part.cell].add(part, part.weight);
    }
    let Some(slope) = all.slope() else {
        return slopes;
    };
    // As James and Stein (1961) draw a mean towards 0: by its squared error.
    let kept = (1.0 - 1.0 / (all.levels * slope * slope)).max(0.0);
    let differ = variance(slope, all, &own);
    for part in &parts {
        let Some(mut slope) = all.without(part).slope() else {
            continue;
        };
        let cell = own[part.cell].without(part);
        if let Some(cell_slope) = cell.slope() {
            slope += differ / (differ + 1.0 / cell.levels) * (cell_slope - slope);
        }
        slopes[part.visit] = (kept * slope).clamp(0.0, STEEPEST);
    }
    slopes
}

/// The variance of the slopes of cells beyond that of chance, after DerSimonian and Laird
/// (1986).
fn variance(slope: f64, all: Sums, cells: &[Sums]) -> f64 {
    let told = || {
        cells
            .iter()
            .filter_map(|cell| Some((cell.levels, cell.slope()?)))
    };
    let seen: f64 = told()
        .map(|(levels, own)| levels * (own - slope).powi(2))
        .sum();
    let squares: f64 = told().map(|(levels, _)| levels * levels).sum();
    let scale = all.levels - squares / all.levels;
    let beyond = seen - (told().count() as f64 - 1.0);
    if scale > 0.0 {
        (beyond / scale).max(0.0)
    } else {
        0.0
    }
}

/// The visits that tell of a slope, weighed by the scatter of their cell and by how far off
/// they are; nothing if they are too few.
fn weighed(points: &[Point]) -> Option<Vec<Part>> {
    let cells = points.iter().map(|point| point.cell + 1).max()?;
    let told = |point: &Point| point.level.is_finite() && point.figure.is_finite();
    let mut parts: Vec<Part> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| told(point))
        .map(|(visit, point)| Part {
            visit,
            cell: point.cell,
            level: 0.0,
            figure: 0.0,
            weight: 1.0,
            farther: 0.0,
        })
        .collect();
    let mut visits = vec![0.0_f64; cells];
    parts.iter().for_each(|part| visits[part.cell] += 1.0);
    let freedom: f64 = visits.iter().map(|visits| (visits - 1.0).max(0.0)).sum();
    if freedom < FEWEST {
        return None;
    }
    for _ in 0..ROUNDS {
        centre(&mut parts, points, cells);
        let mut sums = Sums::default();
        parts.iter().for_each(|part| sums.add(part, part.weight));
        let slope = sums.slope()?;
        weigh(&mut parts, slope, freedom - 1.0, &visits);
    }
    centre(&mut parts, points, cells);
    Some(parts)
}

fn centre(parts: &mut [Part], points: &[Point], cells: usize) {
    let mut sums = vec![[0.0; 3]; cells];
    for part in &*parts {
        let point = points[part.visit];
        for (sum, value) in sums[part.cell]
            .iter_mut()
            .zip([1.0, point.level, point.figure])
        {
            *sum += part.weight * value;
        }
    }
    for part in parts {
        let [whole, levels, figures] = sums[part.cell];
        let rest = whole - part.weight;
        part.level = points[part.visit].level - levels / whole;
        part.figure = points[part.visit].figure - figures / whole;
        part.farther = if rest > 0.0 { whole / rest } else { 0.0 };
    }
}

fn weigh(parts: &mut [Part], slope: f64, freedom: f64, visits: &[f64]) {
    let off = |part: &Part| part.figure - slope * part.level;
    let mut squares = vec![0.0; visits.len()];
    parts
        .iter()
        .for_each(|part| squares[part.cell] += off(part).powi(2));
    let all = (squares.iter().sum::<f64>() / freedom).max(f64::MIN_POSITIVE);
    for part in parts {
        // A cell of a few visits is taken to scatter much as the others do.
        let own = (squares[part.cell] + 4.0 * all) / (visits[part.cell] + 3.0);
        part.weight = weight(off(part), own.sqrt()) / own;
    }
}

#[cfg(test)]
mod tests;
