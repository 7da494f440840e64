//! The vocabulary: what a run is asked and what it answers, as serde types.
//!
//! Pure data. It may use `stats` for the estimates it stores and `units`;
//! it never measures, prints or reads a file.

mod advise;
mod availability;
mod card;
mod caveat;
mod compare;
mod document;
mod explain;
mod findings;
mod host;
mod method;
mod noise;
mod order;
mod parent;
mod plan;
mod process;
mod reference;
mod replica;
mod reproduce;
mod samples;
mod shape;
mod stored;
mod surroundings;
mod trace;

pub use crate::stats::{HostCourse, HostState, SlowState};
pub use advise::{
    Advice, AdviseOrder, Remedy, RemedyBaseline, RemedyHost, RemedyKind, RemedyOutcome,
    RemedyVerdict, Targets,
};
pub use availability::{Availability, Missing, MissingKind};
pub use card::{
    AtMost, Card, CardOrder, Errors, Forecast, GaugeSamples, Grade, LeftOut, Price, PriceKind,
    PriceList, Priced, Purpose, Term, TermPrice, Trial, TrialCell, TrialResult, Variables,
};
pub use caveat::{Caveat, Obstacle};
pub use compare::{
    ByTurns, ComparedKind, ComparedLine, ComparedPlan, ComparedSide, Comparison, FailAbove,
    LineUnit, LoneLine, PlanDifference, PlanFact, Verdict, Which,
};
pub use document::{
    Cell, CountSource, Counted, Document, Run, SCHEMA_VERSION, Space, Stopped, Tool,
};
pub use explain::{
    BreakpointCost, ExitOrder, ExitProbe, Explanation, FaultCause, FaultCount, FaultPhase, Faults,
    HotFunction, Ledger, Level, MappingKind, Mechanism, MechanismShare, Mechanisms,
    MethodExplained, PageTables, Phase, PhaseTime, Profile, Reach, Rewriting, Side, SkipReason,
    Stack, StampedWorker, TableLevel, ThreadWaits, Tree, TreeNode,
};
pub use findings::Findings;
pub use host::{Fingerprint, Host, HostDifference, HostFact, differences};
pub use method::{ChildAction, Closing, SpawnMethod};
pub use noise::{Noise, NoiseSpan};
pub use order::{ExplainOrder, LoopOrder, Order, ReproduceOrder};
pub use parent::{Counts, Parent, middle};
pub use plan::{Backing, Placement, Plan, Program, Setup, SpaceRequest, StopRule, Temperature};
pub use process::{
    Blame, Cost, FreeMemory, FreeReason, GroupCost, PageKind, Process, ProcessOrder, Rewritten,
    RungCost,
};
pub use reference::{Reference, ReferenceReading};
pub use replica::{
    CardMethod, CardPrices, CardTerm, LeftOutMapping, LeftOutReason, ProcessForecast, ProcessRole,
    ProcessTrial, Replica, ReplicaOrder, Resemblance, Rung, ShapeScale, ShapeUnit, UnitResemblance,
};
pub use reproduce::{
    Answer, CallName, Interpreter, LikeRegion, Likeness, Loop, LoopRun, LoopSystem, Looped, Loops,
    ObservedCall, Part, PublishedFigure, PublishedLoop, PublishedUnit, RegionKind, Reproduction,
    Source, SplitSource, StudyId, StudyPoint, Watched,
};
pub use samples::{WorkerSamples, keep_quiet, quiet_workers, rates, times, times_of};
pub use shape::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    ShapeReservation,
};
pub use stored::Stored;
pub use surroundings::{CpuQuota, Filters, SpawnLimit, SpawnLimitKind, Surroundings};
pub use trace::{
    Caller, CardSaving, CardWay, Check, CodePlace, Ending, EndingCount, ExecutedProgram,
    FailedCall, FailedExec, MOST_SPAWNERS, MOST_SPAWNS, Offence, ParseCheckError, Saving,
    SizeSample, Spawn, SpawnParent, SpawnPath, Spawner, Spread, Trace, TraceBackend, TraceMeans,
    TraceOrder, TraceTarget, TracedProgram,
};

/// Whether a number is left out of a document.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}
