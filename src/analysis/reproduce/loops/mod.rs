//! A study of programs that spawn in a loop: differences between them, what they do
//! with their memory, and what this host's figures say of the study's claims.

mod calls;
mod changes;
mod claims;
mod compare;
mod growth;
mod split;

pub use calls::{Memory, alike, memory};
pub use changes::{Fastest, Floor, Headline, fastest, floor, headline};
pub use claims::{Apart, LikePython, Longer, Size, Start, like_python, size, start};
pub use compare::{Span, Term, sign};
pub use growth::Growth;
pub use split::Split;

use crate::model::{Document, Loop, LoopSystem, Looped, Loops, Reproduction};

/// The program that the others are compared with.
pub const BASE: LoopSystem = LoopSystem::CFork;

/// The programs of a study with all that was found out about them.
pub struct Programs<'a> {
    /// The whole document.
    pub document: &'a Document,
    /// What was published.
    pub study: &'a Reproduction,
    /// What the programs took here.
    pub loops: &'a Loops,
}

impl<'a> Programs<'a> {
    /// The programs of a study, and what they took.
    pub fn of(document: &'a Document, study: &'a Reproduction, loops: &'a Loops) -> Self {
        Self {
            document,
            study,
            loops,
        }
    }

    /// The row of a program.
    pub fn row(&self, system: LoopSystem) -> Option<&'a Loop> {
        self.loops.rows.iter().find(|row| row.system == system)
    }

    /// What a program took, if it ran.
    pub fn looped(&self, system: LoopSystem) -> Option<&'a Looped> {
        self.row(system)?.here.measured()
    }

    /// What was published of a program as a multiple of the base's real time.
    pub fn published_times(&self, row: &Loop) -> Option<f64> {
        let base = published_real(self.row(BASE)?)?;
        let times = published_real(row)? / base;
        times.is_finite().then_some(times)
    }

    /// What was published of the first program beyond the second, in seconds.
    pub fn published_more(&self, first: LoopSystem, second: LoopSystem) -> Option<f64> {
        let [first, second] = [first, second].map(|system| published_real(self.row(system)?));
        let more = first? - second?;
        more.is_finite().then_some(more)
    }

    /// The rows of the study's own programs.
    pub fn own(&self) -> impl Iterator<Item = &'a Loop> + Clone {
        let rows = self.loops.rows.iter();
        rows.filter(|row| !is_control(row.system))
    }
}

/// Whether a program only tests what is said of the others.
pub fn is_control(system: LoopSystem) -> bool {
    matches!(
        system,
        LoopSystem::PythonPopenLong
            | LoopSystem::CForkLikePython
            | LoopSystem::CPosixSpawnPlain
            | LoopSystem::CPosixSpawnFloor
    )
}

/// What was published of a run's real time, in seconds.
pub fn published_real(row: &Loop) -> Option<f64> {
    let figures = row.published?;
    a_run(figures.real_s, figures.iterations)
}

/// The seconds of a loop over its runs.
pub fn a_run(seconds: f64, iterations: u64) -> Option<f64> {
    (iterations > 0 && seconds.is_finite()).then(|| seconds / iterations as f64)
}
