//! A kernel that behaves as it is told: the machine in the tests of the
//! pipeline. Its clock stands still but for what workers spend on it.

pub(crate) mod followed;
mod scripted;
mod watched;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use forktax::lab::error::{LabError, ProgramError};
use forktax::lab::kernel::{Ends, Kernel, Sampler, Script, ScriptOrder, Watcher, Watching, Worker};
use forktax::lab::limits::LimitError;
use forktax::lab::noise::counts::CpuTimes;
use forktax::lab::noise::{Reading, Waiting};
use forktax::model::Parent;
use forktax::model::{
    Availability, Backing, ChildAction, CpuQuota, Host, Interpreter, Level, MappingContent,
    Missing, MissingKind, Order, PageKind, PageTables, Placement, Plan, ProcessFacts, ProcessShape,
    Program, Reach, SHAPE_VERSION, ShapeMapping, SpaceRequest, SpawnMethod, StopRule, TableLevel,
    Temperature, Tool, TraceOrder,
};
use forktax::profile::faults::{MapRange, Source};
use forktax::profile::ledger::Landmark;
use forktax::profile::symbols::Symbols;
use forktax::sys::trace::TraceError;
use forktax::worker::protocol::{
    Assignment, Done, FIRST_RECORD, Failure, LoopUsage, MOST_COUNTERS, Pass, Prepared, Refused,
    record, schedule,
};
use scripted::{FakeOutlook, FakeScript, SCRIPT};
pub(crate) use scripted::{ITERATION_NS, START_NS};
use watched::{FakeSampler, STAMP_NS, SYMBOLS, Spawn};
pub(crate) use watched::{HIT_NS, LAG_NS};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The program does not end.
    ProgramHangs,
    /// The program is not there.
    NoProgram,
    /// The nth worker dies in its loop.
    WorkerDies(u32),
    /// Workers differ by some percent.
    WorkersDiffer,
    /// A signal comes while the nth worker runs.
    Interrupted(u32),
    /// One mapping less than ordered.
    MappingMissing,
    /// Pages less than ordered.
    PagesMissing,
    /// One descriptor less than ordered.
    DescriptorMissing,
    /// One descriptor more, which nobody ordered.
    DescriptorLeaked,
    /// One thread less than ordered.
    ThreadMissing,
    /// More mappings than the stacks of the threads are.
    StacksInPieces,
    /// Pages come and go during the loop.
    Drift,
    /// Huge pages turn up.
    HugePages,
    /// Small pages stand in the place of those that were asked for.
    NoHugePages,
    /// perf_event_open is refused.
    NoPerf,
    /// The records of a worker's family alone may be taken.
    FamilyAlone,
    /// The host has no breakpoints.
    NoBreakpoints,
    /// The kernel hides its symbols.
    NoSymbols,
    /// The kernel knows no clone3.
    NoClone3,
    /// Every second worker is refused clone3.
    NoClone3ForSome,
    /// A counter shares the PMU and counts half of the time.
    Multiplexed,
    /// A counter shares the PMU and never has its turn.
    NeverCounted,
    /// A script is interrupted in its loop, from the nth process on.
    InterruptedScript(u32),
    /// There is no interpreter.
    NoInterpreter,
    /// The address space of a script cannot be looked at closely.
    NoLikeness,
    /// There is no room for the address space of a script.
    NoRoom,
    /// The reference cannot be started.
    NoReference,
    /// There is no room for two workers at once.
    NoRoomForBoth,
    /// There is no room for copies of huge pages.
    NoRoomForCopies,
    /// One of the scripts cannot do what it is to do.
    ScriptFails,
    /// A child exits with 9.
    ChildFails,
    /// Others want the CPU, and the hypervisor gives it away.
    HostBusy,
    /// The run's control group may use a tenth of a CPU.
    Throttled,
    /// The host is twice as slow for eight visits of sixteen.
    HostInSpells,
    /// The host becomes slower and quicker again, a little from visit to visit.
    HostWanders,
    /// Others have the CPU beside each fourth worker.
    CpuShared,
    /// Those who accompany one spawn so often that nothing is known of while it did.
    EndsForgotten,
    /// The kernel tells nothing of what the host does.
    HostUntold,
    /// A child that executes another program than the embedded one exits with 9.
    ProgramFailsLater,
    /// Seccomp filters fail: as the kernel has none, or as it has no room for them.
    FiltersFail {
        lacking: bool,
    },
    /// The nth setup fails.
    SetupFails(usize),
    /// There is one CPU.
    OneCpu,
    /// No thread can be started that is busy beside the spawns.
    NoBusyThread,
    /// Nobody may be traced.
    NotFollowed,
    /// One of the descendants may not be traced.
    OneNotFollowed,
    /// Tracepoints cannot be had.
    NoTracepoints,
    /// The kernel drops records.
    RecordsLost,
    /// The command that is watched makes some more copies, of which each executes something.
    CopiesOften,
    /// The same, and nobody may look at its address space.
    NotLookedAt,
}

