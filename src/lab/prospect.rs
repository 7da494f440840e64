//! How long a precision will take, as far as the rounds so far tell. Pure arithmetic; what
//! is measured, and when, is the runner's.
//!
//! An interval rests on how the workers of the rounds differ: of `r` rounds it is as wide
//! as their scatter times Student's t over the root of `r`. So the intervals of some rounds
//! foretell those of more, if the host goes on as it does. It may not, and the scatter of
//! few workers is itself uncertain: drawn from recorded workers, the widest of 12 intervals
//! of 40 rounds was foretold by 4 rounds as 0.6 to 2.6 times what it was in eight cases of
//! ten, by 12 as 0.7 to 1.7 times, and in the middle of all cases as 1.1 times. So all of it
//! is said with "about", and by how many rounds.

use crate::model::StopRule;
use crate::stats::two_sided_95;
use crate::units::{about_percent, about_seconds, thousands, trimmed};

/// Of fewer rounds nothing is foretold: the scatter of three workers is a guess.
const FEWEST_ROUNDS: u32 = 4;
/// A run that only its precision ends has so long to show that it will be reached.
const CLEAR_AFTER_S: f64 = 60.0;
/// It takes no more than this.
pub const LONGEST_S: f64 = 600.0;
/// Nobody waits for longer.
const A_DAY_S: f64 = 86_400.0;

/// What a precision is asked of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sought {
    /// The relative half-width of the widest interval so far.
    pub(super) widest: Option<f64>,
    /// The rounds before which no interval is narrow enough.
    pub(super) fewest_rounds: u32,
}

/// The widest interval of some rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Prospect {
    /// Its width, but for Student's t and the root of the rounds.
    scatter: f64,
    round_s: f64,
}

impl Prospect {
    /// `None` where the rounds do not tell.
    fn of(widest: Option<f64>, rounds: u32, took_s: f64) -> Option<Self> {
        let widest = widest.filter(|widest| rounds >= FEWEST_ROUNDS && widest.is_finite())?;
        let rounds = f64::from(rounds);
        Some(Self {
            scatter: widest / narrowness(rounds),
            round_s: took_s / rounds,
        })
    }

    /// The width after so long.
    fn width_after(&self, time_s: f64) -> f64 {
        self.scatter * narrowness(time_s / self.round_s)
    }

    /// The time after which the interval is so narrow.
    fn needs_s(&self, width: f64) -> f64 {
        let is_wide = |rounds: f64| self.scatter * narrowness(rounds) > width;
        let (mut low, mut high) = (1.0, 2.0);
        while is_wide(high) && high < 1e12 {
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..30 {
            let middle = f64::midpoint(low, high);
            if is_wide(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        high * self.round_s
    }
}

/// What the scatter is to be multiplied by for the width of an interval of so many rounds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounds are not negative, and the cast saturates"
)]
fn narrowness(rounds: f64) -> f64 {
    let freedom = (rounds as usize).saturating_sub(1);
    two_sided_95(freedom) / rounds.max(1.0).sqrt()
}

/// How long a run that came to this would have had to be for its widest interval to be so
/// narrow.
pub(super) fn needed_s(aim: f64, widest: f64, rounds: u32, took_s: f64) -> Option<f64> {
    let needed_s = Prospect::of(Some(widest), rounds, took_s)?.needs_s(aim);
    (needed_s > took_s && needed_s < A_DAY_S).then_some(needed_s)
}

/// Reckons what is sought.
pub(super) type Seeker<'a> = dyn Fn() -> Option<Sought> + 'a;

/// What is foretold of a run while it goes on.
#[derive(Debug)]
pub(super) struct Foresight {
    stop: StopRule,
    /// The round after which it is reckoned first, and after which the next time.
    first: u32,
    next: u32,
    /// What is known of the time that the precision takes.
    needs_s: Option<f64>,
    /// Whether it was too long when it was last reckoned.
    is_doubtful: bool,
}

/// What a round has to say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Foretold {
    /// A line for the user.
    pub(super) line: Option<String>,
    /// Whether no other round shall follow, as the precision is out of reach.
    pub(super) is_out_of_reach: bool,
}

impl Foresight {
    /// That of a run which aims at so many rounds.
    pub(super) fn new(stop: &StopRule, aim_rounds: u32) -> Self {
        let first = FEWEST_ROUNDS.max(aim_rounds / 4);
        Self {
            stop: stop.clone(),
            first,
            next: first,
            needs_s: None,
            is_doubtful: false,
        }
    }

    /// The share of a run that is behind, if nothing but its precision ends it.
    pub(super) fn share(&self, took_s: f64) -> Option<f64> {
        let needs_s = self.needs_s.unwrap_or(LONGEST_S);
        (self.stop.is_open()).then(|| (took_s / needs_s).min(1.0))
    }

    /// What is to be said after so many rounds. What is sought takes a moment to be reckoned,
    /// and is asked for only where it is needed.
    pub(super) fn after(&mut self, rounds: u32, took_s: f64, sought: &Seeker<'_>) -> Foretold {
        // A number of spawns may end the run at any time.
        if self.stop.spawns.is_some() || rounds < 2 {
            return Foretold::default();
        }
        match (self.stop.time_s, self.stop.precision) {
            (Some(time_s), precision) if rounds >= self.next => {
                self.next = u32::MAX;
                let so_far = SoFar::new(rounds, took_s, sought);
                let line = so_far.and_then(|so_far| so_far.within(time_s, precision));
                Foretold {
                    line,
                    is_out_of_reach: false,
                }
            }
            (None, Some(precision)) => self.open(precision, rounds, took_s, sought),
            _ => Foretold::default(),
        }
    }

