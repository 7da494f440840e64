//! What perf events record, in plain types: the seam between the door that
//! opens them and the rules that read them.

pub use crate::model::CallName;

/// Where the CPU was when a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the kernel.
    Kernel,
    /// In the program.
    User,
    /// In a hypervisor, in a guest, or unknown.
    Other,
}

/// One record. Times are those of CLOCK_MONOTONIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleEvent {
    /// A tick of the sampling clock.
    Tick {
        /// When.
        time_ns: u64,
        /// The process that the CPU was running.
        pid: u32,
        /// What it was doing.
        mode: Mode,
    },
    /// A tick with the kernel's call chain.
    Chain {
        /// When.
        time_ns: u64,
        /// The process that the CPU was running.
        pid: u32,
        /// What it was doing.
        mode: Mode,
        /// Kernel addresses, innermost first; empty in user mode.
        frames: Vec<u64>,
    },
    /// A page fault, before it is handled.
    Fault {
        /// When.
        time_ns: u64,
        /// Whose.
        pid: u32,
        /// The address that faulted.
        address: u64,
        /// Whether the kernel or the program touched it.
        mode: Mode,
    },
    /// A process was created; the creation of a thread is not among these.
    Fork {
        /// When.
        time_ns: u64,
        /// The new process.
        pid: u32,
        /// The process that created it.
        ppid: u32,
    },
    /// A process executed a program: the old address space is gone.
    Exec {
        /// When.
        time_ns: u64,
        /// Which.
        pid: u32,
    },
    /// A mapping of a process is new, or it grew, or its protection changed: it
    /// replaces what was mapped there before. Nothing is recorded of mappings
    /// that a fork copied, that were moved or unmapped.
    Map {
        /// When.
        time_ns: u64,
        /// Whose.
        pid: u32,
        /// Its first address.
        start: u64,
        /// The address after its last.
        end: u64,
        /// Whether a file or the kernel's own pages are behind it.
        file: bool,
        /// Whether it is shared.
        shared: bool,
        /// Whether it may be written to.
        writable: bool,
    },
    /// A thread of a process ended: the last one of them is the process's end.
    Exit {
        /// When.
        time_ns: u64,
        /// Which.
        pid: u32,
    },
    /// A process got a CPU or left it.
    Switch {
        /// When.
        time_ns: u64,
        /// Which.
        pid: u32,
        /// The CPU.
        cpu: u32,
        /// Whether it got it.
        into: bool,
    },
    /// A process came to an instruction that is watched.
    Landmark {
        /// When.
        time_ns: u64,
        /// Which process.
        pid: u32,
        /// The index of the instruction among those that are watched.
        index: usize,
    },
    /// A process called the kernel to create another, which it did.
    Called {
        /// When.
        time_ns: u64,
        /// Which process.
        pid: u32,
        /// The system call.
        call: CallName,
        /// Its flags, without the signal at the child's end; 0 of those that take
        /// none.
        flags: u64,
    },
    /// Records were lost because a ring was full: any kind may be missing.
    Lost {
        /// How many.
        count: u64,
    },
    /// The kernel paused the sampling of a CPU: ticks are missing.
    Throttled {
        /// When.
        time_ns: u64,
    },
}

impl SampleEvent {
    /// When it was recorded; a loss has no time of its own.
    pub fn time_ns(&self) -> Option<u64> {
        match *self {
            Self::Tick { time_ns, .. }
            | Self::Chain { time_ns, .. }
            | Self::Fault { time_ns, .. }
            | Self::Fork { time_ns, .. }
            | Self::Exec { time_ns, .. }
            | Self::Map { time_ns, .. }
            | Self::Exit { time_ns, .. }
            | Self::Switch { time_ns, .. }
            | Self::Landmark { time_ns, .. }
            | Self::Called { time_ns, .. }
            | Self::Throttled { time_ns } => Some(time_ns),
            Self::Lost { .. } => None,
        }
    }
}
