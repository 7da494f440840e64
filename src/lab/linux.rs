//! The kernel of this machine, behind the seam.

mod attendant;
mod calls;
mod family;
mod follow;
mod heard;
mod interpreter;
mod label;
mod means;
mod noise;
mod orphans;
mod points;
mod present;
mod process;
mod script;
mod supervisor;
mod watch;

use std::cell::{OnceCell, RefCell};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub use self::attendant::Attendant;
pub(super) use self::family::Family;
use self::follow::LinuxWatcher;
pub use self::label::process_name;
pub use self::means::Means;
use self::noise::HostFiles;
pub use self::noise::cpu_use;
use self::points::PointWatcher;
use self::process::LinuxWorker;
use self::script::LinuxScript;
pub use self::supervisor::supervised;
use super::error::LabError;
use super::kernel::{Kernel, Sampler, Script, ScriptOrder, Watcher, Watching, Worker};
use super::limits::{self, Limits, Need};
use super::noise::Reading;
use super::preflight;
use crate::model::{Interpreter, Missing, Placement, Plan, Program, SpaceRequest, TraceOrder};
use crate::profile::ledger::Landmark;
use crate::profile::symbols::{Symbols, SymbolsError};
use crate::sys;
use crate::sys::landmarks;
use crate::sys::memory::page_size;
use crate::worker::protocol::Assignment;

/// The signals that ask a run to stop; one that is ignored stays so, as under nohup(1).
pub fn stopping() -> Vec<i32> {
    let signals = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
    let heard = signals.into_iter();
    heard
        .filter(|signal| !sys::process::ignores(*signal))
        .collect()
}

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
    /// All CPUs, and those that this process keeps to, away from the workers'.
    cpus: Option<[Vec<usize>; 2]>,
    watched: Watched,
    host: OnceCell<HostFiles>,
    attendant: Option<Attendant>,
    /// The words of the command that is to be watched.
    command: Vec<OsString>,
    /// By what it is watched.
    means: RefCell<Option<Means>>,
}

/// Which CPUs are watched.
#[derive(Debug)]
struct Watched {
    cpus: Vec<usize>,
    /// The only one that workers which are timed run on, and stay.
    only: Option<usize>,
    /// Whether this process may run on them.
    shared: bool,
}

