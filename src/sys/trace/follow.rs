//! Programs that are followed with all their descendants, by ptrace(2): a command from its
//! first instruction on, or what runs already.
//!
//! The kernel stops a thread where it creates something or executes, at nothing else that it
//! does; a child is followed from its first instruction. What is told of a process comes after
//! its creation and before its end, whatever the order in which the kernel has it. Signals,
//! stops by others and notices of ends go where they would go without a tracer, and if this
//! program dies, everybody goes on untraced.
//!
//! What remains different for whoever is followed:
//! - a program with rights by its mode or its file's capabilities does not get them, unless
//!   the tracer has CAP_SYS_PTRACE (cap_bprm_creds_from_file, security/commoncap.c);
//! - nobody else can trace it; `TracerPid` shows who does;
//! - a system call that waits may end with EINTR where following begins or ends, if it is one
//!   that cannot be begun anew (signal(7));
//! - it takes longer to spawn, by some switches to the tracer and back.
//!
//! What is not seen: children by CLONE_UNTRACED, which only a program that asks for it has.
//! Of a 32-bit program there are no registers, and no calls where calls are timed.
//!
//! **Calls that are timed** ([`Start::call_times`]) are told by a seccomp filter, which stays
//! with the command and its descendants for ever. Without a tracer those calls fail with
//! ENOSYS: the follower must stay until everybody has ended ([`Follower::must_stay`]). Without
//! CAP_SYS_ADMIN the command can also not gain rights by executing (no_new_privs). A call that
//! the kernel interrupts by a signal and begins anew is told twice to begin, and once to
//! return.
//!
//! ptrace(2) serves the thread that began, which therefore has no other children, or loses
//! their ends to the follower. Its system calls are interrupted now and then (EINTR) by a
//! signal of its own, SIGRTMAX, as long as it follows somebody.

mod attach;
mod calls;
mod early;
mod filter;
mod frame;
mod leave;
mod start;
mod wait;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::marker::PhantomData;
use std::time::Instant;

pub use self::start::{Held, Start, StartError};

use self::early::Early;
use self::wait::{News, Tick};
use super::CALL;
use super::error::TraceError;
use super::event::{End, Followed, What};
use super::tracee::{Pace, Stop, Tracee};
use crate::sys::clock;

/// Follows programs, for the thread that made it. Dropping it lets everybody go, as
/// [`Follower::leave`] does.
#[derive(Debug)]
pub struct Follower {
    threads: HashMap<libc::pid_t, Thread>,
    early: Early,
    /// What is to be told before anybody is waited for.
    told: VecDeque<Followed>,
    /// Who stands still, why, and how far it goes next.
    standing: Vec<(Tracee, Stop, Pace)>,
    command: Option<u32>,
    call_times: bool,
    refused: Vec<(u32, TraceError)>,
    _tick: Tick,
    _of_this_thread: PhantomData<*const ()>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Somebody did something.
    Happened(Followed),
    /// The time is over, or an end was asked for.
    Quiet,
    /// Nobody is followed any more.
    Over,
}

/// A thread that is followed.
#[derive(Debug)]
struct Thread {
    /// Its process.
    group: u32,
    /// The call that it is in, where calls are timed.
    call: Option<Begun>,
}

/// A call whose end is awaited.
#[derive(Debug, Clone, Copy)]
enum Begun {
    /// One that creates a process, and which, once that is known.
    Creation(Option<u32>),
    /// One that executes the program of the path at this address.
    Execution(u64),
}

impl Thread {
    fn of(group: u32) -> Self {
        Self { group, call: None }
    }

    fn pace(&self) -> Pace {
        match self.call {
            Some(_) => Pace::ToReturn,
            None => Pace::Free,
        }
    }
}

/// At what they stop beside their signals.
fn options(call_times: bool) -> i32 {
    let always = libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC;
    match call_times {
        true => always | libc::PTRACE_O_TRACESECCOMP,
        false => always,
    }
}

