//! The kernel of this machine, behind the seam.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::census::{self, Census};
use super::error::{LabError, ProgramError, signal_name};
use super::kernel::{Kernel, Sampler, Worker};
use super::limits::{self, Limits, Need};
use super::preflight;
use crate::model::{Missing, MissingKind, Placement, Plan, Program, SpawnMethod, Temperature};
use crate::profile::modes::SampleEvent;
use crate::sys::memory::page_size;
use crate::sys::perf::CpuSampler;
use crate::sys::process;
use crate::sys::shared::memory_file;
use crate::worker;
use crate::worker::protocol::{
    Assignment, Done, Failure, Order, PROGRESS_WORD, Prepared, Reply, send,
};

/// How often a silent worker is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often timer samples are taken in each second: enough for a share within
/// a few percent in one slice, too few to be felt.
const SAMPLES_A_SECOND: u64 = 4_000;

/// The signal that asked the run to stop, 0 for none; a handler sets it.
#[derive(Debug, Clone, Default)]
pub struct Stop(pub Arc<AtomicUsize>);

impl Stop {
    /// An error once it was asked.
    ///
    /// # Errors
    /// [`LabError::Interrupted`].
    pub fn check(&self) -> Result<(), LabError> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(LabError::Interrupted(i32::try_from(signal).unwrap_or(0))),
        }
    }
}

/// This machine.
#[derive(Debug)]
pub struct Linux {
    stop: Stop,
    begin: Instant,
    /// Children from before an exec of this process, which are not ours to end.
    inherited: Vec<i32>,
}

impl Linux {
    /// Readies this process for the plan: its descriptors will not reach the
    /// workers, it keeps off their CPU, and it adopts what they leave behind.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub fn new(stop: Stop, placement: Placement) -> Result<Self, LabError> {
        process::seal_descriptors().map_err(failed("could not seal the open descriptors"))?;
        process::adopt_orphans().map_err(failed("could not become a subreaper"))?;
        process::forbid_core_files().map_err(failed("could not forbid core files"))?;
        if let Placement::Pinned(pinned) = placement {
            let allowed = process::allowed_cpus().map_err(failed("could not read the CPUs"))?;
            let others: Vec<usize> = allowed.into_iter().filter(|cpu| *cpu != pinned).collect();
            if !others.is_empty() {
                process::run_on(&others).map_err(failed("could not leave the workers' CPU"))?;
            }
        }
        Ok(Self {
            stop,
            begin: Instant::now(),
            inherited: children(),
        })
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> LabError {
    let what = what.to_owned();
    move |cause| LabError::Io { what, cause }
}

impl Kernel for Linux {
    fn check_limits(&self, plan: &Plan) -> Result<(), LabError> {
        let limits = Limits::read();
        for space in &plan.spaces {
            limits::check(&Need::of(space, self.page_size()), &limits)?;
        }
        Ok(())
    }

    fn try_program(&self, plan: &Plan) -> Result<(), LabError> {
        let Program::Path { path, argv } = &plan.program else {
            return Ok(());
        };
        let timeout = Duration::from_millis(plan.spawn_timeout_ms);
        let tried = preflight::try_program(path, argv, &plan.environment, timeout, &self.stop);
        end_orphans(&self.inherited);
        tried
    }

    fn launch(
        &self,
        assignment: &Assignment,
        timeout: Duration,
    ) -> Result<Box<dyn Worker>, LabError> {
        self.stop.check()?;
        let launch = || -> io::Result<LinuxWorker> {
            let records = memory_file(c"forktax-records", false)?;
            records.set_len((assignment.shared_words() * size_of::<u64>()) as u64)?;
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_read_timeout(Some(LOOK))?;
            let child = Command::new("/proc/self/exe")
                .arg0(worker::NAME)
                .env_clear()
                .envs(
                    assignment
                        .environment
                        .iter()
                        .filter_map(|v| v.split_once('=')),
                )
                .stdin(OwnedFd::from(theirs))
                .stdout(records.try_clone()?)
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            Ok(LinuxWorker {
                child,
                control: BufReader::new(ours),
                records,
                assignment: assignment.clone(),
                timeout,
                stop: self.stop.clone(),
                inherited: self.inherited.clone(),
                oom_kills: oom_kills(),
                status: None,
                orphans: 0,
            })
        };
        let worker = launch().map_err(failed("could not start a worker"))?;
        Ok(Box::new(worker))
    }

    fn sampler(&self, placement: Placement) -> Result<Box<dyn Sampler>, Missing> {
        let cpus = match placement {
            Placement::Pinned(cpu) => vec![cpu],
            Placement::Free => process::allowed_cpus().unwrap_or_default(),
        };
        let cpus: Vec<u32> = cpus
            .into_iter()
            .filter_map(|cpu| u32::try_from(cpu).ok())
            .collect();
        let sampler = CpuSampler::open(&cpus, SAMPLES_A_SECOND).map_err(|error| Missing {
            missing: MissingKind::Unavailable,
            reason: error.to_string(),
            remedy: Some(error.remedy()),
        })?;
        Ok(Box::new(sampler))
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn page_size(&self) -> u64 {
        page_size() as u64
    }
}

impl Sampler for CpuSampler {
    fn start(&mut self) -> Result<(), Missing> {
        CpuSampler::start(self).map_err(|error| Missing {
            missing: MissingKind::Unavailable,
            reason: format!("the CPU sampler did not start: {error}"),
            remedy: None,
        })
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        CpuSampler::drain(self)
    }