impl Linux {
    /// Readies this process for workers of these placements: its descriptors will not reach
    /// them, it keeps off their CPUs, and it adopts what they leave behind. Its main
    /// thread has no children of its own, which would be ended with those.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub fn new(stop: Stop, placements: &[Placement]) -> Result<Self, LabError> {
        sys::process::seal_descriptors().map_err(failed("could not seal the open descriptors"))?;
        sys::process::adopt_orphans().map_err(failed("could not become a subreaper"))?;
        sys::process::forbid_core_files().map_err(failed("could not forbid core files"))?;
        let allowed = sys::process::allowed_cpus().map_err(failed("could not read the CPUs"))?;
        let pinned = |cpu: &usize| placements.contains(&Placement::Pinned(*cpu));
        let (theirs, others): (Vec<usize>, Vec<usize>) =
            allowed.iter().partition(|cpu| pinned(cpu));
        let keeps_off = !theirs.is_empty() && !others.is_empty();
        if keeps_off {
            sys::process::run_on(&others).map_err(failed(
                "could not leave the workers' CPU, which --cpu any does without",
            ))?;
        }
        let stay = !placements.contains(&Placement::Free);
        let watched = Watched {
            only: match theirs.as_slice() {
                [cpu] if stay => Some(*cpu),
                _ => None,
            },
            cpus: if stay { theirs } else { allowed.clone() },
            shared: !(stay && keeps_off),
        };
        Ok(Self {
            stop,
            begin: Instant::now(),
            cpus: keeps_off.then_some([allowed, others]),
            watched,
            host: OnceCell::new(),
            attendant: None,
            command: Vec::new(),
            means: RefCell::new(None),
        })
    }

    /// This machine for who looks on at a command, or at what runs already: nothing of this
    /// process is changed that the command would inherit, and what it leaves behind is
    /// nobody's to end.
    pub fn looking_on(stop: Stop, command: Vec<OsString>, means: Means) -> Self {
        Self {
            stop,
            begin: Instant::now(),
            cpus: None,
            watched: Watched {
                cpus: Vec::new(),
                only: None,
                shared: true,
            },
            host: OnceCell::new(),
            attendant: None,
            command,
            means: RefCell::new(Some(means)),
        }
    }

    /// The same with somebody who sets the host.
    #[must_use]
    pub fn attended(self, attendant: Option<Attendant>) -> Self {
        Self { attendant, ..self }
    }

    /// The same with workers on these CPUs besides, of which none is timed: this process leaves
    /// the CPUs to them if it has any other.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub fn accompanied(mut self, others: &[usize]) -> Result<Self, LabError> {
        if let Some([_, own]) = &mut self.cpus {
            let left = own.iter().copied().filter(|cpu| !others.contains(cpu));
            let left: Vec<usize> = left.collect();
            if !left.is_empty() {
                let left_to_them = sys::process::run_on(&left);
                left_to_them.map_err(failed("could not leave the other workers' CPUs"))?;
                *own = left;
            }
        }
        Ok(self)
    }

    /// Starts a worker, which inherits the CPUs: one that is free to move gets all of them,
    /// also where another is pinned and this process keeps off its CPU.
    fn start(&self, assignment: &Assignment, timeout: Duration) -> Result<LinuxWorker, LabError> {
        let launch = || LinuxWorker::launch(assignment, timeout, &self.stop);
        let Some([all, own]) = &self.cpus else {
            return launch();
        };
        if assignment.placement != Placement::Free {
            return launch();
        }
        let run_on = |cpus: &[usize]| {
            sys::process::run_on(cpus).map_err(failed("could not give a worker all CPUs"))
        };
        run_on(all)?;
        let worker = launch();
        run_on(own)?;
        worker
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> LabError {
    let what = what.to_owned();
    move |cause| LabError::Io { what, cause }
}

impl Kernel for Linux {
    fn check_limits(&self, spaces: &[SpaceRequest]) -> Result<(), LabError> {
        let limits = Limits::read();
        for space in spaces {
            limits::check(&Need::of(space, self.page_size()), &limits)?;
        }
        Ok(())
    }

    fn check_rewriting(&self, assignment: &Assignment) -> Result<(), LabError> {
        let need = Need::of_rewriting(assignment, self.page_size());
        Ok(limits::check(&need, &Limits::read())?)
    }

    fn check_both(&self, spaces: [&SpaceRequest; 2]) -> Result<(), LabError> {
        let [a, b] = spaces.map(|space| Need::of(space, self.page_size()));
        Ok(limits::check(&a.beside(b), &Limits::read())?)
    }

    fn try_program(&self, plan: &Plan) -> Result<(), LabError> {
        let Program::Path { path, argv } = &plan.program else {
            return Ok(());
        };
        let timeout = Duration::from_millis(plan.spawn_timeout_ms);
        preflight::try_program(path, argv, &plan.environment, timeout, &self.stop)
    }

    fn set_up(&self, command: &str) -> Result<(), LabError> {
        let Some(attendant) = &self.attendant else {
            return Err(LabError::Setup {
                command: command.to_owned(),
                why: "nobody stands by to restore the host: give --restore".to_owned(),
            });
        };
        attendant.set_up(command, &self.stop)
    }

    fn launch(
        &self,
        assignment: &Assignment,
        timeout: Duration,
    ) -> Result<Box<dyn Worker>, LabError> {
        self.stop.check()?;
        let records = assignment.shared_words() * size_of::<u64>();
        limits::check_file_size(records as u64, limits::read_file_size())?;
        Ok(Box::new(self.start(assignment, timeout)?))
    }

    fn watch(
        &self,
        watching: &Watching,
        placement: Placement,
        worker: u32,
    ) -> Result<Box<dyn Sampler>, Missing> {
        watch::open(watching, placement, worker)
    }

    fn symbols(&self) -> Result<Symbols, Missing> {
        let file = File::open("/proc/kallsyms").map_err(SymbolsError::Read);
        file.and_then(|file| Symbols::parse(BufReader::new(file)))
            .map_err(|error| Missing::unavailable(error.to_string(), error.remedy()))
    }

    fn landmarks(&self, plan: &Plan) -> Result<Vec<(Landmark, u64)>, Missing> {
        let Program::Path { path, argv } = &plan.program else {
            return Ok(Vec::new());
        };
        let found = landmarks::find(path, argv, &plan.environment);
        let found = found.map_err(|error| {
            let reason = format!("where {path} begins could not be found out: {error}");
            let is_refused = error.kind() == io::ErrorKind::PermissionDenied;
            let remedy = "make the program readable, and allow ptrace and personality in the \
                          container's seccomp profile";
            Missing::unavailable(reason, is_refused.then_some(remedy))
        })?;
        let marks = [
            (Landmark::First, Some(found.first)),
            (Landmark::Entry, found.entry),
            (Landmark::Main, found.main),
        ];
        let known = marks.into_iter();
        Ok(known
            .filter_map(|(landmark, address)| Some((landmark, address?)))
            .collect())
    }

    fn interpreter(&self, plan: &Plan, asked: &str) -> Result<Interpreter, LabError> {
        interpreter::find(plan, asked, &self.stop)
    }

    fn start_script(
        &self,
        order: &ScriptOrder,
        timeout: Duration,
    ) -> Result<Box<dyn Script>, LabError> {
        self.stop.check()?;
        let script = LinuxScript::start(order, timeout, &self.stop)?;
        Ok(Box::new(script))
    }

    fn follow(&self, order: &TraceOrder) -> Result<Box<dyn Watcher>, LabError> {
        let (command, stop) = (&self.command, &self.stop);
        Ok(match self.means.take() {
            Some(Means::Tracepoints(points, descriptors)) => {
                let begun = PointWatcher::begin(order, command, stop, points, descriptors)?;
                Box::new(begun)
            }
            Some(Means::Ptrace(instead)) => {
                Box::new(LinuxWatcher::begin(order, command, stop, instead)?)
            }
            None => Box::new(LinuxWatcher::begin(order, command, stop, None)?),
        })
    }

    fn beside(&self, placement: Placement) -> Result<Placement, Missing> {
        limits::room_for_two(&limits::own_quotas())?;
        let allowed = sys::process::allowed_cpus().unwrap_or_default();
        let free = (allowed.len() > 1).then_some(Placement::Free);
        let found = match placement {
            Placement::Free => free,
            Placement::Pinned(own) => {
                let mut others = allowed.into_iter().rev().filter(|cpu| *cpu != own);
                let apart = others.clone().find(|cpu| !self.share_a_core(own, *cpu));
                apart.or_else(|| others.next()).map(Placement::Pinned)
            }
        };
        found.ok_or_else(|| {
            Missing::unavailable(
                "another thread of the parent takes a CPU of its own, and there is one alone",
                Some("allow a second one (taskset, cpuset)"),
            )
        })
    }

    fn share_a_core(&self, a: usize, b: usize) -> bool {
        sys::process::share_a_core(a, b)
    }

    fn host_counts(&self) -> Reading {
        // Not before the limits were looked at, which name those that leave no descriptors.
        let Watched { cpus, only, shared } = &self.watched;
        let open = || HostFiles::open(cpus.clone(), *only, *shared);
        self.host.get_or_init(open).read(self.now())
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn page_size(&self) -> u64 {
        page_size() as u64
    }
}

/// How many bytes of so many a worker may pin; or why none.
///
/// # Errors
/// Words of why.
pub fn room_for_pins(wanted: u64) -> Result<u64, String> {
    let bytes = usize::try_from(wanted).unwrap_or(usize::MAX);
    match sys::pins::room(bytes) {
        Ok(room) => Ok(room as u64),
        // What all processes of a user pin counts together.
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(
            "what may be locked (ulimit -l) is used up by other processes of this user".to_owned(),
        ),
        Err(error) => Err(format!(
            "no io_uring is to be had to pin them: {error}; see kernel.io_uring_disabled and \
             the seccomp filter"
        )),
    }
}

/// Whether workers' forks can be told to a userfaultfd, which takes CAP_SYS_PTRACE.
pub fn may_watch_forks() -> bool {
    sys::userfault::try_out().is_ok()
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