/// The spawns of a worker, and what it was ordered.
type Launched = (Vec<Spawn>, Assignment);

/// The fake.
pub(crate) struct Fake {
    pub(crate) fault: Fault,
    clock: Rc<Cell<Duration>>,
    launched: Cell<u32>,
    /// Setups, each with the workers that were launched by then.
    pub(crate) setups: RefCell<Vec<(String, u32)>>,
    /// The spawns of the last two workers, and what they were ordered, by their process.
    last: RefCell<[Option<Launched>; 2]>,
}

impl Fake {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            clock: Rc::default(),
            launched: Cell::new(0),
            setups: RefCell::default(),
            last: RefCell::default(),
        }
    }

    pub(crate) fn launched(&self) -> u32 {
        self.launched.get()
    }
}

/// The words of a rewriting, of 1,000 pages.
const REWRITING: [u64; 4] = [750_000, 8_000, 2_000_000, 1_000];
pub(crate) const WORKER: u32 = 4_000;
const OWN_VMAS: u64 = 30;
const OWN_DESCRIPTORS: u64 = 8;

pub(crate) fn missing(reason: &str) -> Missing {
    Missing {
        missing: MissingKind::Unavailable,
        reason: reason.to_owned(),
        remedy: Some("ask root".to_owned()),
    }
}

impl Kernel for Fake {
    fn check_limits(&self, spaces: &[SpaceRequest]) -> Result<(), LabError> {
        let is_likeness = |space: &SpaceRequest| space.clone().take_likeness().is_some();
        if self.fault == Fault::NoRoom && spaces.iter().any(is_likeness) {
            let (asked, limit) = (70, 60);
            return Err(LimitError::Mappings { asked, limit }.into());
        }
        Ok(())
    }

    fn check_rewriting(&self, assignment: &Assignment) -> Result<(), LabError> {
        match self.fault {
            Fault::NoRoomForCopies if assignment.rewritten == PageKind::Huge => {
                let (asked, limit) = (70, 60);
                Err(LimitError::Mappings { asked, limit }.into())
            }
            _ => Ok(()),
        }
    }

    fn check_both(&self, _: [&SpaceRequest; 2]) -> Result<(), LabError> {
        match self.fault {
            Fault::NoRoomForBoth => {
                let (asked, limit) = (70, 60);
                Err(LimitError::Mappings { asked, limit }.into())
            }
            _ => Ok(()),
        }
    }

    fn try_program(&self, _: &Plan) -> Result<(), LabError> {
        match self.fault {
            Fault::ProgramHangs => {
                let program = "/bin/sleepy".to_owned();
                let seconds = 10.0;
                Err(ProgramError::Hung { program, seconds }.into())
            }
            Fault::NoProgram => Err(ProgramError::NotFound("/bin/gzip".to_owned()).into()),
            _ => Ok(()),
        }
    }

    fn set_up(&self, command: &str) -> Result<(), LabError> {
        let mut setups = self.setups.borrow_mut();
        setups.push((command.to_owned(), self.launched()));
        if self.fault == Fault::SetupFails(setups.len()) {
            return Err(LabError::Setup {
                command: command.to_owned(),
                why: "exited with status 1".to_owned(),
            });
        }
        Ok(())
    }

