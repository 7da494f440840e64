//! The seam between the experiment and the machine: Linux here, a fake in
//! tests, so that every error path can be walked.

use std::time::Duration;

use super::error::LabError;
use super::noise::{Reading, Waiting};
use crate::model::Parent;
use crate::model::{
    Caller, Interpreter, LoopSystem, Missing, PageTables, Placement, Plan, ProcessShape, Reach,
    SpaceRequest, TraceOrder, TracedProgram,
};
use crate::profile::faults::MapRange;
use crate::profile::ledger::Landmark;
use crate::profile::spawns::Size;
use crate::profile::symbols::Symbols;
use crate::sys::events::SampleEvent;
use crate::sys::trace::event::{Followed, Registers};
use crate::worker::protocol::{Assignment, Done, Prepared};

/// What an experiment needs from the machine.
pub trait Kernel {
    /// Refuses address spaces that this host cannot carry, before anything is mapped.
    ///
    /// # Errors
    /// [`LabError::Limit`].
    fn check_limits(&self, spaces: &[SpaceRequest]) -> Result<(), LabError>;

    /// Refuses a worker of which this host cannot carry what is copied besides, as it writes to
    /// its pages again while a child has them too.
    ///
    /// # Errors
    /// [`LabError::Limit`].
    fn check_rewriting(&self, assignment: &Assignment) -> Result<(), LabError>;

    /// Refuses two address spaces of which each would do, and both together do not.
    ///
    /// # Errors
    /// [`LabError::Limit`].
    fn check_both(&self, spaces: [&SpaceRequest; 2]) -> Result<(), LabError>;

    /// Runs the plan's program once, to tell a program that cannot be measured
    /// from a method that fails.
    ///
    /// # Errors
    /// [`LabError::Program`].
    fn try_program(&self, plan: &Plan) -> Result<(), LabError>;

    /// Carries out a command of the user's that sets what only the host can; whoever does it
    /// restores the host when the run is over.
    ///
    /// # Errors
    /// [`LabError::Setup`].
    fn set_up(&self, command: &str) -> Result<(), LabError>;

    /// Starts a fresh worker.
    ///
    /// # Errors
    /// [`LabError::Io`].
    fn launch(
        &self,
        assignment: &Assignment,
        timeout: Duration,
    ) -> Result<Box<dyn Worker>, LabError>;

    /// Starts the worker that is no subject of the run, but its reference.
    ///
    /// # Errors
    /// [`LabError::Io`].
    fn launch_reference(
        &self,
        assignment: &Assignment,
        timeout: Duration,
    ) -> Result<Box<dyn Worker>, LabError> {
        self.launch(assignment, timeout)
    }

    /// Opens a sampler of a worker of this placement.
    ///
    /// # Errors
    /// Why there is none.
    fn watch(
        &self,
        watching: &Watching,
        placement: Placement,
        worker: u32,
    ) -> Result<Box<dyn Sampler>, Missing>;

    /// The names of the kernel's functions.
    ///
    /// # Errors
    /// Why they cannot be had.
    fn symbols(&self) -> Result<Symbols, Missing>;

    /// Instructions of the plan's program that can be watched once its addresses
    /// are fixed; none of the embedded one, which stamps by itself.
    ///
    /// # Errors
    /// Why they cannot be had.
    fn landmarks(&self, plan: &Plan) -> Result<Vec<(Landmark, u64)>, Missing>;

    /// The interpreter behind a path or a name for the plan's `PATH`: the program
    /// that runs in the end, whatever wraps it.
    ///
    /// # Errors
    /// [`LabError::Interpreter`], with the reason why there is none.
    fn interpreter(&self, plan: &Plan, asked: &str) -> Result<Interpreter, LabError>;

    /// Starts a script.
    ///
    /// # Errors
    /// [`LabError::Io`].
    fn start_script(
        &self,
        order: &ScriptOrder,
        timeout: Duration,
    ) -> Result<Box<dyn Script>, LabError>;

    /// Watches a program and its descendants.
    ///
    /// # Errors
    /// [`LabError::Trace`] if it may not be watched, [`LabError::Program`] if it cannot be
    /// started.
    fn follow(&self, order: &TraceOrder) -> Result<Box<dyn Watcher>, LabError>;

    /// Where a thread runs beside one of this placement.
    ///
    /// # Errors
    /// Why it has no CPU of its own.
    fn beside(&self, placement: Placement) -> Result<Placement, Missing>;

