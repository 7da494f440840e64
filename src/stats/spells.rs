//! Spells: whether a host was slow for part of a run, told from a reference.
//!
//! Beside each visit stand two medians of a reference, a piece of work that is always
//! the same: one from right before it and one from right after. Two states are told only
//! where they are clearly apart, and where states that last explain the levels better
//! than one state that drifts, wanders or has heavy tails, and better than chance that
//! makes each level anew. When in doubt there is one state: a spell that is missed makes
//! an interval wide, and one that is made up makes it wrong.

mod chain;
mod steady;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bootstrap::{level_replicates, seed_of};
use super::summary::{quantile, sort};
use super::{DRAWS, Estimate, FEWEST_WORKERS, Replicates};
use chain::{Fit, Memory};

/// Fewer visits than this do not tell whether there are spells.
const FEWEST_LEVELS: usize = 10;

/// What a slow state is at least, as a multiple of the quiet one.
const LEAST_SLOWDOWN: f64 = 1.12;

/// The share of its time that a host must be quiet for a quiet state to be spoken of.
const LEAST_QUIET: f64 = 0.2;

/// The 90th percentile of the levels over the 10th beyond which one state is none.
const WIDEST_STATE: f64 = 1.5;

/// By how much the criterion of two states must be below that of one: "strong evidence"
/// by Kass and Raftery (1995).
const EVIDENCE: f64 = 6.0;

/// How surely a visit must be of a state to be taken for one of it.
const SURELY: f64 = 0.8;

/// What is known of the host at a visit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// How long the visit took, in any unit.
    pub lasted: f64,
    /// The median of the reference right before the visit and right after it.
    pub reference: [f64; 2],
}

impl Sight {
    /// The mean logarithm of its reference; not finite where there is none.
    pub fn level(&self) -> f64 {
        let [before, after] = self.reference;
        f64::midpoint(before.ln(), after.ln())
    }
}

/// The state of the host at a visit.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// The quiet one, or the only one.
    #[default]
    Quiet,
    /// Neither surely: the host turned in the course of the visit, or nobody knows.
    Between,
    /// The slow one.
    Slow,
    /// Others had the CPU for a good part of the visit. No reference tells that.
    Shared,
}

impl HostState {
    /// Whether it is the quiet one.
    pub fn is_quiet(&self) -> bool {
        *self == Self::Quiet
    }
}

/// Which workers of one parent stand in for quiet ones that it has too few of, by the state
/// of the host beside each and by how long it took: those that may have been quiet before
/// those that were slow, and of these the quickest. A figure of all of them would be of
/// another state than the one of the parent beside it.
pub fn stand_ins(workers: &[(HostState, f64)]) -> Vec<usize> {
    let quiet = workers.iter().filter(|(state, _)| state.is_quiet()).count();
    let others = (0..workers.len()).filter(|at| !workers[*at].0.is_quiet());
    let mut others: Vec<usize> = others.collect();
    others.sort_by(|a, b| {
        let [(state, took), (other, took_other)] = [a, b].map(|at| workers[*at]);
        state.cmp(&other).then(took.total_cmp(&took_other))
    });
    others.truncate(FEWEST_WORKERS.saturating_sub(quiet));
    others
}

/// What the levels of a run say of its host.
#[derive(Debug, Clone, PartialEq)]
pub struct Spells {
    /// The state at each visit.
    pub states: Vec<HostState>,
    /// How probably each visit was slow, given all levels; nothing without a reference.
    pub slow: Vec<Option<f64>>,
    /// The level of the reference at each visit; not finite without one.
    pub levels: Vec<f64>,
    /// What may be said of the run.
    pub finding: HostCourse,
}

/// What may be said of the host in a run.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostCourse {
    /// Too few visits have a reference to tell spells by.
    NotEnough {
        /// Visits with a reference.
        levels: usize,
    },
    /// One state, from which the host did not go clearly and lastingly.
    Steady,
    /// Two states.
    Spells(SlowState),
    /// Two states, but the host was in the quicker one too seldom to call it the rule.
    SeldomQuiet(SlowState),
    /// One state or none: levels far apart, and none that the host comes back to.
    Restless {
        /// The 90th percentile of the levels over the 10th.
        spread: f64,
    },
}

/// The slow state of a run.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct SlowState {
    /// Its share of the time of all visits, in this run.
    pub share_of_time: f64,
    /// Its share of the visits.
    pub share_of_visits: f64,
    /// How often the host became slow.
    pub spells: usize,
    /// The level of the slow state over that of the quiet one. One that differs from
    /// spell to spell is known only where there are several.
    pub slowdown: Estimate,
}

/// Tells the spells of a run from its visits, in the order of time.
pub fn spells(sights: &[Sight], seed: u64) -> Spells {
    let known = sights.iter().map(Sight::level).filter(|l| l.is_finite());
    let levels: Vec<f64> = known.collect();
    if levels.len() < FEWEST_LEVELS {
        let levels = levels.len();
        return Spells::of_one(sights, HostCourse::NotEnough { levels });
    }
    two_states(&levels)
        .and_then(|fit| Spells::of_two(sights, &fit, seed))
        .unwrap_or_else(|| Spells::of_one(sights, one_state(levels)))
}

