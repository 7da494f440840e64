//! What the lab and its workers say to each other: one JSON line a message over
//! the worker's stdin, a socket, and records of words in a shared file, the
//! worker's stdout.

use std::io::{self, BufRead, Write};

use fastrand::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{
    ChildAction, Closing, Filters, Likeness, PageKind, Placement, Plan, Program, SpaceRequest,
    SpawnMethod, Temperature,
};
use crate::sys::perf::Counter;

/// What the lab orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Prepare everything, try every method once, stay small.
    Prepare(Box<Assignment>),
    /// Build the address space, with the mappings of this other process. They come only
    /// now: their list may be larger than the worker, which is still small.
    Inflate(Option<Box<Likeness>>),
    /// Spawn.
    Run,
    /// Spawn in so many turns more, of a timing or stamping, while another worker waits for its own.
    Turns(usize),
    /// Spawn by this one of the methods that work, for as long as all of them have otherwise.
    /// Other workers do so at the same time.
    Alone(u8),
    /// Spawn by this method until [`HALT_WORD`] is set, beside a worker that is timed.
    Accompany(u8),
}

/// One worker's whole task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The address space to build.
    pub space: SpaceRequest,
    /// The methods that take turns.
    pub methods: Vec<SpawnMethod>,
    /// What the children do.
    pub child: ChildAction,
    /// What they execute.
    pub program: Program,
    /// Their environment, as `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Where parent and children run.
    pub placement: Placement,
    /// What happens between two spawns.
    pub temperature: Temperature,
    /// What is recorded besides the clock.
    pub pass: Pass,
    /// Spawns of each method before the turns begin: none for a timing; some
    /// where a mean needs more of a cheap method than the turns give it. They
    /// do not stand between the turns, for there they would cool the caches
    /// for the dear methods.
    pub extras: Vec<usize>,
    /// The most turns.
    pub turns: usize,
    /// The fewest turns, however long they take.
    pub least_turns: usize,
    /// When to end after the turn under way, in nanoseconds of the loop.
    pub slice_ns: u64,
    /// The seed of the order within the turns.
    pub seed: u64,
    /// Pages that a rewriting pass writes to after each spawn.
    pub rewrite_pages: u64,
    /// Which of its pages. Huge ones are those of another process's mappings alone.
    pub rewritten: PageKind,
    /// Of the pages that can be written to again, those of another process's mappings,
    /// whose list comes later.
    pub rewritable_likeness: u64,
    /// Where the thread runs that is busy beside the spawns, if their pass has one.
    pub beside: Option<Placement>,
    /// Whether the children's programs are loaded where they always are, so that
    /// their instructions can be watched.
    pub fixed_addresses: bool,
    /// Whether each child puts /dev/null in the place of its standard output
    /// before it executes, as the programs do that are reproduced.
    pub redirects: bool,
    /// What each child closes before it executes or leaves. Nothing while children stamp,
    /// who do so through a descriptor, and only by methods whose children run code of
    /// forktax's own.
    pub closing: Closing,
    /// Filters that its system calls and its children's pass.
    pub filters: Filters,
}

/// What a worker records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pass {
    /// The clock and nothing else.
    Timing,
    /// The clock and getrusage(2).
    Accounting,
    /// The clock, while the lab looks on from outside.
    Sampling,
    /// The clock and perf counters.
    Counting,
    /// The clock and the children's own stamps, while the lab may record more
    /// from outside.
    Stamping,
    /// The clock, and what the parent pays when it writes to its pages again.
    Rewriting,
    /// The same, and what else the kernel charges for small things.
    Gauging,
    /// The clock, and how long a thread that is busy meanwhile is held up.
    Waiting,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Prepared, and still small.
    Prepared(Prepared),
    /// The address space is built; how long that took.
    Inflated {
        /// Nanoseconds of mapping and touching.
        took_ns: u64,
        /// The processes that it became meanwhile, each a copy of the one before, which stays
        /// and does nothing: children of the lab like the first. The last one answers.
        generations: Vec<u32>,
        /// Processes that stand beside it from now on, of its group, to be ended with it.
        helpers: Vec<i32>,
    },
    /// The loop is over.
    Done(Done),
    /// It cannot go on.
    Failed(Failure),
}

