//! A live process explained: what was ordered, what was measured in workers of its
//! shape, and whose the cost is.

use serde::{Deserialize, Serialize};

use super::{
    Availability, ChildAction, Counts, Grade, Parent, ProcessShape, Remedy, RemedyHost, RemedyKind,
    Targets, Term, TrialCell,
};
use crate::stats::Estimate;

/// How a shape is rebuilt, and what for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessOrder {
    /// What is rebuilt.
    pub shape: ProcessShape,
    /// What for.
    pub purpose: ProcessPurpose,
    /// How much of it is rebuilt.
    pub scale: ShapeScale,
    /// The CPUs that the workers run on as the process does, where it may not run on all
    /// that this run may; none where that is told by the placement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<usize>,
    /// The prices of this host, if a card is stored.
    pub prices: Availability<CardPrices>,
    /// What of this host bears on remedies.
    pub host: RemedyHost,
    /// Programs to set against each other.
    pub targets: Targets,
}

/// What a shape is rebuilt for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessPurpose {
    /// To say what a fork from it costs, and whose the cost is.
    Explain,
    /// To try remedies.
    Advise,
}

/// How much of a shape is rebuilt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapeScale {
    /// Of its mappings, one in so many is rebuilt: 1 for all.
    pub mappings_divisor: u64,
    /// Of the page tables and pages of each mapping, one part in so many: 1 for all.
    pub pages_divisor: u64,
    /// Whether pages that no fork copies, of files and shared memory, are left out.
    pub without_file_pages: bool,
    /// Why less than all is rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl ShapeScale {
    /// All of it.
    pub const WHOLE: Self = Self {
        mappings_divisor: 1,
        pages_divisor: 1,
        without_file_pages: false,
        because: None,
    };

    /// Whether figures have to be extrapolated.
    pub fn is_part(&self) -> bool {
        self.mappings_divisor > 1 || self.pages_divisor > 1
    }
}

/// What a stored card says of a fork.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardPrices {
    /// The price of each unit.
    pub terms: Vec<CardTerm>,
    /// From which size on they are higher.
    pub knee_bytes: Option<u64>,
    /// How well they foretell.
    pub grade: Grade,
    /// When the card was measured, in seconds since 1970.
    pub measured_unix_s: u64,
}

/// A card's price of a unit, in nanoseconds, as it was fitted: first where the kernel's
/// structures are small, then where they are larger than the knee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CardTerm {
    /// Of which unit.
    pub term: Term,
    /// In the call.
    pub call_ns: [f64; 2],
    /// After it.
    pub after_ns: [f64; 2],
}

/// What was measured in workers of a shape, and what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The trials, in the order of the design.
    pub trials: Vec<ProcessTrial>,
    /// The shape in the units of a fork, and what of it was rebuilt.
    pub likeness: ShapeLikeness,
    /// What the stored card foretold of a fork: call and total, in nanoseconds.
    pub forecast: Availability<ProcessForecast>,
    /// Whose the cost is; of an advice the same, without which there is none.
    pub blame: Availability<Blame>,
    /// What was tried against it, best first; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

/// What a trial is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessRole {
    /// The shape, with all methods.
    Whole,
    /// A rung of the ladder from an empty worker to the whole shape.
    Rung(Rung),
    /// The shape without the mappings of a group, by its place in the blame.
    Without(usize),
    /// The shape, or what spawns from it, with a remedy applied.
    Remedied(RemedyKind),
    /// What a remedy is set against where that is not the whole shape.
    Against(RemedyKind),
}

/// What a rung of the ladder adds to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The worker by itself: the fork's fixed part, and what every program has.
    Empty,
    /// Open files, threads and handlers.
    Beside,
    /// The mappings, with nothing in them.
    Mappings,
    /// A page in each mapping that has some of its own: what an `anon_vma` costs.
    AnonVmas,
    /// A page in each page table that has some.
    Tables,
    /// Huge pages.
    HugePages,
    /// All other pages: the whole shape.
    Pages,
}

impl Rung {
    /// All of them, from the ground up.
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::Beside,
        Self::Mappings,
        Self::AnonVmas,
        Self::Tables,
        Self::HugePages,
        Self::Pages,
    ];
}

/// A trial and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessTrial {
    /// What it is there for.
    pub role: ProcessRole,
    /// What its children do.
    pub child: ChildAction,
    /// The parent, by medians over its workers.
    pub parent: Availability<Parent>,
    /// One for each of its methods.
    pub cells: Vec<TrialCell>,
}

