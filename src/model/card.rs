//! The card: what a host charges for a spawn, unit by unit; what was ordered to
//! find out, what was measured, and the prices that were fitted to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, ChildAction, Counts, Parent, Program, SpaceRequest, SpawnMethod, WorkerSamples,
};
use crate::stats::{Estimate, Summary};

/// What a card is made of.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardOrder {
    /// Whether the short design was asked for.
    pub quick: bool,
    /// What is spawned from, and what is spawned.
    pub trials: Vec<Trial>,
    /// What of the design this host has no room or no program for.
    pub left_out: Vec<LeftOut>,
    /// Whose programs were named on the command line, so that their failure is the
    /// status of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<Purpose>,
}

/// A part of the design that is not tried here.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it would have been for.
    pub purpose: Purpose,
    /// What it would have been.
    pub what: String,
    /// Why it is not, and what to do about it.
    pub why: String,
}

/// One parent and its children.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Trial {
    /// What is learnt from it.
    pub purpose: Purpose,
    /// What the parent has.
    pub space: SpaceRequest,
    /// How it spawns, by turns.
    pub methods: Vec<SpawnMethod>,
    /// What the children do.
    pub child: ChildAction,
    /// What they execute.
    pub program: Program,
    /// What their environment has besides that of the plan.
    pub variables: Variables,
}

/// Variables of an environment that are there for their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
pub struct Variables {
    /// How many.
    pub count: u64,
    /// Bytes of each, its name and its final zero included.
    pub bytes: u64,
}

/// What is learnt from a trial. The prices of a fork are fitted to those from `empty`
/// to `chance`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The fixed cost: nothing but the worker itself.
    Empty,
    /// More and more mappings that nothing was written to.
    Mappings,
    /// More and more mappings with a page that was written to.
    AnonMappings,
    /// More and more pages in one mapping.
    DensePages,
    /// More and more page tables with one page each, in one mapping.
    ScatteredPages,
    /// More and more page tables with one page each, in mappings of their own.
    ScatteredMappings,
    /// More and more huge pages.
    HugePages,
    /// Private mappings of a file that nothing was written to.
    FileMappings,
    /// Shared mappings that nothing was written to.
    SharedMappings,
    /// Several axes at once, chosen.
    Together,
    /// Several axes at once, drawn by chance.
    Chance,
    /// Drawn by chance and not fitted: what the prices foretell is compared.
    Validation,
    /// Whether the other methods depend on the address space.
    Flatness,
    /// Open files.
    Descriptors,
    /// Open files that an exec closes.
    CloexecDescriptors,
    /// Threads.
    Threads,
    /// Handlers of signals.
    Handlers,
    /// A child that leaves at once.
    Exit,
    /// Many variables.
    Variables,
    /// Many bytes in few variables.
    VariableBytes,
    /// A program with libc in it.
    StaticProgram,
    /// A program that a loader completes.
    DynamicProgram,
    /// Page faults, system calls and cpuid, beside forks.
    Gauges,
}

impl Purpose {
    /// Whether the prices of a fork are fitted to it.
    pub fn is_fitted(self) -> bool {
        self <= Self::Chance
    }
}

/// What was measured for a card, and what came of it: the prices follow from the trials
/// and the plan's seed.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Card {
    /// One for each trial of the plan, in its order.
    pub trials: Vec<TrialResult>,
    /// The prices, fitted to these trials.
    pub prices: PriceList,
}

/// What a trial brought.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct TrialResult {
    /// The parent, by medians over its workers.
    pub parent: Availability<Parent>,
    /// One for each of its methods.
    pub cells: Vec<TrialCell>,
    /// What was gauged beside the spawns, worker by worker: of the trial `gauges`
    /// alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gauges: Vec<GaugeSamples>,
}

/// One trial and method.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct TrialCell {
    /// The method.
    pub method: SpawnMethod,
    /// Until the spawning call returned in the parent.
    pub call_ns: Availability<Summary>,
    /// Until `waitpid(2)` for the child returned in the parent.
    pub total_ns: Availability<Summary>,
    /// The spawns, worker by worker.
    pub samples: Vec<WorkerSamples>,
}

/// What one worker gauged, time after time, in nanoseconds each.
#[derive(Debug, Clone, PartialEq, Default, JsonSchema, Serialize, Deserialize)]
pub struct GaugeSamples {
    /// The round in which the worker ran.
    pub round: u32,
    /// A system call that does next to nothing.
    pub syscall_ns: Vec<f64>,
    /// A first write to a page of anonymous memory.
    pub fault_ns: Vec<f64>,
    /// A `cpuid` instruction; none where the machine has none.
    pub cpuid_ns: Vec<f64>,
    /// A write of the parent's to a page while a forked child still has it, beyond the
    /// write itself.
    pub parent_copy_ns: Vec<f64>,
    /// The same once the child has executed a program.
    pub parent_reuse_ns: Vec<f64>,
    /// A write of a forked child's to a page of its parent's, beyond the write itself.
    pub child_copy_ns: Vec<f64>,
}