    /// Whether two CPUs are known to be threads of one core.
    fn share_a_core(&self, a: usize, b: usize) -> bool;

    /// What this kernel has counted so far of what the host does.
    fn host_counts(&self) -> Reading;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Bytes in a page.
    fn page_size(&self) -> u64;
}

/// What is watched from outside while a worker spawns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watching {
    /// Kernel mode or user mode, tick by tick.
    Modes,
    /// The kernel's call chains, at so many ticks in each second of CPU time.
    Chains(u64),
    /// Births, execs, ends and switches, and the instructions at up to four
    /// addresses.
    Stamps(Vec<u64>),
    /// Page faults, births, execs and ends.
    Faults,
    /// The system calls by which the worker itself creates processes. The worker
    /// is traced, which makes it slow: nothing is timed meanwhile.
    Calls,
}

/// When the spawns of a worker ended that accompanied another.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// How many there were.
    pub spawns: usize,
    /// The last of them, as many as there was room for, in order, by the clock of the records.
    pub last: Vec<u64>,
    /// The CPU time of the worker and its children so far.
    pub cpu_time: Duration,
}

/// A worker process. Dropping it ends it and all that it left behind.
pub trait Worker {
    /// Its process.
    fn pid(&self) -> u32;

    /// Has it prepare what was assigned at its launch.
    ///
    /// # Errors
    /// Whatever ends a worker.
    fn prepare(&mut self) -> Result<Prepared, LabError>;

    /// Has it build its address space; nanoseconds that this took.
    ///
    /// # Errors
    /// Whatever ends a worker.
    fn inflate(&mut self) -> Result<u64, LabError>;

    /// Has it spawn; calls `idle` now and then meanwhile.
    ///
    /// # Errors
    /// Whatever ends a worker.
    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<Done, LabError>;

    /// Has it spawn in so many turns more of a timing or stamping, while another worker
    /// waits; what came of all its turns so far.
    ///
    /// # Errors
    /// Whatever ends a worker.
    fn turns(&mut self, turns: usize) -> Result<Done, LabError>;

    /// Has it spawn by one of the methods that work there, while others accompany it; what
    /// came of that, with all spawns so far. Calls `idle` now and then meanwhile.
    ///
    /// # Errors
    /// Whatever ends a worker.
    fn alone(&mut self, method: u8, idle: &mut dyn FnMut()) -> Result<Done, LabError>;

    /// Has it spawn by that method beside another worker, and returns once it does.
    ///
    /// # Errors
    /// [`LabError::Interrupted`], and whatever ends a worker.
    fn accompany(&mut self, method: u8) -> Result<(), LabError>;

    /// Has it stop; when its spawns ended.
    ///
    /// # Errors
    /// Whatever ended it since.
    fn halt(&mut self) -> Result<Ends, LabError>;

    /// What the kernel says of its address space, the instrument left out.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn census(&self, instrument: &[[usize; 2]]) -> Result<Parent, LabError>;

    /// What its page tables hold, the instrument left out; with the tree below
    /// one mapping, if it is asked for.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn page_tables(&self, instrument: &[[usize; 2]], tree: bool) -> Result<PageTables, LabError>;

    /// Its shape, the instrument left out.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn shape(&self, instrument: &[[usize; 2]]) -> Result<ProcessShape, LabError>;

    /// What is mapped, as the rules of page faults need it.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn map_ranges(&self) -> Result<Vec<MapRange>, LabError>;

    /// What became of it so far.
    fn waiting(&self) -> Waiting;

    /// Ends it, and tells how many processes its children had left behind.
    fn end(&mut self) -> u64;

    /// The words that it recorded.
    ///
    /// # Errors
    /// [`LabError::Io`].
    fn records(&self, words: usize) -> Result<Vec<u64>, LabError>;
}

/// A script that spawns in a loop, as it was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptOrder {
    /// Which one.
    pub system: LoopSystem,
    /// The program that interprets it.
    pub interpreter: String,
    /// How often it spawns.
    pub iterations: u64,
    /// The absolute path that its children execute.
    pub path: String,
    /// Their `argv`.
    pub argv: Vec<String>,
    /// The environment of script and children, as `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Where they run.
    pub placement: Placement,
}

