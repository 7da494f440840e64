//! How fast the host was, visit by visit: what a fixed piece of the kernel's work took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Availability, Missing};
use crate::stats::HostCourse;

/// What the reference took in the course of a run: one process, always the same and with
/// nothing that was ordered, that spawned the embedded program before each visit (a fresh
/// worker, or two that take turns) and after the last, where it was not lost before. What
/// changes in it is the host.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Reference {
    /// Mappings of one page each that it has besides its own.
    pub mappings: u64,
    /// In the order of the run.
    pub readings: Vec<ReferenceReading>,
    /// Why it was read no more before the run's end; absent where it was read throughout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// What they say of the host; absent of a result that was stored before that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostCourse>,
}

/// One reading of the reference.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ReferenceReading {
    /// When, in seconds since the first of them.
    pub at_s: f64,
    /// The median total of its forks.
    pub fork_ns: f64,
    /// The median total of its vforks, which copy no memory.
    pub vfork_ns: f64,
}

/// Of a result that was stored before there was a reference.
pub(super) fn not_read() -> Availability<Reference> {
    Availability::Missing(Missing::not_asked(
        "this result is from a version that read no reference",
    ))
}
