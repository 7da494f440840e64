//! Which visit has its turn when, round by round, and with how long a loop. Knows
//! neither kernel nor workers: what a turn is, and the clock, are the caller's.

use fastrand::Rng;

use super::budget::{Budget, Due, Pace};
use crate::lab::error::LabError;
use crate::model::{StopRule, Stopped};

/// Rounds that are aimed at. Fewer workers say little about how they differ,
/// and more of them have no time left to measure.
pub(in crate::lab) const AIM_ROUNDS: u32 = 8;
/// A visit that takes more seconds than this besides its loop is dear.
const DEAR_S: f64 = 0.4;

/// When a visit has its turn, and for how long.
#[derive(Debug, Clone, Copy)]
pub(in crate::lab) struct Rhythm {
    /// Its share of the loops' time. None for what has no loop that could shrink.
    pub(in crate::lab) weight: f64,
    /// It has its turn in every so many rounds, from this one on.
    pub(in crate::lab) every: u32,
    pub(in crate::lab) from: u32,
    /// Its place in the first round: the lower ones come first.
    pub(in crate::lab) first: u8,
    /// Whether the first rounds, those that there are at the least, are not whole
    /// without it, however late it is.
    pub(in crate::lab) owed: bool,
    /// Whether it leaves every second round to the others if it is dear.
    pub(in crate::lab) rests: bool,
}

impl Rhythm {
    /// In every round, with the weight of 1.
    pub(in crate::lab) const EVERY_ROUND: Self = Self {
        weight: 1.0,
        every: 1,
        from: 0,
        first: 0,
        owed: true,
        rests: false,
    };
    /// [`Self::every`] of what has its turn in the first round alone.
    pub(in crate::lab) const ONCE: u32 = u32::MAX;
}

/// The turn of a visit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) visit: usize,
    pub(super) round: u32,
    /// The loop's time; `None` without a limit.
    pub(super) slice_s: Option<f64>,
    pub(super) seed: u64,
    /// The share of the run that is behind.
    pub(super) share: f64,
}

/// What has its turns.
pub(super) trait Stage {
    /// Seconds since the run began.
    fn now_s(&self) -> f64;
    /// Whether a visit is still to have turns.
    fn wants(&self, visit: usize) -> bool;
    /// A turn; the seconds of its loop.
    fn turn(&mut self, slot: &Slot) -> Result<f64, LabError>;
    /// After each round: why there shall be no other.
    fn round_ends(&mut self, rounds: u32) -> Option<Stopped>;
    /// Once, if the fewest rounds will take so long, which is clearly more than the time.
    fn overruns(&mut self, run_s: f64, fewest_rounds: u32);
    /// Once, if a run that ends after a number of spawns will take so long.
    fn is_long(&mut self, run_s: f64);
}

/// The visits of a run, and what is known of their use of its time.
pub(super) struct Schedule {
    budget: Budget,
    rng: Rng,
    least_rounds: u32,
    aim_rounds: u32,
    rhythms: Vec<Rhythm>,
    paces: Vec<Option<Pace>>,
    /// How many turns each has had.
    turns: Vec<u32>,
    /// All visits in the order of the round, which is mirrored in the next.
    order: Vec<usize>,
    /// Rounds that were completed, all that were begun, and those of the stage under way.
    pub(super) rounds: u32,
    begun: u32,
    done: u32,
    /// Whether it was told that the time will not do.
    told: bool,
}

impl Schedule {
    pub(super) fn new(stop: &StopRule, seed: u64, least_rounds: u32, aim_rounds: u32) -> Self {
        Self {
            budget: Budget::new(stop),
            rng: Rng::with_seed(seed),
            least_rounds,
            aim_rounds,
            rhythms: Vec::new(),
            paces: Vec::new(),
            turns: Vec::new(),
            order: Vec::new(),
            rounds: 0,
            begun: 0,
            done: 0,
            told: false,
        }
    }

    pub(super) fn add(&mut self, rhythm: Rhythm) {
        self.order.push(self.rhythms.len());
        self.rhythms.push(rhythm);
        self.paces.push(None);
        self.turns.push(0);
    }

