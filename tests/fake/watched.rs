//! What the fake's perf events record: the moments, chains and faults of spawns
//! whose times are known.

use forktax::lab::kernel::{Sampler, Watching};
use forktax::model::{CallName, Missing, Reach, SpawnMethod};
use forktax::sys::events::{Mode, SampleEvent};
use forktax::worker::protocol::{Assignment, Pass};

/// What a hit of a watched instruction costs, and until it is recorded.
pub(crate) const HIT_NS: u64 = 6_000;
pub(crate) const LAG_NS: u64 = 3_000;
/// What the program does between its two stamps.
pub(crate) const STAMP_NS: u64 = 1_000;
/// The names of two functions, as /proc/kallsyms has them.
pub(crate) const SYMBOLS: &str = "\
ffffffff81000000 T copy_page_range
ffffffff81001000 T unmap_page_range
ffffffff81002000 T unheard_of
";

/// One spawn of the fake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spawn {
    pub(crate) method: SpawnMethod,
    pub(crate) begin: u64,
    pub(crate) called: u64,
    pub(crate) end: u64,
    /// Whether the child executes a program.
    pub(crate) executes: bool,
}

/// The moments of a spawn.
pub(crate) struct Moments {
    pub(crate) forked: u64,
    pub(crate) started: u64,
    pub(crate) leaving: u64,
    pub(crate) executed: u64,
    pub(crate) first: u64,
    pub(crate) exited: u64,
    pub(crate) back: u64,
}

impl Spawn {
    /// A fork comes back before its child runs, the others when it has executed
    /// its program.
    pub(crate) fn moments(&self) -> Moments {
        let back = self.end - 3_000;
        if !self.executes {
            let leaving = self.begin.midpoint(self.called);
            let leaving = match self.method {
                SpawnMethod::Fork => self.called + 4_000,
                _ => leaving,
            };
            return Moments {
                forked: leaving - 6_000,
                started: leaving - 2_000,
                leaving,
                executed: leaving,
                first: leaving,
                exited: leaving + 1_000,
                back,
            };
        }
        if self.method == SpawnMethod::Fork {
            let executed = self.called + (self.end - self.called) / 2;
            return Moments {
                forked: self.called - 2_000,
                started: self.called + 2_000,
                leaving: self.called + 4_000,
                executed,
                first: executed + 8_000,
                exited: executed + 12_000,
                back,
            };
        }
        Moments {
            forked: self.begin + 10_000,
            started: self.begin + 12_000,
            leaving: self.begin + 20_000,
            executed: self.called - 10_000,
            first: self.called + 5_000,
            exited: self.called + 9_000,
            back,
        }
    }

    pub(crate) fn stamps_child(&self) -> bool {
        matches!(self.method, SpawnMethod::Fork | SpawnMethod::Vfork)
    }
}

/// The fake's recorder.
pub(crate) struct FakeSampler {
    watching: Watching,
    worker: u32,
    reach: Reach,
    spawns: Vec<Spawn>,
    given: bool,
}

impl FakeSampler {
    /// The recorder of a worker with these spawns.
    pub(crate) fn new(
        watching: &Watching,
        worker: u32,
        reach: Reach,
        spawns: Vec<Spawn>,
        assignment: &Assignment,
    ) -> Self {
        assert_ne!(assignment.pass, Pass::Timing, "nothing is open in a timing");
        Self {
            watching: watching.clone(),
            worker,
            reach,
            spawns,
            given: false,
        }
    }

