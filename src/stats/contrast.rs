//! Two runs set against each other: the ratio of a statistic of theirs, and whether
//! it is one that chance makes.
//!
//! A ratio has two uses with two prices. Read alone, its 95 % interval is what it
//! is: wrong in one case of twenty. Read as one line of thirty, such intervals would
//! find a difference where there is none in three comparisons of four. So the
//! verdict is taken at a level that the whole family shares (Bonferroni): each line
//! may be wrong with `0.05 / lines`, and all of them together with 0.05 at the most.
//! So far out a percentile of some hundred draws says nothing, and the standard error
//! of the logarithm with Student's t takes its place.
//!
//! And two runs of one host differ by more than chance within each of them: between
//! the two the host became warmer, or its neighbours busier. What both measured of the same
//! thing shows how much, and each run how much the host changed in its own course; see
//! [`drift`].

use super::bootstrap::{level_freedom, level_replicates};
use super::estimate::{Estimate, Replicates};
use super::slope::theil_sen;
use super::student::{two_sided, two_sided_95};
use super::summary::stddev;

/// How often a whole family of verdicts may find a difference where there is none.
pub const FAMILY_ERROR: f64 = 0.05;

/// Fewer workers than this do not tell how workers differ: with two, Student's t
/// has one degree of freedom, at which nothing short of a multiple is a difference.
pub const FEWEST_WORKERS: usize = 3;

/// With more degrees of freedom than this Student's t is the normal distribution.
const MOST_FREEDOM: usize = 1_000;

/// A statistic of one run, and how well its own error is known.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// The statistic with its draws.
    pub value: &'a Replicates,
    /// The degrees of freedom of its error; 0 of one worker alone.
    pub freedom: usize,
    /// Those of Student's t by which the draws are spread already, if they are.
    pub spread: Option<usize>,
    /// The standard error of the whole run's level, as [`drift`] tells it.
    pub drift: f64,
}

/// The standard error of a run's level, as a logarithm, from the course of that
/// level: when, and how high.
///
/// A run that drifted says of its level that it is the one at its start or the one at
/// its end, and a value that is either of two has a standard deviation of half their
/// distance. Where the host was steady, this is small beside what workers differ by.
pub fn drift(course: &[(f64, f64)]) -> f64 {
    let times = || course.iter().map(|(time, _)| *time);
    let span = times().fold(f64::MIN, f64::max) - times().fold(f64::MAX, f64::min);
    let change = theil_sen(course).map_or(0.0, |slope| slope * span);
    change.abs() / 2.0
}

/// The ratio of a statistic in two runs, and the difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The second over the first, with its 95 % interval.
    pub ratio: Estimate,
    /// The second less the first.
    pub difference: Estimate,
    /// The standard error of the ratio's logarithm.
    error: f64,
    freedom: usize,
}

/// What may be said of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The second is larger.
    Up,
    /// The second is smaller.
    Down,
    /// Nothing: the difference is one that chance makes.
    Level,
}

impl Contrast {
    /// The contrast of two statistics that were resampled with different seeds, in two runs
    /// whose hosts were apart by so much, as a logarithm: of how far two runs' hosts differ
    /// that is all there is to see, and so it is one standard error.
    ///
    /// `None` where one of them is not above 0: it has no logarithm.
    pub fn of(first: Party<'_>, second: Party<'_>, apart: f64) -> Option<Self> {
        let between = apart.abs();
        let parts = [first.value, second.value];
        let log = Replicates::combine(&parts, |v| {
            let log = logarithm(v[1])? - logarithm(v[0])?;
            log.is_finite().then_some(log)
        })?;
        let Estimate { value, ci95 } = log.estimate();
        let errors = [first, second].map(error);
        let squares = errors.map(|error| error * error);
        let between_95 = two_sided_95(usize::MAX) * between;
        let reach = |end: f64| (end - value).hypot(between_95);
        let less = Replicates::combine(&parts, |v| Some(v[1] - v[0]))?.estimate();
        let level = f64::midpoint(first.value.value, second.value.value);
        let reach_of_less = |end: f64| (end - less.value).hypot(between_95 * level);
        Some(Self {
            ratio: Estimate {
                value: value.exp(),
                ci95: [value - reach(ci95[0]), value + reach(ci95[1])].map(f64::exp),
            },
            difference: Estimate {
                value: less.value,
                ci95: [
                    less.value - reach_of_less(less.ci95[0]),
                    less.value + reach_of_less(less.ci95[1]),
                ],
            },
            error: (squares[0] + squares[1]).sqrt().hypot(between),
            freedom: freedom(squares, [first.freedom, second.freedom]),
        })
        .filter(|contrast| contrast.is_finite())
    }

