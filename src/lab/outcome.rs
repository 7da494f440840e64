//! What a run tells while it goes on, and what it comes to.

use super::error::LabError;
use super::session::Recording;
use crate::model::{Document, HostState, Noise, Run};
use crate::stats::Spells;
use crate::worker::protocol::Pass;

/// Hears how far a run has come.
pub trait Progress {
    /// What is being measured, and what share of the run is behind.
    fn step(&mut self, what: &str, share: f64);

    /// What is known of the run by now that its user waits to hear: one line.
    fn tell(&mut self, line: &str);
}

/// A run's end: the document as far as it came, and the error that ended it.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when nothing was timed.
    pub document: Option<Document>,
    /// `None` when the run ended by itself.
    pub error: Option<LabError>,
}

impl Outcome {
    /// That of a run which came to nothing.
    pub(super) fn nothing(error: LabError) -> Self {
        Self {
            document: None,
            error: Some(error),
        }
    }
}

/// How the rounds of a run ended.
pub(super) struct Ended {
    pub(super) run: Run,
    /// What else went on meanwhile.
    pub(super) noise: Option<Noise>,
    /// When the host was slow, if there was a reference.
    pub(super) spells: Option<Spells>,
    /// Processes that the children of all its workers and scripts left behind.
    pub(super) left_behind: u64,
    pub(super) error: Option<LabError>,
}

/// By how much the share of a worker's time in which neither it nor a child ran may be above
/// the least of its like, before others are taken to have had the CPU.
const MOST_SHARED: f64 = 0.1;

impl Ended {
    /// Tells workers that ran for one thing, each on its own, what state the host was in.
    pub(super) fn tell<'a>(&self, recordings: impl IntoIterator<Item = &'a mut Recording>) {
        let mut recordings: Vec<&mut Recording> = recordings.into_iter().collect();
        let idle = recordings
            .iter()
            .map(|r| (r.occasion.of, r.pass, idle_share(r)));
        let idle: Vec<(usize, Pass, f64)> = idle.collect();
        for recording in &mut recordings {
            let like = |other: &&(usize, Pass, f64)| {
                (other.0, other.1) == (recording.occasion.of, recording.pass)
            };
            let least = idle.iter().filter(like).map(|other| other.2);
            let least = least.fold(f64::INFINITY, f64::min);
            let visit = recording.occasion.visit.unwrap_or(usize::MAX);
            recording.host = match &self.spells {
                _ if idle_share(recording) > least + MOST_SHARED => HostState::Shared,
                Some(spells) => spells.state(visit),
                None => HostState::Quiet,
            };
        }
    }
}

/// Nothing of a worker whose loop was not timed as a whole.
fn idle_share(recording: &Recording) -> f64 {
    recording.done.usage.idle_share().unwrap_or(0.0)
}
