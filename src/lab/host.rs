//! The host, as far as it bears on the figures: one reading of /proc and /sys.
//!
//! What only a system call can tell is given by the caller. A file that is not
//! there makes a figure unavailable with its reason; it never fails a run.

mod boot;
mod machine;
mod remedies;
mod virtualisation;

use std::fs;
use std::path::Path;

use procfs::process::Status;
use procfs::{CpuInfo, FromRead};

use crate::model::{Availability, Host, Missing};

pub use remedies::remedies;

/// What the caller found out about the host through system calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probed {
    /// The smallest step seen between two readings of CLOCK_MONOTONIC, in ns.
    pub clock_step_ns: f64,
    /// What one reading of it costs, in ns.
    pub clock_cost_ns: f64,
    /// Whether a hardware PMU answers.
    pub pmu: bool,
    /// Whether the effective user is root.
    pub privileged: bool,
}

/// Describes this host.
pub fn read_host(probed: Probed) -> Host {
    read_below(Path::new("/"), probed)
}

/// Describes the host whose files lie below a root directory.
fn read_below(root: &Path, probed: Probed) -> Host {
    let files = Files { root };
    let cpus = CpuInfo::from_file(root.join("proc/cpuinfo")).ok();
    Host {
        machine: machine::fingerprint(
            files.word("etc/machine-id"),
            files.word("proc/sys/kernel/hostname"),
        ),
        kernel: files
            .word("proc/sys/kernel/osrelease")
            .unwrap_or_else(|_| "unknown".to_owned()),
        kernel_build: files.text("proc/sys/kernel/version"),
        boot: files
            .text("proc/cmdline")
            .map(|line| boot::options(line.as_str())),
        // The kernel tells its architecture in a file since 6.1.
        arch: files
            .word("proc/sys/kernel/arch")
            .unwrap_or_else(|_| std::env::consts::ARCH.to_owned()),
        cpu: cpu_model(cpus.as_ref()),
        cores: cores(root),
        virtualisation: virtualisation::describe(&files, cpus.as_ref()),
        thp: files.chosen("sys/kernel/mm/transparent_hugepage/enabled"),
        meltdown: files.text("sys/devices/system/cpu/vulnerabilities/meltdown"),
        perf_event_paranoid: files.number("proc/sys/kernel/perf_event_paranoid"),
        page_size: procfs::page_size(),
        max_map_count: files.number("proc/sys/vm/max_map_count"),
        clock_step_ns: probed.clock_step_ns,
        clock_cost_ns: probed.clock_cost_ns,
        clocksource: files.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        pmu: probed.pmu,
        privileged: probed.privileged,
    }
}