    fn of_spawn(&self, spawn: &Spawn, child: u32) -> Vec<SampleEvent> {
        let at = spawn.moments();
        let mut events = vec![SampleEvent::Fork {
            time_ns: at.forked,
            pid: child,
            ppid: self.worker,
        }];
        let exec = SampleEvent::Exec {
            time_ns: at.executed,
            pid: child,
        };
        let exit = SampleEvent::Exit {
            time_ns: at.exited,
            pid: child,
        };
        match &self.watching {
            Watching::Modes => return Vec::new(),
            Watching::Calls => {
                return vec![SampleEvent::Called {
                    time_ns: at.forked,
                    pid: self.worker,
                    call: CallName::Clone,
                    flags: 0x0120_0000,
                }];
            }
            Watching::Chains(_) => events.extend(chains(&at, self.worker, child)),
            Watching::Faults => {
                events.extend(faults(&at, self.worker, child));
                events.push(exec);
                events.push(program_map(&at, child));
                events.push(exit);
            }
            Watching::Stamps(addresses) => {
                events.extend(switches(spawn, &at, self.worker, child));
                if spawn.executes {
                    let late = if addresses.is_empty() { 0 } else { HIT_NS };
                    events.push(SampleEvent::Exec {
                        time_ns: at.executed + late,
                        pid: child,
                    });
                    if !addresses.is_empty() {
                        events.push(SampleEvent::Landmark {
                            time_ns: at.leaving + STAMP_NS + LAG_NS,
                            pid: child,
                            index: 0,
                        });
                    }
                }
                events.push(exit);
            }
        }
        events
    }
}

fn switches(spawn: &Spawn, at: &Moments, worker: u32, child: u32) -> Vec<SampleEvent> {
    let switch = |time_ns, pid, into| SampleEvent::Switch {
        time_ns,
        pid,
        cpu: 1,
        into,
    };
    let mut switches = vec![
        switch(at.started - 1_000, worker, false),
        switch(at.started - 500, child, true),
        switch(at.back, worker, true),
    ];
    if spawn.method != SpawnMethod::Fork {
        // It comes back amid the child's start, and leaves to wait.
        switches.push(switch(spawn.called - 1_000, worker, true));
        switches.push(switch(spawn.called + 2_000, worker, false));
    }
    switches
}

fn chains(at: &Moments, worker: u32, child: u32) -> [SampleEvent; 3] {
    let chain = |time_ns, pid, frames: &[u64]| SampleEvent::Chain {
        time_ns,
        pid,
        mode: if frames.is_empty() {
            Mode::User
        } else {
            Mode::Kernel
        },
        frames: frames.to_vec(),
    };
    [
        chain(at.forked - 1_000, worker, &[0xffff_ffff_8100_0010]),
        chain(at.executed - 1_000, child, &[0xffff_ffff_8100_1010]),
        chain(at.first, child, &[]),
    ]
}

/// The page that the program's text lies in.
fn program_map(at: &Moments, child: u32) -> SampleEvent {
    SampleEvent::Map {
        time_ns: at.executed,
        pid: child,
        start: 0x40_0000,
        end: 0x40_1000,
        file: true,
        shared: false,
        writable: false,
    }
}

fn faults(at: &Moments, worker: u32, child: u32) -> [SampleEvent; 3] {
    let fault = |time_ns, pid, address, mode| SampleEvent::Fault {
        time_ns,
        pid,
        address,
        mode,
    };
    [
        fault(at.started, child, 0x1000, Mode::User),
        fault(at.started + 100, worker, 0x2000, Mode::User),
        fault(at.first, child, 0x40_0000, Mode::User),
    ]
}

impl Sampler for FakeSampler {
    fn hz(&self) -> u64 {
        1_000
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn start(&mut self) -> Result<(), Missing> {
        Ok(())
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        if std::mem::replace(&mut self.given, true) {
            return Vec::new();
        }
        if self.watching == Watching::Modes {
            return ticks(self.worker);
        }
        let children = 5_000..;
        let mut events: Vec<SampleEvent> = self
            .spawns
            .iter()
            .zip(children)
            .flat_map(|(spawn, child)| self.of_spawn(spawn, child))
            .collect();
        events.sort_by_key(SampleEvent::time_ns);
        events
    }

    fn stop(&mut self) {}
}

/// Ticks of the worker at every 10 us of its first 30 ms, one in ten of them in
/// user mode.
fn ticks(worker: u32) -> Vec<SampleEvent> {
    let tick = |index: u64| SampleEvent::Tick {
        time_ns: 1_000_000 + 10_000 * index,
        pid: worker,
        mode: if index.is_multiple_of(10) {
            Mode::User
        } else {
            Mode::Kernel
        },
    };
    (0..3_000).map(tick).collect()
}
