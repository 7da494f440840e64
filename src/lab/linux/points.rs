//! A program of this machine, or the whole of it, that is watched by the kernel's
//! tracepoints. Nobody stands still: what is told is a moment old, and who did it may be gone.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::follow::{caller, counts, not_started, shape, size, start};
use super::heard::Heard;
use super::label;
use super::present::{self, Present};
use super::{Stop, failed};
use crate::lab::callers::{Callers, Copied};
use crate::lab::error::LabError;
use crate::lab::kernel::{Step, Watcher};
use crate::lab::path::shown;
use crate::model::{Caller, Missing, Parent, ProcessShape, TraceOrder, TraceTarget, TracedProgram};
use crate::profile::kin::{Kin, Known, Scope, Told};
use crate::profile::spawns::Size;
use crate::sys::clock;
use crate::sys::descriptors::SoftLimit;
use crate::sys::perf::tracepoints::{Batch, Fact, Recording, Tracepoints};
use crate::sys::spawn;
use crate::sys::trace::TraceError;
use crate::sys::trace::event::{End, Followed, Registers, What};
use crate::sys::trace::follow::{Held, Start, StartError};

/// For how long it is waited for records before one looks at signals and the time.
const PATIENCE: Duration = Duration::from_millis(100);

/// Somebody who watches by tracepoints.
pub(super) struct PointWatcher {
    recording: Recording,
    /// Until when all that was recorded was taken.
    settled_ns: u64,
    kin: Kin,
    /// What was made of the records and is still to be told.
    told: VecDeque<Told>,
    /// What came with the last event, and what it means for the mappings that are known.
    last: (Option<Followed>, Known),
    /// Programs of those who were there.
    programs: HashMap<u32, TracedProgram>,
    callers: Callers,
    heard: Heard,
    command: Option<Command>,
    began_ns: u64,
    /// Why no more is recorded, and since when.
    ending: Option<(Ending, u64)>,
}

/// The command that was started.
struct Command {
    pid: u32,
    /// What is to be executed.
    name: String,
    /// Whether it was.
    executed: bool,
    /// How it ended, and when that was seen.
    ended: Option<(End, u64)>,
    /// Whether that was told, and of which moment.
    told_ns: Option<u64>,
}

/// Why no more is recorded.
#[derive(Clone, Copy)]
enum Ending {
    /// The time is up.
    Time,
    /// A signal came.
    Signal(i32),
}

impl PointWatcher {
    /// Begins to watch: a command, what runs already, or everybody.
    ///
    /// # Errors
    /// [`LabError::Program`] of a command that cannot be started, [`LabError::Trace`] of a
    /// process that is gone.
    pub(super) fn begin(
        order: &TraceOrder,
        command: &[OsString],
        stop: &Stop,
        points: Tracepoints,
        descriptors: Option<SoftLimit>,
    ) -> Result<Self, LabError> {
        let own = std::process::id();
        match order.target {
            TraceTarget::Command { .. } => {
                let start = start(command, false, descriptors);
                Self::start(&start, stop, points)
            }
            TraceTarget::Process { pid, .. } => {
                let mut watcher = Self::recording(Scope::Tree, stop, points)?;
                let tree = present::tree(&present::all(), pid);
                if tree.is_empty() {
                    let error = TraceError::Gone;
                    return Err(LabError::Trace { error });
                }
                watcher.look_around(&tree);
                Ok(watcher)
            }
            TraceTarget::Host => {
                let scope = Scope::Host { except: own };
                let mut watcher = Self::recording(scope, stop, points)?;
                let others = present::all().into_iter().filter(|it| it.pid != own);
                watcher.look_around(&others.collect::<Vec<_>>());
                Ok(watcher)
            }
        }
    }

    fn recording(scope: Scope, stop: &Stop, points: Tracepoints) -> Result<Self, LabError> {
        let recording = points.start();
        let recording = recording.map_err(failed("could not start the tracepoints"))?;
        Ok(Self {
            recording,
            settled_ns: 0,
            kin: Kin::new(scope),
            told: VecDeque::new(),
            last: (None, Known::Nothing),
            programs: HashMap::new(),
            callers: Callers::new(),
            heard: Heard::new(stop),
            command: None,
            began_ns: clock::now_ns(),
            ending: None,
        })
    }

