//! The one runner of all experiments: visits in rounds, until the time is up, or what
//! was asked for is there, or nothing is left to visit.
//!
//! A visit is what is done again and again, with a fresh worker each time (or with a
//! script, or with workers that probe the host). A feature says which visits there are
//! and in what [`Rhythm`], which of them are not wanted any more, and takes what they
//! bring home. The runner says whose turn it is, when, and how long its loop may be.
//! One policy serves all:
//!
//! - **Many short rounds**: eight are aimed at, and more follow if they fit. How workers
//!   of one parent differ bears more on a figure than how spawns of one worker do.
//! - **The order** is random, from the seed, and the next round is its mirror image. In
//!   the first round what must not be missing comes first, so that what there is no time
//!   for is no time.
//! - **Slices** are reckoned before each turn from what is left, less what each worker was
//!   seen to take besides its loop: the first round corrects itself, and loops shrink to
//!   a hundredth of a second before rounds are lost. What has no loop that could shrink (a
//!   script with an ordered number of iterations, a probe) has no weight: the time ends its
//!   rounds and shortens none.
//! - **Dear visits rest** every second round where they are one of dozens, as those of a
//!   card are. What was asked for by name, as a sweep's sizes were, never does.
//! - **A run that its precision ends** has loops of one length, and as many rounds as that
//!   takes; how long that will be is foretold, and too long ends it.
//! - **The fewest rounds** are run whatever they take, by those visits that they are not
//!   whole without: two where figures rest on pairs of rounds, one where somebody asked
//!   for a time and one worker is an answer. All others stop when the time is up.
//! - **Failures**: a trial of a design costs itself, by [`Feature::lose`]; what was asked
//!   for by name costs the run. A signal ends every run, with what there is.

mod budget;
mod schedule;

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use self::schedule::{AIM_ROUNDS, Rhythm};
use self::schedule::{Schedule, Slot, Stage};
use super::duet::{self, Until};
use super::error::LabError;
use super::jobs;
use super::kernel::Kernel;
use super::noise::{NoiseLog, Reading, Waiting};
use super::outcome::{Ended, Progress};
use super::outlook::Watch;
use super::prospect::{Foresight, Sought, length, overrun};
use super::reference::Beside;
use super::session::{self, Occasion, Recording};
use crate::analysis::steadiness::spells_of;
use crate::model::{Placement, Plan, Run, Stopped};
use crate::units::thousands;
use crate::worker::protocol::Assignment;

/// The most turns of a worker's methods: more of them would narrow the interval less
/// than another worker does.
pub(super) const MOST_TURNS: usize = 100;
/// The fewest, however long they take: a pair, for the mirrored order.
pub(super) const LEAST_TURNS: usize = 2;

/// What the runner asks of a feature. A visit is known by its place among those that
/// were added.
pub(super) trait Feature {
    /// Whether a visit is to have more turns.
    fn wants(&self, visit: usize) -> bool;

    /// Does what a visit is for, and keeps what it brings home; the seconds of its loop.
    ///
    /// # Errors
    /// Whatever ended it.
    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError>;

    /// Hears of a visit that failed.
    ///
    /// # Errors
    /// The same error, if the run shall end with it.
    fn lose(&mut self, visit: usize, error: LabError) -> Result<(), LabError> {
        let _ = visit;
        Err(error)
    }

    /// How narrow is by now what a precision may be asked of, if there is such.
    fn sought(&self) -> Option<Sought> {
        None
    }

    /// Hears that so many rounds are over; why there shall be no other.
    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let _ = rounds;
        None
    }
}

/// The turn of a visit.
pub(super) struct Turn<'a> {
    pub(super) kernel: &'a dyn Kernel,
    pub(super) timeout: Duration,
    pub(super) round: u32,
    /// The time of its loop.
    pub(super) slice_ns: u64,
    pub(super) seed: u64,
    visit: Option<usize>,
    left_behind: Cell<u64>,
    workers: RefCell<Vec<Waiting>>,
}