/// The files of a host, read as words.
struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    /// A file's text without the white space around it, or why there is none.
    fn word(&self, path: &str) -> Result<String, String> {
        let bytes = fs::read(self.root.join(path))
            .map_err(|error| format!("cannot read /{path}: {error}"))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// What a file's text says, or why it says nothing.
    fn says<T>(
        &self,
        path: &str,
        read: impl FnOnce(String) -> Result<T, String>,
    ) -> Availability<T> {
        match self.word(path).and_then(read) {
            Ok(said) => Availability::Measured(said),
            Err(reason) => Availability::unavailable(reason, None),
        }
    }

    fn text(&self, path: &str) -> Availability<String> {
        self.says(path, Ok)
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Availability<T> {
        self.says(path, |word| {
            let number = word.parse();
            number.map_err(|_| format!("/{path} holds no number: {word:?}"))
        })
    }

    /// The word in brackets, which is how the kernel marks the one in force.
    fn chosen(&self, path: &str) -> Availability<String> {
        self.says(path, |line| {
            let mut words = line.split_whitespace();
            let marked = words.find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
            let marked = marked.map(str::to_owned);
            marked.ok_or_else(|| format!("/{path} marks no word: {line:?}"))
        })
    }
}

/// The model's name, which x86 always tells and arm64 never does.
fn cpu_model(cpus: Option<&CpuInfo>) -> Availability<String> {
    let name = cpus.and_then(|cpus| cpus.model_name(0)).map(str::to_owned);
    Availability::of(name, || {
        Missing::unavailable("/proc/cpuinfo tells no model name", None)
    })
}

/// CPUs that this process may run on: its affinity, which a CPU quota of a
/// control group does not narrow.
fn cores(root: &Path) -> usize {
    let allowed = Status::from_file(root.join("proc/self/status"))
        .ok()
        .and_then(|status| status.cpus_allowed_list)
        .map(|ranges| {
            ranges
                .iter()
                .map(|(first, last)| last.saturating_sub(*first) + 1)
                .sum()
        })
        .and_then(|count: u32| usize::try_from(count).ok());
    allowed
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBED: Probed = Probed {
        clock_step_ns: 10.0,
        clock_cost_ns: 25.0,
        pmu: false,
        privileged: true,
    };

    #[test]
    fn a_host_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            (
                "proc/cpuinfo",
                include_str!("../../tests/data/proc/cpuinfo-x86-guest.txt"),
            ),
            (
                "proc/self/status",
                include_str!("../../tests/data/proc/status-user.txt"),
            ),
            ("proc/sys/kernel/osrelease", "6.12.9-amd64\n"),
            ("proc/sys/kernel/arch", "x86_64\n"),
            ("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("proc/cmdline", "root=/dev/vda1 pti=off quiet\n"),
            (
                "sys/devices/system/cpu/vulnerabilities/meltdown",
                "Mitigation: PTI\n",
            ),
            ("proc/sys/kernel/perf_event_paranoid", "-1\n"),
            ("proc/sys/vm/max_map_count", "65530\n"),
            (
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            ),
            (
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "tsc\n",
            ),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = read_below(root.path(), PROBED);
        assert_eq!(host.kernel, "6.12.9-amd64");
        assert_eq!(host.arch, "x86_64");
        let known = |text: &str| Availability::Measured(text.to_owned());
        assert_eq!(host.kernel_build, known("#1 SMP PREEMPT_DYNAMIC"));
        let boot = vec!["pti=off".to_owned()];
        assert_eq!(host.boot, Availability::Measured(boot));
        assert_eq!(host.meltdown, known("Mitigation: PTI"));
        assert_eq!(host.machine.measured().map(String::len), Some(16));
        assert_eq!(host.cpu.measured().map(String::as_str), Some("AMD EPYC"));
        assert_eq!(host.cores, 2);
        assert_eq!(host.virtualisation, "guest of a hypervisor");
        assert_eq!(host.thp, Availability::Measured("madvise".to_owned()));
        assert_eq!(host.perf_event_paranoid, Availability::Measured(-1));
        assert_eq!(host.max_map_count, Availability::Measured(65_530));
        assert_eq!(host.clocksource, Availability::Measured("tsc".to_owned()));
        assert_eq!((host.clock_step_ns, host.clock_cost_ns), (10.0, 25.0));
        assert!(host.privileged && !host.pmu);
    }

    #[test]
    fn what_is_not_there_is_unavailable_with_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let host = read_below(root.path(), PROBED);
        let reason = &host.thp.missing().unwrap().reason;
        assert!(
            reason.starts_with("cannot read /sys/kernel/mm/transparent_hugepage/enabled: No such"),
            "{reason}"
        );
        assert!(host.cpu.missing().is_some());
        assert!(host.perf_event_paranoid.missing().is_some());
        assert!(host.machine.missing().is_some() && host.boot.missing().is_some());
        assert_eq!(host.kernel, "unknown");
        assert!(host.cores >= 1);
    }

    #[test]
    fn this_host_can_be_described() {
        let host = read_host(PROBED);
        assert_ne!(host.kernel, "unknown");
        assert!(host.cores >= 1 && host.page_size >= 4096);
        assert!(host.max_map_count.measured().is_some());
    }
}
