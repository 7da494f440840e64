//! Progress on stderr, where somebody looks at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lab::Progress;

const STEPS: u64 = 1_000;

/// A bar on stderr; hidden when that is no terminal, or on request.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Draws nothing before the first step.
    pub(super) fn new(quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {wide_msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Self(bar)
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn step(&mut self, what: &str, share: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share lies between 0 and 1, and the cast saturates"
        )]
        self.0.set_position((share * STEPS as f64) as u64);
        self.0.set_message(what.to_owned());
        self.0.tick();
    }
}
