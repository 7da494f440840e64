//! Plain names of phases, mechanisms and faults, as a systems programmer would
//! call them. The words of the JSON are another matter.

use crate::analysis::explain::{FaultLine, LedgerLine};
use crate::model::{FaultCause, FaultPhase, Level, Mechanism, Phase, SkipReason};

/// A line of the ledger, as the row of a table.
pub(super) fn line(line: LedgerLine) -> &'static str {
    match line {
        LedgerLine::Phase(of) => phase(of)[0],
        LedgerLine::Unexplained => "unexplained",
        LedgerLine::Stamped => "total (with stamps)",
        LedgerLine::Stamping => "stamping adds",
        LedgerLine::Alone => "total (timed alone)",
    }
}

/// A phase, as the row of a table, and in one or two words where room is short.
pub(super) fn phase(phase: Phase) -> [&'static str; 2] {
    match phase {
        Phase::Copy => ["call, until the copy is made", "call"],
        Phase::Return => ["return to the parent", "return"],
        Phase::Wake => ["wake-up, until the child's first instruction", "wake-up"],
        Phase::BeforeExec => ["child before exec", "before exec"],
        Phase::ExecTeardown => [
            "exec, until the old address space is gone",
            "exec: teardown",
        ],
        Phase::ExecStart => ["exec, until the program's first instruction", "exec: start"],
        Phase::Loader => ["dynamic loader", "loader"],
        Phase::Libc => ["libc's start", "libc"],
        Phase::Run => ["program", "program"],
        Phase::Exit => ["exit", "exit"],
        Phase::Teardown => ["teardown of the program's memory", "teardown"],
        Phase::Reap => ["reap", "reap"],
    }
}

/// A mechanism, as the row of a table.
pub(super) fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::TaskSetup => "task set-up",
        Mechanism::VmaDuplication => "mappings copied",
        Mechanism::AnonVma => "anon_vmas made and linked",
        Mechanism::PageTableCopy => "page-table entries copied",
        Mechanism::PageTableAllocation => "page tables allocated",
        Mechanism::PteTeardown => "page-table entries unmapped",
        Mechanism::PageTableFreeing => "page tables freed",
        Mechanism::VmaFreeing => "mappings, anon_vmas freed",
        Mechanism::TlbFlush => "TLB flushes",
        Mechanism::CowFault => "faults: copy-on-write",
        Mechanism::AnonFault => "faults: fresh memory",
        Mechanism::FileFault => "faults: mapped files",
        Mechanism::ExecSetup => "exec: arguments, new space",
        Mechanism::ElfLoading => "exec: program file mapped",
        Mechanism::ExitAndReap => "exit and reap",
        Mechanism::Scheduling => "scheduler",
        Mechanism::MemoryCgroup => "memory control group",
        Mechanism::SystemCall => "system calls, entry, return",
        Mechanism::Interrupt => "interrupts",
        Mechanism::Perf => "perf itself",
        Mechanism::UserMode => "user mode",
        Mechanism::Other => "other (no rule knows it)",
    }
}

/// When faults happen, and why.
pub(super) fn fault_line(line: FaultLine) -> [&'static str; 2] {
    match line {
        FaultLine::Of(phase, cause) => [fault_phase(phase), fault_cause(cause)],
        FaultLine::Parent => ["parent", "all"],
        FaultLine::Child => ["child", "all"],
    }
}

fn fault_phase(phase: FaultPhase) -> &'static str {
    match phase {
        FaultPhase::ParentBefore => "parent, until the child is made",
        FaultPhase::ParentAfter => "parent, after that",
        FaultPhase::ChildBeforeExec => "child, before exec",
        FaultPhase::Exec => "child, in exec",
        FaultPhase::Program => "child, in the program",
    }
}

fn fault_cause(cause: FaultCause) -> &'static str {
    match cause {
        FaultCause::CopyOnWrite => "copy-on-write",
        FaultCause::Anonymous => "fresh memory",
        FaultCause::File => "mapped file",
        FaultCause::Shared => "shared memory",
        FaultCause::Unknown => "unknown address",
    }
}

/// A level of the page tables.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Pte => "PTE",
        Level::Pmd => "PMD",
        Level::Pud => "PUD",
        Level::P4d => "P4D",
        Level::Pgd => "PGD",
    }
}

/// Why entries are left out.
pub(super) fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::NoAnonVma => "no anon_vma",
        SkipReason::Shared => "shared",
        SkipReason::DontFork => "MADV_DONTFORK",
        SkipReason::WipeOnFork => "MADV_WIPEONFORK",
    }
}
