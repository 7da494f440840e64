//! A process rebuilt: what `explain --pid` and `advise` both order of its shape and
//! measure in workers that have it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, ChildAction, Counts, Grade, Parent, ProcessShape, RemedyKind, SpawnMethod, Term,
    TrialCell,
};

/// How a process is rebuilt.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ReplicaOrder {
    /// What is rebuilt.
    pub shape: ProcessShape,
    /// How much of it is rebuilt.
    pub scale: ShapeScale,
    /// The CPUs that the workers run on as the process does, where it may not run on
    /// all that this run may; absent where that is told by the placement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<usize>,
    /// The prices of this host, if a card is stored.
    pub prices: Availability<CardPrices>,
}

/// How much of a shape is rebuilt.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ShapeScale {
    /// Of its mappings, one in so many is rebuilt: 1 for all.
    pub mappings_divisor: u64,
    /// Of each mapping's page tables, one in so many is rebuilt with all that is in it:
    /// 1 for all.
    pub pages_divisor: u64,
    /// Whether pages that no fork copies, of files and shared memory, are left out.
    pub without_file_pages: bool,
    /// Of its pinned pages, one in so many is pinned: 1 for all, 0 for none. Absent for all.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pinned_divisor: u64,
    /// Why not all of them are; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins_because: Option<String>,
    /// The number up to which its descriptors reach in the workers, where the process has one
    /// at a higher number than RLIMIT_NOFILE allows here; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors_up_to: Option<u64>,
    /// Own pages in large folios that are rebuilt as small ones, as the host gives none of
    /// their size or no mapping holds a whole one; absent without any.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub out_of_folios: u64,
    /// Whether forks of the workers are told to a userfaultfd as those of the process are
    /// (UFFD_FEATURE_EVENT_FORK), whose reader answers at once; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watched: bool,
    /// Why less than all is rebuilt; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

fn one() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_one(number: &u64) -> bool {
    *number == 1
}

impl ShapeScale {
    /// All of it.
    pub const WHOLE: Self = Self {
        mappings_divisor: 1,
        pages_divisor: 1,
        without_file_pages: false,
        pinned_divisor: 1,
        watched: false,
        pins_because: None,
        descriptors_up_to: None,
        out_of_folios: 0,
        because: None,
    };

    /// Whether figures have to be extrapolated.
    pub fn is_part(&self) -> bool {
        self.mappings_divisor > 1 || self.pages_divisor > 1 || self.pinned_divisor > 1
    }
}

/// What a stored card says of a fork.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardPrices {
    /// The price of each unit.
    pub terms: Vec<CardTerm>,
    /// From which size of the kernel's structures on they are higher; null where one
    /// price fits as well.
    pub knee_bytes: Option<u64>,
    /// Whether they are no higher from 16 times that size on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub levels_off: bool,
    /// What a spawn is charged by ways that copy nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<CardMethod>,
    /// The most of each thing that a parent had which they were fitted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<Counts>,
    /// How well they foretell.
    pub grade: Grade,
    /// When the card was measured, in seconds since 1970.
    pub measured_unix_s: u64,
}

/// A card's prices of a way that copies nothing.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardMethod {
    /// The way.
    pub method: SpawnMethod,
    /// The price of a spawn, and of each mapping where it is seen to depend on them.
    pub terms: Vec<CardTerm>,
}

/// A card's price of a unit, in nanoseconds, as it was fitted: first where the kernel's
/// structures are small, then where they are 16 times as large as the knee.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardTerm {
    /// Of which unit.
    pub term: Term,
    /// In the call.
    pub call_ns: [f64; 2],
    /// After it.
    pub after_ns: [f64; 2],
}

/// What was measured in workers of a process's shape.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Replica {
    /// The trials, in the order of the design.
    pub trials: Vec<ProcessTrial>,
    /// The shape in the units of a fork, and what of it was rebuilt.
    pub likeness: Resemblance,
    /// What the stored card foretold of a fork: call and total, in nanoseconds; none where
    /// it has no price for what bears on that.
    pub forecast: Availability<ProcessForecast>,
}

/// What a trial is there for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ProcessRole {
    /// The shape, with all methods.
    Whole,
    /// A rung of the ladder from an empty worker to the whole shape.
    Rung(Rung),
    /// The shape without the mappings of a group, by its place in the order of the
    /// design.
    Without(usize),
    /// The shape with as many seccomp filters as the process has, each as long as the kernel
    /// allows.
    Filtered,
    /// The shape, or what spawns from it, with a remedy applied.
    Remedied(RemedyKind),
    /// What a remedy is set against where that is not the whole shape.
    Against(RemedyKind),
}

/// What a rung of the ladder adds to the one before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
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
    /// All other pages, none of them pinned.
    Pages,
    /// Pins of those that are: the whole shape.
    Pinned,
}

impl Rung {
    /// All of them, from the ground up.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Beside,
        Self::Mappings,
        Self::AnonVmas,
        Self::Tables,
        Self::HugePages,
        Self::Pages,
        Self::Pinned,
    ];
}

/// A trial and what came of it.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Resemblance {
    /// Unit by unit.
    pub units: Vec<UnitResemblance>,
    /// Mappings that no worker can have, and why.
    pub left_out: Vec<LeftOutMapping>,
    /// Of the mappings, those that stand for the worker's own ones.
    pub stand_ins: u64,
}

/// One unit of it.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct UnitResemblance {
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
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
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
    /// Pinned pages.
    PinnedPages,
}

impl ShapeUnit {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Vmas,
        Self::AnonVmas,
        Self::Ptes,
        Self::Tables,
        Self::HugeEntries,
        Self::Descriptors,
        Self::Threads,
        Self::PinnedPages,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmas => "mappings",
            Self::AnonVmas => "with own pages",
            Self::Ptes => "PTEs",
            Self::Tables => "page tables",
            Self::HugeEntries => "huge pages",
            Self::Descriptors => "open files",
            Self::Threads => "threads",
            Self::PinnedPages => "pinned pages",
        }
    }

    /// Whether it is of mapped memory, and a fork copies each that is counted.
    pub fn is_copied(self) -> bool {
        match self {
            Self::Vmas | Self::AnonVmas | Self::Ptes | Self::HugeEntries => true,
            Self::Tables | Self::Descriptors | Self::Threads | Self::PinnedPages => false,
        }
    }

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
            Self::PinnedPages => parent.mappings.pinned_ptes,
        }
    }
}

/// Mappings of a kind that a worker cannot have.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct LeftOutMapping {
    /// How many.
    pub count: u64,
    /// Bytes that they map.
    pub bytes: u64,
    /// Why.
    pub why: LeftOutReason,
}

/// Why mappings are left out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
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
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ProcessForecast {
    /// Of the call.
    pub call_ns: f64,
    /// Of the total.
    pub total_ns: f64,
    /// What nine of ten of the card's own forecasts are off by at the most, as a share.
    pub error: f64,
}
