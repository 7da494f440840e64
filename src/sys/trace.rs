//! The system calls by which one process creates others, seen by ptrace(2).
//!
//! ptrace(2) serves one thread only, so one is started that does nothing else.
//! It stops the process before and after each of its system calls, never its
//! children. It looks at the process now and then instead of waiting for it, and
//! so can be told to end at any time without a signal to anybody. It takes no
//! stop and no exit status away from whoever waits for the process.
//!
//! The kernel shows these stops to all threads of this process. Whoever waits for
//! the process meanwhile takes one for its end, unless it was killed by SIGKILL
//! before: a [`CallTracer`] is to be stopped before a process is waited for that
//! ends by itself.

mod call;
mod error;
pub mod event;
pub mod follow;
mod tracee;

use std::convert::Infallible;
use std::mem;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use self::error::TraceError;

use self::call::{At, Creation, Flags};
use self::tracee::{State, Stop, Tracee};
use super::clock;
use super::filter::Tried;
use crate::sys::events::SampleEvent;

static CALL: Tried = Tried::new(libc::SYS_ptrace);

/// Calls after which a process is set free: what it goes on to do is the same.
pub const MOST_CALLS: usize = 64;

/// How long a process may take to stop. One that waits for a vfork's child does
/// not stop before that executes.
const PATIENCE: Duration = Duration::from_millis(400);
/// Looks that are taken at once before any time is let pass: a system call
/// mostly ends, and another begins, within microseconds.
const QUICK_LOOKS: u32 = 200;
/// Between the looks at a process that computes or waits.
const PAUSE: Duration = Duration::from_millis(1);

/// Observes a process of the same user below this one. Dropping it sets the
/// process free.
#[derive(Debug)]
pub struct CallTracer {
    pid: u32,
    found: (Sender<SampleEvent>, Receiver<SampleEvent>),
    running: Option<Running>,
}

/// The thread that traces, which ends once `until` is dropped.
#[derive(Debug)]
struct Running {
    until: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl CallTracer {
    /// A tracer of this process, which it leaves alone as yet.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            found: mpsc::channel(),
            running: None,
        }
    }

    /// Begins to observe the calls of the process's first thread: what it calls
    /// after the return is seen. A call that it was waiting in is interrupted and
    /// begun anew; those that cannot be begun anew end with EINTR, see signal(7).
    ///
    /// # Errors
    /// Why the process cannot be traced.
    pub fn start(&mut self) -> Result<(), TraceError> {
        self.stop();
        if CALL.is_deadly() {
            return Err(TraceError::Deadly);
        }
        let (until, asked) = mpsc::channel();
        let (begun, answer) = mpsc::channel();
        let (pid, found) = (self.pid, self.found.0.clone());
        let thread = thread::Builder::new()
            .name("forktax-trace".to_owned())
            .spawn(move || match Observer::begin(pid, found, asked) {
                Ok(observer) => {
                    // Nobody listens once the tracer is dropped, which the
                    // observer sees by itself.
                    let _ = begun.send(Ok(()));
                    observer.run();
                }
                Err(error) => drop(begun.send(Err(error))),
            })
            .map_err(|error| TraceError::of(&error, self.pid))?;
        self.running = Some(Running { until, thread });
        // A thread that panicked has let go of the process.
        let began = answer.recv().unwrap_or(Err(TraceError::Gone));
        if began.is_err() {
            self.stop();
        }
        began
    }

    /// Takes what was observed since the last time: [`SampleEvent::Called`] for
    /// each call that created a process, at its beginning; [`MOST_CALLS`] at the
    /// most for each start.
    pub fn drain(&mut self) -> Vec<SampleEvent> {
        self.found.1.try_iter().collect()
    }

    /// Sets the process free, if it still runs. Returns within a second, whatever
    /// the process does.
    pub fn stop(&mut self) {
        if let Some(Running { until, thread }) = self.running.take() {
            drop(until);
            // A thread that panicked has let go of the process.
            let _ = thread.join();
            self.await_freedom();
        }
    }

    /// Awaits what the end of a thread does after it was joined: to set free a
    /// process that did not stop. Another tracer may be there, so not for ever.
    fn await_freedom(&self) {
        let begin = Instant::now();
        while error::tracer_of(self.pid) != 0 && begin.elapsed() < PATIENCE {
            thread::sleep(PAUSE / 10);
        }
    }
}

