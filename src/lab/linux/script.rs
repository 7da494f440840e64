//! A script that spawns in a loop: run by the real interpreter, stopped before
//! and after its loop, and ended with all that it left behind.

mod source;
mod word;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat};

use self::source::Source;
use self::word::Word;
use super::family::{Family, fate, floods};
use super::process::{LOOK, is_patience};
use super::{Stop, failed};
use crate::lab::census;
use crate::lab::error::{LabError, ProgramError};
use crate::lab::kernel::{Script, ScriptLoop, ScriptOrder, ScriptTimes};
use crate::lab::preflight::not_started;
use crate::lab::shape::{self, Options};
use crate::model::{LoopSystem, Parent, Placement, ProcessShape};
use crate::sys::clock::now_ns;
use crate::sys::process;
use crate::sys::shared::memory_file;
use crate::units::signal_name;

/// A running script.
#[derive(Debug)]
pub(super) struct LinuxScript {
    family: Family,
    control: BufReader<UnixStream>,
    /// What it wrote to stderr before its loop.
    said: File,
    name: &'static str,
    system: LoopSystem,
    program: String,
    timeout: Duration,
    stop: Stop,
    begin_ns: u64,
    ready_ns: u64,
}

impl Script for LinuxScript {
    fn pid(&self) -> u32 {
        self.family.pid()
    }

    fn ready(&mut self) -> Result<(), LabError> {
        match self.hear("reach its loop", &mut || ())? {
            Word::Ready => {
                self.ready_ns = now_ns();
                Ok(())
            }
            other => Err(self.out_of_turn(&other)),
        }
    }

    fn census(&self) -> Result<Parent, LabError> {
        Ok(census::take(self.pid().cast_signed(), &[])?)
    }

    fn shape(&self) -> Result<ProcessShape, LabError> {
        let pid = self.pid().cast_signed();
        Ok(shape::take(pid, Options::default())?)
    }

    fn run(&mut self, idle: &mut dyn FnMut()) -> Result<ScriptLoop, LabError> {
        let before = self.minor_faults()?;
        self.go_on("spawn")?;
        match self.hear("spawn", idle)? {
            Word::Done { begin_ns, end_ns } => Ok(ScriptLoop {
                begin_ns,
                end_ns,
                minor_faults: self.minor_faults()?.saturating_sub(before),
            }),
            other => Err(self.out_of_turn(&other)),
        }
    }

    fn end(&mut self) -> Result<ScriptTimes, LabError> {
        let going_ns = now_ns();
        self.go_on("end")?;
        if let Some(line) = self.next_line("end", &mut || ())? {
            return Err(self.fails(format!("it went on to say {line:?}")));
        }
        let reaped = self.family.reap();
        let (status, usage) = reaped.map_err(failed("could not wait for a script"))?;
        let end_ns = now_ns();
        self.family.end();
        if !status.success() {
            return Err(self.died(status, "end"));
        }
        Ok(ScriptTimes {
            life_ns: [self.begin_ns, end_ns],
            start_ns: (self.ready_ns - self.begin_ns) + (end_ns - going_ns),
            cpu_us: usage.cpu_us,
            user_us: usage.user_us,
            left_behind: self.family.orphans(),
        })
    }
}

