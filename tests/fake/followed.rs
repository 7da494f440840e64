//! A watcher that tells what it was told: a command that spawns by vfork, by fork from a
//! growing address space and by a shell, and fails once.

use std::collections::VecDeque;

use forktax::lab::error::LabError;
use forktax::lab::kernel::{Step, Watcher};
use forktax::model::{
    CallName, Caller, CodePlace, Missing, Parent, ProcessShape, TraceMeans, TraceOrder,
    TracedProgram,
};
use forktax::profile::spawns::Size;
use forktax::sys::trace::event::{End, Followed, Registers, What};

use super::{Fault, missing, small_shape};

pub(crate) const COMMAND: u32 = 500;
/// What libc's fork passes.
const LIBRARYS: u64 = 0x120_0000;
/// When it begins.
const BEGAN_NS: u64 = 7_000_000_000;
/// What looking at it takes, and finds.
pub(crate) const LOOK_NS: u64 = 10_000_000;
pub(crate) const ENTRIES: u64 = 84_303;
/// Between two events.
const STEP_NS: u64 = 1_000_000;

pub(super) struct FakeWatcher {
    now_ns: u64,
    events: VecDeque<(u32, What)>,
    fault: Fault,
    call_times: bool,
    by: TraceMeans,
    /// Sizes that were told so far.
    sizes: u64,
}

impl FakeWatcher {
    pub(super) fn new(order: &TraceOrder, fault: Fault) -> Self {
        let call_times = order.times_calls();
        let mut events = VecDeque::from([(COMMAND, What::Present), (COMMAND, What::Executed)]);
        let mut spawn = |call, flags, child, lives: &[What]| {
            if call_times {
                events.push_back((COMMAND, What::Calling { call, flags }));
            }
            let registers = Registers {
                ip: flags,
                ..Registers::default()
            };
            let created = What::Created {
                call,
                flags,
                child,
                registers,
            };
            events.push_back((COMMAND, created));
            events.extend(lives.iter().map(|what| (child, what.clone())));
            if call_times {
                events.push_back((COMMAND, What::Returned { child: Ok(child) }));
            }
        };
        spawn(CallName::Vfork, 0, 501, &[What::Executed]);
        spawn(CallName::Clone, LIBRARYS, 502, &[]);
        spawn(CallName::Clone, LIBRARYS, 503, &[What::Executed]);
        if matches!(fault, Fault::CopiesOften | Fault::NotLookedAt) {
            for child in 510..515 {
                let lives = [What::Executed, What::Ended(End::Exit(0))];
                spawn(CallName::Clone, LIBRARYS, child, &lives);
            }
        }
        events.extend([
            (501, What::Ended(End::Exit(0))),
            (503, What::Ended(End::Signal(9))),
        ]);
        if call_times {
            let path = Some("/bin/nothing\u{1b}[2J".into());
            events.push_back((502, What::NotExecuted { path, errno: 2 }));
        }
        events.push_back((COMMAND, What::Ended(End::Exit(3))));
        events.push_back((502, What::Ended(End::Exit(0))));
        Self {
            now_ns: BEGAN_NS,
            events,
            fault,
            call_times: order.call_times,
            by: order.by,
            sizes: 0,
        }
    }
}

impl Watcher for FakeWatcher {
    fn began_ns(&self) -> u64 {
        BEGAN_NS
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn command(&self) -> Option<u32> {
        Some(COMMAND)
    }

    fn must_stay(&self) -> bool {
        self.call_times && !self.events.is_empty()
    }

    fn next(&mut self, until_ns: Option<u64>) -> Result<Step, LabError> {
        self.now_ns += STEP_NS;
        if until_ns.is_some_and(|until_ns| self.now_ns >= until_ns) {
            return Ok(Step::TimeUp);
        }
        if self.fault == Fault::Interrupted(1) && self.events.len() < 4 {
            return Err(LabError::Interrupted(2));
        }
        let Some((pid, what)) = self.events.pop_front() else {
            return Ok(Step::Over);
        };
        Ok(Step::Happened(Followed {
            time_ns: self.now_ns,
            pid,
            tid: pid,
            what,
        }))
    }

    fn program(&mut self, pid: u32) -> TracedProgram {
        let (name, is_shell_command) = match pid {
            COMMAND => ("server", false),
            503 => ("dash -c", true),
            _ => ("true", false),
        };
        TracedProgram {
            name: name.to_owned(),
            path: format!("/usr/bin/{name}"),
            is_shell_command,
        }
    }

    fn caller(&mut self, _: u32, registers: &Registers) -> Option<Caller> {
        let place = |function: &str, module: &str| CodePlace {
            module: module.to_owned(),
            function: Some(function.to_owned()),
            offset: 16,
        };
        let function = match registers.ip {
            LIBRARYS => "fork",
            _ => "posix_spawn",
        };
        let chain = [place(function, "libc.so.6"), place("serve", "server")];
        Some(Caller {
            library: Some(chain[0].clone()),
            own: Some(chain[1].clone()),
            chain: chain.to_vec(),
            ends: None,
        })
    }

    fn size(&mut self, _: u32) -> Option<Size> {
        self.sizes += 1;
        Some(Size {
            page_table_bytes: self.sizes << 20,
            resident_bytes: self.sizes << 29,
        })
    }

    fn counts(&mut self, _: u32) -> Result<Parent, Missing> {
        if self.fault == Fault::NotLookedAt {
            return Err(missing("it is protected"));
        }
        self.now_ns += LOOK_NS;
        let mut parent = Parent::default();
        parent.mappings.ptes = ENTRIES;
        Ok(parent)
    }

    fn shape(&mut self, pid: u32) -> Result<ProcessShape, Missing> {
        if self.fault == Fault::NotLookedAt {
            return Err(missing("it is protected"));
        }
        let mut shape = small_shape();
        shape.process.pid = Some(pid);
        Ok(shape)
    }

    fn refused(&self) -> Vec<(u32, String, &'static str)> {
        let refused = (self.fault == Fault::OneNotFollowed).then(|| {
            (
                777,
                "this user may not trace the process".to_owned(),
                "ask root",
            )
        });
        refused.into_iter().collect()
    }

    fn instead(&self) -> Option<(String, String)> {
        let refused = self.by == TraceMeans::Ptrace && self.fault == Fault::NoTracepoints;
        let why = ("tracefs is not mounted", "mount it");
        refused.then(|| (why.0.to_owned(), why.1.to_owned()))
    }

    fn lost(&self) -> u64 {
        match self.fault {
            Fault::RecordsLost => 3,
            _ => 0,
        }
    }

    fn leave(self: Box<Self>) {}
}