impl Drop for CallTracer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The tracing thread. The kernel sets the process free when it ends, even if it
/// did not stop (exit_ptrace, kernel/ptrace.c).
struct Observer {
    pid: u32,
    tracee: Tracee,
    found: Sender<SampleEvent>,
    /// Disconnected once the end is asked for.
    asked: Receiver<Infallible>,
    /// The call that the process is in, if it creates a process.
    called: Option<SampleEvent>,
    left: usize,
}

impl Observer {
    /// Seizes the process and has it stop, then run on from call to call.
    fn begin(
        pid: u32,
        found: Sender<SampleEvent>,
        asked: Receiver<Infallible>,
    ) -> Result<Self, TraceError> {
        let tracee = Tracee(pid.cast_signed());
        let failed = |error: std::io::Error| TraceError::of(&error, pid);
        tracee.seize().map_err(failed)?;
        tracee.interrupt().map_err(failed)?;
        let stop = stopped(tracee)?;
        if let Err(error) = tracee.system_call() {
            // If it cannot be released, it is killed already.
            let _ = tracee.release(stop);
            return Err(failed(error));
        }
        tracee.resume(stop).map_err(failed)?;
        Ok(Self {
            pid,
            tracee,
            found,
            asked,
            called: None,
            left: MOST_CALLS,
        })
    }

    /// Observes until the process ends, enough is known, or the end is asked for.
    fn run(mut self) {
        let mut looks = 0;
        while self.left > 0 && !self.pause(looks) {
            looks += 1;
            match self.tracee.look() {
                State::Gone => return,
                State::Running => {}
                State::Stopped(stop) => {
                    looks = 0;
                    self.note(stop);
                    if self.left > 0 {
                        // It fails if the process was killed meanwhile, and then
                        // the next looks find it gone.
                        let _ = self.tracee.resume(stop);
                    }
                }
            }
        }
        self.end();
    }

    /// Lets time pass before the next look, and tells whether to end instead.
    fn pause(&self, looks: u32) -> bool {
        if looks > QUICK_LOOKS {
            let waited = self.asked.recv_timeout(PAUSE);
            return matches!(waited, Err(RecvTimeoutError::Disconnected));
        }
        if looks > 0 {
            thread::yield_now();
        }
        matches!(self.asked.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Sets the process free. One that does not stop in time, in a vfork, is set
    /// free by the end of this thread.
    fn end(&mut self) {
        // It fails if the process is gone.
        let _ = self.tracee.interrupt();
        if let Ok(stop) = stopped(self.tracee) {
            self.note(stop);
            // It fails if the process was killed meanwhile.
            let _ = self.tracee.release(stop);
        }
    }

    /// Keeps what a stop tells: the beginning of a call, or how it went.
    fn note(&mut self, stop: Stop) {
        if stop != Stop::SystemCall {
            return;
        }
        // It fails if the process was killed meanwhile.
        match self.tracee.system_call().as_ref().map(call::decode) {
            Ok(At::Entry {
                machine,
                number,
                arguments,
            }) => {
                let creation = call::creation(machine, number, arguments);
                self.called = creation.and_then(|creation| self.event(creation));
            }
            Ok(At::Exit { positive }) => {
                if let (Some(event), true) = (mem::take(&mut self.called), positive) {
                    // Nobody listens once the tracer is dropped.
                    let _ = self.found.send(event);
                    self.left = self.left.saturating_sub(1);
                }
            }
            Ok(At::Elsewhere) | Err(_) => {}
        }
    }

    /// What there is to tell if the call succeeds: nothing of a thread.
    fn event(&self, creation: Creation) -> Option<SampleEvent> {
        let flags = match creation.flags {
            Flags::Given(flags) => flags,
            // What cannot be read here, the call cannot read either.
            Flags::At(address) => self.tracee.word(address).ok()?,
        };
        call::creates_process(flags).then_some(SampleEvent::Called {
            time_ns: clock::now_ns(),
            pid: self.pid,
            call: creation.name,
            flags,
        })
    }
}

/// Awaits a stop of a process that was interrupted.
fn stopped(tracee: Tracee) -> Result<Stop, TraceError> {
    let begin = Instant::now();
    loop {
        match tracee.look() {
            State::Stopped(stop) => return Ok(stop),
            State::Gone => return Err(TraceError::Gone),
            State::Running if begin.elapsed() > PATIENCE => return Err(TraceError::Busy),
            State::Running => thread::sleep(PAUSE / 10),
        }
    }
}

#[cfg(test)]
mod tests;