/// A unit that the price of a fork is made of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// The fork itself.
    Fixed,
    /// A mapping.
    Vma,
    /// More for a mapping with pages of its own.
    AnonVma,
    /// More for a private mapping of a file.
    FileVma,
    /// More for a shared mapping.
    SharedVma,
    /// A page-table entry.
    Pte,
    /// An empty entry beside them.
    EmptyEntry,
    /// A page-table page.
    Table,
    /// A huge page's entry.
    HugeEntry,
}

impl Term {
    /// All terms, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Fixed,
        Self::Vma,
        Self::AnonVma,
        Self::FileVma,
        Self::SharedVma,
        Self::Pte,
        Self::EmptyEntry,
        Self::Table,
        Self::HugeEntry,
    ];

    /// How many of it a parent has.
    pub fn count(self, counts: &Counts) -> u64 {
        match self {
            Self::Fixed => 1,
            Self::Vma => counts.vmas,
            Self::AnonVma => counts.anon_vmas,
            Self::FileVma => counts.file_vmas,
            Self::SharedVma => counts.shared_vmas,
            Self::Pte => counts.ptes,
            Self::EmptyEntry => counts.empty_entries,
            Self::Table => counts.tables,
            Self::HugeEntry => counts.huge_entries,
        }
    }
}

/// All prices.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PriceList {
    /// What a fork costs, fitted to many parents at once.
    pub terms: Vec<TermPrice>,
    /// The size of the kernel's structures, of parent and copy, from which on each doubling
    /// of them makes prices higher; null where one price fits as well.
    pub knee_bytes: Option<u64>,
    /// Whether they make them no higher from 16 times that size on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub levels_off: bool,
    /// How well the prices of a fork foretell.
    pub grade: Availability<Grade>,
    /// What they foretell of each parent that was forked.
    pub forecasts: Vec<Forecast>,
    /// What else a spawn costs, by differences of trials.
    pub prices: Vec<Price>,
}

/// The price of one of a term.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct TermPrice {
    /// Which.
    pub term: Term,
    /// As long as the kernel's structures of parent and copy are smaller than the knee.
    pub small: Priced,
    /// Where they are 16 times as large as the knee; the same if the price does not depend on
    /// their size. In between it goes up by as much with each doubling.
    pub large: Priced,
}

/// A price in nanoseconds, by when it is paid.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Priced {
    /// In the call that spawns; missing where it is not told from 0, as the next two.
    pub call_ns: Availability<Estimate>,
    /// From then on until the parent has waited for the child.
    pub after_ns: Availability<Estimate>,
    /// Both.
    pub total_ns: Availability<Estimate>,
    /// What each is at most, where it is not told from 0.
    #[serde(default, skip_serializing_if = "AtMost::is_empty")]
    pub at_most: AtMost,
}

/// The most that prices can be which are not told from 0: the upper bounds of their 95
/// % intervals, in nanoseconds. Absent where there is a price, or nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Default, JsonSchema, Serialize, Deserialize)]
pub struct AtMost {
    /// In the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ns: Option<f64>,
    /// After it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ns: Option<f64>,
    /// In total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ns: Option<f64>,
}

impl AtMost {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How well a fit foretells.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Grade {
    /// Parents that were fitted.
    pub parents: u64,
    /// Of the call.
    pub call: Errors,
    /// Of the total.
    pub total: Errors,
}

/// The errors of a fit, relative to what was measured.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Errors {
    /// The share of the weighted variance that the fit explains.
    pub r_squared: f64,
    /// The median error for a parent that was left out of the fit.
    pub loo_median: f64,
    /// The 90th percentile of it.
    pub loo_p90: f64,
    /// The median error of the parents drawn for validation.
    pub validation_median: Availability<f64>,
    /// The largest of them.
    pub validation_worst: Availability<f64>,
}

/// What the prices foretell of a parent, by a fit that did not know it.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Forecast {
    /// The trial, as an index of the plan's.
    pub trial: u64,
    /// The fork's call as foretold.
    pub call_ns: f64,
    /// The total as foretold.
    pub total_ns: f64,
}

/// Another price.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Price {
    /// Of what.
    pub of: PriceKind,
    /// For which method; null where that does not matter.
    pub method: Option<SpawnMethod>,
    /// The difference that it was found by, in units: 1,000 descriptors.
    pub units: f64,
    /// The price of one.
    pub priced: Priced,
}

/// What is priced by a difference of trials.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PriceKind {
    /// A spawn from an empty parent.
    Spawn,
    /// A mapping with a page of its own.
    Mapping,
    /// An open file.
    Descriptor,
    /// An open file that an exec closes.
    CloexecDescriptor,
    /// A thread of the parent, with its stack.
    Thread,
    /// A handler of a signal.
    Handler,
    /// The exec and the end of a program of three instructions.
    RawExec,
    /// What a statically linked program takes beyond that.
    StaticStart,
    /// What a dynamically linked program takes beyond that.
    Loader,
    /// A variable of the environment, beyond its bytes.
    Variable,
    /// A byte of the environment.
    VariableByte,
    /// A first write to a page of anonymous memory.
    MinorFault,
    /// A write of the parent's to a page that a child still has.
    ParentCopy,
    /// A write of the parent's to a page that a child had.
    ParentReuse,
    /// A write of the child's to a page of the parent's.
    ChildCopy,
    /// A system call.
    Syscall,
    /// A `cpuid` instruction.
    Cpuid,
}