/// What came of the preparation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Prepared {
    /// Address ranges that belong to the instrument and that no fork copies.
    pub instrument: Vec<[usize; 2]>,
    /// Methods that do not work here, and why. The others take turns.
    pub unavailable: Vec<(SpawnMethod, String)>,
    /// Where libc's execve begins, which its own spawn functions call.
    pub execve: u64,
    /// Processes that the methods keep beside the worker and its children: of its group,
    /// and to be ended with it.
    pub helpers: Vec<i32>,
}

/// What came of the loop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Done {
    /// Spawns recorded.
    pub spawns: usize,
    /// The perf counters behind the words of a counting record: first of the
    /// process itself, then of process and children.
    pub counters: Vec<String>,
    /// Counters that could not be opened: name, reason, remedy.
    pub refused: Vec<Refused>,
    /// The share of the loop that each of `counters` was counting: 1 unless
    /// it shared the PMU, 0 if it never had its turn.
    pub shares: Vec<f64>,
    /// What the whole loop added to what the kernel has booked on this process
    /// and its children; of its CPU time none of a thread that was busy beside the spawns.
    pub usage: LoopUsage,
    /// CPU time that was not spent where spawns are timed: that of a thread which was busy
    /// beside them, or all of a worker that accompanies another.
    pub elsewhere_us: u64,
}

/// What a loop added to the usage of the process and its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LoopUsage {
    /// How long it took.
    pub wall_us: u64,
    /// CPU time in user mode, as the kernel's bookkeeping splits it.
    pub user_us: u64,
    /// All CPU time.
    pub cpu_us: u64,
    /// Minor faults.
    pub minor_faults: u64,
}

impl LoopUsage {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            wall_us: self.wall_us.saturating_add(other.wall_us),
            user_us: self.user_us.saturating_add(other.user_us),
            cpu_us: self.cpu_us.saturating_add(other.cpu_us),
            minor_faults: self.minor_faults.saturating_add(other.minor_faults),
        }
    }

    /// What was added since an earlier reading.
    pub fn since(self, before: Self) -> Self {
        Self {
            wall_us: self.wall_us.saturating_sub(before.wall_us),
            // The kernel may correct its split backwards.
            user_us: self.user_us.saturating_sub(before.user_us),
            cpu_us: self.cpu_us.saturating_sub(before.cpu_us),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
        }
    }

    /// The share of the time in which neither the process nor a child of it ran, because
    /// they slept or others had the CPU. `None` of a loop that was not timed.
    pub fn idle_share(self) -> Option<f64> {
        let ran = self.cpu_us as f64 / self.wall_us as f64;
        ran.is_finite().then(|| (1.0 - ran).max(0.0))
    }
}

/// A counter that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub counter: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Why a worker cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// Something before the loop.
    #[error("{what}: {why}")]
    Setup {
        /// What was being done.
        what: String,
        /// The error.
        why: String,
    },
    /// Something that this host does not give, whatever it has room for.
    #[error("{what}: {why}")]
    Lacking {
        /// What was being done.
        what: String,
        /// The error.
        why: String,
    },
    /// The address space could not be built.
    #[error("could not build the address space: {placed} of {wanted} mappings were made: {why}")]
    Inflation {
        /// Mappings made.
        placed: u64,
        /// Mappings wanted.
        wanted: u64,
        /// The error.
        why: String,
    },
    /// The call that spawns failed.
    #[error("{}: the call failed: {why}", method.name())]
    Spawn {
        /// With which method.
        method: SpawnMethod,
        /// The error.
        why: String,
        /// Whether the host had no room for it, which says nothing of the method.
        no_room: bool,
    },
    /// The child did not exit with 0.
    #[error("{}: the child ended with wait status {status:#x}", method.name())]
    Child {
        /// With which method.
        method: SpawnMethod,
        /// The raw wait status.
        status: i32,
    },
    /// A defect of the worker.
    #[error("the worker panicked, which is a bug: {0}")]
    Panic(String),
}

/// The first word of the shared file changes with every spawn, recorded or not:
/// if it stands still, a child hangs.
pub const PROGRESS_WORD: usize = 0;
/// The word by which the lab ends the spawns of a worker that accompanies another, without
/// a system call for each of them: anything but 0.
pub const HALT_WORD: usize = stamp_words::START + stamp_words::WORDS;
/// The word at which the first record begins: one cache line on.
pub const FIRST_RECORD: usize = 8;

