//! The kernel's work by mechanism, from sampled call chains.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// A piece of the kernel's work; `docs/mechanisms.md` says what each is. A chain of
/// calls is judged as a whole, from its innermost function outwards: the first one that
/// a rule knows decides, unless one further out takes the decision over.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// A new task: its structures, credentials, files, signals.
    TaskSetup,
    /// VMAs: duplicated, inserted into the maple tree and the files' trees.
    VmaDuplication,
    /// anon_vma structures and chains: made, linked.
    AnonVma,
    /// Entries of page tables: looked at, copied, write-protected.
    PageTableCopy,
    /// Page-table pages: taken, cleared, linked.
    PageTableAllocation,
    /// Entries of page tables: unmapped, their pages released.
    PteTeardown,
    /// Page-table pages: unlinked, given back.
    PageTableFreeing,
    /// VMAs and their anon_vmas: unlinked, given back.
    VmaFreeing,
    /// TLB: flushed, here and on other CPUs; address spaces switched.
    TlbFlush,
    /// Faults of write-protected pages that a fork left behind.
    CowFault,
    /// Faults of fresh anonymous memory.
    AnonFault,
    /// Faults of mapped files.
    FileFault,
    /// Exec: arguments, credentials, the new address space and its stack.
    ExecSetup,
    /// Exec: the program's file opened, read, its segments mapped.
    ElfLoading,
    /// The end of a task: signals, files, accounting, the parent's wait.
    ExitAndReap,
    /// The scheduler: waking up, choosing, switching.
    Scheduling,
    /// Charging of memory to a control group.
    MemoryCgroup,
    /// Entry to and return from the kernel, and system calls besides the spawn; of a
    /// page fault what comes before its cause is known.
    SystemCall,
    /// Interrupts and what they leave to do, whatever they interrupt.
    Interrupt,
    /// What perf itself costs.
    Perf,
    /// User mode: parent, child and program.
    UserMode,
    /// Whatever no rule knows.
    Other,
}

impl Mechanism {
    /// Every mechanism, in the order in which a spawn meets them.
    pub const ALL: [Self; 22] = [
        Self::TaskSetup,
        Self::VmaDuplication,
        Self::AnonVma,
        Self::PageTableCopy,
        Self::PageTableAllocation,
        Self::PteTeardown,
        Self::PageTableFreeing,
        Self::VmaFreeing,
        Self::TlbFlush,
        Self::CowFault,
        Self::AnonFault,
        Self::FileFault,
        Self::ExecSetup,
        Self::ElfLoading,
        Self::ExitAndReap,
        Self::Scheduling,
        Self::MemoryCgroup,
        Self::SystemCall,
        Self::Interrupt,
        Self::Perf,
        Self::UserMode,
        Self::Other,
    ];
}

/// What was sampled while one method spawned.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Mechanisms {
    /// Samples of parent and child within the spawns: perf event `cpu-clock` with
    /// kernel call chains.
    pub samples: u64,
    /// Samples in each second of CPU time: fewer than were ordered where the kernel
    /// allows no more.
    pub hz: u64,
    /// Records that were lost, at the least.
    pub lost: u64,
    /// The CPU time that the samples stand for, over the time that the spawns took: 1
    /// where one of the watched CPUs was always at work on them, less where parent and
    /// child sleep or run on CPUs that are not watched.
    pub covered: f64,
    /// What the samples reach.
    pub reach: Reach,
    /// Spawns during which was sampled.
    pub spawns: u64,
    /// Median total with sampling / without: what sampling disturbs.
    pub slowdown: Availability<Estimate>,
    /// Every mechanism that was met, the largest share first.
    pub shares: Vec<MechanismShare>,
    /// The call chains themselves.
    pub profile: Profile,
}

/// How far sampling reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The CPUs, of which the samples of the worker and its children are kept:
    /// all of their work is there.
    SystemWide,
    /// The worker and, by inheritance, its children. Each child's clock begins anew,
    /// and on new kernels its events end before its memory is freed. Where a spawn is
    /// shorter than five periods, what was sampled is missing.
    Inherited,
}

/// The share of one mechanism.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct MechanismShare {
    /// Which.
    pub mechanism: Mechanism,
    /// Samples.
    pub samples: u64,
    /// Of them, in the parent.
    pub parent_samples: u64,
    /// The share of all samples, 0 to 1.
    pub share: Estimate,
    /// CPU time a spawn: samples by their period, over the spawns.
    pub ns: Estimate,
    /// The functions that ran most often, hottest first; at most three, but
    /// all of them for what no rule knows.
    pub hottest: Vec<HotFunction>,
}

/// A function and how often it was found running.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HotFunction {
    /// Its symbol, of `/proc/kallsyms`.
    pub function: String,
    /// Samples.
    pub samples: u64,
}

/// Call chains, each with its count.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Profile {
    /// The functions' symbols.
    pub functions: Vec<String>,
    /// The chains.
    pub stacks: Vec<Stack>,
}

/// One call chain.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Stack {
    /// Whose.
    pub side: Side,
    /// What it was counted as.
    pub mechanism: Mechanism,
    /// Samples.
    pub samples: u64,
    /// Indices of functions, outermost first; empty in user mode.
    pub frames: Vec<u32>,
}

/// Parent or child.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The process that spawns.
    Parent,
    /// What it spawned, and the descendants of that.
    Child,
}