impl Turn<'_> {
    /// Launches a worker, lets it spawn for as long as this turn has, and collects what
    /// it recorded. `of` is the index of what it is run for.
    pub(super) fn worker(
        &self,
        assignment: Assignment,
        watch: &Watch,
        of: usize,
    ) -> Result<Recording, LabError> {
        self.one_of(1, assignment, watch, of)
    }

    /// The same with one of so many workers that share the time of this turn.
    pub(super) fn one_of(
        &self,
        workers: u64,
        assignment: Assignment,
        watch: &Watch,
        of: usize,
    ) -> Result<Recording, LabError> {
        let assignment = Assignment {
            slice_ns: self.slice_ns / workers,
            seed: self.seed,
            ..assignment
        };
        let occasion = self.occasion(of);
        let recording = session::run(self.kernel, &assignment, watch, self.timeout, occasion)?;
        self.note(&recording);
        Ok(recording)
    }

    /// The same with one that others in these places accompany; its methods share the time.
    pub(super) fn beside(
        &self,
        others: &[Placement],
        assignment: Assignment,
        watch: &Watch,
        of: usize,
    ) -> Result<Recording, LabError> {
        let assignment = Assignment {
            slice_ns: self.slice_ns / assignment.methods.len().max(1) as u64,
            seed: self.seed,
            ..assignment
        };
        let (kernel, timeout, occasion) = (self.kernel, self.timeout, self.occasion(of));
        let recording = jobs::run(kernel, &assignment, others, watch, timeout, occasion)?;
        self.note(&recording);
        Ok(recording)
    }

    /// The same with two workers that take turns, for as long as this turn has, and are
    /// watched so. Which of them begins is drawn.
    pub(super) fn workers(
        &self,
        assignments: [Assignment; 2],
        watches: [&Watch; 2],
        of: usize,
    ) -> Result<[Recording; 2], LabError> {
        let first = usize::from(self.seed % 2 == 1);
        let until = Until {
            slice: Duration::from_nanos(self.slice_ns),
            turns: [assignments[0].least_turns, assignments[0].turns],
        };
        let assignments = assignments.map(|assignment| Assignment {
            seed: self.seed,
            ..assignment
        });
        let [a, b] = &assignments;
        let occasion = self.occasion(of);
        let timeout = self.timeout;
        let kernel = self.kernel;
        let recordings = duet::run(kernel, [a, b], watches, until, first, timeout, occasion)?;
        for recording in &recordings {
            self.note(recording);
        }
        Ok(recordings)
    }

    fn note(&self, recording: &Recording) {
        self.note_left_behind(recording.left_behind);
        self.workers.borrow_mut().push(recording.waiting.clone());
    }

    fn occasion(&self, of: usize) -> Occasion {
        let (round, visit) = (self.round, self.visit);
        Occasion { round, of, visit }
    }

    /// Hears of processes that somebody's children left behind.
    pub(super) fn note_left_behind(&self, processes: u64) {
        self.left_behind.set(self.left_behind.get() + processes);
    }
}

/// The rounds of a run.
pub(super) struct Runner<'a> {
    kernel: &'a dyn Kernel,
    timeout: Duration,
    begin: Duration,
    started_unix_s: u64,
    /// How many rounds there are, if the progress shall tell.
    tells: Option<u32>,
    left_behind: u64,
    noise: NoiseLog,
    reference: Beside,
    schedule: Schedule,
    foresight: Foresight,
    /// Whether workers have one CPU.
    is_pinned: bool,
    seed: u64,
    /// What the visits are called in the progress.
    names: Vec<String>,
}

impl<'a> Runner<'a> {
    /// A runner that aims at so many rounds and has `least_rounds`, whatever they take.
    pub(super) fn new(
        kernel: &'a dyn Kernel,
        plan: &Plan,
        least_rounds: u32,
        aim_rounds: u32,
    ) -> Self {
        let (stop, seed) = (&plan.stop, plan.seed);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            kernel,
            timeout: Duration::from_millis(plan.spawn_timeout_ms),
            begin: kernel.now(),
            started_unix_s: since.map_or(0, |since| since.as_secs()),
            tells: None,
            left_behind: 0,
            noise: NoiseLog::default(),
            reference: Beside::new(plan),
            schedule: Schedule::new(stop, seed, least_rounds, aim_rounds),
            foresight: Foresight::new(stop, aim_rounds),
            is_pinned: matches!(plan.placement, Placement::Pinned(_)),
            seed,
            names: Vec::new(),
        }
    }

    /// Adds a visit.
    pub(super) fn add(&mut self, name: impl Into<String>, rhythm: Rhythm) {
        self.names.push(name.into());
        self.schedule.add(rhythm);
    }

    /// Has the progress tell that there are so many rounds.
    pub(super) fn tell(&mut self, rounds: u32) {
        self.tells = Some(rounds);
    }

    /// The run as far as it came, and how it ended.
    pub(super) fn ended(&mut self, result: Result<Stopped, LabError>) -> Ended {
        if !matches!(result, Err(LabError::Interrupted(_))) {
            // What ends the reference ends nothing else.
            let _ = self.reference.read(self.kernel, self.timeout);
        }
        let (stopped, error) = match result {
            Ok(stopped) => (stopped, None),
            Err(error @ LabError::Interrupted(_)) => (Stopped::Interrupted, Some(error)),
            Err(error) => (Stopped::Failed(error.to_string()), Some(error)),
        };
        let mut reference = self.reference.end();
        let spells = reference.as_mut().ok().map(|reference| {
            let spells = spells_of(reference, self.seed);
            reference.host = Some(spells.finding);
            spells
        });
        Ended {
            run: Run {
                started_unix_s: self.started_unix_s,
                duration_s: (self.kernel.now() - self.begin).as_secs_f64(),
                rounds: self.schedule.rounds,
                stopped,
                reference: reference.into(),
            },
            noise: self.noise.noise(),
            is_pinned: self.is_pinned,
            spells,
            left_behind: self.left_behind,
            error,
        }
    }

    /// Rounds until this share of the time is spent, or the feature wants no more.
    ///
    /// # Errors
    /// A signal, and what the feature does not put up with.
    pub(super) fn run(
        &mut self,
        feature: &mut dyn Feature,
        share: f64,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        self.noise.begin(counts(self.kernel, &self.reference));
        let mut stage = Running {
            kernel: self.kernel,
            timeout: self.timeout,
            begin: self.begin,
            names: &self.names,
            of: self.tells,
            foresight: &mut self.foresight,
            left_behind: &mut self.left_behind,
            noise: &mut self.noise,
            reference: &mut self.reference,
            feature,
            progress,
        };
        self.schedule.run(&mut stage, share)
    }
}