/// Descriptors that a worker has, or opens for a while, besides those that it is
/// inflated with: its socket and records, the program, perf counters, pipes.
pub const OWN_DESCRIPTORS: u64 = 64;

/// The words that begin every record; the words of its pass follow.
pub mod record {
    /// The index of the method among those that take turns.
    pub const METHOD: usize = 0;
    /// The clock before the call.
    pub const BEFORE: usize = 1;
    /// The clock when the call returned.
    pub const CALLED: usize = 2;
    /// The clock when the wait returned.
    pub const REAPED: usize = 3;
    /// How many words all records have.
    pub const WORDS: usize = 4;
}

/// The words that an accounting record has in addition: what one spawn added.
pub mod usage_words {
    /// CPU time in microseconds, then minor faults, major faults and context
    /// switches, of the parent; then the same four of the children.
    pub const WORDS: usize = 8;
}

/// The words between [`PROGRESS_WORD`] and [`FIRST_RECORD`] that a stamping pass's
/// children write to, and the words that its records have in addition: the
/// same, in the same order. A stamp that was not written is 0.
pub mod stamp_words {
    /// The first word.
    pub const START: usize = 1;
    /// The clock at the child's first instruction, then before its exec or exit.
    pub const CHILD: usize = 0;
    /// Seconds and nanoseconds at the program's first instruction, then the same
    /// before its last.
    pub const PROGRAM: usize = 2;
    /// How many there are.
    pub const WORDS: usize = 6;
}

/// The words that a rewriting record has in addition.
pub mod rewrite_words {
    /// Nanoseconds of writing to all pages once the child has ended.
    pub const AFTER: usize = 0;
    /// Of writing to them once more.
    pub const AGAIN: usize = 1;
    /// Of writing to them while a forked child still has them; 0 where none was held. Huge
    /// pages are split by that, and a child has them once, after the last spawn.
    pub const HELD: usize = 2;
    /// The pages.
    pub const PAGES: usize = 3;
    /// How many there are.
    pub const WORDS: usize = 4;
}

/// The words that the record of a spawn beside a busy thread has in addition.
pub mod wait_words {
    /// What the thread did, by its number.
    pub const DEED: usize = 0;
    /// The nanoseconds of the longest.
    pub const LONGEST: usize = 1;
    /// How many there are.
    pub const WORDS: usize = 2;
}

/// The words that a gauging record has in addition: first those of a rewriting
/// one.
pub mod gauge_words {
    use super::rewrite_words;

    /// Nanoseconds of a forked child's writing to pages of its parent's.
    pub const CHILD: usize = rewrite_words::WORDS;
    /// Those pages.
    pub const CHILD_PAGES: usize = CHILD + 1;
    /// Nanoseconds of [`SYSCALL_COUNT`] system calls.
    pub const SYSCALLS: usize = CHILD + 2;
    /// Nanoseconds of first writes to [`FAULT_COUNT`] pages.
    pub const FAULTS: usize = CHILD + 3;
    /// Nanoseconds of [`CPUID_COUNT`] `cpuid` instructions; 0 where there are none.
    pub const CPUIDS: usize = CHILD + 4;
    /// How many there are.
    pub const WORDS: usize = CHILD + 5;

    /// System calls of one reading.
    pub const SYSCALL_COUNT: usize = 1_000;
    /// Pages of one reading: the entries of one page table.
    pub const FAULT_COUNT: usize = 512;
    /// Instructions of one reading: enough for the clock, and not too many where
    /// each takes tens of microseconds.
    pub const CPUID_COUNT: usize = 20;
}

/// The most perf counters on one side.
pub const MOST_COUNTERS: usize = Counter::ALL.len();

impl Pass {
    /// The words of one record of this pass.
    pub fn record_words(self) -> usize {
        match self {
            Self::Timing | Self::Sampling => record::WORDS,
            Self::Accounting => record::WORDS + usage_words::WORDS,
            Self::Counting => record::WORDS + 2 * MOST_COUNTERS,
            Self::Stamping => record::WORDS + stamp_words::WORDS,
            Self::Rewriting => record::WORDS + rewrite_words::WORDS,
            Self::Gauging => record::WORDS + gauge_words::WORDS,
            Self::Waiting => record::WORDS + wait_words::WORDS,
        }
    }
}