    fn launch(&self, assignment: &Assignment, _: Duration) -> Result<Box<dyn Worker>, LabError> {
        self.launched.set(self.launched.get() + 1);
        let worker = FakeWorker {
            assignment: assignment.clone(),
            fault: self.fault,
            number: self.launched.get(),
            clock: Rc::clone(&self.clock),
            state: Cell::new(State::Small),
            taken: 0,
            blocks: Vec::new(),
            slow: matches!(self.setups.borrow().last(), Some((command, _)) if command == "slow"),
        };
        let place = (worker.pid() - WORKER) as usize;
        self.last.borrow_mut()[place] = Some((worker.timeline(), assignment.clone()));
        Ok(Box::new(worker))
    }

    fn launch_reference(
        &self,
        assignment: &Assignment,
        _: Duration,
    ) -> Result<Box<dyn Worker>, LabError> {
        if self.fault == Fault::NoReference {
            return Err(LabError::Inflation("there is no room".to_owned()));
        }
        // None of the workers that are counted, and watched by nobody.
        Ok(Box::new(FakeWorker {
            assignment: assignment.clone(),
            fault: match self.fault {
                Fault::HostInSpells | Fault::HostWanders => self.fault,
                _ => Fault::Nothing,
            },
            number: 0,
            // It takes no time, so that what is told of the others' can be reckoned.
            clock: Rc::default(),
            state: Cell::new(State::Small),
            taken: 0,
            blocks: Vec::new(),
            slow: false,
        }))
    }

    fn watch(
        &self,
        watching: &Watching,
        _: Placement,
        worker: u32,
    ) -> Result<Box<dyn Sampler>, Missing> {
        if worker == SCRIPT && self.fault != Fault::NoPerf {
            return Ok(Box::new(FakeOutlook {
                watching: watching.clone(),
                given: false,
            }));
        }
        assert!([WORKER, WORKER + 1, SCRIPT].contains(&worker));
        let has_marks = matches!(watching, Watching::Stamps(marks) if !marks.is_empty());
        match self.fault {
            Fault::NoPerf => Err(missing("perf_event_paranoid is 4")),
            Fault::NoBreakpoints if has_marks => Err(missing("no breakpoints here")),
            _ => {
                let last = &self.last.borrow()[(worker - WORKER) as usize];
                let (spawns, assignment) = last.as_ref().expect("a worker was launched");
                let reach = match self.fault {
                    Fault::FamilyAlone => Reach::Inherited,
                    _ => Reach::SystemWide,
                };
                let spawns = spawns.clone();
                let sampler = FakeSampler::new(watching, worker, reach, spawns, assignment);
                Ok(Box::new(sampler))
            }
        }
    }

    fn symbols(&self) -> Result<Symbols, Missing> {
        match self.fault {
            Fault::NoSymbols => Err(missing("the kernel hides its addresses")),
            _ => Ok(Symbols::parse(SYMBOLS.as_bytes()).expect("three lines")),
        }
    }

    fn landmarks(&self, _: &Plan) -> Result<Vec<(Landmark, u64)>, Missing> {
        Ok(Vec::new())
    }

    fn interpreter(&self, _: &Plan, asked: &str) -> Result<Interpreter, LabError> {
        match self.fault {
            Fault::NoInterpreter => {
                let missing = missing("there is no python3 in PATH");
                Err(LabError::Interpreter(missing))
            }
            _ => Ok(scripted::interpreter(asked)),
        }
    }

    fn start_script(&self, order: &ScriptOrder, _: Duration) -> Result<Box<dyn Script>, LabError> {
        self.launched.set(self.launched.get() + 1);
        Ok(Box::new(FakeScript {
            order: order.clone(),
            fault: self.fault,
            number: self.launched.get(),
            clock: Rc::clone(&self.clock),
        }))
    }

    fn follow(&self, order: &TraceOrder) -> Result<Box<dyn Watcher>, LabError> {
        if self.fault == Fault::NotFollowed {
            let error = TraceError::Yama(2);
            return Err(LabError::Trace { error });
        }
        Ok(Box::new(followed::FakeWatcher::new(order, self.fault)))
    }

    fn beside(&self, _: Placement) -> Result<Placement, Missing> {
        match self.fault {
            Fault::OneCpu => Err(missing("there is one CPU")),
            _ => Ok(Placement::Pinned(0)),
        }
    }

