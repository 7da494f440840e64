//! The ledger: the phases of one spawn, from before the call until the wait
//! returned.

use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// The phases of a spawn, in the order in which they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From before the call until the child was made: for fork, until the
    /// address space was copied (the FORK record).
    Copy,
    /// What the parent needs of the CPU to come back from the call. For fork it
    /// follows the copy; a parent that sleeps until its child has executed the
    /// program comes back later, and its time is taken out of the phases that it
    /// interrupts.
    Return,
    /// Until the child's first instruction.
    Wake,
    /// The child's own work before it calls execve.
    BeforeExec,
    /// From the call of execve until the old address space is gone (the record
    /// COMM with the flag exec).
    ExecTeardown,
    /// From there until the program's first instruction.
    ExecStart,
    /// The dynamic loader, until it hands over to the program.
    Loader,
    /// From the program's entry to main: libc's own start.
    Libc,
    /// The program itself.
    Run,
    /// From the program's last instruction until its memory is being freed.
    Exit,
    /// The freeing of the program's address space.
    Teardown,
    /// From the parent's waking up until its wait returned.
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

/// Where the time of one spawn goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The median total less the phases' medians: what strangers took of the CPU,
    /// and what medians do not add up to.
    pub unexplained_ns: Estimate,
    /// What stamping adds to the total of a spawn that is only timed.
    pub stamping_ns: Availability<Estimate>,
}

/// The time of one phase: a median over spawns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// How long it takes.
    pub ns: Availability<Estimate>,
}

/// When a kernel writes the EXIT record of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitOrder {
    /// Before it frees the address space: Linux 6.16 and stable kernels with
    /// "perf: Fix sample vs do_exit()".
    BeforeTeardown,
    /// After it has.
    AfterTeardown,
}

/// How the order was found: children that leave at once, from a small and a
/// large copy of an address space. What grows with the space is the teardown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExitProbe {
    /// The order.
    pub order: ExitOrder,
    /// By how much the large copy lengthened the time from the child's last
    /// instruction to its EXIT record.
    pub before_record_ns: f64,
    /// By how much it lengthened the time from there until the wait returned.
    pub after_record_ns: f64,
    /// Mappings of one page each by which the copies differ.
    pub mappings: u64,
}

/// What the children pay for an instruction that is watched by a hardware
/// breakpoint. It is taken off the phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakpointCost {
    /// All of it; the interval is over pairs of workers.
    pub cost_ns: Estimate,
    /// Of it, what passes until its record has its time.
    pub lag_ns: f64,
}
