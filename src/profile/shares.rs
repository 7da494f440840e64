//! The shares of the mechanisms, with intervals.
//!
//! Samples that follow each other are not independent: they fall into the same
//! spawn, and spawns of one worker share its luck. So what is resampled are
//! stretches of each worker's time, within resampled workers (`stats`). No
//! interval is narrower than the samples alone allow, which is Wilson's.

use super::attribute::{Counts, Tally, hottest, merge, samples};
use crate::model::{Mechanism, MechanismShare, Profile};
use crate::stats::{Estimate, mean_replicates};

/// Stretches of each worker's time: enough for a bootstrap, and few enough for
/// each to hold a handful of samples.
const STRETCHES: usize = 64;

/// Functions that are named of each mechanism.
const NAMED: usize = 3;

/// How it was sampled, and how it is resampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Samples in each second of CPU time.
    pub hz: u64,
    /// Spawns during which was sampled, of all workers together.
    pub spawns: u64,
    /// Of the resampling.
    pub seed: u64,
    /// Resamples.
    pub draws: usize,
}

/// Every mechanism that was met, the largest share first, from one tally for
/// each worker. `None` without a sample or a spawn.
pub fn shares(tallies: &[Tally], sampling: &Sampling) -> Option<Vec<MechanismShare>> {
    let workers: Vec<Vec<Counts>> = tallies.iter().map(stretches).collect();
    let total: u64 = workers.iter().flatten().flatten().sum();
    if total == 0 || sampling.spawns == 0 || sampling.hz == 0 {
        return None;
    }
    let profile = merge(tallies);
    let met = |mechanism: &Mechanism| samples(&profile, *mechanism).0 > 0;
    let mut shares = Mechanism::ALL
        .into_iter()
        .filter(met)
        .map(|mechanism| share(mechanism, &workers, total, &profile, sampling))
        .collect::<Option<Vec<_>>>()?;
    shares.sort_by_key(|share| std::cmp::Reverse(share.samples));
    Some(shares)
}

fn share(
    mechanism: Mechanism,
    workers: &[Vec<Counts>],
    total: u64,
    profile: &Profile,
    sampling: &Sampling,
) -> Option<MechanismShare> {
    let (all, parent_samples) = samples(profile, mechanism);
    let (count, total) = (all as f64, total as f64);
    let share = count / total;
    let stretches = workers.iter().map(Vec::len).sum::<usize>() as f64;
    let ns_a_sample = 1e9 / sampling.hz as f64 / sampling.spawns as f64;
    let of = |value: &dyn Fn(f64, f64) -> f64| {
        let values = |counts: &Counts| {
            let own = counts[mechanism as usize] as f64;
            value(own, counts.iter().sum::<u64>() as f64)
        };
        let workers = workers.iter().map(|own| own.iter().map(values).collect());
        let workers: Vec<Vec<f64>> = workers.collect();
        Some(mean_replicates(&workers, sampling.seed, sampling.draws)?.estimate())
    };
    // A stretch's part in the share's error: a ratio of two sums, to the first
    // order. The mean over the stretches is the share itself.
    let by_stretch = of(&|own, whole| share + (own - share * whole) * stretches / total)?;
    let ns_by_stretch = of(&|own, _| own * stretches * ns_a_sample)?;
    let least = wilson(share, total);
    let ns = total * ns_a_sample;
    let mut hottest = hottest(profile, mechanism);
    if mechanism != Mechanism::Other {
        hottest.truncate(NAMED);
    }
    Some(MechanismShare {
        mechanism,
        samples: all,
        parent_samples,
        share: Estimate {
            value: share,
            ci95: wider(&by_stretch, least).map(|bound| bound.clamp(0.0, 1.0)),
        },
        ns: Estimate {
            value: share * ns,
            ci95: wider(&ns_by_stretch, least.map(|bound| bound * ns)).map(|bound| bound.max(0.0)),
        },
        hottest,
    })
}

/// Keeps of a tally's windows no more than shares are made of: a run of minutes has
/// millions of them.
pub fn condense(tally: &mut Tally) {
    tally.windows = stretches(tally);
}

/// The windows of a tally, gathered to stretches of about equally many.
fn stretches(tally: &Tally) -> Vec<Counts> {
    let count = tally.windows.len();
    let mut stretches = vec![Counts::default(); count.min(STRETCHES)];
    for (place, window) in tally.windows.iter().enumerate() {
        let stretch = &mut stretches[place * count.min(STRETCHES) / count];
        for (sum, samples) in stretch.iter_mut().zip(window) {
            *sum += samples;
        }
    }
    stretches
}

/// The 95 % score interval of a share of so many samples.
fn wilson(share: f64, samples: f64) -> [f64; 2] {
    const Z: f64 = 1.96;
    let weight = 1.0 / (1.0 + Z * Z / samples);
    let centre = weight * (share + Z * Z / (2.0 * samples));
    let variance = share * (1.0 - share) / samples + Z * Z / (4.0 * samples * samples);
    let spread = weight * Z * variance.sqrt();
    [(centre - spread).max(0.0), (centre + spread).min(1.0)]
}