    /// Rounds until this share of the time is spent, or nothing is wanted any more.
    pub(super) fn run(&mut self, stage: &mut dyn Stage, share: f64) -> Result<Stopped, LabError> {
        self.budget.begin(share);
        self.done = 0;
        loop {
            let is_whole = self.one_round(stage)?;
            self.rounds += u32::from(is_whole);
            self.begun += 1;
            self.done += 1;
            if let Some(stopped) = stage.round_ends(self.rounds) {
                return Ok(stopped);
            }
            let is_wanted = (0..self.rhythms.len()).any(|visit| stage.wants(visit));
            if !is_wanted || !self.has_time(stage) {
                return self.part_of_a_round(stage);
            }
        }
    }

    /// Spends the time that is too short for a whole round.
    fn part_of_a_round(&mut self, stage: &mut dyn Stage) -> Result<Stopped, LabError> {
        let part = self.fitting(stage);
        for place in 0..part.len() {
            self.turn(&part[place..], place as f64 / part.len() as f64, stage)?;
        }
        let ended = (!part.is_empty()).then(|| stage.round_ends(self.rounds));
        Ok(ended.flatten().unwrap_or(Stopped::Time))
    }

    /// Of the visits of a design, of which figures are made that need no other of the same
    /// round, those that still fit: who has had the fewest turns comes first.
    fn fitting(&self, stage: &dyn Stage) -> Vec<usize> {
        let mut order = self.order.clone();
        order.retain(|visit| self.rhythms[*visit].rests && stage.wants(*visit));
        order.sort_by_key(|visit| self.turns[*visit]);
        let mut part = Vec::new();
        for visit in order {
            part.push(visit);
            let due = self.due(part.iter().copied());
            if !self.budget.has_time(stage.now_s(), &due, true) {
                part.pop();
            }
        }
        part
    }

    fn has_time(&self, stage: &dyn Stage) -> bool {
        let next = self.of_round(self.done, stage);
        let shrinks = self.done < self.aim_rounds;
        let owed = self.done < self.least_rounds;
        owed || self
            .budget
            .has_time(stage.now_s(), &self.due(next), shrinks)
    }

    /// A round; whether it is whole, or the time was up before.
    fn one_round(&mut self, stage: &mut dyn Stage) -> Result<bool, LabError> {
        let order = self.next_order(stage);
        let mut is_whole = true;
        for (place, &visit) in order.iter().enumerate() {
            let owed = self.rhythms[visit].owed && self.done < self.least_rounds;
            let begin_s = stage.now_s();
            let is_late = !owed && self.budget.is_spent(begin_s);
            // A visit before it may have told that this one is of no use.
            if !stage.wants(visit) {
                continue;
            }
            if is_late {
                is_whole &= !self.rhythms[visit].owed;
                continue;
            }
            self.turn(&order[place..], place as f64 / order.len() as f64, stage)?;
            self.tell_overrun(&order[place + 1..], stage);
            self.tell_length(&order[place + 1..], stage);
        }
        Ok(is_whole)
    }

    /// The turn of the first of these visits, which are what is left of a round of which so
    /// much is behind.
    fn turn(
        &mut self,
        of_this_round: &[usize],
        behind: f64,
        stage: &mut dyn Stage,
    ) -> Result<(), LabError> {
        let visit = of_this_round[0];
        let begin_s = stage.now_s();
        let slice_s = self.slice_s(of_this_round, stage);
        let behind = f64::from(self.done) + behind;
        let rounds = self.aim_rounds.max(self.done + 1);
        let slot = Slot {
            visit,
            round: self.begun,
            slice_s,
            seed: self.rng.u64(..),
            share: self.budget.share(begin_s, behind / f64::from(rounds)),
        };
        let loop_s = stage.turn(&slot)?;
        let took_s = stage.now_s() - begin_s;
        self.paces[visit] = Some(Pace::new(took_s, loop_s, slice_s));
        self.turns[visit] += 1;
        Ok(())
    }

