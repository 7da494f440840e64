//! Control variates: what a reference says of the luck of a visit is taken out of its figures.
//!
//! Within one state of the host, visits beside a slow reference tend to be slow. By how much
//! is told by how visits of one cell differ, over all cells of a run. The slope that corrects
//! a visit is that of the other cells, shrunk, to 0 within two standard errors; weights and
//! errors are of all visits. It is less where the cell's other visits speak against it: one
//! that waits for a disk may be some percent worse off, where its neighbours gain. A steady
//! host is seldom corrected. A slope's own error is in no interval. All methods of a worker
//! have one luck.
//!
//! What remains is a cell at the mean level of all visits of the run, which is one of chance
//! itself. As much of the luck of its visits is left in a cell as makes its interval as wide
//! as that asks for: an absolute figure is as unsure as it is, a difference between cells
//! less so than it says, and no draws have to be handed along beside those of each cell.

use super::bootstrap::huber;
use super::tails::weight;

/// What a slope is at most: one that is steeper was made so by chance.
const STEEPEST: f64 = 1.5;

/// Visits beyond one for each cell that tell a slope.
const FEWEST: f64 = 6.0;

/// How far from 0 a slope must be to be one, in squared standard errors.
const SURE: f64 = 4.0;

/// How much likelier it is than not that a cell follows the host as the others do, before
/// its own visits have spoken.
const LIKELIER: f64 = 3.0;

/// Rounds of weighing what is far off.
const ROUNDS: usize = 5;

/// Stretches of a run whose levels are taken to be independent.
const STRETCHES: usize = 8;

/// A visit in one state of the host, with finite figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// Which cell it was a visit of.
    pub cell: usize,
    /// The level of its reference.
    pub level: f64,
    /// The logarithm of what was measured.
    pub figure: f64,
}

/// What the host did to each of some visits, to be taken from the logarithms of their times:
/// 0 where nothing is told. The course are the levels of all visits in that state, in the
/// order of time.
pub fn lucks(visits: &[Visit], course: &[f64]) -> Vec<f64> {
    let (base, _) = huber(course);
    let slopes = slopes(visits).unwrap_or_else(|| vec![0.0; visits.len()]);
    let each = visits.iter().zip(slopes);
    let mut lucks: Vec<f64> = each.map(|(v, slope)| slope * (v.level - base)).collect();
    let unsure = unsureness(course);
    for cell in 0..cells(visits) {
        let own: Vec<usize> = (0..visits.len())
            .filter(|at| visits[*at].cell == cell)
            .collect();
        let count = own.len() as f64;
        let mean = own.iter().map(|at| lucks[*at]).sum::<f64>() / count;
        let left = (count * unsure).sqrt().min(1.0);
        for at in own {
            lucks[at] -= left * (lucks[at] - mean);
        }
    }
    lucks
}

fn cells(visits: &[Visit]) -> usize {
    visits.iter().map(|visit| visit.cell + 1).max().unwrap_or(0)
}

/// The variance of the mean of all levels, as a share of their own. Visits that follow each
/// other are alike where the host wanders, so that it is told by stretches of the run.
fn unsureness(course: &[f64]) -> f64 {
    let long = course.len().div_ceil(STRETCHES).max(1);
    let mean = |levels: &[f64]| levels.iter().sum::<f64>() / levels.len() as f64;
    let means: Vec<f64> = course.chunks(long).map(mean).collect();
    let variance = |levels: &[f64]| {
        let middle = mean(levels);
        let squares = levels.iter().map(|level| (level - middle).powi(2));
        squares.sum::<f64>() / (levels.len() as f64 - 1.0)
    };
    let share = variance(&means) / means.len() as f64 / variance(course);
    if share.is_finite() { share } else { 1.0 }
}

/// A visit off the mean of its cell.
#[derive(Debug, Clone, Copy)]
struct Off {
    level: f64,
    figure: f64,
    /// How much it tells.
    weight: f64,
    /// How many times as far off it is from the mean of the others.
    farther: f64,
}

/// Products over visits, by which a slope is told.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    levels: f64,
    both: f64,
}

