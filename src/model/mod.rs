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
mod host;
mod method;
mod parent;
mod plan;
mod process;
mod reproduce;
mod shape;

pub use advise::{
    Remedy, RemedyBaseline, RemedyHost, RemedyKind, RemedyOutcome, RemedyVerdict, Targets,
};
pub use availability::{Availability, Missing, MissingKind};
pub use card::{
    AtMost, Card, CardOrder, Errors, Forecast, GaugeSamples, Grade, LeftOut, Price, PriceKind,
    PriceList, Priced, Purpose, Term, TermPrice, Trial, TrialCell, TrialResult, Variables,
};
pub use caveat::Caveat;
pub use compare::{
    COMPARISON_VERSION, ComparedKind, ComparedLine, ComparedPlan, ComparedSide, Comparison,
    ComparisonMark, FailAbove, LineUnit, LoneLine, PlanDifference, PlanFact, Verdict, Which,
};
pub use document::{
    Cell, CountSource, Counted, Document, Run, SCHEMA_VERSION, Space, Stopped, Tool, WorkerSamples,
};
pub use explain::{
    BreakpointCost, ExitOrder, ExitProbe, Explanation, FaultCause, FaultCount, FaultPhase, Faults,
    HotFunction, Ledger, Level, MappingKind, Mechanism, MechanismShare, Mechanisms,
    MethodExplained, PageTables, Phase, PhaseTime, Profile, Reach, Rewriting, Side, SkipReason,
    Stack, TableLevel, Tree, TreeNode,
};
pub use host::{Fingerprint, Host, HostDifference, HostFact, differences};
pub use method::{ChildAction, SpawnMethod};
pub use parent::{Counts, Parent, middle};
pub use plan::{
    Backing, Explain, LoopOrder, Placement, Plan, Program, Reproduce, SpaceRequest, StopRule,
    Temperature,
};
pub use process::{
    Blame, CardPrices, CardTerm, Cost, FreeMemory, FreeReason, GroupCost, LeftOutMapping,
    LeftOutReason, Process, ProcessForecast, ProcessOrder, ProcessPurpose, ProcessRole,
    ProcessTrial, Rung, RungCost, ShapeLikeness, ShapeScale, ShapeUnit, UnitLikeness,
};
pub use reproduce::{
    CallName, Interpreter, LikeRegion, Likeness, Loop, LoopRun, LoopSystem, Looped, Loops,
    ObservedCall, Part, PublishedFigure, PublishedLoop, PublishedUnit, RegionKind, Reproduction,
    Source, SplitSource, StudyId, StudyPoint,
};
pub use shape::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    ShapeReservation,
};