    /// Tells of the fewest rounds, of which this is still to come and later ones may be, if
    /// they will take clearly longer than the time.
    fn tell_overrun(&mut self, of_this_round: &[usize], stage: &mut dyn Stage) {
        if self.told || self.done >= self.least_rounds {
            return;
        }
        let later = (self.done + 1..self.least_rounds).flat_map(|it| self.of_round(it, stage));
        let to_come = of_this_round.iter().copied().chain(later);
        let owed = to_come.filter(|visit| self.rhythms[*visit].owed && stage.wants(*visit));
        let owed = self.due(owed);
        // What is over needs no word: the result tells.
        let paces: Vec<Pace> = self.paces.iter().copied().flatten().collect();
        let overrun_s = self.budget.overrun_s(stage.now_s(), &owed, &paces);
        if let Some(run_s) = overrun_s.filter(|_| !owed.is_empty()) {
            self.told = true;
            stage.overruns(run_s, self.least_rounds);
        }
    }

    /// Tells how long a run will be that only its number of spawns ends.
    fn tell_length(&mut self, of_this_round: &[usize], stage: &mut dyn Stage) {
        if self.told || !self.budget.counts_spawns {
            return;
        }
        // Two that take turns are spread over the most rounds of all.
        let aim = self.aim_rounds.min(self.done + 4 * AIM_ROUNDS);
        let later = (self.done + 1..aim).flat_map(|it| self.of_round(it, stage));
        let to_come = of_this_round.iter().copied().chain(later);
        let wanted: Vec<usize> = to_come.filter(|visit| stage.wants(*visit)).collect();
        if let Some(run_s) = Budget::late_s(stage.now_s(), &self.due(wanted)) {
            self.told = true;
            stage.is_long(run_s);
        }
    }

    /// A random order, or the mirror image of the last: a drift of the host hits all
    /// alike.
    fn next_order(&mut self, stage: &dyn Stage) -> Vec<usize> {
        if self.done.is_multiple_of(2) {
            self.rng.shuffle(&mut self.order);
        } else {
            self.order.reverse();
        }
        let due = self.of_round(self.done, stage);
        let mut order = self.order.clone();
        order.retain(|visit| due.contains(visit));
        if self.done == 0 {
            order.sort_by_key(|visit| self.rhythms[*visit].first);
        }
        order
    }

    /// The loop of the first of these visits, if they and the rounds up to the aim are
    /// to have their turn. It is reckoned anew for each, from what is left.
    fn slice_s(&self, of_this_round: &[usize], stage: &dyn Stage) -> Option<f64> {
        // Further ahead than that the rounds are as good as endless.
        let aim = self.aim_rounds.min(self.done + AIM_ROUNDS);
        let later = (self.done + 1..aim).flat_map(|round| self.of_round(round, stage));
        let to_come = self.due(of_this_round.iter().copied().chain(later));
        let unit_s = self.budget.unit_s(stage.now_s(), &to_come)?;
        Some(unit_s * self.rhythms[of_this_round[0]].weight)
    }

    /// The visits of a round of the stage under way.
    fn of_round(&self, round: u32, stage: &dyn Stage) -> Vec<usize> {
        let visits = 0..self.rhythms.len();
        let due = |visit: &usize| {
            let Rhythm { every, from, .. } = self.rhythms[*visit];
            let since = round.checked_sub(from);
            since.is_some_and(|since| since.is_multiple_of(every)) && stage.wants(*visit)
        };
        let due: Vec<usize> = visits.filter(due).collect();
        let awake = due
            .iter()
            .copied()
            .filter(|visit| !self.rests(*visit, round));
        let awake: Vec<usize> = awake.collect();
        // Who rests leaves the round to others, if there are any.
        if awake.is_empty() { due } else { awake }
    }

    /// Whether a visit leaves this round to the others: workers of large parents differ
    /// less, and the others get more of them meanwhile.
    fn rests(&self, visit: usize, round: u32) -> bool {
        let dear = |pace: Pace| pace.besides_s > DEAR_S;
        round % 2 == 1 && self.rhythms[visit].rests && self.paces[visit].is_some_and(dear)
    }

    fn due(&self, visits: impl IntoIterator<Item = usize>) -> Vec<Due> {
        let due = |visit: usize| Due {
            weight: self.rhythms[visit].weight,
            pace: self.paces[visit],
        };
        visits.into_iter().map(due).collect()
    }
}

#[cfg(test)]
mod tests;