/// A process that runs a script. It stops before its loop and after it, until it
/// is told to go on. Dropping it ends it and all that it left behind.
pub trait Script {
    /// Its process.
    fn pid(&self) -> u32;

    /// Awaits it at the beginning of its loop.
    ///
    /// # Errors
    /// [`LabError::Script`] if the script fails.
    fn ready(&mut self) -> Result<(), LabError>;

    /// What the kernel says of its address space.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn census(&self) -> Result<Parent, LabError>;

    /// Its shape, for a worker to become like it.
    ///
    /// # Errors
    /// [`LabError::Census`].
    fn shape(&self) -> Result<ProcessShape, LabError>;

    /// Lets it run its loop; calls `idle` now and then meanwhile.
    ///
    /// # Errors
    /// [`LabError::Script`] if the script fails, [`LabError::Program`] if a child
    /// hangs.
    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<ScriptLoop, LabError>;

    /// Lets it end.
    ///
    /// # Errors
    /// [`LabError::Script`] if the script fails.
    fn end(&mut self) -> Result<ScriptTimes, LabError>;
}

/// The loop of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptLoop {
    /// CLOCK_MONOTONIC before it, as the script read it.
    pub begin_ns: u64,
    /// CLOCK_MONOTONIC after it.
    pub end_ns: u64,
    /// Minor faults of the script and its children in it.
    pub minor_faults: u64,
}

/// What a script took as a whole, the stops left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptTimes {
    /// CLOCK_MONOTONIC when it was started, and when it had ended.
    pub life_ns: [u64; 2],
    /// Before its loop and after it.
    pub start_ns: u64,
    /// CPU time of it and its children.
    pub cpu_us: u64,
    /// Of it in user mode, as the kernel's bookkeeping says.
    pub user_us: u64,
    /// Processes that it left behind out of reach, and that were ended.
    pub left_behind: u64,
}

/// What a watcher saw next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something happened. Whoever did it may stand still until the next step is asked for.
    Happened(Followed),
    /// The time is up.
    TimeUp,
    /// Nobody is watched any more.
    Over,
}

/// Somebody who watches a program and all its descendants.
pub trait Watcher {
    /// When the watching began, by CLOCK_MONOTONIC.
    fn began_ns(&self) -> u64;

    /// CLOCK_MONOTONIC; once it is over, when it was.
    fn now_ns(&self) -> u64;

    /// The command that was started, if one was.
    fn command(&self) -> Option<u32>;

    /// Whether those who are watched would fail if they were left alone.
    fn must_stay(&self) -> bool;

    /// Awaits what happens next, but not beyond this moment.
    ///
    /// # Errors
    /// [`LabError::Interrupted`], [`LabError::Io`].
    fn next(&mut self, until_ns: Option<u64>) -> Result<Step, LabError>;

    /// The program that a process of the last event has.
    fn program(&mut self, pid: u32) -> TracedProgram;

    /// From where a process of the last event spawns, if that can be told.
    fn caller(&mut self, pid: u32, registers: &Registers) -> Option<Caller>;

    /// How large a process of the last event is.
    fn size(&mut self, pid: u32) -> Option<Size>;

    /// What a fork of a process of the last event finds. Where that does not stand still, the
    /// kernel holds its mmap_lock meanwhile.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn counts(&mut self, pid: u32) -> Result<Parent, Missing>;

    /// Its shape, as it would be without the watcher.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn shape(&mut self, pid: u32) -> Result<ProcessShape, Missing>;

    /// Descendants that cannot be watched, why, and what to do about it.
    fn refused(&self) -> Vec<(u32, String, &'static str)>;

    /// Why it is no better means by which is watched, and what to do about it.
    fn instead(&self) -> Option<(String, String)>;

    /// Records of what was done that were lost.
    fn lost(&self) -> u64;

    /// Lets everybody go on unwatched.
    fn leave(self: Box<Self>);
}

/// A sampler of what Watching names.
pub trait Sampler {
    /// Ticks in each second of CPU time, where it ticks.
    fn hz(&self) -> u64;
    /// How far it reaches.
    fn reach(&self) -> Reach;
    /// Begins.
    ///
    /// # Errors
    /// Why it cannot.
    fn start(&mut self) -> Result<(), Missing>;
    /// Takes what was sampled since the last time, in order.
    fn drain(&mut self) -> Vec<SampleEvent>;
    /// Ends.
    fn stop(&mut self);
}
