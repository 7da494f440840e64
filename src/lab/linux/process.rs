//! A worker process of this machine: started, asked, watched, and ended with
//! all that it left behind.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::family::{Family, fate};
use super::{Stop, failed, noise};
use crate::lab::census::{self, CensusError};
use crate::lab::error::{LabError, ProgramError};
use crate::lab::kernel::{Ends, Worker};
use crate::lab::noise::Waiting;
use crate::lab::shape::{self, Options};
use crate::model::{
    Likeness, PageKind, PageTables, Parent, ProcessShape, Program, SpawnMethod, Temperature,
};
use crate::profile::faults::MapRange;
use crate::sys::memory::page_size;
use crate::sys::shared::memory_file;
use crate::units::signal_name;
use crate::vm::PlacedLikeness;
use crate::worker;
use crate::worker::protocol::{
    Assignment, Done, FIRST_RECORD, Failure, HALT_WORD, PROGRESS_WORD, Prepared, Reply, Request,
    send,
};

/// How often a silent worker is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// The same of one that is about to spawn beside another, which waits for it.
const BEGIN: Duration = Duration::from_millis(1);

/// A worker on this machine.
#[derive(Debug)]
pub(super) struct LinuxWorker {
    /// Closed before the family is ended, see [`LinuxWorker::let_go`].
    control: BufReader<UnixStream>,
    family: Family,
    records: File,
    /// What it is to do, without the mappings of another process, which are in
    /// `likeness` until it gets them.
    assignment: Assignment,
    likeness: Option<Likeness>,
    /// Whether a userfaultfd is told of its forks.
    watched: bool,
    /// The mappings that it is to have, theirs among them.
    mappings: u64,
    timeout: Duration,
    stop: Stop,
    oom_kills: Option<u64>,
}

impl Worker for LinuxWorker {
    fn pid(&self) -> u32 {
        self.family.pid()
    }

    fn prepare(&mut self) -> Result<Prepared, LabError> {
        let mut assignment = self.assignment.clone();
        if let Some(likeness) = &self.likeness {
            let rewritable = match assignment.rewritten {
                PageKind::Small => PlacedLikeness::rewritable_pages,
                PageKind::Huge => PlacedLikeness::rewritable_huge_pages,
            };
            let placed = PlacedLikeness::of(likeness, page_size() as u64);
            assignment.rewritable_likeness = placed.map_or(0, |placed| rewritable(&placed));
        }
        let order = Request::Prepare(Box::new(assignment));
        match self.ask(&order, "prepare", true, &mut || ())? {
            Reply::Prepared(prepared) => {
                self.family.know_helpers(&prepared.helpers);
                Ok(prepared)
            }
            other => Err(self.unexpected(other)),
        }
    }

    fn inflate(&mut self) -> Result<u64, LabError> {
        let order = Request::Inflate(self.likeness.take().map(Box::new));
        match self.ask(&order, "inflate itself", false, &mut || ())? {
            Reply::Inflated {
                took_ns,
                generations,
                helpers,
            } => {
                self.family.go_on(&generations);
                self.family.know_helpers(&helpers);
                Ok(took_ns)
            }
            other => Err(self.unexpected(other)),
        }
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        match self.ask(&Request::Run, "spawn", true, idle)? {
            Reply::Done(done) => Ok(done),
            other => Err(self.unexpected(other)),
        }
    }

    fn turns(&mut self, turns: usize) -> Result<Done, LabError> {
        // Its answers come faster than a silent worker is looked at.
        self.stop.check()?;
        match self.ask(&Request::Turns(turns), "spawn", true, &mut || ())? {
            Reply::Done(done) => Ok(done),
            other => Err(self.unexpected(other)),
        }
    }

    fn alone(&mut self, method: u8, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        match self.ask(&Request::Alone(method), "spawn", true, idle)? {
            Reply::Done(done) => Ok(done),
            other => Err(self.unexpected(other)),
        }
    }

