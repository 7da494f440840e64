//! The facts of a host that bear on what a spawn costs there, and in which of them
//! two hosts differ.
//!
//! One list serves both those who set two results side by side and those who look
//! for a stored one that is still true: neither can hold for the same what the other
//! holds for different. A fact that one side does not know is no difference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fingerprint, Host};

/// Such a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostFact {
    /// Which machine it is.
    Machine,
    /// The kernel's release.
    Kernel,
    /// Its build.
    KernelBuild,
    /// What it was told at boot.
    Boot,
    /// The architecture.
    Arch,
    /// The CPU's model.
    Cpu,
    /// How many CPUs may be used.
    Cores,
    /// Hypervisor and container.
    Virtualisation,
    /// Transparent huge pages.
    Thp,
    /// The size of a page.
    PageSize,
    /// The answer to Meltdown.
    Meltdown,
    /// Whether root measured: a remark, as it changes what can be measured and not
    /// what a spawn costs.
    Privileged,
}

/// A fact in which two hosts differ. What one of them does not know is no difference.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HostDifference {
    /// Which.
    pub fact: HostFact,
    /// What it is on the first host; of `boot` the options that the second lacks, or
    /// "none".
    pub a: String,
    /// What it is on the second.
    pub b: String,
}

/// The facts in which two hosts differ, in the order of [`HostFact::ALL`].
pub fn differences(a: &Host, b: &Host) -> Vec<HostDifference> {
    let differs = |fact: HostFact| {
        let (of_a, of_b) = (fact.of(a)?, fact.of(b)?);
        let (a, b) = if of_a == of_b {
            return None;
        } else if fact == HostFact::Boot {
            (apart(&of_a, &of_b), apart(&of_b, &of_a))
        } else {
            (of_a, of_b)
        };
        Some(HostDifference { fact, a, b })
    };
    HostFact::ALL.into_iter().filter_map(differs).collect()
}

/// What one list of options has and the other lacks; the whole of it where they
/// differ in their order alone.
fn apart(options: &str, others: &str) -> String {
    let lacking = |a: &str, b: &str| -> Vec<String> {
        let has = |word: &&str| b.split(' ').any(|other| other == *word);
        let words = a.split(' ').filter(|word| !word.is_empty() && !has(word));
        words.map(str::to_owned).collect()
    };
    let own = lacking(options, others);
    if !own.is_empty() {
        own.join(" ")
    } else if lacking(others, options).is_empty() {
        options.to_owned()
    } else {
        "none".to_owned()
    }
}

impl HostFact {
    /// Every fact, the most telling first.
    pub const ALL: [Self; 12] = [
        Self::Machine,
        Self::Kernel,
        Self::KernelBuild,
        Self::Boot,
        Self::Arch,
        Self::Cpu,
        Self::Cores,
        Self::Virtualisation,
        Self::Thp,
        Self::PageSize,
        Self::Meltdown,
        Self::Privileged,
    ];

    /// What it is called in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Kernel => "kernel",
            Self::KernelBuild => "kernel build",
            Self::Boot => "boot options",
            Self::Arch => "architecture",
            Self::Cpu => "CPU",
            Self::Cores => "CPUs",
            Self::Virtualisation => "virtualisation",
            Self::Thp => "transparent huge pages",
            Self::PageSize => "page size",
            Self::Meltdown => "Meltdown",
            Self::Privileged => "user",
        }
    }

    /// Whether it bears on what a spawn costs, and is no mere remark.
    pub fn bears(self) -> bool {
        self != Self::Privileged
    }

    /// What it is on a host; nothing where that is not known.
    pub fn of(self, host: &Host) -> Option<String> {
        match self {
            Self::Machine => host.machine.measured().cloned(),
            Self::Kernel => Some(host.kernel.clone()).filter(|kernel| kernel != "unknown"),
            Self::KernelBuild => host.kernel_build.measured().cloned(),
            Self::Boot => host.boot.measured().map(|words| words.join(" ")),
            Self::Arch => Some(host.arch.clone()),
            Self::Cpu => host.cpu.measured().cloned(),
            Self::Cores => Some(host.cores.to_string()),
            Self::Virtualisation => Some(host.virtualisation.clone()),
            Self::Thp => host.thp.measured().cloned(),
            Self::PageSize => Some(format!("{} bytes", host.page_size)),
            Self::Meltdown => host.meltdown.measured().cloned(),
            Self::Privileged => {
                let user = if host.privileged { "root" } else { "not root" };
                Some(user.to_owned())
            }
        }
    }
}