/// A feature on a kernel.
struct Running<'a> {
    kernel: &'a dyn Kernel,
    timeout: Duration,
    begin: Duration,
    names: &'a [String],
    of: Option<u32>,
    foresight: &'a mut Foresight,
    left_behind: &'a mut u64,
    noise: &'a mut NoiseLog,
    reference: &'a mut Beside,
    feature: &'a mut dyn Feature,
    progress: &'a mut dyn Progress,
}

impl Running<'_> {
    fn tell(&mut self, slot: &Slot) {
        let of = self.of.map(|of| format!(" of {}", thousands(of.into())));
        let round = thousands(u64::from(slot.round) + 1);
        let name = &self.names[slot.visit];
        let what = format!("round {round}{}: {name}", of.unwrap_or_default());
        let share = self.foresight.share(self.now_s()).unwrap_or(slot.share);
        self.progress.step(&what, share);
    }
}

impl Stage for Running<'_> {
    fn now_s(&self) -> f64 {
        (self.kernel.now() - self.begin).as_secs_f64()
    }

    fn wants(&self, visit: usize) -> bool {
        self.feature.wants(visit)
    }

    fn turn(&mut self, slot: &Slot) -> Result<f64, LabError> {
        self.tell(slot);
        let visit = self.reference.read(self.kernel, self.timeout)?;
        let turn = Turn {
            kernel: self.kernel,
            timeout: self.timeout,
            round: slot.round,
            slice_ns: slot.slice_s.map_or(u64::MAX, nanos),
            seed: slot.seed,
            visit,
            left_behind: Cell::new(0),
            workers: RefCell::default(),
        };
        let done = self.feature.turn(slot.visit, &turn);
        *self.left_behind += turn.left_behind.get();
        for worker in turn.workers.into_inner() {
            self.noise.worker(worker);
        }
        match done {
            Err(error) if !matches!(error, LabError::Interrupted(_)) => {
                self.feature.lose(slot.visit, error).map(|()| 0.0)
            }
            done => done,
        }
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        self.noise.round_ends(counts(self.kernel, self.reference));
        let ended = self.feature.round_ends(rounds);
        if ended.is_some() {
            return ended;
        }
        let took_s = self.now_s();
        let feature = &*self.feature;
        let foretold = self.foresight.after(rounds, took_s, &|| feature.sought());
        if let Some(line) = foretold.line {
            self.progress.tell(&line);
        }
        foretold.is_out_of_reach.then_some(Stopped::OutOfReach)
    }

    fn overruns(&mut self, run_s: f64, fewest_rounds: u32) {
        self.progress.tell(&overrun(run_s, fewest_rounds));
    }

    fn is_long(&mut self, run_s: f64) {
        self.progress.tell(&length(run_s));
    }
}

/// The host's counts. The reference is not waited for yet, so that the kernel does not
/// count it among the run's own.
fn counts(kernel: &dyn Kernel, reference: &Beside) -> Reading {
    let counts = kernel.host_counts();
    let own = counts.own + reference.took;
    Reading { own, ..counts }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a slice is a non-negative number of seconds, and the cast saturates"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
