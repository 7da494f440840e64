//! A kernel that behaves as it is told: the machine in the tests of the
//! pipeline. Its clock stands still but for what workers spend on it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use forktax::lab::census::Census;
use forktax::lab::error::{LabError, ProgramError};
use forktax::lab::kernel::{Kernel, Sampler, Watching, Worker};
use forktax::model::{
    Availability, Backing, ChildAction, Host, Missing, MissingKind, Placement, Plan, Program,
    Reach, SpaceRequest, SpawnMethod, StopRule, Temperature,
};
use forktax::profile::events::{Mode, SampleEvent};
use forktax::worker::protocol::{
    Assignment, Done, FIRST_RECORD, Failure, MOST_COUNTERS, Pass, Prepared, Refused, record,
    schedule,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The limits refuse the plan.
    ProgramHangs,
    /// The nth worker dies in its loop.
    WorkerDies(u32),
    /// A signal comes while the nth worker runs.
    Interrupted(u32),
    /// One mapping less than ordered.
    MappingMissing,
    /// Pages less than ordered.
    PagesMissing,
    /// Pages come and go during the loop.
    Drift,
    /// Huge pages turn up.
    HugePages,
    /// perf_event_open is refused.
    NoPerf,
    /// The kernel knows no clone3.
    NoClone3,
    /// A counter shares the PMU and counts half of the time.
    Multiplexed,
    /// A counter shares the PMU and never has its turn.
    NeverCounted,
    /// A child exits with 9.
    ChildFails,
}

/// The fake.
pub(crate) struct Fake {
    pub(crate) fault: Fault,
    clock: Rc<Cell<Duration>>,
    launched: Cell<u32>,
}

impl Fake {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            clock: Rc::default(),
            launched: Cell::new(0),
        }
    }

    pub(crate) fn launched(&self) -> u32 {
        self.launched.get()
    }
}

pub(crate) const WORKER: u32 = 4_000;
const OWN_VMAS: u64 = 30;

pub(crate) fn missing(reason: &str) -> Missing {
    Missing {
        missing: MissingKind::Unavailable,
        reason: reason.to_owned(),
        remedy: Some("ask root".to_owned()),
    }
}

impl Kernel for Fake {
    fn check_limits(&self, _: &Plan) -> Result<(), LabError> {
        Ok(())
    }

    fn try_program(&self, _: &Plan) -> Result<(), LabError> {
        if self.fault == Fault::ProgramHangs {
            let program = "/bin/sleepy".to_owned();
            return Err(ProgramError::Hung {
                program,
                seconds: 10.0,
            }
            .into());
        }
        Ok(())
    }

    fn launch(&self, assignment: &Assignment, _: Duration) -> Result<Box<dyn Worker>, LabError> {
        self.launched.set(self.launched.get() + 1);
        Ok(Box::new(FakeWorker {
            assignment: assignment.clone(),
            fault: self.fault,
            number: self.launched.get(),
            clock: Rc::clone(&self.clock),
            state: Cell::new(State::Small),
        }))
    }