/// The shape in the units of a fork.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapeLikeness {
    /// Unit by unit.
    pub units: Vec<UnitLikeness>,
    /// Mappings that no worker can have, and why.
    pub left_out: Vec<LeftOutMapping>,
    /// Of the mappings, those that stand for the worker's own ones.
    pub stand_ins: u64,
}

/// One unit of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UnitLikeness {
    /// Which.
    pub unit: ShapeUnit,
    /// What the process has.
    pub process: u64,
    /// What the scale leaves of it.
    pub wanted: u64,
    /// What the kernel reports of the workers, by the median.
    pub built: u64,
}

/// What a fork pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeUnit {
    /// Mappings that a fork copies.
    Vmas,
    /// Of them, with pages of their own.
    AnonVmas,
    /// Page-table entries that a fork copies.
    Ptes,
    /// Page tables.
    Tables,
    /// Huge pages' entries.
    HugeEntries,
    /// Open files.
    Descriptors,
    /// Threads.
    Threads,
}

impl ShapeUnit {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Vmas,
        Self::AnonVmas,
        Self::Ptes,
        Self::Tables,
        Self::HugeEntries,
        Self::Descriptors,
        Self::Threads,
    ];

    /// How many of it a parent has.
    pub fn count(self, parent: &Parent) -> u64 {
        match self {
            Self::Vmas => parent.mappings.vmas,
            Self::AnonVmas => parent.mappings.anon_vmas,
            Self::Ptes => parent.mappings.ptes,
            Self::Tables => parent.mappings.tables,
            Self::HugeEntries => parent.mappings.huge_entries,
            Self::Descriptors => parent.descriptors,
            Self::Threads => parent.threads,
        }
    }
}

/// Mappings of a kind that a worker cannot have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOutMapping {
    /// How many.
    pub count: u64,
    /// Bytes that they map.
    pub bytes: u64,
    /// Why.
    pub why: LeftOutReason,
}

/// Why mappings are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// They take pages that are set aside (hugetlbfs).
    Hugetlb,
    /// They map page frames of a device, whose entries a fork copies always.
    PageFrames,
    /// The kernel made them, and every process has them.
    Kernel,
}

/// What a card foretells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProcessForecast {
    /// Of the call, in nanoseconds.
    pub call_ns: f64,
    /// Of the total.
    pub total_ns: f64,
    /// What the card's own errors let expect, as a share: nine of ten are within.
    pub error: f64,
}

/// Whose the cost of a fork is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// A fork of the whole: what was measured, or where a part of the shape was rebuilt
    /// what that leads to expect. The rungs add up to it, and so do the two lowest
    /// rungs and the groups.
    pub fork: Cost,
    /// What each rung adds. A rung that adds no units is not there, but for the lowest.
    pub rungs: Vec<RungCost>,
    /// The mappings by name, dearest first; the last may be the rest of them. Those
    /// that the worker's own ones stand for are in the lowest rung and not here.
    pub groups: Vec<GroupCost>,
    /// What costs next to nothing though it looks big.
    pub free: Vec<FreeMemory>,
}

/// A cost in nanoseconds a fork, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// In the call.
    pub call_ns: Estimate,
    /// From then on until the child was waited for.
    pub after_ns: Estimate,
    /// Both.
    pub total_ns: Estimate,
}

/// What a rung adds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RungCost {
    /// Which.
    pub rung: Rung,
    /// How many units it adds in the process: mappings, page tables, pages.
    pub units: u64,
    /// By how much more than was built: 1 for a whole shape.
    pub factor: f64,
    /// What it adds, times the factor.
    pub cost: Cost,
}

/// A group of mappings and its cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupCost {
    /// Its name: a path, `[heap]`, "anonymous memory"; "the rest" is told by `rest`.
    pub name: String,
    /// What is mapped.
    pub content: super::MappingContent,
    /// Whether it stands for all groups that are not listed.
    pub rest: bool,
    /// What it has of what a fork pays for.
    pub mappings: Counts,
    /// Its cost, by its share in each rung.
    pub cost: Cost,
    /// What the fork was cheaper by without these mappings, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Cost>,
}

/// Memory that looks big and costs next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeMemory {
    /// Why.
    pub why: FreeReason,
    /// Mappings.
    pub mappings: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Why memory costs a fork next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreeReason {
    /// Nothing was ever there: no page table maps it.
    Untouched,
    /// Shared pages, which a fault finds again.
    Shared,
    /// Pages of files in mappings without a page of their own.
    FilePages,
    /// The kernel's page of zeros, in mappings without a page of their own.
    ZeroPages,
    /// Left out of forks (MADV_DONTFORK).
    DontFork,
    /// Huge pages: one entry for hundreds of pages.
    HugePages,
}