impl Host {
    /// A name for all facts that bear on what a spawn costs: two hosts share it
    /// where they share each of them, known or not.
    pub fn fingerprint(&self) -> Fingerprint {
        let facts = HostFact::ALL.into_iter().filter(|fact| fact.bears());
        facts.fold(Fingerprint::default(), |sum, fact| {
            let value = fact.of(self).unwrap_or_default();
            sum.and(format!("{}={value}\n", fact.name()).as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Availability;

    fn host() -> Host {
        let known = |text: &str| Availability::Measured(text.to_owned());
        Host {
            machine: known("00112233445566ff"),
            kernel: "6.12.9".to_owned(),
            kernel_build: known("#1 SMP"),
            boot: Availability::Measured(vec!["mitigations=auto".to_owned()]),
            arch: "x86_64".to_owned(),
            cpu: known("A CPU"),
            cores: 2,
            virtualisation: "none seen".to_owned(),
            thp: known("madvise"),
            meltdown: known("Not affected"),
            perf_event_paranoid: Availability::Measured(2),
            page_size: 4_096,
            max_map_count: Availability::Measured(65_530),
            clock_step_ns: 10.0,
            clock_cost_ns: 25.0,
            clocksource: known("tsc"),
            pmu: false,
            privileged: true,
        }
    }

    /// A change of a host, and the difference that it makes.
    type Change = (fn(&mut Host), HostFact, &'static str, &'static str);

    const CHANGES: [Change; 12] = {
        use HostFact as F;
        fn known(text: &str) -> Availability<String> {
            Availability::Measured(text.to_owned())
        }
        [
            (
                |h| h.machine = known("ff"),
                F::Machine,
                "00112233445566ff",
                "ff",
            ),
            (
                |h| h.kernel = "6.1.0".to_owned(),
                F::Kernel,
                "6.12.9",
                "6.1.0",
            ),
            (
                |h| h.kernel_build = known("#2"),
                F::KernelBuild,
                "#1 SMP",
                "#2",
            ),
            (
                |h| h.boot = Availability::Measured(vec!["pti=on".to_owned()]),
                F::Boot,
                "mitigations=auto",
                "pti=on",
            ),
            (
                |h| h.arch = "aarch64".to_owned(),
                F::Arch,
                "x86_64",
                "aarch64",
            ),
            (|h| h.cpu = known("B CPU"), F::Cpu, "A CPU", "B CPU"),
            (|h| h.cores = 64, F::Cores, "2", "64"),
            (
                |h| h.virtualisation = "kvm".to_owned(),
                F::Virtualisation,
                "none seen",
                "kvm",
            ),
            (|h| h.thp = known("always"), F::Thp, "madvise", "always"),
            (
                |h| h.page_size = 65_536,
                F::PageSize,
                "4096 bytes",
                "65536 bytes",
            ),
            (
                |h| h.meltdown = known("Mitigation: PTI"),
                F::Meltdown,
                "Not affected",
                "Mitigation: PTI",
            ),
            (|h| h.privileged = false, F::Privileged, "root", "not root"),
        ]
    };

    #[test]
    fn each_fact_is_a_difference_and_has_a_key_of_its_own_unless_it_is_a_remark() {
        for ((change, fact, a, b), known) in CHANGES.into_iter().zip(HostFact::ALL) {
            assert_eq!(fact, known, "the changes stand in the order of the facts");
            let mut other = host();
            change(&mut other);
            let difference = HostDifference {
                fact,
                a: a.to_owned(),
                b: b.to_owned(),
            };
            assert_eq!(differences(&host(), &other), [difference]);
            let same_key = host().fingerprint() == other.fingerprint();
            assert_eq!(same_key, !fact.bears(), "{fact:?}");
        }
        assert_eq!(differences(&host(), &host()), []);
    }

    #[test]
    fn what_bears_on_nothing_is_no_difference() {
        let mut other = host();
        other.clock_cost_ns = 99.0;
        other.perf_event_paranoid = Availability::Measured(-1);
        other.pmu = true;
        assert_eq!(differences(&host(), &other), []);
        assert_eq!(host().fingerprint(), other.fingerprint());
    }

    #[test]
    fn of_boot_options_those_are_told_that_one_side_lacks() {
        let booted = |words: &[&str]| Host {
            boot: Availability::Measured(words.iter().map(|word| (*word).to_owned()).collect()),
            ..host()
        };
        let told = |a: &[&str], b: &[&str]| {
            let found = differences(&booted(a), &booted(b));
            found.into_iter().map(|d| (d.a, d.b)).next()
        };
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            told(&["pti=on", "quiet"], &["quiet", "nosmt"]),
            pair("pti=on", "nosmt")
        );
        assert_eq!(told(&[], &["nosmt"]), pair("none", "nosmt"));
        assert_eq!(told(&["a", "b"], &["b", "a"]), pair("a b", "b a"));
        assert_eq!(told(&["a"], &["a"]), None);
    }

    #[test]
    fn a_host_that_tells_less_differs_in_nothing_by_that() {
        let silent = Host {
            machine: Availability::unavailable("not readable here", None),
            kernel_build: Availability::unavailable("not readable here", None),
            boot: Availability::unavailable("not readable here", None),
            meltdown: Availability::unavailable("not readable here", None),
            ..host()
        };
        assert_eq!(differences(&silent, &host()), []);
        assert_eq!(differences(&host(), &silent), []);
        assert_eq!(HostFact::Machine.of(&silent), None);
    }
}