    fn share_a_core(&self, a: usize, b: usize) -> bool {
        a / 4 == b / 4
    }

    fn host_counts(&self) -> Reading {
        let at = self.clock.get();
        let [idle, stolen, own] = match self.fault {
            Fault::HostBusy => [0, 3, 66],
            _ => [5, 1, 91],
        }
        .map(|percent| at * percent / 100);
        let told = |time: Duration| match self.fault {
            Fault::HostUntold => Err(missing("nobody may look")),
            _ => Ok(time),
        };
        Reading {
            at,
            cpus: vec![1],
            times: told(idle).map(|idle| CpuTimes {
                all: at,
                idle,
                stolen: Ok(stolen),
            }),
            own,
            cpu_pressure: told(at / 20),
            memory_pressure: told(Duration::ZERO),
            frequency_hz: Err(missing("no driver of frequencies")),
            cpu_quotas: Vec::from_iter((self.fault == Fault::Throttled).then(|| CpuQuota {
                quota_us: 10_000,
                period_us: 100_000,
                file: Some("/sys/fs/cgroup/job/cpu.max".to_owned()),
                periods: 7 + u64::try_from(at.as_micros()).unwrap_or(0),
                throttled_periods: 5 + u64::try_from(at.as_micros()).unwrap_or(0) * 9 / 10,
            })),
        }
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }

    fn page_size(&self) -> u64 {
        4096
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Small,
    Inflated,
    Ran,
}

struct FakeWorker {
    assignment: Assignment,
    fault: Fault,
    number: u32,
    clock: Rc<Cell<Duration>>,
    state: Cell<State>,
    /// Turns that it has had beside another worker.
    taken: usize,
    /// The methods that it has spawned by while others did so.
    blocks: Vec<u8>,
    /// Whether the host was set to be slower by a tenth.
    slow: bool,
}

/// The most turns of a worker. The reference, which is number 0, has more of them.
fn most(number: u32) -> usize {
    if number == 0 { 4_000 } else { 40 }
}

impl FakeWorker {
    fn mappings(&self) -> u64 {
        self.assignment.space.mappings()
    }

    /// What descriptors and threads add to the call, and to what comes after it.
    fn beside_mappings(&self, method: SpawnMethod) -> (u64, u64) {
        let space = &self.assignment.space;
        let threads = match method {
            SpawnMethod::Fork => 4_000 * space.threads(),
            _ => 0,
        };
        let descriptors = 30 * space.descriptors();
        (threads + descriptors, threads / 2 + descriptors)
    }

    fn methods(&self) -> Vec<SpawnMethod> {
        let is_refused = match self.fault {
            Fault::NoClone3 => true,
            Fault::NoClone3ForSome => self.number.is_multiple_of(2),
            _ => false,
        };
        let gone = |m: &SpawnMethod| is_refused && *m == SpawnMethod::Clone3Vfork;
        self.assignment
            .methods
            .iter()
            .copied()
            .filter(|m| !gone(m))
            .collect()
    }

    fn spawns(&self) -> usize {
        let extras: usize = self.extras().into_iter().sum();
        extras + self.assignment.turns.min(most(self.number)) * self.methods().len()
    }

    fn extras(&self) -> Vec<usize> {
        self.assignment.extras_of(&self.unavailable())
    }

    fn unavailable(&self) -> Vec<(SpawnMethod, String)> {
        let gone = self
            .assignment
            .methods
            .iter()
            .filter(|m| !self.methods().contains(m));
        gone.map(|m| (*m, "needs Linux 5.5".to_owned())).collect()
    }

