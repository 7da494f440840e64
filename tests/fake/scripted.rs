//! Scripts that do as they are told, and what is seen of them from outside.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use forktax::lab::error::LabError;
use forktax::lab::kernel::{Sampler, Script, ScriptLoop, ScriptOrder, ScriptTimes, Watching};
use forktax::model::{
    CallName, Interpreter, LoopSystem, MappingContent, Missing, ProcessShape, Reach, ShapeMapping,
};
use forktax::model::{Counts, Parent};
use forktax::sys::events::{Mode, SampleEvent};

use super::{Fault, small_shape};

/// The process of every script.
pub(crate) const SCRIPT: u32 = 7_000;
/// What starting an interpreter takes, and one iteration.
pub(crate) const START_NS: u64 = 20_000_000;
pub(crate) const ITERATION_NS: u64 = 900_000;

pub(crate) struct FakeScript {
    pub(crate) order: ScriptOrder,
    pub(crate) fault: Fault,
    pub(crate) number: u32,
    pub(crate) clock: Rc<Cell<Duration>>,
}

pub(crate) fn interpreter(asked: &str) -> Interpreter {
    Interpreter {
        asked: asked.to_owned(),
        path: "/usr/bin/python3.11".to_owned(),
        version: "3.11.2".to_owned(),
    }
}

impl FakeScript {
    fn loop_ns(&self) -> u64 {
        // A little different each time.
        ITERATION_NS * self.order.iterations + 1_000 * u64::from(self.number % 7)
    }
}

impl Script for FakeScript {
    fn pid(&self) -> u32 {
        SCRIPT
    }

    fn ready(&mut self) -> Result<(), LabError> {
        match self.fault {
            Fault::ScriptFails if self.order.system == LoopSystem::PythonPosixSpawn => {
                Err(LabError::Script {
                    name: "posix_spawn",
                    why: "ModuleNotFoundError: No module named '_ctypes'".to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn census(&self) -> Result<Parent, LabError> {
        Ok(Parent {
            mappings: Counts {
                vmas: 100,
                anon_vmas: 60,
                present_ptes: 2_500,
                ..Counts::default()
            },
            page_table_bytes: 4096 * 24,
            ..Parent::default()
        })
    }

    fn shape(&self) -> Result<ProcessShape, LabError> {
        let system = self.order.system;
        assert_eq!(system, LoopSystem::PythonFork, "only this one is a model");
        if self.fault == Fault::NoLikeness {
            let what = "could not open /proc/7000/smaps".to_owned();
            let cause = std::io::ErrorKind::PermissionDenied.into();
            return Err(LabError::Io { what, cause });
        }
        let mapping = |number: u64| ShapeMapping {
            anon_vma: true,
            own: vec![[0, 1]],
            ..ShapeMapping::untouched(0x1000 + 4 * number, 2, MappingContent::Anonymous)
        };
        Ok(ProcessShape {
            mappings: (0..70).map(mapping).collect(),
            ..small_shape()
        })
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<ScriptLoop, LabError> {
        idle();
        if matches!(self.fault, Fault::InterruptedScript(from) if self.number >= from) {
            return Err(LabError::Interrupted(2));
        }
        let loop_ns = self.loop_ns();
        self.clock
            .set(self.clock.get() + Duration::from_nanos(loop_ns));
        Ok(ScriptLoop {
            begin_ns: START_NS,
            end_ns: START_NS + loop_ns,
            minor_faults: 50 * self.order.iterations,
        })
    }

    fn end(&mut self) -> Result<ScriptTimes, LabError> {
        Ok(ScriptTimes {
            life_ns: [0, START_NS + self.loop_ns()],
            start_ns: START_NS,
            cpu_us: 800 * self.order.iterations,
            user_us: 200 * self.order.iterations,
            left_behind: 1,
        })
    }
}

/// What is seen of a script: its calls, or ticks of which a quarter is user time.
pub(crate) struct FakeOutlook {
    pub(crate) watching: Watching,
    pub(crate) given: bool,
}

impl Sampler for FakeOutlook {
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
        if std::mem::replace(&mut self.given, true) {
            return Vec::new();
        }
        let event = |index: u64| match self.watching {
            Watching::Calls => SampleEvent::Called {
                time_ns: START_NS + index,
                pid: SCRIPT,
                call: CallName::Vfork,
                flags: 0,
            },
            _ => SampleEvent::Tick {
                time_ns: START_NS + index,
                pid: SCRIPT,
                mode: if index.is_multiple_of(4) {
                    Mode::User
                } else {
                    Mode::Kernel
                },
            },
        };
        let count = if self.watching == Watching::Calls {
            5
        } else {
            4_000
        };
        (0..count).map(event).collect()
    }

    fn stop(&mut self) {}
}