fn wider(estimate: &Estimate, least: [f64; 2]) -> [f64; 2] {
    let [low, high] = estimate.ci95;
    [low.min(least[0]), high.max(least[1])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HotFunction, Side, Stack};

    const SAMPLING: Sampling = Sampling {
        hz: 1_000,
        spawns: 100,
        seed: 7,
        draws: 400,
    };

    /// A worker whose windows have so many samples of copying and of teardown,
    /// those of teardown in the child.
    fn worker(windows: &[(u64, u64)]) -> Tally {
        let counts = |(copy, teardown): &(u64, u64)| {
            let mut counts = Counts::default();
            counts[Mechanism::PageTableCopy as usize] = *copy;
            counts[Mechanism::PteTeardown as usize] = *teardown;
            counts
        };
        let stack = |side, mechanism, samples, frame| Stack {
            side,
            mechanism,
            samples,
            frames: vec![frame],
        };
        let (copy, teardown) = (
            windows.iter().map(|w| w.0).sum(),
            windows.iter().map(|w| w.1).sum(),
        );
        Tally {
            windows: windows.iter().map(counts).collect(),
            profile: Profile {
                functions: vec!["copy_page_range".to_owned(), "zap_pte_range".to_owned()],
                stacks: vec![
                    stack(Side::Parent, Mechanism::PageTableCopy, copy, 0),
                    stack(Side::Child, Mechanism::PteTeardown, teardown, 1),
                ],
            },
        }
    }

    #[test]
    fn shares_add_up_and_time_is_samples_by_their_period() {
        let tallies = [worker(&[(6, 2); 50]), worker(&[(5, 3); 50])];
        let shares = shares(&tallies, &SAMPLING).unwrap();
        let [copy, teardown] = shares.as_slice() else {
            panic!("two mechanisms were met: {shares:?}");
        };
        assert_eq!(copy.mechanism, Mechanism::PageTableCopy);
        assert_eq!((copy.samples, copy.parent_samples), (550, 550));
        assert_eq!((teardown.samples, teardown.parent_samples), (250, 0));
        assert!((copy.share.value + teardown.share.value - 1.0).abs() < 1e-12);
        // 550 samples of 1 ms in 100 spawns.
        assert!((copy.ns.value - 5.5e6).abs() < 1e-3, "{:?}", copy.ns);
        assert_eq!(
            copy.hottest,
            [HotFunction {
                function: "copy_page_range".to_owned(),
                samples: 550
            }]
        );
        for share in &shares {
            for Estimate { value, ci95 } in [share.share, share.ns] {
                assert!(ci95[0] <= value && value <= ci95[1]);
            }
        }
    }

    #[test]
    fn workers_that_differ_widen_the_interval_and_agreement_leaves_wilson_s() {
        let width = |tallies: &[Tally]| {
            let [low, high] = shares(tallies, &SAMPLING).unwrap()[0].share.ci95;
            high - low
        };
        let alike = width(&[worker(&[(5, 5); 40]), worker(&[(5, 5); 40])]);
        let apart = width(&[worker(&[(7, 3); 40]), worker(&[(3, 7); 40])]);
        let [low, high] = wilson(0.5, 800.0);
        assert!((alike - (high - low)).abs() < 1e-9, "{alike}");
        assert!(apart > 3.0 * alike, "{apart} and {alike}");
    }

    #[test]
    fn a_mechanism_that_is_all_there_is_has_an_interval_still() {
        let shares = shares(&[worker(&[(10, 0)])], &SAMPLING).unwrap();
        assert_eq!(shares.len(), 1);
        let [low, high] = shares[0].share.ci95;
        assert!((0.6..0.8).contains(&low) && high == 1.0, "{low} {high}");
    }

    #[test]
    fn without_samples_or_spawns_there_are_no_shares() {
        assert!(shares(&[], &SAMPLING).is_none());
        assert!(shares(&[worker(&[(0, 0)])], &SAMPLING).is_none());
        let none = Sampling {
            spawns: 0,
            ..SAMPLING
        };
        assert!(shares(&[worker(&[(1, 1)])], &none).is_none());
    }

    #[test]
    fn many_windows_become_few_stretches_and_lose_nothing() {
        for count in [1, 63, 64, 65, 1_000] {
            let gathered = stretches(&worker(&vec![(2, 1); count]));
            assert_eq!(gathered.len(), count.min(STRETCHES));
            let sum: u64 = gathered.iter().flatten().sum();
            assert_eq!(sum, 3 * count as u64, "{count} windows");
        }
        assert!(stretches(&Tally::default()).is_empty());
        let mut tally = worker(&[(2, 1); 1_000]);
        let gathered = stretches(&tally);
        condense(&mut tally);
        assert_eq!(tally.windows, gathered);
        assert_eq!(stretches(&tally), gathered, "condensed is condensed");
    }
}