impl Assignment {
    /// The plan's children, by all of its methods, from one address space; how many
    /// is left to say.
    pub fn of_plan(plan: &Plan, space: SpaceRequest, pass: Pass) -> Self {
        Self {
            space,
            methods: plan.methods.clone(),
            child: plan.child,
            program: plan.program.clone(),
            environment: plan.environment.clone(),
            placement: plan.placement,
            temperature: plan.temperature,
            pass,
            extras: vec![0; plan.methods.len()],
            turns: 0,
            least_turns: 0,
            slice_ns: u64::MAX,
            seed: plan.seed,
            rewrite_pages: 0,
            rewritten: PageKind::Small,
            rewritable_likeness: 0,
            beside: None,
            fixed_addresses: false,
            redirects: false,
            closing: Closing::Nothing,
            filters: Filters::default(),
        }
    }

    /// Has one method take all turns.
    pub fn alone(&mut self, method: SpawnMethod) {
        self.methods = vec![method];
        self.extras = vec![0];
    }

    /// The words that the shared file must hold.
    pub fn shared_words(&self) -> usize {
        let extras: usize = self.extras.iter().sum();
        let spawns = extras + self.turns * self.methods.len();
        FIRST_RECORD + spawns * self.pass.record_words()
    }

    /// The extras of the methods that are not among the `unavailable`.
    pub fn extras_of(&self, unavailable: &[(SpawnMethod, String)]) -> Vec<usize> {
        let is_gone = |method: &SpawnMethod| unavailable.iter().any(|(gone, _)| gone == method);
        let both = self.methods.iter().zip(&self.extras);
        both.filter(|(method, _)| !is_gone(method))
            .map(|(_, extras)| *extras)
            .collect()
    }
}

/// The order of the methods: first their extra spawns, mixed, then the turns.
/// Each pair of turns is a random permutation and then its mirror image, so that
/// every method stands as often before each other as after it, and drift hits
/// all alike.
pub fn schedule(seed: u64, extras: &[usize], turns: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut schedule: Vec<u8> = (0_u8..)
        .zip(extras)
        .flat_map(|(method, extras)| std::iter::repeat_n(method, *extras))
        .collect();
    rng.shuffle(&mut schedule);
    let mut turn: Vec<u8> = (0_u8..).zip(extras).map(|(method, _)| method).collect();
    for index in 0..turns {
        if index % 2 == 0 {
            rng.shuffle(&mut turn);
        } else {
            turn.reverse();
        }
        schedule.extend_from_slice(&turn);
    }
    schedule
}

/// Writes one message.
///
/// # Errors
/// Those of the writer: the other side is gone.
pub fn send(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one message; `None` when the other side has hung up.
///
/// # Errors
/// Those of the reader, and `InvalidData` for what is no such message.
pub fn receive<M: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<M>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_has_every_method_and_pairs_are_mirrored() {
        let order = schedule(7, &[0, 0, 0], 10);
        assert_eq!(order.len(), 30);
        for pair in order.chunks(6) {
            let mirrored: Vec<u8> = pair[3..].iter().rev().copied().collect();
            assert_eq!(pair[..3], mirrored);
            let mut sorted = pair[..3].to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
        assert_eq!(order, schedule(7, &[0, 0, 0], 10));
        assert_ne!(order, schedule(8, &[0, 0, 0], 10));
    }

    #[test]
    fn extras_come_before_the_turns() {
        let order = schedule(7, &[0, 5], 6);
        assert_eq!(order[..5], [1; 5]);
        assert_eq!(order.len(), 5 + 12);
        assert_eq!(order[5..].iter().filter(|method| **method == 0).count(), 6);
    }

    #[test]
    fn messages_come_back() {
        let mut wire = Vec::new();
        let reply = Reply::Inflated {
            took_ns: 5,
            generations: vec![7],
            helpers: Vec::new(),
        };
        send(&mut wire, &reply).unwrap();
        let mut reader = wire.as_slice();
        assert_eq!(receive(&mut reader).unwrap(), Some(reply));
        assert_eq!(receive::<Reply>(&mut reader).unwrap(), None);
        assert!(receive::<Reply>(&mut b"nonsense\n".as_slice()).is_err());
    }
}
