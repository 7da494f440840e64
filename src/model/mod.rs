//! The vocabulary: what a run is asked and what it answers, as serde types.
//!
//! Pure data. It may use `stats` for the estimates it stores and `units`;
//! it never measures, prints or reads a file.

mod availability;
mod caveat;
mod document;
mod host;
mod method;
mod plan;

pub use availability::{Availability, Missing, MissingKind};
pub use caveat::Caveat;
pub use document::{
    Cell, CountSource, Counted, Document, Run, SCHEMA_VERSION, Space, Stopped, Tool, WorkerSamples,
};
pub use host::Host;
pub use method::{ChildAction, SpawnMethod};
pub use plan::{Backing, Placement, Plan, Program, SpaceRequest, StopRule, Temperature};