    /// Call and total in nanoseconds, a little different each time.
    fn times(&self, method: SpawnMethod, spawn: usize) -> (u64, u64) {
        let number = u64::from(self.number);
        let jitter = 100 * ((spawn as u64 * 7 + number * 3) % 5);
        let (call, after) = match method {
            SpawnMethod::Fork => (
                40_000 + 800 * self.mappings(),
                120_000 + 700 * self.mappings(),
            ),
            SpawnMethod::System => (500_000, 0),
            _ => (60_000, 40_000),
        };
        let beside = self.beside_mappings(method);
        // Twice as many parents at once take half as long again.
        let jobs = match method {
            SpawnMethod::Fork => self.assignment.space.jobs(),
            _ => 1,
        };
        let crowded = |ns: u64| ns * (1 + jobs) / 2;
        let luck = match self.fault {
            Fault::WorkersDiffer => call / 20 * (number * number % 7),
            _ => 0,
        };
        let slower = |ns: u64| ns * self.slower_percent(spawn) / 100;
        let by_setup = |ns: u64| if self.slow { ns + ns / 10 } else { ns };
        let (call, after) = (
            by_setup(slower(crowded(call + beside.0 + luck))),
            by_setup(slower(crowded(after + beside.1))),
        );
        (call + jitter, call + after + 2 * jitter)
    }

    /// How slow the host is at a spawn. The reference has three turns of two methods before
    /// each visit.
    fn slower_percent(&self, spawn: usize) -> u64 {
        let visit = match self.number {
            0 => spawn / 6,
            number => number as usize - 1,
        };
        match self.fault {
            Fault::HostInSpells if visit / 8 % 2 == 1 => 200,
            Fault::HostWanders => 100 + 2 * (visit as u64 % 14).abs_diff(7),
            Fault::CpuShared if self.shares_its_cpu() => 300,
            _ => 100,
        }
    }

    fn shares_its_cpu(&self) -> bool {
        self.fault == Fault::CpuShared && self.number > 0 && self.number.is_multiple_of(4)
    }

    /// When each spawn begins, returns and ends.
    fn timeline(&self) -> Vec<Spawn> {
        let mut order = schedule(self.assignment.seed, &self.extras(), self.assignment.turns);
        if !self.blocks.is_empty() {
            let turns = self.assignment.turns.min(most(self.number));
            let block = |method: &u8| vec![*method; turns];
            order = self.blocks.iter().flat_map(block).collect();
        }
        let mut clock = 1_000_000;
        let spawn = |(spawn, index): (usize, &u8)| {
            let method = self.methods()[usize::from(*index)];
            let (call, total) = self.times(method, spawn);
            let begin = clock;
            clock += total + 1_000;
            Spawn {
                method,
                begin,
                called: begin + call,
                end: begin + total,
                executes: self.assignment.child == ChildAction::Exec,
            }
        };
        let spawns = order.iter().take(self.spawns()).enumerate();
        spawns.map(spawn).collect()
    }

    /// What goes wrong in its loop.
    fn fail(&self) -> Result<(), LabError> {
        let mappings = self.mappings();
        match self.fault {
            Fault::WorkerDies(nth) if nth == self.number => {
                return Err(LabError::Died {
                    mappings,
                    how: "was killed by SIGKILL (9)".to_owned(),
                    stage: "spawn",
                    hint: String::new(),
                });
            }
            Fault::Interrupted(nth) if nth == self.number => return Err(LabError::Interrupted(2)),
            Fault::ChildFails => {
                let failure = Failure::Child {
                    method: SpawnMethod::Fork,
                    status: 9 << 8,
                };
                return Err(LabError::Worker { mappings, failure });
            }
            Fault::NoBusyThread if self.assignment.pass == Pass::Waiting => {
                let what = "could not start a thread".to_owned();
                let why = "no".to_owned();
                let failure = Failure::Setup { what, why };
                return Err(LabError::Worker { mappings, failure });
            }
            Fault::ProgramFailsLater => self.fail_other_programs()?,
            Fault::FiltersFail { lacking } if self.assignment.filters.count > 0 => {
                let what = "could not set up seccomp filters".to_owned();
                let why = "no".to_owned();
                let failure = match lacking {
                    true => Failure::Lacking { what, why },
                    false => Failure::Setup { what, why },
                };
                return Err(LabError::Worker { mappings, failure });
            }
            _ => {}
        }
        Ok(())
    }

    fn fail_other_programs(&self) -> Result<(), LabError> {
        match &self.assignment.program {
            Program::Embedded => Ok(()),
            Program::Path { path, .. } => Err(ProgramError::Failed {
                program: path.clone(),
                code: 9,
                said: String::new(),
            }
            .into()),
        }
    }