    fn start(start: &Start<'_>, stop: &Stop, points: Tracepoints) -> Result<Self, LabError> {
        let not_started = |error| not_started(start, error);
        // Before there is a second thread.
        let held = Held::new(start).map_err(not_started)?;
        let pid = held.pid();
        let mut watcher = Self::recording(Scope::Tree, stop, points)?;
        watcher.kin.silent(pid, &[pid]);
        watcher.kin.all_named(watcher.began_ns);
        held.execute().map_err(not_started)?;
        watcher.command = Some(Command {
            pid,
            name: shown(&start.program.to_string_lossy()),
            executed: false,
            ended: None,
            told_ns: None,
        });
        Ok(watcher)
    }

    /// Takes in who is there.
    fn look_around(&mut self, all: &[Present]) {
        for it in all {
            if it.is_kernel {
                self.kin.silent(it.pid, &it.threads);
                continue;
            }
            self.kin.present(it.pid, &it.threads);
            self.callers.keep(it.pid);
            let directory = format!("/proc/{}", it.pid);
            let program = label::program(Path::new(&directory));
            self.programs.insert(it.pid, program);
            let event = Followed {
                time_ns: self.began_ns,
                pid: it.pid,
                tid: it.pid,
                what: What::Present,
            };
            self.told.push_back(Told::Happened(event, Known::Nothing));
        }
        self.kin.all_named(clock::now_ns());
    }

    /// Makes of records what is to be told, up to a moment.
    fn take(&mut self, batch: Batch, until_ns: u64) {
        let mut told = Vec::new();
        for record in batch.records {
            // A loss is stamped when the next record fits again.
            if record.time_ns <= until_ns || matches!(record.fact, Fact::Lost(_)) {
                self.kin.take(record, &mut told);
            }
        }
        self.settled_ns = batch.settled_ns;
        self.told.extend(told);
    }

    /// Awaits records.
    fn wait(&mut self, timeout: Duration) -> Result<(), LabError> {
        if let Some(command) = &mut self.command {
            command.look();
        }
        let next = self.recording.next(timeout);
        match next.map_err(failed("could not read the rings of tracepoints"))? {
            Some(batch) => self.take(batch, u64::MAX),
            None if self.kin.lost() > 0 => self.forget_gone(),
            None => {}
        }
        Ok(())
    }

    /// Whose end was not recorded is not waited for.
    fn forget_gone(&mut self) {
        let mut told = Vec::new();
        let exists = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
        self.kin.forget_gone(self.settled_ns, exists, &mut told);
        self.told.extend(told);
    }

    /// Whether the command is gone and has not become its program.
    fn never_executed(&self) -> bool {
        let is_gone = |command: &Command| match command.ended {
            Some((_, seen_ns)) => seen_ns <= self.settled_ns,
            None => self.kin.is_over(),
        };
        let command = self.command.as_ref().filter(|it| !it.executed);
        command.is_some_and(|command| command.told_ns.is_none() && is_gone(command))
    }

    fn killed(&self) -> LabError {
        let command = self.command.as_ref();
        let error = StartError::Killed;
        LabError::Watching {
            program: command.map(|it| it.name.clone()).unwrap_or_default(),
            remedy: error.remedy(),
            why: error.to_string(),
        }
    }

    /// Records no more. What was done until then is still told.
    fn finish(&mut self, ending: Ending, until_ns: u64) {
        for batch in self.recording.finish() {
            self.take(batch, until_ns);
        }
        self.ending = Some((ending, until_ns));
    }

    /// Looks whether it is to end.
    fn keep_up(&mut self, until_ns: Option<u64>) -> Result<(), LabError> {
        if self.ending.is_some() {
            return Ok(());
        }
        let now_ns = clock::now_ns();
        match self.heard.hear(self.command(), false) {
            Ok(()) => {}
            Err(LabError::Interrupted(signal)) => self.finish(Ending::Signal(signal), now_ns),
            Err(error) => return Err(error),
        }
        match until_ns {
            Some(until_ns) if now_ns >= until_ns => self.finish(Ending::Time, until_ns),
            _ => {}
        }
        Ok(())
    }

    /// What the last event means for the mappings that are known: who did it was asked for
    /// meanwhile.
    fn follow_up(&mut self) {
        let (event, _) = std::mem::replace(&mut self.last, (None, Known::Nothing));
        let Some(event) = event else { return };
        match event.what {
            What::Ended(_) => self.callers.forget(event.pid),
            What::Created { child, .. } => self.callers.inherit(event.pid, child),
            _ => {}
        }
    }

