//! Two states that a host is in by turns: a hidden Markov chain, fitted by expectation
//! and maximisation (Baum and Welch).
//!
//! A level scatters about that of its state by Student's t with few degrees of freedom
//! (see [`crate::tails`]): a burst is an odd level of its state and not a state.

use super::LEAST_SLOWDOWN;
use crate::summary::{median, sort};
use crate::tails::{log_density, weight};

/// What the wider of two states may be in scales of the narrower, and what the
/// narrowest is as a share of the level: a state of a few equal levels would be endlessly
/// likely.
const WIDEST: f64 = 8.0;
const NARROWEST: f64 = 0.002;

/// A state that kept all would have no level of its own.
const MOST_KEPT: f64 = 0.9;

/// Places among the ordered levels at which the search sets out to part them.
const STARTS: [f64; 7] = [0.06, 0.15, 0.35, 0.5, 0.65, 0.85, 0.94];

/// Steps of the search, and what a step must gain for another one.
const STEPS: usize = 100;
const LEAST_GAIN: f64 = 1e-4;

/// Whether the next state depends on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// States last.
    Lasting,
    /// Each level is of either state by chance alone.
    None,
}

/// The two states, the lower first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub(super) centre: [f64; 2],
    /// How far levels of a state are from its centre.
    scale: [f64; 2],
    /// How much of a level's distance is still there in the next one of the same state: a
    /// spell may be deeper than others for as long as it lasts.
    keep: [f64; 2],
    /// How probably a state is followed by itself.
    stay: [f64; 2],
}

/// A chain that was fitted to levels.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) chain: Chain,
    /// The logarithm of the likelihood of each level, given all before it.
    pub(super) likelihoods: Vec<f64>,
    /// How probably each level is one of the higher state, given all others.
    pub(super) slow: Vec<f64>,
}

impl Fit {
    /// Free numbers of the model.
    pub(super) const fn parameters(memory: Memory) -> usize {
        match memory {
            Memory::Lasting => 8,
            Memory::None => 5,
        }
    }

    fn sum(&self) -> f64 {
        self.likelihoods.iter().sum()
    }
}

/// The chain that makes the levels most likely.
///
/// `None` of levels that are all the same or fewer than four, and of lasting states that are
/// not apart.
pub(super) fn fit(levels: &[f64], memory: Memory) -> Option<Fit> {
    let mut sorted = levels.to_vec();
    sort(&mut sorted);
    STARTS
        .iter()
        .filter_map(|share| Chain::parting(&sorted, *share, memory))
        .map(|start| start.climb(levels, memory))
        .filter(|fit| memory == Memory::None || fit.chain.is_apart())
        .max_by(|a, b| a.sum().total_cmp(&b.sum()))
}

impl Chain {
    /// Whether the second state is above the first, and not a name for its tails.
    fn is_apart(&self) -> bool {
        let [low, high] = self.centre;
        high - low > LEAST_SLOWDOWN.ln().max(self.scale[0] + self.scale[1])
    }

    /// The chain whose states are the lower and the upper levels.
    fn parting(sorted: &[f64], share: f64, memory: Memory) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of levels"
        )]
        let place = (sorted.len() as f64 * share).round() as usize;
        let (low, high) = sorted.split_at_checked(place)?;
        if low.len() < 2 || high.len() < 2 || low[0] == high[high.len() - 1] {
            return None;
        }
        let parts = [low, high];
        let centre = parts.map(|part| median(part).unwrap_or_default());
        let spread = |k: usize| {
            let off: Vec<f64> = parts[k].iter().map(|v| (v - centre[k]).abs()).collect();
            median(&off).unwrap_or_default()
        };
        let (stay, keep) = match memory {
            Memory::Lasting => ([0.9; 2], [0.3; 2]),
            Memory::None => ([share, 1.0 - share], [0.0; 2]),
        };
        Some(Self {
            centre,
            scale: bounded([spread(0), spread(1)]),
            keep,
            stay,
        })
    }

    fn climb(self, levels: &[f64], memory: Memory) -> Fit {
        let mut seen = self.expect(levels);
        for _ in 0..STEPS {
            let next = seen.maximise(levels, memory).expect(levels);
            let gain = next.fit.sum() - seen.fit.sum();
            if gain > 0.0 {
                seen = next;
            }
            if gain < LEAST_GAIN {
                break;
            }
        }
        seen.fit
    }

    /// How a state is followed by each.
    fn follow(&self) -> [[f64; 2]; 2] {
        let [a, b] = self.stay;
        [[a, 1.0 - a], [1.0 - b, b]]
    }

    /// The share of either state in the long run.
    fn shares(&self) -> [f64; 2] {
        let [a, b] = self.stay.map(|stay| 1.0 - stay);
        let sum = (a + b).max(f64::MIN_POSITIVE);
        [b / sum, a / sum]
    }

    /// How far a level is from where it belongs, and the scale of that, if it is of one
    /// state and the level before it is `last`, of the same one or of none.
    fn off(&self, state: usize, level: f64, last: Option<f64>) -> (f64, f64) {
        let (centre, keep) = (self.centre[state], self.keep[state]);
        match last {
            None => (level - centre, self.scale[state]),
            Some(last) => (
                level - centre - keep * (last - centre),
                self.scale[state] * (1.0 - keep * keep).sqrt(),
            ),
        }
    }

    fn density(&self, state: usize, level: f64, last: Option<f64>) -> f64 {
        let (off, scale) = self.off(state, level, last);
        log_density(off, scale).exp()
    }

    /// How probable a level is with each state after each.
    fn steps(&self, level: f64, last: f64) -> [[f64; 2]; 2] {
        let follow = self.follow();
        [0, 1].map(|from| {
            [0, 1].map(|to| {
                let same = (from == to).then_some(last);
                follow[from][to] * self.density(to, level, same)
            })
        })
    }

    /// What the levels say of the states.
    fn expect(self, levels: &[f64]) -> Seen {
        let mut ahead: Vec<[f64; 2]> = Vec::with_capacity(levels.len());
        let mut given = Vec::with_capacity(levels.len());
        let mut steps = Vec::with_capacity(levels.len());
        for (at, level) in levels.iter().enumerate() {
            let joint = match ahead.last() {
                None => [0, 1].map(|k| self.shares()[k] * self.density(k, *level, None)),
                Some(before) => {
                    let step = self.steps(*level, levels[at - 1]);
                    steps.push(step);
                    [0, 1].map(|k| before[0] * step[0][k] + before[1] * step[1][k])
                }
            };
            let sum = (joint[0] + joint[1]).max(f64::MIN_POSITIVE);
            ahead.push(joint.map(|part| part / sum));
            given.push(sum);
        }
        let mut turns = vec![[[0.0; 2]; 2]; levels.len()];
        let mut slow = vec![0.0; levels.len()];
        let mut behind = [1.0; 2];
        for at in (0..levels.len()).rev() {
            // Rounding may put it a little above.
            slow[at] = (ahead[at][1] * behind[1]).min(1.0);
            if at == 0 {
                break;
            }
            let step = steps[at - 1].map(|row| [0, 1].map(|k| row[k] * behind[k] / given[at]));
            turns[at] = [0, 1].map(|j| step[j].map(|part| ahead[at - 1][j] * part));
            behind = step.map(|row| row[0] + row[1]);
        }
        Seen {
            fit: Fit {
                chain: self,
                likelihoods: given.into_iter().map(f64::ln).collect(),
                slow,
            },
            turns,
        }
    }
}