    fn record(&self, spawn: &Spawn, words: &mut Vec<u64>) {
        let index = self.methods().iter().position(|m| *m == spawn.method);
        let index = index.expect("it takes turns") as u64;
        words.extend([index, spawn.begin, spawn.called, spawn.end]);
        match self.assignment.pass {
            Pass::Rewriting => words.extend(REWRITING),
            // A fork holds it up for its call, other methods hardly.
            Pass::Waiting => {
                let held_up = match spawn.method {
                    SpawnMethod::Fork => spawn.called - spawn.begin,
                    _ => 900,
                };
                let deed = words.len() / Pass::Waiting.record_words() % 2;
                words.extend([deed as u64, held_up]);
            }
            Pass::Gauging => {
                words.extend(REWRITING);
                words.extend([200_000, 256, 200_000, 300_000, 40_000]);
            }
            Pass::Stamping => {
                let at = spawn.moments();
                let child = [at.started, at.leaving];
                words.extend(if spawn.stamps_child() { child } else { [0; 2] });
                words.extend([0, at.first, 0, at.first + STAMP_NS]);
            }
            Pass::Timing | Pass::Sampling => {}
            Pass::Accounting => words.extend([50, 1, 0, 1, 60, 20, 0, 1]),
            Pass::Counting => {
                let mut sides = [0; 2 * MOST_COUNTERS];
                sides[..2].copy_from_slice(&[2, 55_000]);
                sides[MOST_COUNTERS..MOST_COUNTERS + 2].copy_from_slice(&[25, 110_000]);
                words.extend(sides);
            }
        }
    }
}

impl Worker for FakeWorker {
    fn pid(&self) -> u32 {
        // Two that are alive at once are two processes.
        WORKER + self.number % 2
    }

    fn prepare(&mut self) -> Result<Prepared, LabError> {
        Ok(Prepared {
            instrument: Vec::new(),
            unavailable: self.unavailable(),
            execve: 0x7000,
            helpers: Vec::new(),
        })
    }

    fn page_tables(&self, _: &[[usize; 2]], tree: bool) -> Result<PageTables, LabError> {
        let is_small = self.state.get() == State::Small;
        assert!(!(tree && is_small), "nobody draws the small worker");
        let mappings = if is_small { 0 } else { self.mappings() };
        Ok(PageTables {
            kinds: Vec::new(),
            levels: vec![TableLevel {
                level: Level::Pte,
                tables: 20 + mappings / 256,
                used: 300 + mappings,
                capacity: 512,
            }],
            huge_entries: 0,
            vm_pte_bytes: 4096 * (20 + mappings / 256),
            tree: None,
        })
    }

    fn shape(&self, _: &[[usize; 2]]) -> Result<ProcessShape, LabError> {
        assert!(
            self.state.get() == State::Small,
            "only the small one is asked"
        );
        Ok(small_shape())
    }

    fn map_ranges(&self) -> Result<Vec<MapRange>, LabError> {
        Ok(vec![MapRange {
            start: 0x1000,
            end: 0x10_000,
            source: Source::Anonymous,
            writable: true,
            own: vec![[0x1000, 0x10_000]],
        }])
    }

    fn inflate(&mut self) -> Result<u64, LabError> {
        self.clock.set(self.clock.get() + Duration::from_millis(20));
        self.state.set(State::Inflated);
        Ok(1)
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        idle();
        self.fail()?;
        self.state.set(State::Ran);
        self.clock
            .set(self.clock.get() + Duration::from_millis(200));
        let mut done = Done {
            spawns: self.spawns(),
            usage: LoopUsage {
                wall_us: match self.shares_its_cpu() {
                    true => 330 * self.spawns() as u64,
                    false => 111 * self.spawns() as u64,
                },
                user_us: 30 * self.spawns() as u64,
                cpu_us: 110 * self.spawns() as u64,
                minor_faults: 21 * self.spawns() as u64,
            },
            ..Done::default()
        };
        if self.assignment.pass == Pass::Counting {
            let refusal = |counter: &str, reason: &str| Refused {
                counter: counter.to_owned(),
                reason: reason.to_owned(),
                remedy: Some("ask root".to_owned()),
            };
            if self.fault == Fault::NoPerf {
                let all = forktax::sys::perf::Counter::ALL;
                done.spawns = 0;
                done.refused = all
                    .map(|c| refusal(c.name(), "perf_event_paranoid is 4"))
                    .to_vec();
            } else {
                let counters = forktax::sys::perf::Counter::ALL;
                done.counters = vec![counters[0].name().to_owned(), counters[2].name().to_owned()];
                done.refused = vec![refusal("cycles", "no PMU")];
                done.shares = match self.fault {
                    Fault::Multiplexed => vec![1.0, 0.5],
                    Fault::NeverCounted => vec![1.0, 0.0],
                    _ => vec![1.0, 1.0],
                };
            }
        }
        Ok(done)
    }

