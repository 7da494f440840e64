//! The files in which this kernel tells what the host does. They stay open for a run,
//! and a reading of one is a pread(2) or two.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::lab::limits;
use crate::lab::noise::counts::{self, CpuTimes, CpuUse};
use crate::lab::noise::{Reading, Waiting};
use crate::model::{CpuQuota, Missing};
use crate::sys::usage::{self, Whose};

const STAT: &str = "/proc/stat";

/// What is watched.
#[derive(Debug)]
pub(super) struct HostFiles {
    cpus: Vec<usize>,
    /// Whether this process may run on those.
    shares_them: bool,
    stat: Told,
    cpu_pressure: Told,
    memory_pressure: Told,
    frequency: Result<Told, Missing>,
    /// The CPU quotas of this process, and where their periods are counted.
    quotas: Vec<(CpuQuota, Told)>,
}

impl HostFiles {
    /// Opens them for workers that run on these CPUs, and are timed on one of them only, or
    /// on any.
    pub(super) fn open(cpus: Vec<usize>, only: Option<usize>, shares_them: bool) -> Self {
        let frequency = match only {
            Some(cpu) => Ok(Told::open(
                format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"),
                "without a driver of frequencies, as in most virtual machines, nobody knows it",
            )),
            None => Err(Missing::not_asked("workers are not pinned to one CPU")),
        };
        Self {
            cpus,
            shares_them,
            stat: Told::open(STAT.to_owned(), ""),
            cpu_pressure: pressure("cpu"),
            memory_pressure: pressure("memory"),
            frequency,
            quotas: limits::own_quotas()
                .into_iter()
                .map(|(quota, stat)| (quota, Told::open(stat.display().to_string(), "")))
                .collect(),
        }
    }

    pub(super) fn read(&self, at: Duration) -> Reading {
        let own = |whose| Duration::from_micros(usage::read(whose).cpu_us);
        let beside = match self.shares_them {
            true => own(Whose::Own),
            false => Duration::ZERO,
        };
        let stat = self.stat.text();
        Reading {
            at,
            cpus: self.cpus.clone(),
            times: stat.and_then(|stat| CpuTimes::of(&stat, &self.cpus)),
            own: own(Whose::Children) + beside,
            cpu_pressure: self.cpu_pressure.tells(counts::pressure),
            memory_pressure: self.memory_pressure.tells(counts::pressure),
            frequency_hz: match &self.frequency {
                Ok(file) => file.tells(counts::frequency_hz),
                Err(missing) => Err(missing.clone()),
            },
            cpu_quotas: self.quotas(),
        }
    }

    fn quotas(&self) -> Vec<CpuQuota> {
        let quotas = self.quotas.iter().filter_map(|(quota, stat)| {
            let [periods, throttled_periods] = limits::periods(&stat.text().ok()?);
            Some(CpuQuota {
                periods,
                throttled_periods,
                ..quota.clone()
            })
        });
        quotas.collect()
    }
}

fn pressure(of: &str) -> Told {
    Told::open(
        format!("/proc/pressure/{of}"),
        "boot a kernel that was built with CONFIG_PSI with psi=1",
    )
}

/// What became of a worker that still lives.
pub(super) fn waiting(pid: u32) -> Waiting {
    let of = |name: &str, built_with: &str| {
        let remedy = format!("a kernel that was built with {built_with} tells it");
        Told::open(format!("/proc/{pid}/{name}"), &remedy)
    };
    let anonymous = |missing: Missing| Missing {
        reason: missing.reason.replace(&format!("/{pid}/"), "/PID/"),
        ..missing
    };
    let delay = of("schedstat", "CONFIG_SCHED_INFO").tells(counts::run_delay_ns);
    let migrations = of("sched", "CONFIG_SCHED_DEBUG").tells(counts::migrations);
    Waiting {
        run_delay_ns: delay.map_err(anonymous),
        migrations: migrations.map_err(anonymous),
        elsewhere: Duration::ZERO,
    }
}

/// How much each of these CPUs is used, while this process sleeps for a moment. None where
/// that cannot be told.
pub fn cpu_use(cpus: &[usize]) -> Option<Vec<CpuUse>> {
    const MOMENT: Duration = Duration::from_millis(200);
    let stat = Told::open(STAT.to_owned(), "");
    let read = || Some((std::time::Instant::now(), stat.text().ok()?));
    let (begin, before) = read()?;
    std::thread::sleep(MOMENT);
    let (end, after) = read()?;
    counts::used([&before, &after], cpus, end - begin)
}

/// A file of the kernel's, and what to do where it tells nothing.
#[derive(Debug)]
struct Told {
    path: String,
    file: io::Result<File>,
    remedy: String,
}

impl Told {
    fn open(path: String, remedy: &str) -> Self {
        Self {
            file: File::open(&path),
            path,
            remedy: remedy.to_owned(),
        }
    }

    /// What it says now.
    fn text(&self) -> Result<String, Missing> {
        let read = match &self.file {
            Ok(file) => whole(file),
            Err(error) => return Err(self.missing(&format!("cannot be read: {error}"))),
        };
        read.map_err(|error| self.missing(&format!("cannot be read: {error}")))
    }

    fn tells<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Missing> {
        parse(&self.text()?).ok_or_else(|| self.missing("does not tell it here"))
    }

    fn missing(&self, why: &str) -> Missing {
        let remedy = Some(self.remedy.as_str()).filter(|remedy| !remedy.is_empty());
        Missing::unavailable(format!("{} {why}", self.path), remedy)
    }
}

/// All of a file that the kernel writes anew for whoever reads from its beginning.
fn whole(file: &File) -> io::Result<String> {
    /// More than most of these files have.
    const AT_ONCE: usize = 16 << 10;
    let mut text = Vec::new();
    loop {
        let read = text.len();
        text.resize(read + AT_ONCE, 0);
        let more = file.read_at(&mut text[read..], read as u64)?;
        text.truncate(read + more);
        if more == 0 {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_tells_what_is_so_now() {
        let stat = Told::open(STAT.to_owned(), "");
        let cpu = crate::sys::process::allowed_cpus().unwrap()[0];
        let booked = || CpuTimes::of(&stat.text().unwrap(), &[cpu]).unwrap().all;
        let before = booked();
        let begin = std::time::Instant::now();
        while booked() == before && begin.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert!(booked() > before);
    }

    #[test]
    fn what_cannot_be_read_has_a_reason_and_a_remedy() {
        let missing = Told::open("/proc/pressure/none".to_owned(), "boot it");
        let missing = missing.tells(counts::pressure).unwrap_err();
        assert!(
            missing
                .reason
                .starts_with("/proc/pressure/none cannot be read: ")
        );
        assert_eq!(missing.remedy.as_deref(), Some("boot it"));
    }

    #[test]
    fn a_process_that_waits_has_run_before() {
        let waiting = waiting(std::process::id());
        for found in [waiting.run_delay_ns, waiting.migrations] {
            if let Err(missing) = found {
                assert!(missing.reason.contains("/PID/"), "{missing:?}");
            }
        }
    }
}
