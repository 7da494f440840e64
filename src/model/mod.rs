//! The vocabulary: what a run is asked and what it answers, as serde types.
//!
//! Pure data. It may use `stats` for the estimates it stores and `units`;
//! it never measures, prints or reads a file.

mod availability;
mod card;
mod caveat;
mod comparison;
mod document;
mod explanation;
mod host;
mod live;
mod method;
mod plan;
mod reproduction;
mod shape;

pub use availability::{Availability, Missing, MissingKind};
pub use card::{
    AtMost, Card, CardOrder, Errors, Features, Forecast, GaugeSamples, Grade, LeftOut, Price,
    PriceKind, PriceList, Priced, Purpose, Term, TermPrice, Trial, TrialCell, TrialResult,
    Variables,
};
pub use caveat::Caveat;
pub use comparison::{
    COMPARISON_VERSION, ComparedKind, ComparedLine, ComparedPlan, ComparedSide, Comparison,
    ComparisonMark, FailAbove, LineUnit, LoneLine, PlanDifference, PlanFact, Verdict, Which,
};
pub use document::{
    Cell, CountSource, Counted, Document, Run, SCHEMA_VERSION, Space, Stopped, Tool, WorkerSamples,
};
pub use explanation::{
    BreakpointCost, ExitOrder, ExitProbe, Explanation, FaultCause, FaultCount, FaultPhase, Faults,
    HotFunction, Ledger, Level, MappingKind, Mechanism, MechanismShare, Mechanisms,
    MethodExplained, PageTables, Phase, PhaseTime, Profile, Reach, Rewriting, Side, SkipReason,
    Stack, TableLevel, Tree, TreeNode,
};
pub use host::{Fingerprint, Host, HostDifference, HostFact, differences};
pub use live::{
    Blame, CardPrices, CardTerm, Cost, FreeMemory, FreeReason, GroupCost, LeftOutMapping,
    LeftOutReason, Live, LiveForecast, LiveOrder, LivePurpose, LiveRole, LiveTrial, Remedy,
    RemedyBaseline, RemedyHost, RemedyKind, RemedyOutcome, RemedyVerdict, Rung, RungCost,
    ShapeLikeness, ShapeScale, ShapeUnit, Targets, UnitLikeness,
};
pub use method::{ChildAction, SpawnMethod};
pub use plan::{
    Backing, Explain, LoopOrder, Placement, Plan, Program, Reproduce, SpaceRequest, StopRule,
    Temperature,
};
pub use reproduction::{
    CallName, Interpreter, LikeRegion, Likeness, Loop, LoopRun, LoopSystem, Looped, Loops,
    ObservedCall, ParentSpace, Part, PublishedFigure, PublishedLoop, PublishedUnit, RegionKind,
    Reproduction, Source, SplitSource, StudyId, StudyPoint,
};
pub use shape::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    ShapeReservation,
};