impl Sums {
    fn add(&mut self, off: &Off, weight: f64) {
        self.levels += weight * off.level * off.level;
        self.both += weight * off.level * off.figure;
    }

    fn less(self, other: Self) -> Self {
        Self {
            levels: self.levels - other.levels,
            both: self.both - other.both,
        }
    }

    /// The same without one of the visits, which the mean of its cell then lacks as well.
    fn without(mut self, off: &Off) -> Self {
        self.add(off, -off.weight * off.farther);
        self
    }

    /// The slope, nearer to 0 the less surely it is one.
    fn slope(self, noise: f64) -> f64 {
        if self.levels <= 0.0 {
            return 0.0;
        }
        let slope = self.both / self.levels;
        let kept = 1.0 - SURE * noise / (slope * slope * self.levels);
        (slope * kept.max(0.0)).clamp(0.0, STEEPEST)
    }

    /// How probably these follow a slope, rather than none.
    fn follow(self, slope: f64, noise: f64) -> f64 {
        let told = slope * (2.0 * self.both - slope * self.levels) / (2.0 * noise);
        1.0 / (1.0 + (-told).exp() / LIKELIER)
    }
}

/// The slope for each visit: that of the other cells, as far as the other visits of its own
/// follow it. `None` if they are too few.
fn slopes(visits: &[Visit]) -> Option<Vec<f64>> {
    let (offs, noise) = weighed(visits)?;
    let mut all = Sums::default();
    let mut own = vec![Sums::default(); cells(visits)];
    for (visit, off) in visits.iter().zip(&offs) {
        all.add(off, off.weight);
        own[visit.cell].add(off, off.weight);
    }
    let slope = |(visit, off): (&Visit, &Off)| {
        let own = own[visit.cell];
        let slope = all.less(own).slope(noise);
        slope * own.without(off).follow(slope, noise)
    };
    Some(visits.iter().zip(&offs).map(slope).collect())
}

/// The visits off the means of their cells, weighed by how far they are off a common slope,
/// and the variance around it.
fn weighed(visits: &[Visit]) -> Option<(Vec<Off>, f64)> {
    let mut seen = vec![0.0_f64; cells(visits)];
    visits.iter().for_each(|visit| seen[visit.cell] += 1.0);
    let freedom: f64 = seen.iter().map(|seen| (seen - 1.0).max(0.0)).sum();
    if freedom < FEWEST {
        return None;
    }
    let mut weights = vec![1.0; visits.len()];
    let mut noise = 0.0;
    for _ in 0..ROUNDS {
        let offs = centred(visits, &weights);
        let mut sums = Sums::default();
        offs.iter().for_each(|off| sums.add(off, off.weight));
        let slope = sums.both / sums.levels;
        let rest = |off: &Off| off.figure - slope * off.level;
        let squares = offs.iter().map(|off| off.weight * rest(off).powi(2));
        noise = (squares.sum::<f64>() / (freedom - 1.0)).max(f64::MIN_POSITIVE);
        weights = offs.iter().map(|o| weight(rest(o), noise.sqrt())).collect();
    }
    weights
        .iter()
        .all(|weight| weight.is_finite())
        .then(|| (centred(visits, &weights), noise))
}

fn centred(visits: &[Visit], weights: &[f64]) -> Vec<Off> {
    let mut sums = vec![[0.0; 3]; cells(visits)];
    for (visit, weight) in visits.iter().zip(weights) {
        let sums = &mut sums[visit.cell];
        for (sum, value) in sums.iter_mut().zip([1.0, visit.level, visit.figure]) {
            *sum += weight * value;
        }
    }
    let off = |(visit, weight): (&Visit, &f64)| {
        let [whole, levels, figures] = sums[visit.cell];
        let rest = whole - weight;
        Off {
            level: visit.level - levels / whole,
            figure: visit.figure - figures / whole,
            weight: *weight,
            farther: if rest > 0.0 { whole / rest } else { 0.0 },
        }
    };
    visits.iter().zip(weights).map(off).collect()
}

#[cfg(test)]
mod tests;
