//! The prices of a fork: a sum of units, each at its price, fitted to many parents.
//!
//! The call and what comes after it are fitted apart, so that their prices add up to
//! those of the total. Errors count relative to what was measured: a forecast for a
//! small parent shall be as good as one for a large one. How sure a price is comes
//! from resampling the errors that the fit makes for parents that it does not know:
//! they hold both what the measuring is unsure of and what the model misses.

use fastrand::Rng;

use super::footprint::{Knee, SIZED, way_beyond};
use crate::model::{CardMethod, CardPrices, CardTerm, Counts, Term};
use crate::stats::{DRAWS, LeastSquares, Replicates, quantile, seed_of};

/// The size from which on prices go up, in bytes. As they do so by doublings it matters little
/// where that begins: with 64 to 256 KiB parents that were left out were foretold about as well.
pub(super) const KNEE: u64 = 192 << 10;
/// A knee is worth its columns if it takes off this share of the errors.
const WORTH: f64 = 0.1;
/// That prices level off far beyond it is believed if that takes off this share of those of a
/// knee beyond which they go on to go up.
const LEVEL_WORTH: f64 = 0.03;
/// What a model of so few terms misses at the best, relative to what is measured. It
/// keeps a parent that was measured very exactly from outweighing all others.
const MODEL_ERROR: f64 = 0.03;
/// Columns of the two fits.
pub(super) const COLUMNS: usize = Term::ALL.len() + SIZED.len();
/// Fewer parents than this tell nothing about a fit of so many columns.
const LEAST_PARENTS: usize = COLUMNS + 3;

/// What a parent took.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    /// The trial.
    pub(super) trial: usize,
    /// Workers that it was measured by.
    pub(super) workers: usize,
    pub(super) counts: Counts,
    /// The median call, in nanoseconds.
    pub(super) call: f64,
    /// The median total.
    pub(super) total: f64,
    /// The relative standard error of the total.
    pub(super) error: f64,
}

impl Observation {
    fn weight(&self) -> f64 {
        let relative = self.error.powi(2) + MODEL_ERROR.powi(2);
        1.0 / (relative * self.total.powi(2))
    }

    fn call_weight(&self) -> f64 {
        self.weight() * (self.total / self.call).powi(2)
    }
}

/// The coefficients of the call and of what comes after it.
#[derive(Debug, Clone, PartialEq)]
struct Coefficients {
    call: Vec<f64>,
    after: Vec<f64>,
}

/// The fitted prices.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Where more of the kernel's structures begin to cost more.
    pub knee: Option<Knee>,
    best: Coefficients,
    draws: Vec<Coefficients>,
    /// What each parent was foretold by a fit that did not know it: call and total.
    pub(super) left_out: Vec<[f64; 2]>,
    /// The share of the weighted variance that is explained, of call and total.
    pub(super) r_squared: [f64; 2],
}

impl Fit {
    /// Fits; `None` for too few parents.
    pub(super) fn of(parents: &[Observation], seed: u64) -> Option<Self> {
        if parents.len() < LEAST_PARENTS {
            return None;
        }
        let knee = knee_of(parents);
        let problem = Problem::new(parents, knee);
        let best = problem.solve(&problem.measured(), None);
        let left_out = problem.leave_each_out();
        Some(Self {
            knee,
            draws: problem.draws(&best, &left_out, seed),
            r_squared: problem.r_squared(&best),
            best,
            left_out,
        })
    }

    /// The price of one of a term, in the call or after it: up to the knee, or far `beyond` it.
    pub(super) fn price(&self, term: Term, after: bool, beyond: bool) -> Replicates {
        let place = column(term);
        let more = SIZED.iter().position(|sized| *sized == term);
        let of = |coefficients: &Coefficients| {
            let side = if after {
                &coefficients.after
            } else {
                &coefficients.call
            };
            let extra = more
                .filter(|_| beyond)
                .map_or(0.0, |at| side[Term::ALL.len() + at]);
            side[place] + extra
        };
        Replicates {
            value: of(&self.best),
            draws: self.draws.iter().map(of).collect(),
        }
    }

    /// The prices without their resamples.
    pub fn terms(&self) -> Vec<CardTerm> {
        let of = |term: Term| {
            let both = |after| [false, true].map(|beyond| self.price(term, after, beyond).value);
            CardTerm {
                term,
                call_ns: both(false),
                after_ns: both(true),
            }
        };
        Term::ALL.map(of).to_vec()
    }

