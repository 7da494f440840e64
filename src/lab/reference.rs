//! The reference of a run: a process that spawns a few times before each visit, always the
//! same way, so that what changes in its times is the host.
//!
//! It does what spawns do in the kernel, and little of it: a fork from some hundred
//! mappings, and a vfork. It is measured as workers are, by the loop that measures them,
//! and sleeps while they spawn. A run does without it where it cannot be had.

use std::time::Duration;

use super::error::LabError;
use super::kernel::{Kernel, Worker};
use super::session::Inflated;
use crate::model::{
    Backing, ChildAction, Missing, Plan, Program, Reference, ReferenceReading, SpaceRequest,
    SpawnMethod, Temperature,
};
use crate::stats::median;
use crate::worker::protocol::{Assignment, FIRST_RECORD, Pass, record};

/// Mappings of the reference: enough for a fork to be mostly the copying of them.
const MAPPINGS: u64 = 300;
/// Turns of a reading.
const TURNS: usize = 3;
/// Readings that there is room for: more than most runs have visits.
const MOST_READINGS: usize = 4_000;

/// The methods, by their index in the records.
const METHODS: [SpawnMethod; 2] = [SpawnMethod::Fork, SpawnMethod::Vfork];

/// The reference of a run that goes on.
pub(super) struct Beside {
    assignment: Assignment,
    state: State,
    /// Readings so far.
    readings: usize,
    /// What it had read when it was lost.
    kept: Vec<ReferenceReading>,
    /// How long they and its start have taken.
    pub(super) took: Duration,
}

enum State {
    NotStarted,
    Lives(Box<dyn Worker>),
    Gone(Missing),
}

impl Beside {
    /// Nothing is started before the first reading.
    pub(super) fn new(plan: &Plan) -> Self {
        let space = SpaceRequest::Mappings {
            mappings: MAPPINGS,
            pages: 1,
            spacing: 1,
            backing: Backing::Anon,
            huge: false,
        };
        let of_plan = Assignment::of_plan(plan, space, Pass::Timing);
        Self {
            assignment: Assignment {
                methods: METHODS.to_vec(),
                extras: vec![0; METHODS.len()],
                child: ChildAction::Exec,
                program: Program::Embedded,
                environment: Vec::new(),
                temperature: Temperature::Hot,
                turns: MOST_READINGS * TURNS,
                ..of_plan
            },
            state: State::NotStarted,
            readings: 0,
            kept: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Reads it; the first time it is started for that. The place of this reading, if there
    /// is one.
    ///
    /// # Errors
    /// [`LabError::Interrupted`]: any other error costs no more than the reference.
    pub(super) fn read(
        &mut self,
        kernel: &dyn Kernel,
        timeout: Duration,
    ) -> Result<Option<usize>, LabError> {
        let begin = kernel.now();
        let reading = self.try_reading(kernel, timeout);
        self.took += kernel.now() - begin;
        match reading {
            Err(error @ LabError::Interrupted(_)) => Err(error),
            Err(error) => {
                let why = Missing::unavailable(error.to_string(), None);
                self.kept = self.collect().unwrap_or_default();
                self.state = State::Gone(why);
                Ok(None)
            }
            Ok(place) => Ok(place),
        }
    }

    fn try_reading(
        &mut self,
        kernel: &dyn Kernel,
        timeout: Duration,
    ) -> Result<Option<usize>, LabError> {
        if matches!(self.state, State::NotStarted) {
            let worker = kernel.launch_reference(&self.assignment, timeout)?;
            let inflated = Inflated::of(worker, kernel, &self.assignment)?;
            self.state = State::Lives(inflated.worker);
        }
        if let State::Lives(worker) = &mut self.state {
            if self.readings == MOST_READINGS {
                let what = format!("there is room for {MOST_READINGS} readings of the reference");
                let cause = std::io::ErrorKind::OutOfMemory.into();
                return Err(LabError::Io { what, cause });
            }
            worker.turns(TURNS)?;
            self.readings += 1;
            return Ok(Some(self.readings - 1));
        }
        Ok(None)
    }

    /// Ends it; what it has read, or why nothing.
    pub(super) fn end(&mut self) -> Result<Reference, Missing> {
        let readings = match &self.state {
            State::NotStarted => return Err(Missing::not_reached()),
            State::Gone(missing) if self.kept.is_empty() => return Err(missing.clone()),
            State::Gone(_) => std::mem::take(&mut self.kept),
            State::Lives(_) => self.collect()?,
        };
        let ended_by = match &self.state {
            State::Gone(missing) => Some(missing.reason.clone()),
            _ => None,
        };
        Ok(Reference {
            mappings: MAPPINGS,
            readings,
            ended_by,
            host: None,
        })
    }

    /// What it has read, as it ends.
    fn collect(&mut self) -> Result<Vec<ReferenceReading>, Missing> {
        let State::Lives(worker) = &mut self.state else {
            return Ok(Vec::new());
        };
        let stride = TURNS * METHODS.len() * record::WORDS;
        let words = worker.records(FIRST_RECORD + self.readings * stride);
        worker.end();
        let words = words.map_err(|error| Missing::unavailable(error.to_string(), None))?;
        let readings = words[FIRST_RECORD..].chunks_exact(stride);
        let first = words.get(FIRST_RECORD + record::BEFORE).copied();
        let readings = readings.filter_map(|words| reading(words, first?));
        Ok(readings.collect())
    }
}

/// What the records of one reading say.
fn reading(words: &[u64], first_ns: u64) -> Option<ReferenceReading> {
    let total = |method: usize| {
        let records = words.chunks_exact(record::WORDS);
        let mine = records.filter(|words| words[record::METHOD] == method as u64);
        let totals: Vec<f64> = mine
            .map(|words| words[record::REAPED].saturating_sub(words[record::BEFORE]) as f64)
            .collect();
        median(&totals)
    };
    Some(ReferenceReading {
        at_s: words[record::BEFORE].saturating_sub(first_ns) as f64 / 1e9,
        fork_ns: total(0)?,
        vfork_ns: total(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_the_median_of_each_method() {
        let spawn = |method: u64, before: u64, took: u64| [method, before, before, before + took];
        let words = [
            spawn(0, 2_000_000_000, 500),
            spawn(1, 2_000_001_000, 60),
            spawn(1, 2_000_002_000, 80),
            spawn(0, 2_000_003_000, 700),
        ];
        let found = reading(&words.concat(), 1_000_000_000).unwrap();
        assert_eq!(
            (found.at_s, found.fork_ns, found.vfork_ns),
            (1.0, 600.0, 70.0)
        );
    }
}