/// The two states, if there are two.
fn two_states(levels: &[f64]) -> Option<Fit> {
    let fit = chain::fit(levels, Memory::Lasting)?;
    let criterion = |fit: &Fit, memory| {
        let explained = &fit.likelihoods[steady::LED..];
        let parameters = Fit::parameters(memory);
        steady::schwarz(explained.iter().sum(), parameters, explained.len())
    };
    let by_chance = chain::fit(levels, Memory::None)?;
    let one = steady::criterion(levels).min(criterion(&by_chance, Memory::None));
    (criterion(&fit, Memory::Lasting) + EVIDENCE < one).then_some(fit)
}

fn one_state(mut levels: Vec<f64>) -> HostCourse {
    sort(&mut levels);
    let place = |share| quantile(&levels, share).unwrap_or_default();
    let spread = (place(0.9) - place(0.1)).exp();
    if spread > WIDEST_STATE {
        HostCourse::Restless { spread }
    } else {
        HostCourse::Steady
    }
}

/// The state of a visit that was slow so probably, as all levels say.
fn state(fit: &Fit, slow: f64, reference: [f64; 2]) -> HostState {
    let [low, high] = fit.chain.centre;
    let [before, after] = reference.map(f64::ln);
    let middle = f64::midpoint(low, high);
    let turned = (before > middle) != (after > middle);
    if turned && (before - after).abs() > (high - low) / 2.0 {
        HostState::Between
    } else if slow > SURELY {
        HostState::Slow
    } else if slow < 1.0 - SURELY {
        HostState::Quiet
    } else {
        HostState::Between
    }
}

impl Spells {
    /// The state at a visit as far as figures are concerned: they are made of the quiet
    /// visits if there is a quiet state, and otherwise of all.
    pub fn state(&self, visit: usize) -> HostState {
        match self.finding {
            HostCourse::Spells(_) => *self.states.get(visit).unwrap_or(&HostState::Between),
            _ => HostState::Quiet,
        }
    }

    /// The levels of the visits that figures are made of, in the order of time.
    pub fn course(&self) -> Vec<f64> {
        let levels = self.levels.iter().enumerate();
        let of_it = levels.filter(|(at, level)| self.state(*at).is_quiet() && level.is_finite());
        of_it.map(|(_, level)| *level).collect()
    }

    fn of_one(sights: &[Sight], finding: HostCourse) -> Self {
        let known = || sights.iter().map(|sight| sight.level().is_finite());
        let state = |known| {
            if known {
                HostState::Quiet
            } else {
                HostState::Between
            }
        };
        Self {
            states: known().map(state).collect(),
            slow: known().map(|known| known.then_some(0.0)).collect(),
            levels: sights.iter().map(Sight::level).collect(),
            finding,
        }
    }

    /// `None` if no visit is surely of one of the two.
    fn of_two(sights: &[Sight], fit: &Fit, seed: u64) -> Option<Self> {
        let mut told = Self::of_one(sights, HostCourse::Steady);
        let known = told.slow.iter_mut().flatten();
        known.zip(&fit.slow).for_each(|(slow, own)| *slow = *own);
        told.states = told
            .slow
            .iter()
            .zip(sights)
            .map(|(slow, sight)| {
                slow.map_or(HostState::Between, |s| state(fit, s, sight.reference))
            })
            .collect();
        let slow = told.slow(sights, seed)?;
        told.finding = if 1.0 - slow.share_of_time < LEAST_QUIET {
            HostCourse::SeldomQuiet(slow)
        } else {
            HostCourse::Spells(slow)
        };
        Some(told)
    }

    /// The slow state, if any visit is surely of it and any surely not.
    fn slow(&self, sights: &[Sight], seed: u64) -> Option<SlowState> {
        let slow = self.runs(sights, HostState::Slow);
        let slowdown = slowdown(&self.runs(sights, HostState::Quiet), &slow, seed)?;
        let share = |weight: &dyn Fn(&Sight) -> f64| {
            let (mut part, mut whole) = (0.0, 0.0);
            for (slow, sight) in self.slow.iter().zip(sights) {
                let weight = slow.map_or(0.0, |_| weight(sight));
                whole += weight;
                part += slow.unwrap_or(0.0) * weight;
            }
            part / whole
        };
        let of_visits = share(&|_| 1.0);
        let of_time = share(&|sight| sight.lasted);
        Some(SlowState {
            share_of_time: if of_time.is_finite() {
                of_time
            } else {
                of_visits
            },
            share_of_visits: of_visits,
            spells: slow.len(),
            slowdown,
        })
    }

    /// The levels of each time that the host was in a state.
    fn runs(&self, sights: &[Sight], state: HostState) -> Vec<Vec<f64>> {
        let mut runs: Vec<Vec<f64>> = Vec::new();
        let mut within = false;
        for (sight, own) in sights.iter().zip(&self.states) {
            match (*own == state, *own, runs.last_mut()) {
                (true, _, Some(run)) if within => run.push(sight.level()),
                (true, ..) => runs.push(vec![sight.level()]),
                (false, HostState::Between, _) => continue,
                _ => {}
            }
            within = *own == state;
        }
        runs
    }
}

/// How much slower the slow state is: spells differ, as workers do.
fn slowdown(quiet: &[Vec<f64>], slow: &[Vec<f64>], seed: u64) -> Option<Estimate> {
    let quiet = level_replicates(quiet, seed_of(seed, 0), DRAWS)?;
    let slow = level_replicates(slow, seed_of(seed, 1), DRAWS)?;
    let ratio = Replicates::combine(&[&quiet, &slow], |v| Some(v[1] - v[0]))?;
    Some(ratio.estimate().map(f64::exp))
}

#[cfg(test)]
mod tests;