    /// What a fork of a parent is foretold to take: call and total.
    pub fn forecast(&self, counts: &Counts) -> [Replicates; 2] {
        let row = row(counts, self.knee);
        [false, true].map(|total| {
            let of = |c: &Coefficients| {
                let call = product(&row, &c.call);
                if total {
                    call + product(&row, &c.after)
                } else {
                    call
                }
            };
            Replicates {
                value: of(&self.best),
                draws: self.draws.iter().map(of).collect(),
            }
        })
    }

    /// What of a parent's total each term makes up, in nanoseconds.
    pub fn shares(&self, counts: &Counts) -> Vec<(Term, f64)> {
        let beyond = way_beyond(counts, self.knee);
        let of = |term: Term| {
            let price = |after| {
                let [small, large] = [false, true].map(|b| self.price(term, after, b).value);
                small + (large - small) * beyond
            };
            (
                term,
                term.count(counts) as f64 * (price(false) + price(true)),
            )
        };
        Term::ALL.map(of).to_vec()
    }
}

/// What stored prices foretell of a fork: call and total, in nanoseconds.
pub fn forecast(prices: &CardPrices, counts: &Counts) -> [f64; 2] {
    let knee = prices.knee_bytes.map(|bytes| Knee {
        bytes,
        levels_off: prices.levels_off,
    });
    summed(&prices.terms, way_beyond(counts, knee), counts)
}

/// The same of a spawn by a way that copies nothing, whose prices know no knee.
pub fn forecast_instead(way: &CardMethod, counts: &Counts) -> [f64; 2] {
    summed(&way.terms, 0.0, counts)
}

fn summed(terms: &[CardTerm], beyond: f64, counts: &Counts) -> [f64; 2] {
    let price = |[small, large]: [f64; 2]| small + (large - small) * beyond;
    let sum = |of: &dyn Fn(&CardTerm) -> f64| {
        let each = terms.iter();
        each.map(|term| term.term.count(counts) as f64 * of(term))
            .sum::<f64>()
    };
    let call = sum(&|term| price(term.call_ns));
    [call, call + sum(&|term| price(term.after_ns))]
}

fn column(term: Term) -> usize {
    Term::ALL
        .iter()
        .position(|other| *other == term)
        .unwrap_or(0)
}

/// How many of each term, and of the sized ones as much as they are beyond the knee.
fn row(counts: &Counts, knee: Option<Knee>) -> Vec<f64> {
    let beyond = way_beyond(counts, knee);
    let all = Term::ALL.iter().map(|term| term.count(counts) as f64);
    let large = SIZED.iter().map(|term| term.count(counts) as f64 * beyond);
    all.chain(large).collect()
}

fn product(row: &[f64], coefficients: &[f64]) -> f64 {
    row.iter().zip(coefficients).map(|(a, b)| a * b).sum()
}

/// Parents as rows of a fit, with a knee.
struct Problem<'a> {
    parents: &'a [Observation],
    rows: Vec<Vec<f64>>,
}

impl<'a> Problem<'a> {
    fn new(parents: &'a [Observation], knee: Option<Knee>) -> Self {
        let rows = parents.iter().map(|p| row(&p.counts, knee));
        Self {
            parents,
            rows: rows.collect(),
        }
    }

    /// The call of each parent, and what came after it.
    fn measured(&self) -> Vec<[f64; 2]> {
        let each = self.parents.iter();
        each.map(|p| [p.call, p.total - p.call]).collect()
    }

    /// Fits these figures of the parents, one of them left out.
    fn solve(&self, figures: &[[f64; 2]], left_out: Option<usize>) -> Coefficients {
        let mut call = LeastSquares::new(COLUMNS);
        let mut after = LeastSquares::new(COLUMNS);
        let each = self.parents.iter().zip(&self.rows).zip(figures).enumerate();
        for (_, ((parent, row), figure)) in each.filter(|(index, _)| Some(*index) != left_out) {
            call.add(row, figure[0], parent.call_weight());
            after.add(row, figure[1], parent.weight());
        }
        Coefficients {
            call: call.solve(),
            after: after.solve(),
        }
    }

    /// What coefficients make of each parent: the call, and what comes after it.
    fn fitted(&self, coefficients: &Coefficients) -> Vec<[f64; 2]> {
        let both = |row: &Vec<f64>| {
            [
                product(row, &coefficients.call),
                product(row, &coefficients.after),
            ]
        };
        self.rows.iter().map(both).collect()
    }

    /// The call and the total that each parent is foretold by the others.
    fn leave_each_out(&self) -> Vec<[f64; 2]> {
        let measured = self.measured();
        let one = |(index, row): (usize, &Vec<f64>)| {
            let fitted = self.solve(&measured, Some(index));
            let call = product(row, &fitted.call);
            [call, call + product(row, &fitted.after)]
        };
        self.rows.iter().enumerate().map(one).collect()
    }