    fn turns(&mut self, turns: usize) -> Result<Done, LabError> {
        let takes_turns = matches!(self.assignment.pass, Pass::Timing | Pass::Stamping);
        assert!(takes_turns && self.extras().iter().all(|e| *e == 0));
        assert!(turns > 0 && self.taken + turns <= self.assignment.turns);
        self.taken += turns;
        let done = self.run(&mut || ())?;
        let spawns = self.taken.min(most(self.number)) * self.methods().len();
        self.clock
            .set(self.clock.get() - Duration::from_millis(200));
        self.clock
            .set(self.clock.get() + Duration::from_millis(2 * turns as u64));
        Ok(Done { spawns, ..done })
    }

    fn alone(&mut self, method: u8, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        assert!(!self.blocks.contains(&method), "each has one turn");
        self.blocks.push(method);
        let done = self.run(idle)?;
        let spawns = done.spawns / self.methods().len() * self.blocks.len();
        Ok(Done { spawns, ..done })
    }

    fn accompany(&mut self, method: u8) -> Result<(), LabError> {
        assert!(
            self.assignment.placement != Placement::Pinned(1),
            "that CPU is taken"
        );
        self.blocks = vec![method];
        Ok(())
    }

    fn halt(&mut self) -> Result<Ends, LabError> {
        self.fail()?;
        let (_, took) = self.times(self.methods()[usize::from(self.blocks[0])], 0);
        let ends = (1..4_000).map(|spawn| 1_000_000 + spawn * took);
        let cpu_time = Duration::from_millis(10);
        let ends = match self.fault {
            Fault::EndsForgotten => Ends {
                spawns: 2,
                last: vec![u64::MAX],
                cpu_time,
            },
            _ => Ends {
                spawns: 3_999,
                last: ends.collect(),
                cpu_time,
            },
        };
        Ok(ends)
    }

    fn census(&self, _: &[[usize; 2]]) -> Result<Parent, LabError> {
        let built = if self.state.get() == State::Small {
            0
        } else {
            self.mappings()
        };
        let (descriptors, threads) = if self.state.get() == State::Small {
            (0, 0)
        } else {
            let space = &self.assignment.space;
            (space.descriptors(), space.threads())
        };
        let mut census = Parent::default();
        census.mappings.vmas = OWN_VMAS + built + 2 * threads;
        census.mappings.anon_vmas = 10 + built + threads;
        census.mappings.present_ptes = 300 + built + 3 * threads;
        census.mappings.ptes = 150 + built + 3 * threads;
        census.mappings.tables = 20 + built / 256;
        census.descriptors = OWN_DESCRIPTORS + descriptors;
        census.threads = 1 + threads;
        census.page_table_bytes = 4096 * (20 + built / 256);
        census.resident_bytes = 4096 * census.mappings.present_ptes;
        if self.state.get() != State::Small {
            let huge = self.assignment.space.huge_pages(512);
            census.huge_bytes = huge << 21;
            census.mappings.huge_entries = huge;
            match self.fault {
                Fault::NoHugePages => {
                    (census.huge_bytes, census.mappings.huge_entries) = (0, 0);
                    census.mappings.present_ptes += 512 * huge;
                }
                Fault::DescriptorMissing => census.descriptors -= 1,
                Fault::DescriptorLeaked => census.descriptors += 1,
                Fault::ThreadMissing => census.threads -= 1,
                Fault::StacksInPieces => census.mappings.vmas += 2 * threads,
                _ => {}
            }
        }
        if built > 0 {
            match (self.fault, self.state.get()) {
                (Fault::MappingMissing, _) => census.mappings.vmas -= 1,
                (Fault::PagesMissing, _) => census.mappings.present_ptes = 300,
                (Fault::HugePages, _) => {
                    census.huge_bytes = 2 << 20;
                    census.mappings.huge_entries = 1;
                    census.mappings.tables -= 1;
                    census.mappings.present_ptes -= 512;
                }
                (Fault::Drift, State::Ran) => census.mappings.present_ptes += 10_000,
                _ => {}
            }
        }
        Ok(census)
    }

