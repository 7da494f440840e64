//! Two workers that are alive at once and take turns every few milliseconds, so that what
//! the host does to one it does to the other, and their ratio is free of it. Duet
//! benchmarking (Bulej et al., ICPE 2020) runs both at the same time on CPUs of their own;
//! two that spawn at once would wait for each other's locks in the kernel.

use std::time::Duration;

use super::error::LabError;
use super::kernel::Kernel;
use super::outlook::{self, Watch};
use super::session::{Inflated, Occasion, Recording};
use crate::worker::protocol::{Assignment, Done};

/// How long each of them spawns before the other does: short beside the spells of a host,
/// long beside the waking of a process.
const SPELL: Duration = Duration::from_millis(6);

/// The most turns of a worker's methods without a break.
const MOST_AT_ONCE: usize = 8;

/// When both are to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// The time of the loops of both.
    pub(super) slice: Duration,
    /// Turns of each, the fewest and the most.
    pub(super) turns: [usize; 2],
}

/// Runs two workers from beginning to end, whose moments may be watched. Which of them is
/// started first, and has its turn first, is for the caller to draw.
pub(super) fn run(
    kernel: &dyn Kernel,
    assignments: [&Assignment; 2],
    watches: [&Watch; 2],
    until: Until,
    first: usize,
    timeout: Duration,
    occasion: Occasion,
) -> Result<[Recording; 2], LabError> {
    let [one, other] = [first, 1 - first].map(|side| assignments[side]);
    let one = Inflated::start(kernel, one, timeout)?;
    let other = Inflated::start(kernel, other, timeout)?;
    let mut sides = match first {
        0 => [one, other],
        _ => [other, one],
    };
    let sights = [0, 1].map(|side| sides[side].watched(assignments[side], watches[side]));
    let mut outlook = outlook::Pair::open(kernel, sights);
    let done = take_turns(kernel, &mut sides, &mut outlook, until, first)?;
    let [seen_of_a, seen_of_b] = outlook.close();
    let [a, b] = sides;
    let [of_a, of_b] = done;
    let a = a.recorded(assignments[0], of_a)?;
    let b = b.recorded(assignments[1], of_b)?;
    let (a, b) = (a.end(occasion), b.end(occasion));
    Ok([a.with_moments(seen_of_a), b.with_moments(seen_of_b)])
}

/// A, B, B, A, A, B and so on: each stands as often before the other as after it.
fn take_turns(
    kernel: &dyn Kernel,
    sides: &mut [Inflated; 2],
    outlook: &mut outlook::Pair,
    until: Until,
    first: usize,
) -> Result<[Done; 2], LabError> {
    let begin = kernel.now();
    let [least, most] = until.turns;
    let mut done = [Done::default(), Done::default()];
    let (mut taken, mut at_once, mut next) = (0, 1, first);
    loop {
        let turns = at_once.min(most - taken);
        let pair_begins = kernel.now();
        for side in [next, 1 - next] {
            done[side] = sides[side].worker.turns(turns)?;
            outlook.collect();
        }
        taken += turns;
        next = 1 - next;
        let now = kernel.now();
        if taken >= most || (taken >= least && now - begin >= until.slice) {
            return Ok(done);
        }
        at_once = fitting(now - pair_begins, turns);
    }
}

/// How many turns fit into a spell, if so many of both took so long.
fn fitting(took: Duration, turns: usize) -> usize {
    let one = (took / 2).as_nanos() / turns.max(1) as u128;
    let fit = SPELL.as_nanos() / one.max(1);
    usize::try_from(fit).map_or(MOST_AT_ONCE, |fit| fit.clamp(1, MOST_AT_ONCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_has_as_many_turns_as_fit_and_one_at_the_least() {
        let ms = Duration::from_millis;
        assert_eq!(fitting(ms(4), 1), 3);
        assert_eq!(fitting(ms(8), 2), 3);
        assert_eq!(fitting(ms(400), 1), 1);
        assert_eq!(fitting(Duration::ZERO, 1), MOST_AT_ONCE);
    }
}
