//! A program of this machine that is watched.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Stop;
use super::heard::Heard;
use super::label;
use crate::lab::callers::{Callers, Chain, End, Frame, origin};
use crate::lab::census::{self, CensusError};
use crate::lab::error::{LabError, ProgramError};
use crate::lab::kernel::{Step, Watcher};
use crate::lab::path::shown;
use crate::lab::shape::{self, Options};
use crate::model::{
    Caller, CodePlace, Missing, Parent, ProcessShape, ShapeReservation, TraceOrder, TraceTarget,
    TracedProgram,
};
use crate::profile::spawns::Size;
use crate::sys::clock;
use crate::sys::descriptors::SoftLimit;
use crate::sys::perf::tracepoints::TracepointError;
use crate::sys::trace::event::{Followed, Registers, What};
use crate::sys::trace::follow::{Follower, Next, Start, StartError};

/// Somebody who watches by ptrace(2).
pub(super) struct LinuxWatcher {
    follower: Follower,
    callers: Callers,
    heard: Heard,
    began_ns: u64,
    /// Why no tracepoints watch.
    instead: Option<TracepointError>,
}

impl LinuxWatcher {
    /// Begins to watch: a command, or what runs already.
    ///
    /// # Errors
    /// [`LabError::Program`] of a command that cannot be started, [`LabError::Trace`].
    pub(super) fn begin(
        order: &TraceOrder,
        command: &[OsString],
        stop: &Stop,
        instead: Option<TracepointError>,
    ) -> Result<Self, LabError> {
        let follower = match &order.target {
            TraceTarget::Host => return Err(not_the_host()),
            TraceTarget::Process { pid, .. } => {
                Follower::attach(*pid).map_err(|error| LabError::Trace { error })?
            }
            TraceTarget::Command { .. } => {
                let start = start(command, order.call_times, None);
                Follower::start(&start).map_err(|error| not_started(&start, error))?
            }
        };
        Ok(Self {
            follower,
            callers: Callers::new(),
            heard: Heard::new(stop),
            began_ns: clock::now_ns(),
            instead,
        })
    }

    /// Keeps what is known of a process's code in step with the process.
    fn keep_up(&mut self, event: &Followed) {
        match event.what {
            What::Executed | What::Ended(_) => self.callers.forget(event.pid),
            What::Created { child, .. } => self.callers.inherit(event.pid, child),
            _ => {}
        }
    }
}

impl Watcher for LinuxWatcher {
    fn began_ns(&self) -> u64 {
        self.began_ns
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn command(&self) -> Option<u32> {
        self.follower.command()
    }

    fn must_stay(&self) -> bool {
        self.follower.must_stay()
    }

    fn next(&mut self, until_ns: Option<u64>) -> Result<Step, LabError> {
        loop {
            self.heard.hear(self.command(), self.must_stay())?;
            let until = until_ns.map(|until_ns| {
                let left = until_ns.saturating_sub(clock::now_ns());
                Instant::now() + Duration::from_nanos(left)
            });
            let heard = &self.heard;
            let next = self.follower.next(until, &|| heard.waits());
            let next = next.map_err(super::failed("could not wait for who is watched"))?;
            match next {
                Next::Happened(event) => {
                    self.keep_up(&event);
                    return Ok(Step::Happened(event));
                }
                Next::Over => return Ok(Step::Over),
                Next::Quiet if until.is_some_and(|until| Instant::now() >= until) => {
                    return Ok(Step::TimeUp);
                }
                // A signal, which is heard next.
                Next::Quiet => {}
            }
        }
    }

    fn program(&mut self, pid: u32) -> TracedProgram {
        label::program(Path::new(&format!("/proc/{pid}")))
    }

    fn caller(&mut self, pid: u32, registers: &Registers) -> Option<Caller> {
        caller(&self.callers.of(pid, registers))
    }

    fn size(&mut self, pid: u32) -> Option<Size> {
        size(pid)
    }

    fn counts(&mut self, pid: u32) -> Result<Parent, Missing> {
        counts(pid)
    }

    fn shape(&mut self, pid: u32) -> Result<ProcessShape, Missing> {
        Ok(unwatched(shape(pid)?, self.must_stay()))
    }

    fn refused(&self) -> Vec<(u32, String, &'static str)> {
        let refused = self.follower.refused().iter();
        refused
            .map(|(pid, error)| (*pid, error.to_string(), error.remedy()))
            .collect()
    }

    fn instead(&self) -> Option<(String, String)> {
        let error = self.instead.as_ref()?;
        Some((error.to_string(), error.remedy()))
    }

    fn lost(&self) -> u64 {
        0
    }

    fn leave(self: Box<Self>) {
        self.follower.leave();
    }
}

/// What a fork of a process finds.
pub(super) fn counts(pid: u32) -> Result<Parent, Missing> {
    census::take(pid.cast_signed(), &[]).map_err(unread)
}

/// Its shape.
pub(super) fn shape(pid: u32) -> Result<ProcessShape, Missing> {
    shape::take(pid.cast_signed(), Options::default()).map_err(unread)
}

fn unread(error: CensusError) -> Missing {
    Missing::unavailable(error.to_string(), None)
}

/// A shape without what is the watcher's doing: that it is traced, and one filter of its calls.
fn unwatched(mut shape: ProcessShape, has_filter: bool) -> ProcessShape {
    let facts = &mut shape.process;
    let around = facts.surroundings.as_mut();
    let filters = around.and_then(|around| around.seccomp_filters.as_mut());
    let has_others = match filters {
        Some(filters) if has_filter => {
            *filters = filters.saturating_sub(1);
            *filters > 0
        }
        _ => !has_filter,
    };
    facts.reservations.retain(|it| match it {
        ShapeReservation::Traced => false,
        ShapeReservation::Seccomp => has_others,
        _ => true,
    });
    shape
}

/// ptrace(2) follows single processes only.
fn not_the_host() -> LabError {
    LabError::Watching {
        program: "the host".to_owned(),
        why: "ptrace(2) does not watch all of its processes".to_owned(),
        remedy: "watch it by tracepoints, as root",
    }
}

/// What is to be started of a command.
pub(super) fn start(
    command: &[OsString],
    call_times: bool,
    descriptors: Option<SoftLimit>,
) -> Start<'_> {
    Start {
        program: command.first().map(OsString::as_os_str).unwrap_or_default(),
        arguments: command,
        call_times,
        descriptors,
    }
}