    fn stop(&mut self) {
        // A sampler that cannot be stopped is closed with this value, and what
        // it samples until then falls into no spawn.
        let _ = CpuSampler::stop(self);
    }
}

/// A worker on this machine.
#[derive(Debug)]
struct LinuxWorker {
    child: Child,
    control: BufReader<UnixStream>,
    records: File,
    assignment: Assignment,
    timeout: Duration,
    stop: Stop,
    inherited: Vec<i32>,
    oom_kills: Option<u64>,
    status: Option<ExitStatus>,
    orphans: u64,
}

impl Worker for LinuxWorker {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn prepare(&mut self) -> Result<Prepared, LabError> {
        let order = Order::Prepare(Box::new(self.assignment.clone()));
        match self.ask(&order, "prepare", true, &mut || ())? {
            Reply::Prepared(prepared) => Ok(prepared),
            other => Err(self.unexpected(other)),
        }
    }

    fn inflate(&mut self) -> Result<u64, LabError> {
        match self.ask(&Order::Inflate, "inflate itself", false, &mut || ())? {
            Reply::Inflated { took_ns } => Ok(took_ns),
            other => Err(self.unexpected(other)),
        }
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<Done, LabError> {
        match self.ask(&Order::Run, "spawn", true, idle)? {
            Reply::Done(done) => Ok(done),
            other => Err(self.unexpected(other)),
        }
    }

    fn census(&self, instrument: &[[usize; 2]]) -> Result<Census, LabError> {
        Ok(census::take(self.child.id().cast_signed(), instrument)?)
    }

    fn end(&mut self) -> u64 {
        self.end_all();
        self.orphans
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

impl LinuxWorker {
    /// Sends an order and awaits its answer, watching for a signal to this
    /// process and, where `spawning`, for a child that hangs.
    fn ask(
        &mut self,
        order: &Order,
        stage: &'static str,
        spawning: bool,
        idle: &mut dyn FnMut(),
    ) -> Result<Reply, LabError> {
        if send(self.control.get_mut(), order).is_err() {
            return Err(self.died(stage));
        }
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
            } else if spawning && last.1.elapsed() > self.timeout + self.pause() {
                return Err(self.hung());
            }
        }
        serde_json::from_slice(&line)
            .map_err(|error| failed("could not understand a worker")(error.into()))
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

    fn hung(&self) -> LabError {
        ProgramError::Stalled {
            program: self.program(),
            seconds: self.timeout.as_secs_f64(),
            mappings: self.assignment.space.mappings(),
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
        let mappings = self.assignment.space.mappings();
        let failure = match reply {
            Reply::Failed(failure) => failure,
            other => Failure::Panic(format!("it answered out of turn: {other:?}")),
        };
        let Failure::Child { status, method } = failure else {
            return LabError::Worker { mappings, failure };
        };
        let status = ExitStatus::from_raw(status);
        let (program, said) = (self.program(), String::new());
        let error = match (status.code(), status.signal(), &self.assignment.program) {
            (Some(127), ..) if method == SpawnMethod::System => ProgramError::Exec {
                program,
                why: "system() found no shell, /bin/sh, or the shell could not execute it: leave out --method system".to_owned(),
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
        let status = self.end_all();
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, signal) => format!("was killed by {}", signal_name(signal.unwrap_or(0))),
        };
        let killed = status.signal() == Some(libc::SIGKILL);
        let hint = match (killed, self.oom_kills, oom_kills()) {
            (true, Some(before), Some(after)) if after > before => {
                " by the kernel, which was out of memory: ask for fewer mappings or pages"
            }
            (true, ..) => ": somebody killed it, or memory ran out (see dmesg)",
            _ => "",
        };
        LabError::Died {
            mappings: self.assignment.space.mappings(),
            how,
            stage,
            hint: hint.to_owned(),
        }
    }

    /// Ends the worker, its process group, and what escaped from that.
    fn end_all(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        // The group goes first: its number is the worker's, which cannot be
        // given to anybody else before the worker was waited for.
        let group = -self.child.id().cast_signed();
        let _ = process::kill(group, libc::SIGKILL);
        let status = self.child.wait().unwrap_or_default();
        self.orphans = end_orphans(&self.inherited);
        self.status = Some(status);
        status
    }
}

impl Drop for LinuxWorker {
    fn drop(&mut self) {
        self.end_all();
    }
}

fn is_patience(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Kills and reaps the children that this process got by adoption: programs
/// that left their process group, as daemons do. Returns how many there were.
fn end_orphans(inherited: &[i32]) -> u64 {
    const TRIES: u32 = 100;
    let mut ended = 0;
    for _ in 0..TRIES {
        let mut adopted = children();
        adopted.retain(|pid| !inherited.contains(pid));
        if adopted.is_empty() {
            break;
        }
        for pid in adopted {
            let _ = process::kill(pid, libc::SIGKILL);
            ended += u64::from(process::reap(pid).unwrap_or(false));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    ended
}

/// The children of this process's main thread, which is the one that spawns.
fn children() -> Vec<i32> {
    let pid = std::process::id();
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Processes that the kernel has killed for want of memory since boot.
fn oom_kills() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// A buffer that is sure to evict the caches: twice the largest of them.
pub fn evict_bytes() -> u64 {
    const LEAST: u64 = 32 << 20;
    const MOST: u64 = 512 << 20;
    let index = |index: u32| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let kib = std::fs::read_to_string(path).ok()?;
        kib.trim().strip_suffix('K')?.parse::<u64>().ok()
    };
    let largest = (0..8).filter_map(index).max().unwrap_or(0) << 10;
    (2 * largest).clamp(LEAST, MOST)
}