    /// The contrast of two sides that were measured side by side, from the turns of both,
    /// pair of workers by pair of workers. What the host did to a pair, it did to both.
    ///
    /// `None` of fewer than two pairs, and where a turn has no ratio (see [`has_ratio`]).
    pub fn of_pairs(pairs: &[Vec<[f64; 2]>], seed: u64, draws: usize) -> Option<Self> {
        let each = |of: fn(&[f64; 2]) -> f64| -> Vec<Vec<f64>> {
            let turns = |pair: &Vec<[f64; 2]>| pair.iter().map(of).collect();
            pairs.iter().map(turns).collect()
        };
        // One pair says nothing of the others.
        if pairs.len() < 2 || !pairs.iter().flatten().all(has_ratio) {
            return None;
        }
        let level = level_replicates(&each(|[a, b]| (b / a).ln()), seed, draws)?;
        let Estimate { value, ci95 } = level.estimate();
        let less = level_replicates(&each(|[a, b]| b - a), seed, draws)?;
        let freedom = level_freedom(pairs.len());
        Some(Self {
            ratio: Estimate {
                value: value.exp(),
                ci95: ci95.map(f64::exp),
            },
            difference: less.estimate(),
            error: own_error(&level.draws, Some(freedom)),
            freedom,
        })
        .filter(|contrast| contrast.is_finite())
    }

    /// The smallest ratio above 1 that would be called a difference, in a family of
    /// so many lines.
    pub fn least_visible(&self, lines: usize) -> f64 {
        let level = FAMILY_ERROR / lines.max(1) as f64;
        (two_sided(self.freedom, level) * self.error).exp()
    }

    /// What may be said of it in a family of so many lines: nothing that its own
    /// interval contradicts.
    pub fn direction(&self, lines: usize) -> Direction {
        let least = self.least_visible(lines);
        let [low, high] = self.ratio.ci95;
        if low > 1.0 && self.ratio.value > least {
            Direction::Up
        } else if high < 1.0 && self.ratio.value < least.recip() {
            Direction::Down
        } else {
            Direction::Level
        }
    }

    /// JSON has no word for infinity.
    fn is_finite(&self) -> bool {
        let is_sound = |estimate: Estimate| estimate.sound().is_some();
        is_sound(self.ratio) && is_sound(self.difference) && self.error.is_finite()
    }
}

/// Whether two sides of a turn have a ratio with a logarithm.
pub fn has_ratio([a, b]: &[f64; 2]) -> bool {
    [*a, *b, b / a]
        .iter()
        .all(|value| value.is_normal() && value.is_sign_positive())
}

fn logarithm(value: f64) -> Option<f64> {
    (value > 0.0).then(|| value.ln())
}

/// The standard error of a statistic's logarithm, that of the run's level included.
///
/// Draws that were spread by Student's t for the 95 % interval are spread otherwise at
/// another level, so that this is taken back here.
fn error(party: Party<'_>) -> f64 {
    let draws = party.value.draws.iter().copied();
    let logs: Vec<f64> = draws.filter_map(logarithm).collect();
    own_error(&logs, party.spread).hypot(party.drift)
}

/// The same of one run's own draws, as logarithms.
fn own_error(logs: &[f64], spread: Option<usize>) -> f64 {
    let finite = logs.iter().copied().filter(|log| log.is_finite());
    let logs: Vec<f64> = finite.collect();
    let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
    let seen = stddev(&logs, mean);
    match spread {
        None | Some(0) => seen,
        Some(freedom) => seen * two_sided_95(usize::MAX) / two_sided_95(freedom),
    }
}

