//! The signals that whoever watches a program hears.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Stop;
use crate::lab::error::LabError;
use crate::sys;

/// A second signal of the terminal is one that follows the first within this time.
const AGAIN: Duration = Duration::from_secs(5);

/// What was heard.
pub(super) struct Heard {
    stop: Stop,
    /// When the command heard the terminal's signal last.
    asked: Option<Instant>,
}

impl Heard {
    pub(super) fn new(stop: &Stop) -> Self {
        Self {
            stop: stop.clone(),
            asked: None,
        }
    }

    /// Whether a signal waits to be heard.
    pub(super) fn waits(&self) -> bool {
        self.stop.0.load(Ordering::Relaxed) != 0
    }

    /// A signal of the terminal reaches the command too, which ends as it likes: the first of
    /// two is the command's alone. Who must stay hands on what would have it leave.
    ///
    /// # Errors
    /// [`LabError::Interrupted`].
    pub(super) fn hear(&mut self, command: Option<u32>, must_stay: bool) -> Result<(), LabError> {
        // Taken at once, so that none that comes meanwhile is lost.
        let signal = self.stop.0.swap(0, Ordering::Relaxed);
        let signal = i32::try_from(signal).unwrap_or(0);
        let of_terminal = [libc::SIGINT, libc::SIGQUIT].contains(&signal);
        let again = |asked: Instant| asked.elapsed() < AGAIN;
        match (signal, command) {
            (0, _) => return Ok(()),
            (_, Some(command)) if must_stay => {
                if [libc::SIGTERM, libc::SIGHUP].contains(&signal) {
                    // It fails if the command has ended.
                    let _ = sys::process::kill(command.cast_signed(), signal);
                }
                return Ok(());
            }
            (_, Some(_)) if of_terminal && !self.asked.is_some_and(again) => {
                self.asked = Some(Instant::now());
                return Ok(());
            }
            _ => {}
        }
        Err(LabError::Interrupted(signal))
    }
}