    fn accompany(&mut self, method: u8) -> Result<(), LabError> {
        self.tell_to_halt(false)?;
        let before = self.progress();
        self.order(&Request::Accompany(method), "spawn")?;
        self.look_each(BEGIN)?;
        let begin = Instant::now();
        while self.progress() == before && begin.elapsed() <= self.timeout {
            self.stop.check()?;
            // An answer so early tells why it cannot, and is read when it is to stop.
            if !matches!(self.control.fill_buf(), Err(error) if is_patience(&error)) {
                break;
            }
        }
        self.look_each(LOOK)
    }

    fn halt(&mut self) -> Result<Ends, LabError> {
        self.tell_to_halt(true)?;
        let done = match self.answer("spawn", true, &mut || ())? {
            Reply::Done(done) => done,
            other => return Err(self.unexpected(other)),
        };
        let spawns = done.spawns;
        let room = self.assignment.shared_words() - FIRST_RECORD;
        let words = self.records(FIRST_RECORD + spawns.min(room))?;
        let mut last = words[FIRST_RECORD..].to_vec();
        last.rotate_left(spawns.saturating_sub(room) % room);
        let cpu_time = Duration::from_micros(done.elsewhere_us);
        Ok(Ends {
            spawns,
            last,
            cpu_time,
        })
    }

    fn census(&self, instrument: &[[usize; 2]]) -> Result<Parent, LabError> {
        let pid = self.family.pid().cast_signed();
        self.seen(match self.watched {
            true => census::take_watched(pid, instrument),
            false => census::take(pid, instrument),
        })
    }

    fn page_tables(&self, instrument: &[[usize; 2]], tree: bool) -> Result<PageTables, LabError> {
        let pid = self.family.pid().cast_signed();
        self.seen(census::page_tables(pid, instrument, tree))
    }

    fn shape(&self, instrument: &[[usize; 2]]) -> Result<ProcessShape, LabError> {
        let pid = self.family.pid().cast_signed();
        let mut shape = self.seen(shape::take(pid, Options::default()))?;
        let page_size = shape.process.page_size;
        let within = |first_page: u64| {
            let start = first_page.saturating_mul(page_size);
            let mut ranges = instrument.iter();
            ranges.any(|[from, to]| (*from as u64..*to as u64).contains(&start))
        };
        shape.mappings.retain(|mapping| !within(mapping.first_page));
        Ok(shape)
    }

    fn map_ranges(&self) -> Result<Vec<MapRange>, LabError> {
        self.seen(census::map_ranges(self.family.pid().cast_signed()))
    }

    fn waiting(&self) -> Waiting {
        noise::waiting(self.family.pid())
    }

    fn end(&mut self) -> u64 {
        self.let_go();
        self.family.end();
        self.family.orphans()
    }

    fn records(&self, words: usize) -> Result<Vec<u64>, LabError> {
        let mut bytes = vec![0; words * size_of::<u64>()];
        self.records
            .read_exact_at(&mut bytes, 0)
            .map_err(failed("could not read a worker's records"))?;
        let (chunks, _) = bytes.as_chunks();
        Ok(chunks
            .iter()
            .map(|chunk| u64::from_ne_bytes(*chunk))
            .collect())
    }
}

/// Its family is ended after this, whatever broke a run off.
impl Drop for LinuxWorker {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl LinuxWorker {
    /// Starts this very program again, as a worker in a process group of its own
    /// with nothing but a socket and a shared file.
    pub(super) fn launch(
        assignment: &Assignment,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Self, LabError> {
        let mappings = assignment.space.mappings();
        let mut assignment = assignment.clone();
        let likeness = assignment.space.take_likeness();
        let records = records_file(assignment.shared_words());
        let records = records.map_err(failed("could not make a file in memory (memfd_create)"))?;
        let (ours, theirs) =
            sockets().map_err(failed("could not make a pair of sockets for a worker"))?;
        let variables = assignment.environment.iter();
        let child = Command::new("/proc/self/exe")
            .arg0(worker::NAME)
            .env_clear()
            .envs(variables.filter_map(|variable| variable.split_once('=')))
            .stdin(OwnedFd::from(theirs))
            .stdout(
                records
                    .try_clone()
                    .map_err(failed("could not share a worker's records"))?,
            )
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed("could not start a worker"))?;
        Ok(Self {
            family: Family::of(&child),
            control: BufReader::new(ours),
            records,
            assignment,
            watched: likeness.as_ref().is_some_and(Likeness::is_watched),
            likeness,
            mappings,
            timeout,
            stop: stop.clone(),
            oom_kills: oom_kills(),
        })
    }