impl Follower {
    /// Starts a command in this process's place: with its terminal, process group, standard
    /// streams, environment and blocked signals, and without its other descriptors that are
    /// closed on exec. Signals that are ignored remain so, except SIGPIPE, of which nobody
    /// knows any more how this process was started: it has its default action. Returns once
    /// the program is executed; [`What::Present`] and [`What::Executed`] are told first.
    ///
    /// # Errors
    /// Why it could not be executed or not be followed; nothing is left of it then.
    pub fn start(start: &Start<'_>) -> Result<Self, StartError> {
        if CALL.is_deadly() {
            return Err(TraceError::Deadly.into());
        }
        let begin_ns = clock::now_ns();
        let tracee = start::start(start)?;
        let now_ns = clock::now_ns();
        let pid = tracee.0.cast_unsigned();
        let tick = Tick::start().map_err(|error| {
            // Killed, since it would otherwise run on and its end would be nobody's.
            let _ = crate::sys::process::kill(tracee.0, libc::SIGKILL);
            let _ = crate::sys::spawn::wait(tracee.0);
            StartError::Process(error)
        })?;
        let mut follower = Self::new(tick);
        follower.command = Some(pid);
        follower.call_times = start.call_times;
        follower.threads.insert(tracee.0, Thread::of(pid));
        follower.tell(begin_ns, pid, pid, What::Present);
        follower.tell(now_ns, pid, pid, What::Executed);
        let standing = (tracee, Stop::Execution, Pace::Free);
        follower.standing.push(standing);
        Ok(follower)
    }

    /// Follows a process with all its threads and everybody below it from now on. They are
    /// not stopped for that; each of them is told as [`What::Present`].
    ///
    /// # Errors
    /// Why the process cannot be followed. Descendants that cannot are told by
    /// [`Follower::refused`] instead.
    pub fn attach(pid: u32) -> Result<Self, TraceError> {
        if CALL.is_deadly() {
            return Err(TraceError::Deadly);
        }
        let tick = Tick::start().map_err(|error| TraceError::of(&error, pid))?;
        let mut follower = Self::new(tick);
        follower.seize_tree(pid)?;
        Ok(follower)
    }

    fn new(tick: Tick) -> Self {
        Self {
            threads: HashMap::new(),
            early: Early::default(),
            told: VecDeque::new(),
            standing: Vec::new(),
            command: None,
            call_times: false,
            refused: Vec::new(),
            _tick: tick,
            _of_this_thread: PhantomData,
        }
    }

    /// The process of the command that was started.
    pub fn command(&self) -> Option<u32> {
        self.command
    }

    /// Processes below the one that is followed that could not be, and why.
    pub fn refused(&self) -> &[(u32, TraceError)] {
        &self.refused
    }

    /// Whether somebody lives who could not create processes any more if the follower left.
    pub fn must_stay(&self) -> bool {
        self.call_times && !self.is_over()
    }

    /// Lets everybody go on untraced. Who is stopped remains stopped, and who is about to get
    /// a signal gets it. Returns within half a second: one that does not stop in time, as it
    /// waits for a vfork's child, is set free when this thread ends
    /// (exit_ptrace, kernel/ptrace.c).
    ///
    /// Whoever calls it in spite of [`Follower::must_stay`] leaves programs behind whose
    /// spawns fail.
    pub fn leave(self) {
        drop(self);
    }