/// What levels say of the states of a chain.
struct Seen {
    fit: Fit,
    /// How probably each state was followed by each at a level; nothing at the first.
    turns: Vec<[[f64; 2]; 2]>,
}

impl Seen {
    /// The chain that would make levels of these states likelier.
    fn maximise(&self, levels: &[f64], memory: Memory) -> Chain {
        let mut next = self.fit.chain;
        for state in [0, 1] {
            self.settle(&mut next, state, levels, memory);
        }
        next.scale = bounded(next.scale);
        next.stay = match memory {
            // Two turns of which one in ten leaves its state, before any was seen.
            Memory::Lasting => [0, 1].map(|k| {
                let sum = |to: usize| self.turns.iter().map(|turn| turn[k][to]).sum::<f64>();
                (sum(k) + 1.8) / (sum(0) + sum(1) + 2.0)
            }),
            Memory::None => {
                let slow = self.fit.slow.iter().sum::<f64>() / levels.len() as f64;
                [1.0 - slow, slow]
            }
        };
        next
    }

    /// One state's centre, then what it keeps, then its scale.
    fn settle(&self, next: &mut Chain, state: usize, levels: &[f64], memory: Memory) {
        let old = self.fit.chain;
        // Each level with its chance and its weight, after one of its state and after none.
        let parts: Vec<(f64, Option<f64>, f64, f64)> = (0..levels.len())
            .flat_map(|at| {
                let slow = self.fit.slow[at];
                let all = if state == 1 { slow } else { 1.0 - slow };
                let inside = self.turns[at][state][state];
                let last = at.checked_sub(1).map(|before| levels[before]);
                [(last, inside), (None, (all - inside).max(0.0))]
                    .map(|(last, chance)| (levels[at], last, chance))
            })
            .filter(|(_, _, chance)| *chance > 1e-12)
            .map(|(level, last, chance)| {
                let (off, scale) = old.off(state, level, last);
                (level, last, chance, chance * weight(off, scale))
            })
            .collect();
        let chance: f64 = parts.iter().map(|part| part.2).sum();
        if chance < 1e-6 {
            return;
        }
        let keep = next.keep[state];
        let (mut moment, mut heavy) = (0.0, 0.0);
        for (level, last, _, weight) in &parts {
            match last {
                None => {
                    moment += weight * (1.0 - keep * keep) * level;
                    heavy += weight * (1.0 - keep * keep);
                }
                Some(last) => {
                    moment += weight * (1.0 - keep) * (level - keep * last);
                    heavy += weight * (1.0 - keep).powi(2);
                }
            }
        }
        next.centre[state] = moment / heavy;
        if memory == Memory::Lasting {
            let (mut both, mut own) = (0.0, 1e-9);
            for (level, last, _, weight) in &parts {
                if let Some(last) = last {
                    let last = last - next.centre[state];
                    both += weight * (level - next.centre[state]) * last;
                    own += weight * last * last;
                }
            }
            next.keep[state] = (both / own).clamp(0.0, MOST_KEPT);
        }
        let rest = 1.0 - next.keep[state].powi(2);
        let squares: f64 = parts
            .iter()
            .map(|(level, last, _, weight)| {
                let (off, _) = next.off(state, *level, *last);
                let share = if last.is_none() { 1.0 } else { rest };
                weight * off * off / share
            })
            .sum();
        next.scale[state] = (squares / chance).sqrt();
    }
}

/// Scales that no state of a few levels can make endlessly likely.
fn bounded(scale: [f64; 2]) -> [f64; 2] {
    let widest = scale[0].max(scale[1]);
    scale.map(|own| own.max(widest / WIDEST).max(NARROWEST))
}