    fn waiting(&self) -> Waiting {
        let told = |count| match self.fault {
            Fault::HostUntold => Err(missing("nobody may look")),
            _ => Ok(count),
        };
        Waiting {
            run_delay_ns: told(1_500),
            migrations: told(1),
            elsewhere: Duration::ZERO,
        }
    }

    fn end(&mut self) -> u64 {
        0
    }

    fn records(&self, words: usize) -> Result<Vec<u64>, LabError> {
        let mut all = vec![0; FIRST_RECORD];
        for spawn in self.timeline() {
            self.record(&spawn, &mut all);
        }
        assert_eq!(all[FIRST_RECORD + record::BEFORE], 1_000_000);
        all.truncate(words);
        Ok(all)
    }
}

/// A plan for the fake.
pub(crate) fn plan(sizes: &[u64], methods: &[SpawnMethod]) -> Plan {
    let space = |mappings: &u64| SpaceRequest::Mappings {
        mappings: *mappings,
        pages: 1,
        spacing: 1,
        backing: Backing::Anon,
        huge: false,
    };
    Plan {
        order: Order::Sweep,
        spaces: sizes.iter().map(space).collect(),
        methods: methods.to_vec(),
        baseline: SpawnMethod::PosixSpawn,
        child: ChildAction::Exec,
        program: Program::Embedded,
        environment: vec!["PATH=/bin".to_owned()],
        stop: StopRule {
            spawns: None,
            precision: None,
            time_s: Some(10.0),
        },
        placement: Placement::Pinned(1),
        other_cpus: Vec::new(),
        temperature: Temperature::Hot,
        seed: 42,
        spawn_timeout_ms: 10_000,
        setup: None,
    }
}

/// A host for the fake.
pub(crate) fn host() -> Host {
    Host {
        machine: Availability::unavailable("the fake has none", None),
        kernel: "6.18.0".to_owned(),
        kernel_build: Availability::unavailable("the fake has none", None),
        boot: Availability::Measured(Vec::new()),
        arch: "x86_64".to_owned(),
        cpu: Availability::Measured("Fake CPU".to_owned()),
        cores: 2,
        virtualisation: "none seen".to_owned(),
        thp: Availability::Measured("madvise".to_owned()),
        meltdown: Availability::Measured("Not affected".to_owned()),
        perf_event_paranoid: Availability::Measured(2),
        page_size: 4096,
        max_map_count: Availability::Measured(65_530),
        clock_step_ns: 10.0,
        clock_cost_ns: 20.0,
        clocksource: Availability::Measured("tsc".to_owned()),
        pmu: false,
        privileged: true,
    }
}

/// The worker while it is small: its stack, and its program's code and data.
fn small_shape() -> ProcessShape {
    let mapping = |first_page, content, own: Vec<[u64; 2]>| ShapeMapping {
        anon_vma: !own.is_empty(),
        own,
        ..ShapeMapping::untouched(first_page, 20, content)
    };
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "forktax-worker".to_owned(),
            pid: Some(WORKER),
            taken_unix_s: 1,
            took_s: 0.0,
            kernel: "6.18".to_owned(),
            page_size: 4096,
            threads: 1,
            descriptors: 3,
            cloexec_descriptors: 1,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 0,
            allowed_cpus: vec![0, 1],
            page_table_bytes: 40 << 10,
            resident_bytes: 1 << 20,
            pinned_bytes: 0,
            reservations: Vec::new(),
            surroundings: None,
        },
        mappings: vec![
            mapping(0x5500_0000, MappingContent::Program, Vec::new()),
            mapping(0x5500_1000, MappingContent::Program, vec![[0, 3]]),
            mapping(0x7fff_0000, MappingContent::Stack, vec![[15, 5]]),
        ],
    }
}
