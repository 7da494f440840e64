//! What the study supposed to be the cause, as this host's figures have it.

use super::Programs;
use super::compare::Span;
use super::growth::Growth;
use super::{BASE, published_real};
use crate::model::LoopSystem::{CFork, CForkLikePython, PythonFork, PythonPopen, PythonPopenLong};
use crate::stats::Estimate;

/// From this share on, one cause is the larger part.
const MOST: f64 = 0.5;

/// How large a share is seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Less than half.
    Smaller,
    /// More than half.
    Larger,
    /// The interval takes in a half.
    Untold,
}

/// On which side of a half the interval of a share lies.
pub fn size(share: Estimate) -> Size {
    match share.ci95 {
        [_, high] if high < MOST => Size::Smaller,
        [low, _] if low > MOST => Size::Larger,
        _ => Size::Untold,
    }
}

/// What the interpreter's start and end take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Of a whole loop, in nanoseconds.
    pub ns: Estimate,
    /// The runs of that loop.
    pub iterations: u64,
    /// Its share of the program's time.
    pub share: Estimate,
    /// Its share of what the program takes beyond the base, where it takes more.
    pub of_extra: Option<Estimate>,
    /// What a loop of more runs changes.
    pub longer: Option<Longer>,
}

/// What a run takes in a longer loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Longer {
    /// The runs of that loop.
    pub iterations: u64,
    /// More than in the shorter one, in nanoseconds.
    pub change: Estimate,
    /// Seconds of a run in the shorter and in the longer loop, as published.
    pub published_s: Option<[f64; 2]>,
}

/// It takes the interpreter long to start.
pub fn start(programs: &Programs<'_>) -> Option<Start> {
    let terms = [
        (PythonPopen, Span::Start),
        (PythonPopen, Span::Whole),
        (BASE, Span::Whole),
    ];
    let own = programs.statistic(&terms[..1], |v| v[0])?;
    let iterations = programs.row(PythonPopen)?.iterations;
    Some(Start {
        ns: own.map(|ns| ns * iterations as f64),
        iterations,
        share: programs.share(&terms[..2], |v| v[0], |v| v[1])?,
        of_extra: programs.share(&terms, |v| v[0], |v| v[1] - v[2]),
        longer: longer(programs),
    })
}

fn longer(programs: &Programs<'_>) -> Option<Longer> {
    let terms = [(PythonPopenLong, Span::Whole), (PythonPopen, Span::Whole)];
    let change = programs.statistic(&terms, |v| v[0] - v[1])?;
    let row = programs.row(PythonPopenLong)?;
    let short = programs.row(PythonPopen).and_then(published_real);
    let published = short.zip(published_real(row));
    Some(Longer {
        iterations: row.iterations,
        change,
        published_s: published.map(|(short, long)| [short, long]),
    })
}

/// How one address space differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// It has so much more.
    More(Growth),
    /// It has so much less.
    Less(Growth),
    /// It has more in one respect and less in another.
    Mixed,
}

/// What a C program in the mappings of Python tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikePython {
    /// What these mappings add to a run in C, in nanoseconds.
    pub more: Estimate,
    /// The share of that in what Python takes beyond C, where it takes more.
    pub share: Option<Estimate>,
    /// How the likeness differs from Python; `None` if it does not, or nobody has seen.
    pub apart: Option<Apart>,
    /// Minor faults that Python has more than the likeness, where more are seen.
    pub faults: Option<f64>,
}

/// How much of what Python takes beyond C its mappings cost a C program too.
pub fn like_python(programs: &Programs<'_>) -> Option<LikePython> {
    let terms = [CForkLikePython, CFork, PythonFork].map(|system| (system, Span::InLoop));
    Some(LikePython {
        more: programs.more(CForkLikePython, CFork)?,
        share: programs.share(&terms, |v| v[0] - v[1], |v| v[2] - v[1]),
        apart: apart(programs),
        faults: faults(programs),
    })
}

fn apart(programs: &Programs<'_>) -> Option<Apart> {
    for system in [CForkLikePython, PythonFork] {
        programs.looped(system)?.parent.measured()?;
    }
    let more = programs.growth(CForkLikePython, PythonFork);
    let less = programs.growth(PythonFork, CForkLikePython);
    match (more, less) {
        (Some(_), Some(_)) => None,
        (Some(more), None) => Some(Apart::More(more)),
        (None, Some(less)) => Some(Apart::Less(less)),
        (None, None) => Some(Apart::Mixed),
    }
}

/// The faults that the interpreter has beyond a C program of the same mappings:
/// a fork write-protects the pages of both, but only the interpreter and its
/// child go on to write to many of them.
fn faults(programs: &Programs<'_>) -> Option<f64> {
    let faults = |system| programs.looped(system)?.minor_faults.measured();
    let (python, c) = (faults(PythonFork)?, faults(CForkLikePython)?);
    python.exceeds(c).then_some(python.value - c.value)
}