    /// The event of what is to be told, if it is one.
    fn event(&mut self, told: Told) -> Option<Followed> {
        let (mut event, known) = match told {
            Told::Happened(event, known) => (event, known),
            Told::Mapped(pid, mapped) => {
                self.callers.map(pid, &mapped);
                return None;
            }
            Told::Renewed(pid) => {
                self.callers.renew(pid);
                return None;
            }
        };
        match &mut event.what {
            What::Ended(end) => {
                let command = self.command.as_mut().filter(|it| it.pid == event.pid);
                if let Some(command) = command {
                    *end = command.end(*end);
                    command.told_ns = Some(event.time_ns);
                }
            }
            What::Adopted => self.callers.keep(event.pid),
            What::Executed => {
                let command = self.command.as_mut().filter(|it| it.pid == event.pid);
                command.into_iter().for_each(|it| it.executed = true);
            }
            _ => {}
        }
        self.last = (Some(event.clone()), known);
        Some(event)
    }

    /// The command's end, if the record of it was lost: everything before it was told.
    fn unrecorded_end(&mut self) -> Option<Followed> {
        let settled_ns = self.settled_ns;
        let command = self.command.as_mut()?;
        let (end, seen_ns) = command.ended?;
        if command.told_ns.is_some() || seen_ns > settled_ns {
            return None;
        }
        command.told_ns = Some(seen_ns);
        Some(Followed {
            time_ns: seen_ns,
            pid: command.pid,
            tid: command.pid,
            what: What::Ended(end),
        })
    }
}

impl Command {
    /// Looks whether it has ended.
    fn look(&mut self) {
        if self.ended.is_none()
            && let Ok(Some(status)) = spawn::try_wait(self.pid.cast_signed())
        {
            self.ended = Some((End::from(status), clock::now_ns()));
        }
    }

    /// How it ended, now that all its threads have: by what its parent is told, which is this
    /// process.
    fn end(&mut self, recorded: End) -> End {
        // It is its parent's to see a moment later; if a record was lost, it may go on.
        const TRIES: u32 = 40;
        for _ in 0..TRIES {
            self.look();
            if self.ended.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended.map_or(recorded, |(end, _)| end)
    }
}

impl Watcher for PointWatcher {
    fn began_ns(&self) -> u64 {
        self.began_ns
    }

    fn now_ns(&self) -> u64 {
        let ended = self.command.as_ref().and_then(|it| it.told_ns);
        let ending = self.ending.map(|(_, at_ns)| at_ns);
        ended.or(ending).unwrap_or_else(clock::now_ns)
    }

    fn command(&self) -> Option<u32> {
        self.command.as_ref().map(|it| it.pid)
    }

    fn must_stay(&self) -> bool {
        false
    }

    fn next(&mut self, until_ns: Option<u64>) -> Result<Step, LabError> {
        self.follow_up();
        loop {
            self.keep_up(until_ns)?;
            if let Some(told) = self.told.pop_front() {
                match self.event(told) {
                    Some(event) => return Ok(Step::Happened(event)),
                    None => continue,
                }
            }
            if self.never_executed() {
                return Err(self.killed());
            }
            if let Some(event) = self.unrecorded_end() {
                return Ok(Step::Happened(event));
            }
            match self.ending {
                Some((Ending::Time, _)) => return Ok(Step::TimeUp),
                Some((Ending::Signal(signal), _)) => return Err(LabError::Interrupted(signal)),
                None if self.kin.is_over() => return Ok(Step::Over),
                None => {}
            }
            let left = until_ns.map(|until_ns| {
                let left = until_ns.saturating_sub(clock::now_ns());
                Duration::from_nanos(left).min(PATIENCE)
            });
            self.wait(left.unwrap_or(PATIENCE))?;
        }
    }

    fn program(&mut self, pid: u32) -> TracedProgram {
        match &self.last.1 {
            Known::Program(program) => label::executed(pid, program),
            _ => self.programs.remove(&pid).unwrap_or_else(|| {
                let directory = format!("/proc/{pid}");
                label::program(Path::new(&directory))
            }),
        }
    }

    fn caller(&mut self, pid: u32, registers: &Registers) -> Option<Caller> {
        let Known::Stack(stack) = &self.last.1 else {
            return None;
        };
        let mut copied = Copied {
            base: registers.sp,
            bytes: &stack.bytes,
        };
        caller(&self.callers.of_stack(pid, registers, &mut copied))
    }

    fn size(&mut self, pid: u32) -> Option<Size> {
        size(pid)
    }

    fn counts(&mut self, pid: u32) -> Result<Parent, Missing> {
        counts(pid)
    }

    fn shape(&mut self, pid: u32) -> Result<ProcessShape, Missing> {
        shape(pid)
    }

    fn refused(&self) -> Vec<(u32, String, &'static str)> {
        Vec::new()
    }

    fn instead(&self) -> Option<(String, String)> {
        None
    }

    fn lost(&self) -> u64 {
        self.kin.lost()
    }

    fn leave(self: Box<Self>) {}
}