    /// The fit of the fit's own forecasts, each shifted by its error or by the opposite
    /// of it (the wild bootstrap, with Rademacher's weights): the design stays whole,
    /// which it would not if parents were drawn, and each parent keeps the size of its
    /// error.
    ///
    /// It is the error of a fit that did not know the parent (MacKinnon's and White's
    /// HC3). On hosts that are made up, whose workers differ by 8 %, the 95 % intervals
    /// then hold the truth in 88 to 94 % of the cases; with errors that are divided by
    /// the root of what the parent lends to the fit (HC2) in 80 to 85 %. What is larger
    /// than the parent itself says no more than that the others know nothing of it.
    fn draws(&self, best: &Coefficients, left_out: &[[f64; 2]], seed: u64) -> Vec<Coefficients> {
        let mut rng = Rng::with_seed(seed_of(seed, self.parents.len()));
        let errors: Vec<[f64; 2]> = left_out
            .iter()
            .zip(self.measured())
            .map(|([call, total], measured)| {
                let foretold = [*call, total - call];
                [0, 1].map(|of| {
                    let most = measured[of].abs();
                    (foretold[of] - measured[of]).clamp(-most, most)
                })
            })
            .collect();
        let fitted = self.fitted(best);
        let mut draw = |_| {
            let both = fitted.iter().zip(&errors);
            let shifted: Vec<[f64; 2]> = both
                .map(|(fitted, error)| {
                    let sign = if rng.bool() { 1.0 } else { -1.0 };
                    [0, 1].map(|of| fitted[of] + sign * error[of])
                })
                .collect();
            self.solve(&shifted, None)
        };
        (0..DRAWS).map(&mut draw).collect()
    }

    /// The share of the weighted variance that the fit explains, of call and total.
    fn r_squared(&self, best: &Coefficients) -> [f64; 2] {
        let fitted = self.fitted(best);
        let both = || self.parents.iter().zip(&fitted);
        [
            explained(both().map(|(p, f)| (p.call, f[0], p.call_weight()))),
            explained(both().map(|(p, f)| (p.total, f[0] + f[1], p.weight()))),
        ]
    }
}

/// The share of the variance of the first that the second explains, by the weights
/// that come third.
fn explained(values: impl Iterator<Item = (f64, f64, f64)>) -> f64 {
    let values: Vec<(f64, f64, f64)> = values.collect();
    let sum = |each: &dyn Fn(&(f64, f64, f64)) -> f64| values.iter().map(each).sum::<f64>();
    let mean = sum(&|(y, _, w)| y * w) / sum(&|(_, _, w)| *w);
    let rest = sum(&|(y, f, w)| w * (y - f).powi(2));
    1.0 - rest / sum(&|(y, _, w)| w * (y - mean).powi(2))
}

/// The knee, if parents that were left out are foretold clearly better with it. Beyond it prices
/// level off only if they are foretold clearly better so: where no parent is as large, nothing
/// tells.
fn knee_of(parents: &[Observation]) -> Option<Knee> {
    // A single parent that no model foretells shall not decide.
    const MOST: f64 = 0.5;
    let error = |knee| {
        let foretold = Problem::new(parents, knee).leave_each_out();
        let each = parents.iter().zip(&foretold).map(|(parent, foretold)| {
            let errors = relative_errors(parent, *foretold);
            errors.map(|e| e.abs().min(MOST)).iter().sum::<f64>()
        });
        each.sum::<f64>()
    };
    let with = |levels_off| {
        let knee = Knee {
            bytes: KNEE,
            levels_off,
        };
        (error(Some(knee)), knee)
    };
    let (rising, level) = (with(false), with(true));
    let (least, knee) = match level.0 < (1.0 - LEVEL_WORTH) * rising.0 {
        true => level,
        false => rising,
    };
    (least < (1.0 - WORTH) * error(None)).then_some(knee)
}

/// How far off a forecast is, relative to what was measured: call and total.
pub(super) fn relative_errors(parent: &Observation, foretold: [f64; 2]) -> [f64; 2] {
    [
        foretold[0] / parent.call - 1.0,
        foretold[1] / parent.total - 1.0,
    ]
}

/// A quantile of the sizes of errors.
pub(super) fn error_quantile(errors: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut sizes: Vec<f64> = errors.map(f64::abs).filter(|e| e.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    quantile(&sizes, share)
}
