//! What a run tells while it goes on, and what it comes to.

use super::error::LabError;
use crate::model::{Document, Noise, Run};

/// Hears how far a run has come.
pub trait Progress {
    /// What is being measured, and what share of the run is behind.
    fn step(&mut self, what: &str, share: f64);
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
    /// Processes that the children of all its workers and scripts left behind.
    pub(super) left_behind: u64,
    pub(super) error: Option<LabError>,
}
