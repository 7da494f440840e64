//! A published study, and this host's own figures beside it.

mod likeness;
mod looped;
mod study;

use serde::{Deserialize, Serialize};

pub use likeness::{LikeRegion, Likeness, RegionKind};
pub use looped::{
    CallName, Interpreter, Loop, LoopRun, LoopSystem, Looped, Loops, ObservedCall, PublishedLoop,
    SplitSource,
};
pub use study::{Part, PublishedFigure, PublishedUnit, Source, StudyId, StudyPoint};

/// What was published, and what this host's answer is. The answers of a study
/// of address spaces are the document's cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// Which study.
    pub study: StudyId,
    /// Where its figures are from.
    pub source: Source,
    /// The share of the published sizes that was built: 1 unless this host has
    /// no room for them.
    pub scale: f64,
    /// Why less than all was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_because: Option<String>,
    /// The parents of a study of address spaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<StudyPoint>,
    /// The loops of a study of programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loops: Option<Loops>,
}