/// How large a process is.
pub(super) fn size(pid: u32) -> Option<Size> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    };
    Some(Size {
        page_table_bytes: bytes("VmPTE:")?,
        resident_bytes: bytes("VmRSS:")?,
    })
}

/// What a chain says, if anything.
pub(super) fn caller(chain: &Chain) -> Option<Caller> {
    if chain.frames.is_empty() {
        return None;
    }
    let place = |frame: &Frame| CodePlace {
        module: shown(frame.module.as_deref().unwrap_or_default()),
        function: frame.function.as_deref().map(shown),
        offset: frame.offset,
    };
    let origin = origin(&chain.frames);
    let ends = match chain.end {
        End::Outermost | End::Cut => None,
        End::NoUnwinding => Some("nothing says how this code keeps its caller"),
        End::NoFile => Some("this code lies in no file"),
        End::Unreadable => Some("memory or files of the process could not be read"),
        End::Astray => Some("what should be the next return address is none"),
    };
    Some(Caller {
        library: origin.library.as_deref().map(|frame| CodePlace {
            // The name that the program knows it by.
            function: origin
                .called
                .map(str::to_owned)
                .or_else(|| place(frame).function),
            ..place(frame)
        }),
        own: origin.own.as_deref().map(place),
        chain: chain.frames.iter().map(|frame| place(frame)).collect(),
        ends: ends.map(str::to_owned),
    })
}

/// Why a command could not be started.
pub(super) fn not_started(start: &Start<'_>, error: StartError) -> LabError {
    let program = shown(&start.program.to_string_lossy());
    match error {
        StartError::Exec(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => ProgramError::NotFound(program),
            Some(libc::EACCES) => ProgramError::NotExecutable(program),
            Some(libc::ENOEXEC) => ProgramError::BadFormat(program),
            _ => ProgramError::Exec {
                program,
                why: error.to_string(),
            },
        }
        .into(),
        StartError::Trace(error) => LabError::Trace { error },
        error => LabError::Watching {
            program,
            remedy: error.remedy(),
            why: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::shape::parse_shape;

    #[test]
    fn what_is_the_watcher_s_doing_is_not_the_shape_s() {
        let stored = include_str!("../../../tests/data/shapes/shape.json");
        let shape = parse_shape(stored.as_bytes()).unwrap();
        let left = |filters, has_filter| {
            let mut shape = shape.clone();
            let around = shape.process.surroundings.get_or_insert_default();
            around.seccomp_filters = filters;
            let reservations = [ShapeReservation::Seccomp, ShapeReservation::Traced];
            shape.process.reservations = reservations.to_vec();
            let facts = unwatched(shape, has_filter).process;
            (
                facts.surroundings.unwrap().seccomp_filters,
                facts.reservations,
            )
        };
        let others = || vec![ShapeReservation::Seccomp];
        assert_eq!(left(Some(1), true), (Some(0), Vec::new()));
        assert_eq!(left(Some(3), true), (Some(2), others()));
        assert_eq!(left(Some(1), false), (Some(1), others()));
        assert_eq!(left(None, true), (None, Vec::new()));
    }
}