/// The degrees of freedom of a sum of two squared errors, after Welch and
/// Satterthwaite, rounded down.
fn freedom(squares: [f64; 2], own: [usize; 2]) -> usize {
    let own = own.map(|freedom| freedom.clamp(1, MOST_FREEDOM));
    let sum = squares[0] + squares[1];
    let parts = squares[0].powi(2) / own[0] as f64 + squares[1].powi(2) / own[1] as f64;
    let freedom = sum * sum / parts;
    // Without any error there is nothing to weigh, and every difference is one.
    if !freedom.is_finite() {
        return 1;
    }
    let most = own[0] + own[1];
    (1..=most)
        .rev()
        .find(|whole| *whole as f64 <= freedom)
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Draws that scatter evenly around a value, by a share of it to either side.
    fn replicates(value: f64, share: f64) -> Replicates {
        let draws = (-50..=50).map(|step| value * (1.0 + share * f64::from(step) / 50.0));
        Replicates {
            value,
            draws: draws.collect(),
        }
    }

    fn party(value: &Replicates, freedom: usize) -> Party<'_> {
        Party {
            value,
            freedom,
            spread: Some(freedom),
            drift: 0.0,
        }
    }

    fn contrast(first: &Replicates, second: &Replicates) -> Contrast {
        Contrast::of(party(first, 8), party(second, 8), 0.0).unwrap()
    }

    #[test]
    fn a_large_ratio_is_a_difference_and_a_small_one_is_not() {
        let (base, same) = (replicates(100.0, 0.02), replicates(101.0, 0.02));
        let (more, less) = (replicates(150.0, 0.02), replicates(60.0, 0.02));
        assert_eq!(contrast(&base, &same).direction(30), Direction::Level);
        assert_eq!(contrast(&base, &more).direction(30), Direction::Up);
        assert_eq!(contrast(&base, &less).direction(30), Direction::Down);
        let ratio = contrast(&base, &more).ratio;
        assert!((ratio.value - 1.5).abs() < 1e-12, "{ratio:?}");
        assert!(ratio.ci95[0] < 1.5 && 1.5 < ratio.ci95[1], "{ratio:?}");
    }

    #[test]
    fn more_lines_and_fewer_workers_and_drift_ask_for_more() {
        let (a, b) = (replicates(100.0, 0.02), replicates(110.0, 0.02));
        let one = contrast(&a, &b);
        assert!(one.least_visible(1) < one.least_visible(30));
        let few = Contrast::of(party(&a, 3), party(&b, 3), 0.0).unwrap();
        assert!(one.least_visible(30) < few.least_visible(30));
        let drifted = Party {
            drift: 0.05,
            ..party(&b, 8)
        };
        let drifted = Contrast::of(party(&a, 8), drifted, 0.0).unwrap();
        assert!(one.least_visible(30) < drifted.least_visible(30));
        assert_eq!(one.ratio, drifted.ratio, "the interval stays what it is");
    }

    #[test]
    fn what_has_no_logarithm_has_no_contrast() {
        let fine = replicates(1.0, 0.1);
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let odd = replicates(value, 0.1);
            assert_eq!(Contrast::of(party(&odd, 3), party(&fine, 3), 0.0), None);
            assert_eq!(Contrast::of(party(&fine, 3), party(&odd, 3), 0.0), None);
        }
    }

    #[test]
    fn of_pairs_the_ratio_and_the_difference_are_of_the_same_turns() {
        let pair = |factor: f64| vec![[100.0, 100.0 * factor], [110.0, 110.0 * factor]];
        let pairs = [pair(1.1), pair(1.1), pair(1.1)];
        let of = |pairs: &[_]| Contrast::of_pairs(pairs, 1, 200);
        let contrast = of(&pairs).unwrap();
        assert!((contrast.ratio.value - 1.1).abs() < 1e-9, "{contrast:?}");
        assert!((contrast.difference.value - 10.5).abs() < 1e-9);
        assert_eq!(of(&pairs[..1]), None, "one pair");
        for odd in [
            [0.0, 5.0],
            [5.0, 0.0],
            [f64::NAN, 5.0],
            [5.0, f64::INFINITY],
        ] {
            assert!(!has_ratio(&odd));
            let mut pairs = pairs.clone();
            pairs[0].push(odd);
            assert_eq!(of(&pairs), None, "{odd:?}");
        }
    }

    #[test]
    fn a_steady_run_has_no_drift_and_another_has_half_its_change() {
        assert_eq!(drift(&[]), 0.0);
        assert_eq!(drift(&[(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]), 0.0);
        let course: Vec<(f64, f64)> = (0..=10)
            .map(|t| (f64::from(t), 0.01 * f64::from(t)))
            .collect();
        assert!((drift(&course) - 0.05).abs() < 1e-12);
        let back: Vec<(f64, f64)> = course.iter().map(|(t, level)| (*t, -level)).collect();
        assert_eq!(drift(&course), drift(&back));
    }

    proptest! {
        #[test]
        fn the_other_way_round_all_is_inverted(
            first in 1.0..1e9_f64,
            factor in 0.2..5.0_f64,
            share in 0.0..0.3_f64,
            freedom in 0..40_usize,
            lines in 0..100_usize,
        ) {
            let (a, b) = (replicates(first, share), replicates(first * factor, share));
            let forth = Contrast::of(party(&a, freedom), party(&b, 8), 0.0).unwrap();
            let back = Contrast::of(party(&b, 8), party(&a, freedom), 0.0).unwrap();
            prop_assert!((forth.ratio.value * back.ratio.value - 1.0).abs() < 1e-9);
            prop_assert!((forth.ratio.ci95[0] * back.ratio.ci95[1] - 1.0).abs() < 1e-9);
            let inverse = match forth.direction(lines) {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
                Direction::Level => Direction::Level,
            };
            prop_assert_eq!(back.direction(lines), inverse);
        }

        #[test]
        fn nothing_makes_it_panic(
            values in proptest::collection::vec(any::<f64>(), 2),
            draws in proptest::collection::vec(any::<f64>(), 0..20),
            freedom in any::<usize>(),
            lines in any::<usize>(),
        ) {
            let a = Replicates { value: values[0], draws: draws.clone() };
            let b = Replicates { value: values[1], draws };
            if let Some(contrast) = Contrast::of(party(&a, freedom), party(&b, 3), 0.0) {
                let _ = contrast.direction(lines);
                prop_assert!(contrast.ratio.value.is_finite());
            }
        }
    }
}