    /// Sends an order and awaits its answer, watching for a signal to this
    /// process and, where `spawning`, for a child that hangs.
    fn ask(
        &mut self,
        order: &Request,
        stage: &'static str,
        spawning: bool,
        idle: &mut dyn FnMut(),
    ) -> Result<Reply, LabError> {
        self.order(order, stage)?;
        self.answer(stage, spawning, idle)
    }

    fn order(&mut self, order: &Request, stage: &'static str) -> Result<(), LabError> {
        match send(self.control.get_mut(), order) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.died(stage)),
        }
    }

    fn answer(
        &mut self,
        stage: &'static str,
        spawning: bool,
        idle: &mut dyn FnMut(),
    ) -> Result<Reply, LabError> {
        let mut line = Vec::new();
        let mut last = (self.progress(), Instant::now());
        loop {
            match self.control.read_until(b'\n', &mut line) {
                Ok(0) => return Err(self.died(stage)),
                Ok(_) if line.ends_with(b"\n") => break,
                Ok(_) => {}
                Err(error) if is_patience(&error) => {}
                Err(_) => return Err(self.died(stage)),
            }
            self.stop.check()?;
            idle();
            let progress = self.progress();
            if progress != last.0 {
                last = (progress, Instant::now());
            } else if last.1.elapsed() > self.timeout + self.pause() {
                if self.is_stopped() {
                    return Err(self.lost(
                        "was stopped",
                        stage,
                        ": somebody sent it a signal; run again",
                    ));
                }
                if spawning {
                    return Err(self.hung());
                }
            }
        }
        serde_json::from_slice(&line)
            .map_err(|error| failed("could not understand a worker")(error.into()))
    }

    /// How long a look at a silent worker waits for it.
    fn look_each(&self, time: Duration) -> Result<(), LabError> {
        let set = self.control.get_ref().set_read_timeout(Some(time));
        set.map_err(failed("could not look at a worker"))
    }

    /// Leaves it nothing to do, so that it ends by itself where a filter refuses kill(2).
    fn let_go(&self) {
        // Whom neither reaches is gone, or is killed.
        let _ = self.tell_to_halt(true);
        let _ = self.control.get_ref().shutdown(Shutdown::Both);
    }

    fn tell_to_halt(&self, halts: bool) -> Result<(), LabError> {
        let offset = (HALT_WORD * size_of::<u64>()) as u64;
        let word = u64::from(halts).to_ne_bytes();
        let written = self.records.write_all_at(&word, offset);
        written.map_err(failed("could not write to a worker's records"))
    }

    fn progress(&self) -> u64 {
        let mut word = [0; size_of::<u64>()];
        let offset = (PROGRESS_WORD * size_of::<u64>()) as u64;
        // A failed reading looks like no progress, and ends in a time-out.
        let _ = self.records.read_exact_at(&mut word, offset);
        u64::from_ne_bytes(word)
    }

    /// What lies between two cold spawns at the most.
    fn pause(&self) -> Duration {
        const EVICTION: Duration = Duration::from_secs(2);
        match self.assignment.temperature {
            Temperature::Hot => Duration::ZERO,
            Temperature::Cold { idle_us, .. } => Duration::from_micros(idle_us) + EVICTION,
        }
    }

    /// Whether somebody has stopped it: building may take long, and that would be for ever.
    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.family.pid()));
        let state = stat.ok().and_then(|stat| {
            let (_, fields) = stat.rsplit_once(')')?;
            fields.trim_start().chars().next()
        });
        matches!(state, Some('T' | 't'))
    }

    /// What was looked up of it while it was there. Of a process that has ended the kernel
    /// still tells some things, which are true of nothing any more.
    fn seen<T>(&self, found: Result<T, CensusError>) -> Result<T, LabError> {
        if self.family.still_runs() {
            return Ok(found?);
        }
        let hint = ": somebody sent it a signal, or memory ran out (see dmesg)";
        Err(self.lost("ended", "be looked at", hint))
    }

    /// The error of a worker that is of no more use.
    fn lost(&self, how: &str, stage: &'static str, hint: &str) -> LabError {
        LabError::Died {
            mappings: self.mappings,
            how: how.to_owned(),
            stage,
            hint: hint.to_owned(),
        }
    }

    fn hung(&self) -> LabError {
        ProgramError::Stalled {
            program: self.program(),
            seconds: self.timeout.as_secs_f64(),
            mappings: self.mappings,
        }
        .into()
    }

    fn program(&self) -> String {
        match &self.assignment.program {
            Program::Embedded => "the embedded program".to_owned(),
            Program::Path { path, .. } => path.clone(),
        }
    }

    /// The error of a worker that said why it cannot go on.
    fn unexpected(&self, reply: Reply) -> LabError {
        let mappings = self.mappings;
        let failure = match reply {
            Reply::Failed(failure) => failure,
            other => Failure::Panic(format!("it answered out of turn: {other:?}")),
        };
        let Failure::Child { status, method } = failure else {
            return LabError::Worker { mappings, failure };
        };
        let status = ExitStatus::from_raw(status);
        let said = match status.signal() {
            Some(libc::SIGSYS) => {
                "; a seccomp filter kills whoever makes a system call that it forbids".to_owned()
            }
            _ => String::new(),
        };
        let program = match method {
            SpawnMethod::System => format!("{}, by the shell of system()", self.program()),
            SpawnMethod::PosixSpawnHelper => format!("{}, by the helper", self.program()),
            _ => self.program(),
        };
        let error = match (status.code(), status.signal(), &self.assignment.program) {
            (Some(127), ..) if method == SpawnMethod::System => ProgramError::Exec {
                program,
                why: "system() found no shell, /bin/sh, or the shell could not execute it: leave out --method system".to_owned(),
            },
            (Some(127), _, Program::Path { .. }) if method == SpawnMethod::PosixSpawnHelper => ProgramError::Exec {
                program,
                why: "the helper exited with 127, as it does where it cannot execute the program: leave out --method posix_spawn+helper".to_owned(),
            },
            (Some(127), _, Program::Embedded) => ProgramError::Exec {
                program,
                why: "no file in memory may be executed here (sysctl vm.memfd_noexec, or a filter): give a program of your own after --".to_owned(),
            },
            (Some(code), ..) => ProgramError::Failed { program, code, said },
            (None, signal, _) => {
                ProgramError::Crashed { program, signal: signal_name(signal.unwrap_or(0)), said }
            }
        };
        error.into()
    }

    /// The error of a worker that is gone.
    fn died(&mut self, stage: &'static str) -> LabError {
        let status = self.family.end();
        // A signal to the whole group also hits a worker that has not left it yet.
        if let Err(interrupted) = self.stop.check() {
            return interrupted;
        }
        let hint = match (status.signal(), self.oom_kills, oom_kills()) {
            (Some(libc::SIGKILL), Some(before), Some(after)) if after > before => {
                ": the kernel killed it for want of memory; ask for fewer mappings or pages"
            }
            (Some(libc::SIGKILL), ..) => ": somebody killed it, or memory ran out (see dmesg)",
            (Some(libc::SIGSYS), ..) => {
                ": a seccomp filter kills whoever makes a system call that it forbids; leave out \
                 the methods that make it, or loosen the filter"
            }
            (Some(libc::SIGSEGV | libc::SIGBUS), ..) => {
                ": memory ran out for its stack or its files, or it has a bug; ask for less"
            }
            (Some(_), ..) => ": somebody sent it the signal; run again",
            _ => "",
        };
        LabError::Died {
            mappings: self.mappings,
            how: fate(status),
            stage,
            hint: hint.to_owned(),
        }
    }
}

fn records_file(words: usize) -> io::Result<File> {
    let records = memory_file(c"forktax-records", false)?;
    records.set_len((words * size_of::<u64>()) as u64)?;
    Ok(records)
}

/// The lab's end of a conversation, and the worker's.
fn sockets() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(LOOK))?;
    Ok((ours, theirs))
}

/// Whether nothing is wrong but that nothing came yet.
pub(super) fn is_patience(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Processes that the kernel has killed for want of memory since boot.
fn oom_kills() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}