impl LinuxScript {
    /// Starts the interpreter as a user would, in a process group of its own.
    pub(super) fn start(
        order: &ScriptOrder,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Self, LabError> {
        let source = Source::of(order.system).ok_or_else(|| {
            let why = format!("{:?} is run by no interpreter", order.system);
            failed("could not start a script")(io::Error::other(why))
        })?;
        let start = || Self::begin(order, &source, timeout, stop);
        let what = format!("could not start {} by {}", source.name, order.interpreter);
        on_cpu(order.placement, start).map_err(failed(&what))
    }

    fn begin(
        order: &ScriptOrder,
        source: &Source,
        timeout: Duration,
        stop: &Stop,
    ) -> io::Result<Self> {
        let said = memory_file(c"forktax-said", false)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LOOK))?;
        let variables = order.environment.iter();
        let mut command = Command::new(&order.interpreter);
        command
            .args(["-c", &source.code()])
            .args([&order.iterations.to_string(), &order.path])
            .args(&order.argv)
            .env_clear()
            .envs(variables.filter_map(|variable| variable.split_once('=')))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(said.try_clone()?)
            .process_group(0);
        let begin_ns = now_ns();
        let child = command.spawn()?;
        Ok(Self {
            family: Family::of(&child),
            control: BufReader::new(ours),
            said,
            name: source.name,
            system: order.system,
            program: order.path.clone(),
            timeout,
            stop: stop.clone(),
            begin_ns,
            ready_ns: begin_ns,
        })
    }

    /// Lets it leave the stop in which it waits.
    fn go_on(&mut self, stage: &str) -> Result<(), LabError> {
        self.control.get_mut().write_all(b"\n").map_err(|_| {
            let status = self.family.end();
            self.died(status, stage)
        })
    }

    /// Its next word, which is none of failure.
    fn hear(&mut self, stage: &str, idle: &mut dyn FnMut()) -> Result<Word, LabError> {
        let Some(line) = self.next_line(stage, idle)? else {
            let status = self.family.end();
            return Err(self.died(status, stage));
        };
        match line.parse() {
            Ok(Word::Child(code)) => Err(self.child_failed(code).into()),
            Ok(Word::Refused(errno)) => {
                let error = io::Error::from_raw_os_error(errno);
                Err(not_started(&self.program, &error).into())
            }
            Ok(Word::Raised(reason)) => Err(self.fails(reason)),
            Ok(word) => Ok(word),
            Err(word::Unknown) => Err(self.fails(format!("it said {line:?}"))),
        }
    }

    /// The next line, `None` when it has closed the channel; watches meanwhile
    /// for a signal to this process and for a script that does not move.
    fn next_line(
        &mut self,
        stage: &str,
        idle: &mut dyn FnMut(),
    ) -> Result<Option<String>, LabError> {
        let mut line = Vec::new();
        let mut last = (self.progress(), Instant::now());
        loop {
            match self.control.read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => break,
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if is_patience(&error) => {}
                Err(_) => return Ok(None),
            }
            self.stop.check()?;
            idle();
            if floods(&self.said) {
                return Err(self.fails("it writes to stderr without end".to_owned()));
            }
            let progress = self.progress();
            if progress != last.0 {
                last = (progress, Instant::now());
            } else if last.1.elapsed() > self.timeout {
                return Err(self.hung(stage));
            }
        }
        line.pop();
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }

    fn stat(&self) -> Option<Stat> {
        Process::new(self.pid().cast_signed()).ok()?.stat().ok()
    }

    /// The minor faults of the children that it has waited for: each adds some.
    /// A failed reading looks like no progress, and ends in a time-out.
    fn progress(&self) -> u64 {
        self.stat().map_or(0, |stat| stat.cminflt)
    }

    /// Those of it and of the children that it has waited for.
    fn minor_faults(&mut self) -> Result<u64, LabError> {
        if let Some(stat) = self.stat() {
            return Ok(stat.minflt + stat.cminflt);
        }
        let status = self.family.end();
        Err(self.died(status, "stop at its loop"))
    }

    fn hung(&self, stage: &str) -> LabError {
        let seconds = self.timeout.as_secs_f64();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid()));
        match (stage, maps) {
            ("spawn", Ok(maps)) => ProgramError::Stalled {
                program: self.program.clone(),
                seconds,
                mappings: maps.lines().count() as u64,
            }
            .into(),
            _ => self.fails(format!(
                "it did not {stage} within {seconds} s: raise --timeout"
            )),
        }
    }

    /// What a child's status says; a negative one is a signal.
    fn child_failed(&self, code: i32) -> ProgramError {
        let (program, said) = (self.program.clone(), String::new());
        match code {
            127 if self.system == LoopSystem::PythonFork => ProgramError::Exec {
                program,
                why: "the child of os.fork exited with status 127, as it does when os.execvp fails: check that the program is there and executable".to_owned(),
            },
            ..0 => {
                let signal = signal_name(code.saturating_neg());
                ProgramError::Crashed { program, signal, said }
            }
            _ => ProgramError::Failed { program, code, said },
        }
    }

    /// The error of a script that is gone: its last words, or how it ended.
    fn died(&mut self, status: ExitStatus, stage: &str) -> LabError {
        let mut said = Vec::new();
        let _ = self.said.rewind();
        // What cannot be read is not known, and how it ended is.
        let _ = self.said.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let how = format!("it {} while it was to {stage}", fate(status));
        let mut lines = said.lines().map(str::trim);
        self.fails(match lines.rfind(|line| !line.is_empty()) {
            Some(reason) => format!("{how}: {reason}"),
            None => how,
        })
    }

    fn out_of_turn(&self, word: &Word) -> LabError {
        self.fails(format!("it spoke out of turn: {word:?}"))
    }

    fn fails(&self, why: String) -> LabError {
        let name = self.name;
        LabError::Script { name, why }
    }
}

/// Does something on the CPU where its children are to run from their start.
fn on_cpu<T>(placement: Placement, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let Placement::Pinned(cpu) = placement else {
        return start();
    };
    let before = process::allowed_cpus()?;
    process::run_on(&[cpu])?;
    let started = start();
    process::run_on(&before)?;
    started
}
