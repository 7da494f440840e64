//! Progress on stderr: how long the run takes, at the beginning and as far as its rounds tell,
//! and how far it is, where somebody looks at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::lab::Progress;
use crate::units::harmless;

const STEPS: u64 = 1_000;
/// The most characters of what is being done; a terminal shows fewer.
const LONGEST: usize = 500;

/// A bar on stderr; hidden when that is no terminal, or on request.
pub(super) struct Bar {
    bar: ProgressBar,
    quiet: bool,
    /// What is still to be said at the first step, when nothing stands in the way any more.
    begins: Vec<String>,
}

impl Bar {
    /// Draws nothing before the first step, and says then what is to be known of the run.
    pub(super) fn new(quiet: bool, begins: Vec<String>) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {wide_msg}");
        bar.set_style(style.expect("the template is well-formed"));
        let begins = if quiet { Vec::new() } else { begins };
        Self { bar, quiet, begins }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn step(&mut self, what: &str, share: f64) {
        for line in self.begins.drain(..) {
            output::tell(false, &line);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share lies between 0 and 1, and the cast saturates"
        )]
        self.bar.set_position((share * STEPS as f64) as u64);
        // It names programs.
        self.bar.set_message(harmless(what, LONGEST));
        self.bar.tick();
    }

    fn tell(&mut self, line: &str) {
        self.bar.suspend(|| output::tell(self.quiet, line));
    }
}