    fn watch(&self, _: &Watching, _: Placement, _: u32) -> Result<Box<dyn Sampler>, Missing> {
        match self.fault {
            Fault::NoPerf => Err(missing("perf_event_paranoid is 4")),
            _ => Ok(Box::new(FakeSampler)),
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
}

impl FakeWorker {
    fn mappings(&self) -> u64 {
        self.assignment.space.mappings()
    }

    fn methods(&self) -> Vec<SpawnMethod> {
        let gone =
            |m: &SpawnMethod| self.fault == Fault::NoClone3 && *m == SpawnMethod::Clone3Vfork;
        self.assignment
            .methods
            .iter()
            .copied()
            .filter(|m| !gone(m))
            .collect()
    }

    fn spawns(&self) -> usize {
        let extras: usize = self.extras().into_iter().sum();
        extras + self.assignment.turns.min(40) * self.methods().len()
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
        let jitter = 100 * ((spawn as u64 * 7 + u64::from(self.number) * 3) % 5);
        let (call, after) = match method {
            SpawnMethod::Fork => (
                40_000 + 800 * self.mappings(),
                120_000 + 700 * self.mappings(),
            ),
            SpawnMethod::System => (500_000, 0),
            _ => (60_000, 40_000),
        };
        (call + jitter, call + after + 2 * jitter)
    }

    fn record(&self, spawn: usize, index: u8, clock: &mut u64, words: &mut Vec<u64>) {
        let (call, total) = self.times(self.methods()[usize::from(index)], spawn);
        let begin = *clock;
        *clock += total + 1_000;
        words.extend([u64::from(index), begin, begin + call, begin + total]);
        match self.assignment.pass {
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
        WORKER
    }

    fn prepare(&mut self) -> Result<Prepared, LabError> {
        Ok(Prepared {
            instrument: Vec::new(),
            unavailable: self.unavailable(),
        })
    }

    fn inflate(&mut self) -> Result<u64, LabError> {
        self.clock.set(self.clock.get() + Duration::from_millis(20));
        self.state.set(State::Inflated);
        Ok(1)
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        idle();
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
            _ => {}
        }
        self.state.set(State::Ran);
        self.clock
            .set(self.clock.get() + Duration::from_millis(200));
        let mut done = Done {
            spawns: self.spawns(),
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

    fn census(&self, _: &[[usize; 2]]) -> Result<Census, LabError> {
        let built = if self.state.get() == State::Small {
            0
        } else {
            self.mappings()
        };
        let mut census = Census::default();
        census.vmas = OWN_VMAS + built;
        census.anon_vmas = 10 + built;
        census.present_ptes = 300 + built;
        census.page_table_bytes = 4096 * (20 + built / 256);
        census.resident_bytes = 4096 * census.present_ptes;
        if built > 0 {
            match (self.fault, self.state.get()) {
                (Fault::MappingMissing, _) => census.vmas -= 1,
                (Fault::PagesMissing, _) => census.present_ptes = 300,
                (Fault::HugePages, _) => {
                    census.huge_bytes = 2 << 20;
                    census.present_ptes -= 512;
                }
                (Fault::Drift, State::Ran) => census.present_ptes += 10_000,
                _ => {}
            }
        }
        Ok(census)
    }

    fn end(&mut self) -> u64 {
        0
    }

    fn records(&self, words: usize) -> Result<Vec<u64>, LabError> {
        let mut all = vec![0; FIRST_RECORD];
        let order = schedule(self.assignment.seed, &self.extras(), self.assignment.turns);
        let mut clock = 1_000_000;
        for (spawn, index) in order.iter().take(self.spawns()).enumerate() {
            self.record(spawn, *index, &mut clock, &mut all);
        }
        assert_eq!(all[FIRST_RECORD + record::BEFORE], 1_000_000);
        all.truncate(words);
        Ok(all)
    }
}

/// Ticks of the worker at every 10 us of its first 30 ms, one in ten of them in
/// user mode.
struct FakeSampler;

impl Sampler for FakeSampler {
    fn hz(&self) -> u64 {
        4_000
    }

    fn reach(&self) -> Reach {
        Reach::SystemWide
    }

    fn start(&mut self) -> Result<(), Missing> {
        Ok(())
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        let tick = |index: u64| SampleEvent::Tick {
            time_ns: 1_000_000 + 10_000 * index,
            pid: WORKER,
            mode: if index.is_multiple_of(10) {
                Mode::User
            } else {
                Mode::Kernel
            },
        };
        (0..3_000).map(tick).collect()
    }

    fn stop(&mut self) {}
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
        temperature: Temperature::Hot,
        seed: 42,
        spawn_timeout_ms: 10_000,
        explain: None,
    }
}

/// A host for the fake.
pub(crate) fn host() -> Host {
    Host {
        kernel: "6.18.0".to_owned(),
        arch: "x86_64".to_owned(),
        cpu: Availability::Measured("Fake CPU".to_owned()),
        cores: 2,
        virtualisation: "none seen".to_owned(),
        thp: Availability::Measured("madvise".to_owned()),
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