    /// Of a run that goes on until its precision is reached.
    fn open(&mut self, aim: f64, rounds: u32, took_s: f64, sought: &Seeker<'_>) -> Foretold {
        let is_clear = took_s >= CLEAR_AFTER_S;
        let is_early = rounds < self.first;
        let is_due = rounds >= self.next || (is_early && is_clear);
        let so_far = is_due.then(|| SoFar::new(rounds, took_s, sought));
        let Some(so_far) = so_far.flatten() else {
            return Foretold::default();
        };
        let needs_s = match so_far.prospect() {
            _ if is_early => so_far.fewest_s(),
            None => f64::INFINITY,
            Some(prospect) => prospect.needs_s(aim).max(so_far.fewest_s()),
        };
        let mut is_first = false;
        if !is_early {
            // Each takes longer than the last, and tells little more.
            self.next = rounds + (rounds / 8).max(1);
            is_first = self.needs_s.replace(needs_s).is_none();
        }
        // Once is chance, but where one round is known to be as long as another.
        let is_too_long = is_clear && needs_s > LONGEST_S;
        let was_too_long = std::mem::replace(&mut self.is_doubtful, is_too_long);
        let is_out_of_reach = is_too_long && (was_too_long || is_early || took_s > LONGEST_S);
        let line = match is_out_of_reach {
            true => Some(ends(aim, rounds, needs_s)),
            false => is_first.then(|| until(aim, rounds, needs_s)),
        };
        Foretold {
            line,
            is_out_of_reach,
        }
    }
}

/// A run so far.
struct SoFar {
    rounds: u32,
    took_s: f64,
    sought: Sought,
}

impl SoFar {
    fn new(rounds: u32, took_s: f64, sought: &Seeker<'_>) -> Option<Self> {
        Some(Self {
            rounds,
            took_s,
            sought: sought()?,
        })
    }

    fn prospect(&self) -> Option<Prospect> {
        Prospect::of(self.sought.widest, self.rounds, self.took_s)
    }

    fn round_s(&self) -> f64 {
        self.took_s / f64::from(self.rounds)
    }

    fn fewest_s(&self) -> f64 {
        f64::from(self.sought.fewest_rounds) * self.round_s()
    }

    /// One line on a run that has so much time.
    fn within(&self, time_s: f64, aim: Option<f64>) -> Option<String> {
        let prospect = self.prospect()?;
        if self.took_s + self.round_s() > time_s {
            return None; // It is over.
        }
        let after = after(self.rounds);
        let planned = about_seconds(time_s);
        let about = about_percent(prospect.width_after(time_s));
        let Some(aim) = aim else {
            return Some(format!(
                "{after}the {planned} that are planned make the widest interval about ±{about}, \
                 four times as long half of that"
            ));
        };
        let needs_s = prospect.needs_s(aim).max(self.fewest_s());
        let aim = asked(aim);
        Some(if needs_s <= time_s || aim == about {
            let needs = needed(needs_s.min(time_s));
            format!("{after}{needs} will make the widest interval ±{aim}")
        } else {
            let needs = needed(needs_s);
            format!(
                "{after}{needs} would make the widest interval ±{aim}, the {planned} that are \
                 planned about ±{about}"
            )
        })
    }
}

/// One line on a run until a precision.
fn until(aim: f64, rounds: u32, needs_s: f64) -> String {
    let (after, needs, aim) = (after(rounds), needed(needs_s), asked(aim));
    if needs_s <= LONGEST_S {
        return format!("{after}{needs} will make the widest interval ±{aim}");
    }
    let longest = about_seconds(LONGEST_S);
    format!(
        "{after}{needs} would make the widest interval ±{aim}; without --time a run takes no more \
         than {longest}, and ends after a minute if that will not do"
    )
}

/// One line on one that ends without it.
fn ends(aim: f64, rounds: u32, needs_s: f64) -> String {
    let (after, needs, aim) = (after(rounds), needed(needs_s), asked(aim));
    format!(
        "{after}{needs} would make the widest interval ±{aim}, which is too long without --time: \
         the run ends here"
    )
}

fn after(rounds: u32) -> String {
    format!("after {} rounds: ", thousands(rounds.into()))
}

fn needed(needs_s: f64) -> String {
    match needs_s {
        ..A_DAY_S => format!("about {}", about_seconds(needs_s)),
        _ => "more than a day".to_owned(),
    }
}

/// One line on a run whose fewest rounds take longer than its time.
pub(super) fn overrun(run_s: f64, fewest_rounds: u32) -> String {
    let round = about_seconds(run_s / f64::from(fewest_rounds.max(1)));
    let run = about_seconds(run_s);
    let least = match fewest_rounds {
        1 => "and there is one at the least".to_owned(),
        fewest => format!("and there are {fewest} at the least"),
    };
    format!("a round takes about {round}, {least}: this run takes about {run}, more than --time")
}

/// One line on a run that nobody gave a time.
pub(super) fn length(run_s: f64) -> String {
    let run = about_seconds(run_s);
    format!("by its first workers this run takes about {run}; --time ends it sooner")
}

/// A precision as it was typed.
fn asked(aim: f64) -> String {
    format!("{} %", trimmed(aim * 100.0, 6))
}

#[cfg(test)]
mod tests;
