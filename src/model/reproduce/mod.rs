//! A published study, and this host's own figures beside it.

mod likeness;
mod looped;
mod study;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cell;

pub use likeness::{LikeRegion, Likeness, RegionKind, Watched};
pub use looped::{
    CallName, Interpreter, Loop, LoopRun, LoopSystem, Looped, Loops, ObservedCall, PublishedLoop,
    SplitSource,
};
pub use study::{Part, PublishedFigure, PublishedUnit, Source, StudyId, StudyPoint};

/// What was published, and what this host's answer is.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Reproduction {
    /// Which study.
    pub study: StudyId,
    /// Where its figures are from.
    pub source: Source,
    /// The share of the published sizes that was built: 1 unless this host has
    /// no room for them.
    pub scale: f64,
    /// Why less than all was built; absent where the scale is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_because: Option<String>,
    /// This host's answer.
    pub answer: Answer,
}

/// What a host answers to a study.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To one of address spaces.
    Spaces {
        /// The published parents.
        points: Vec<StudyPoint>,
        /// Spawns from the address spaces that stand for them.
        cells: Vec<Cell>,
    },
    /// To one of programs that spawn in a loop.
    Programs(Loops),
}