    /// What happens next. Whoever stands still because of the last event is resumed first.
    /// The time and `stop` are looked at before each wait, and at least forty times a second.
    ///
    /// # Errors
    /// Those of waitpid(2) that nobody expects.
    pub fn next(&mut self, until: Option<Instant>, stop: &dyn Fn() -> bool) -> io::Result<Next> {
        loop {
            if let Some(followed) = self.told.pop_front() {
                return Ok(Next::Happened(followed));
            }
            for (tracee, stop, pace) in self.standing.drain(..) {
                // It fails for one that was killed meanwhile, of whose end the kernel tells.
                let _ = tracee.go_on(stop, pace);
            }
            if self.is_over() {
                return Ok(Next::Over);
            }
            if stop() || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Next::Quiet);
            }
            let news = wait::any();
            let now_ns = clock::now_ns();
            match news {
                Ok(Some((tid, news))) => self.hear(tid, news, now_ns),
                Ok(None) => {}
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.lose_all(now_ns),
                Err(error) => return Err(error),
            }
            self.adopt_forsaken(now_ns);
        }
    }

    fn is_over(&self) -> bool {
        self.threads.is_empty() && !self.early.holds_anybody()
    }

    fn hear(&mut self, tid: libc::pid_t, news: News, now_ns: u64) {
        if let News::Stopped(Stop::Execution) = news {
            self.takes_number(tid);
        }
        let Some(thread) = self.threads.get(&tid) else {
            self.early.hear(tid, news, now_ns);
            return;
        };
        let group = thread.group;
        match news {
            News::Stopped(stop) => self.stopped(tid, group, stop, now_ns),
            News::Ended(end) => self.ended(tid, group, end, now_ns),
        }
    }

    fn stopped(&mut self, tid: libc::pid_t, group: u32, stop: Stop, now_ns: u64) {
        let tracee = Tracee(tid);
        let what = match stop {
            Stop::Creation(kind) => self.created(tracee, group, kind),
            Stop::Execution => Some(What::Executed),
            Stop::Filter => self.calls(tracee),
            Stop::SystemCall => self.returned(tracee),
            Stop::Signal(_) | Stop::Group | Stop::Interrupt => None,
        };
        let pace = self.threads.get(&tid).map_or(Pace::Free, Thread::pace);
        self.standing.push((tracee, stop, pace));
        let Some(what) = what else {
            return;
        };
        let child = match what {
            What::Created { child, .. } => Some((child, child)),
            What::Thread { tid } => Some((tid, group)),
            _ => None,
        };
        self.tell(now_ns, group, tid.cast_unsigned(), what);
        if let Some((child, its_group)) = child {
            self.enter(child, its_group, now_ns);
        }
    }

    /// Only the end of a process is told, which is that of its first thread: the kernel tells
    /// of that when all others have ended (delay_group_leader, include/linux/sched/signal.h).
    fn ended(&mut self, tid: libc::pid_t, group: u32, end: End, now_ns: u64) {
        self.threads.remove(&tid);
        if tid.cast_unsigned() == group {
            self.tell(now_ns, group, group, What::Ended(end));
        }
    }

    /// Follows a new process or thread, which may have been heard of before.
    fn enter(&mut self, child: u32, group: u32, now_ns: u64) {
        let tid = child.cast_signed();
        self.threads.insert(tid, Thread::of(group));
        match self.early.claim(tid) {
            Some(News::Stopped(stop)) => self.standing.push((Tracee(tid), stop, Pace::Free)),
            Some(News::Ended(end)) => self.ended(tid, group, end, now_ns),
            None => {}
        }
    }

    /// Follows those whose creator cannot tell of them any more.
    fn adopt_forsaken(&mut self, now_ns: u64) {
        let threads = &self.threads;
        let is_followed = |pid: u32| threads.contains_key(&pid.cast_signed());
        for (tid, news, who) in self.early.forsaken(now_ns, is_followed) {
            self.threads.insert(tid, Thread::of(who.group));
            if tid.cast_unsigned() == who.group {
                self.tell(now_ns, who.group, who.group, What::Adopted);
            }
            self.hear(tid, news, now_ns);
        }
    }

    /// The kernel knows of nobody that this thread follows.
    fn lose_all(&mut self, now_ns: u64) {
        self.early = Early::default();
        let mut groups: Vec<u32> = self.threads.drain().map(|(_, it)| it.group).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            self.tell(now_ns, group, group, What::Ended(End::Unseen));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests;
