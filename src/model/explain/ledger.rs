//! The ledger: the phases of one spawn, from before the call until the wait
//! returned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// The phases of a spawn, in the order in which they follow each other.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From before the call until the child was made: for fork, until the address space
    /// was copied (the FORK record; kernel/fork.c, `copy_process`).
    Copy,
    /// What the parent needs of the CPU to come back from the call. For fork it
    /// follows the copy; a parent that sleeps until its child has executed the
    /// program comes back later, and its time is taken out of the phases that it
    /// interrupts.
    Return,
    /// Until the child's first stamp, or, of a method whose child does not stamp, its
    /// first context switch onto a CPU.
    Wake,
    /// The child's own work, until its last stamp or the call of libc's `execve`.
    BeforeExec,
    /// From there until the old address space is gone (the record COMM with the flag
    /// exec; fs/exec.c, `begin_new_exec`, before Linux 5.8 `setup_new_exec`).
    ExecTeardown,
    /// From there until the program's first instruction, the loader's if it has one.
    ExecStart,
    /// The dynamic loader, until it hands over to the program.
    Loader,
    /// From the program's entry to main: libc's own start.
    Libc,
    /// The program itself: until the last instruction of the embedded one, or the
    /// record EXIT of any other.
    Run,
    /// From there until the record EXIT, where a kernel writes that before it frees the
    /// memory. Else it follows the teardown, until the parent has a CPU again.
    Exit,
    /// The freeing of the program's address space (kernel/exit.c, `exit_mm`, with the
    /// rest of `do_exit`): until the parent has a CPU again, or until a record EXIT
    /// that is written after it.
    Teardown,
    /// From when the parent has a CPU again until its wait has returned.
    Reap,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 12] = [
        Self::Copy,
        Self::Return,
        Self::Wake,
        Self::BeforeExec,
        Self::ExecTeardown,
        Self::ExecStart,
        Self::Loader,
        Self::Libc,
        Self::Run,
        Self::Exit,
        Self::Teardown,
        Self::Reap,
    ];
}

/// Where the time of one spawn goes: medians over spawns of the differences of
/// neighbouring moments. All are of CLOCK_MONOTONIC, taken by parent, child and program
/// themselves, by perf records (FORK, COMM, EXIT, context switches) and by watched
/// instructions. The cost of reading the clock is not subtracted.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Ledger {
    /// Spawns of which every stamp is there.
    pub spawns: u64,
    /// Spawns left out since a stamp is missing.
    pub incomplete: u64,
    /// Records that the kernel dropped, at the least, of all methods together.
    pub lost: u64,
    /// Every phase, in order. One that is missing lies within the next that is
    /// there, or does not exist here; its reason says which.
    pub phases: Vec<PhaseTime>,
    /// The median total of the stamped spawns.
    pub total_ns: Estimate,
    /// The median total less the phases' medians: what other processes took of the CPU
    /// meanwhile, as the records of context switches show it, and what medians do not
    /// add up to. It may be below 0.
    pub unexplained_ns: Estimate,
    /// What stamping adds: the total less the median total of the spawns that are only
    /// timed.
    pub stamping_ns: Availability<Estimate>,
    /// What the figures are made of, worker by worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<StampedWorker>,
}

/// The medians of one worker's stamped spawns.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct StampedWorker {
    /// The round in which the worker ran.
    pub round: u32,
    /// Of each phase, in the order of the ledger; null where its end was not seen.
    pub phases_ns: Vec<Option<f64>>,
}

/// The time of one phase: a median over spawns.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// How long it takes. Unavailable where its end was not seen: then its time lies
    /// within the next phase that is there. Not asked for where there is no such phase
    /// in this run, as no loader in a static program, or where its end cannot be known,
    /// as that of a program of one's own.
    pub ns: Availability<Estimate>,
}

/// When a kernel writes the EXIT record of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitOrder {
    /// Before it frees the address space (kernel/exit.c, `do_exit`:
    /// `perf_event_exit_task` before `exit_mm`): Linux 6.16 and stable kernels with
    /// "perf: Fix sample vs do_exit()".
    BeforeTeardown,
    /// After it has.
    AfterTeardown,
}

/// How the order was found: children that leave at once, from a small and a
/// large copy of an address space. What grows with the space is the teardown.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ExitProbe {
    /// The order.
    pub order: ExitOrder,
    /// By how much the large copy lengthened the time from the child's last stamp
    /// before its exit to its EXIT record.
    pub before_record_ns: f64,
    /// By how much it lengthened the time from there until the wait returned.
    pub after_record_ns: f64,
    /// Mappings of one page each by which the copies differ.
    pub mappings: u64,
}

/// What a child pays for an instruction that is watched by a hardware breakpoint (perf
/// event of type PERF_TYPE_BREAKPOINT): libc's `execve`, where libc's own code runs in
/// the child, and the first instructions of a program. It is measured with children of
/// `vfork` that stamp the moment before libc's `execve`, with and without it, and taken
/// off the ledger's phases and total, once for each hit.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct BreakpointCost {
    /// All of it. Its interval is over the pairs of workers that measured it, and is in
    /// no phase's interval.
    pub cost_ns: Estimate,
    /// Of it, what passes until its record has its time.
    pub lag_ns: f64,
}
