//! What a reader must know before trusting the figures: typed, stored, and
//! worded in one place.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpawnMethod;
use crate::units::{about_seconds, thousands, trimmed};

/// No figure in a caveat has more decimals.
const MOST_DECIMALS: usize = 6;

/// A reservation about the results.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "caveat", rename_all = "snake_case")]
pub enum Caveat {
    /// Figures that this run could not have, and how to get them.
    Unavailable {
        /// The columns, as the tables head them.
        figures: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// A method that this kernel or this child action does not allow.
    MethodUnavailable {
        /// Which.
        method: SpawnMethod,
        /// Why.
        reason: String,
    },
    /// Huge pages were present although none were asked for, or the reverse.
    HugePages {
        /// The space's mappings.
        mappings: u64,
        /// Bytes in huge pages.
        huge_bytes: u64,
        /// Whether they were asked for.
        asked: bool,
    },
    /// The address space changed while it was measured.
    SpaceDrifted {
        /// The space's mappings.
        mappings: u64,
        /// What changed: "present PTEs 1,000 -> 1,512".
        change: String,
    },
    /// The run ended with fewer workers than an honest interval needs.
    FewWorkers {
        /// The space's mappings.
        mappings: u64,
        /// How many there were.
        workers: u32,
    },
    /// Some intervals are wider than was aimed at.
    PrecisionMissed {
        /// The relative half-width that was aimed at.
        asked: f64,
        /// The widest that remained.
        widest: f64,
        /// How many cells are wider than that.
        cells: usize,
        /// How long the run would have had to be, in seconds, as far as it tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needed_s: Option<f64>,
        /// What stood in the way, if the run ended for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        obstacle: Option<Obstacle>,
    },
    /// Workers of the same address space and method disagree by much.
    WorkersDisagree {
        /// In how many cells.
        cells: usize,
        /// The largest standard deviation of workers' medians, over their mean.
        spread: f64,
        /// The mappings of the cell where it is largest.
        mappings: u64,
        /// That cell's method.
        method: SpawnMethod,
    },
    /// Perf events shared the PMU, so counts were scaled.
    Multiplexed {
        /// The smallest share of time that an event was counting.
        share: f64,
    },
    /// The kernel dropped timer samples before they could be read.
    SamplesLost {
        /// How many it dropped.
        lost: u64,
        /// How many were read.
        kept: u64,
    },
    /// A program was watched by ptrace(2), as tracepoints could not be had.
    WatchedByPtrace {
        /// Why not.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// The kernel dropped records of what watched programs did before they could be read.
    RecordsLost {
        /// How many.
        lost: u64,
    },
    /// The run took much longer than it was given.
    TimeExceeded {
        /// The time that measuring was given, in seconds.
        asked_s: f64,
        /// The time it took, in seconds.
        used_s: f64,
    },
    /// The program that was spawned left processes of its own behind.
    Daemons {
        /// How many were ended.
        count: u64,
    },
    /// The workers' CPU was wanted by others for much of the time.
    CpuShared {
        /// Which.
        cpu: usize,
        /// The share of its time that others had.
        share: f64,
    },
    /// The workers' several CPUs were wanted by others for much of the time.
    CpusShared {
        /// Which.
        cpus: Vec<usize>,
        /// The share of their time that others had.
        share: f64,
    },
    /// Parents that spawn at once, or a parent and its other thread, run on threads of one core.
    CoresShared {
        /// Their CPUs.
        cpus: Vec<usize>,
    },
    /// The hypervisor gave much of the time to others.
    Stolen {
        /// The share of the CPUs' time.
        share: f64,
    },
    /// The run's control groups spent their CPU quota.
    Throttled {
        /// The CPUs that the quota comes to.
        cpus: f64,
        /// The share of its periods in which it was spent.
        share: f64,
        /// The file that holds it.
        file: String,
    },
    /// A card of so few rounds that its prices hardly know how workers differ.
    FewRounds {
        /// How many there were.
        rounds: u32,
    },
    /// The host had no steady speed, and none that it came back to, while it was measured.
    Unsteady {
        /// What the reference's forks took at the most in one of ten readings.
        p10_ns: f64,
        /// What they took at the least in one of ten others.
        p90_ns: f64,
    },
    /// The run was broken off.
    Interrupted,
}

/// What stands most in the way of a precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The run's control groups spent their CPU quota.
    Quota,
    /// The host changed its speed, or had much else to do.
    Host,
    /// Workers of the same address space and method differ much.
    Workers,
    /// Each round takes long, so that there were few.
    Rounds,
    /// None of these: so narrow an interval takes many workers of any host.
    Aim,
}

impl fmt::Display for Caveat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns = match self {
            Self::CpuShared { .. } | Self::Stolen { .. } | Self::Unsteady { .. } => {
                ", or measure two things by turns, which --vs does"
            }
            _ => "",
        };
        write!(out, "{}{turns}", self.where_turns_are_taken())
    }
}

impl Caveat {
    /// In words, for a run that measures two things by turns already.
    pub fn where_turns_are_taken(&self) -> String {
        match self {
            Self::Unavailable {
                figures,
                reason,
                remedy,
            } => unavailable(figures, reason, remedy.as_deref()),
            Self::MethodUnavailable { method, reason } => {
                format!("n/a: {}: {reason}", method.name())
            }
            Self::HugePages {
                mappings,
                huge_bytes,
                asked,
            } => huge_pages(*mappings, *huge_bytes, *asked),
            Self::SpaceDrifted { mappings, change } => format!(
                "{}: the address space changed during the loop: {change}",
                counted(*mappings, "mapping")
            ),
            Self::FewWorkers { mappings, workers } => format!(
                "{}: only {}, too few to know how workers differ",
                counted(*mappings, "mapping"),
                counted(u64::from(*workers), "worker")
            ),
            Self::PrecisionMissed {
                asked,
                widest,
                cells,
                needed_s,
                obstacle,
            } => precision_missed(*asked, *widest, *cells, *needed_s, *obstacle),
            Self::WorkersDisagree {
                cells,
                spread,
                mappings,
                method,
            } => workers_disagree(*cells, *spread, *mappings, *method),
            Self::Multiplexed { share } => format!(
                "perf events took turns on the PMU and were counted {:.0} % of the time; the counts are scaled",
                share * 100.0
            ),
            Self::WatchedByPtrace { reason, remedy } => format!(
                "watched by ptrace(2), which stops a process at each of its spawns, instead of \
                 tracepoints: {reason}; {remedy}"
            ),
            Self::RecordsLost { lost } => format!(
                "the kernel dropped {} of what was done, as a ring was full: spawns, executions \
                 and ends may be missing in all figures",
                counted(*lost, "record")
            ),
            Self::SamplesLost { lost, kept } => samples_lost(*lost, *kept),
            Self::TimeExceeded { asked_s, used_s } => format!(
                "the run took {} s instead of the {} s of --time: a single round takes that long, for the address space is large or the program slow; raise --time, or ask for fewer mappings or pages",
                apart(*used_s, *asked_s),
                shortest(*asked_s)
            ),
            Self::Daemons { count } => daemons(*count),
            Self::CpuShared { cpu, share } => format!(
                "CPU {cpu} was used by others {:.0} % of the time, so that spawns waited and their times vary: stop what else runs, or choose another CPU by --cpu",
                share * 100.0
            ),
            Self::CpusShared { cpus, share } => format!(
                "CPUs {} were used by others {:.0} % of the time, so that spawns waited and their times vary: stop what else runs, or choose other CPUs by taskset",
                listed(cpus),
                share * 100.0
            ),
            Self::CoresShared { cpus } => cores_shared(cpus),
            Self::Stolen { share } => format!(
                "the hypervisor gave {:.0} % of the time to others (steal), against which no option of this host helps: measure again in a quieter hour",
                share * 100.0
            ),
            Self::Throttled { cpus, share, file } => throttled(*cpus, *share, file),
            Self::FewRounds { rounds } => format!(
                "only {} of all trials, too few to know how workers differ; raise --time",
                counted(u64::from(*rounds), "round")
            ),
            Self::Unsteady { p10_ns, p90_ns } => format!(
                "the host had no steady speed, or seldom its own: the same fork took less than {} us at one time and \
                 more than {} us at another, in a tenth of the readings each; let the host rest",
                thousands_of_us(*p10_ns),
                thousands_of_us(*p90_ns)
            ),
            Self::Interrupted => {
                "the run was broken off: these are the figures up to then".to_owned()
            }
        }
    }
}

fn unavailable(figures: &str, reason: &str, remedy: Option<&str>) -> String {
    let remedy = remedy.map_or_else(String::new, |remedy| format!("; {remedy}"));
    format!("n/a: {figures}: {reason}{remedy}")
}

fn huge_pages(mappings: u64, huge_bytes: u64, asked: bool) -> String {
    let mappings = counted(mappings, "mapping");
    let mib = thousands(huge_bytes >> 20);
    if asked {
        format!("{mappings}: huge pages were asked for, {mib} MiB were given")
    } else {
        format!("{mappings}: {mib} MiB are in huge pages that were not asked for")
    }
}

/// The aim may be the default, so it must not be called what was asked for.
fn precision_missed(
    aim: f64,
    widest: f64,
    cells: usize,
    needed_s: Option<f64>,
    obstacle: Option<Obstacle>,
) -> String {
    let (aim, widest) = (aim * 100.0, widest * 100.0);
    let (aim, widest) = (shortest(aim), apart(widest, aim));
    let missed = if cells == 1 {
        format!("1 interval is wider than the ±{aim} % aimed at: it is ±{widest} %")
    } else {
        format!(
            "{} are wider than the ±{aim} % aimed at, the widest ±{widest} %",
            counted(cells as u64, "interval")
        )
    };
    let needed = needed_s.map(|s| format!("about {} would do", about_seconds(s)));
    let why = obstacle.map(|obstacle| {
        let why = match obstacle {
            Obstacle::Quota => "the run's control group spent its CPU quota",
            Obstacle::Host => "the host was not steady enough for it",
            Obstacle::Workers => "workers of the same address space differ too much for it",
            Obstacle::Rounds => "its rounds take so long that there were few workers",
            Obstacle::Aim => "so narrow an interval takes many more workers",
        };
        why.to_owned()
    });
    let parts = [Some(missed), why, needed].into_iter().flatten();
    parts.collect::<Vec<String>>().join("; ")
}

fn workers_disagree(cells: usize, spread: f64, mappings: u64, method: SpawnMethod) -> String {
    format!(
        "workers of the same address space differ in {}, {}with {} at {}: their medians have a standard deviation of {:.0} %, which the intervals include",
        counted(cells as u64, "row"),
        if cells == 1 { "" } else { "most " },
        method.name(),
        counted(mappings, "mapping"),
        spread * 100.0
    )
}

fn cores_shared(cpus: &[usize]) -> String {
    format!(
        "CPUs {} are threads of cores that others of them run on too, so that what runs there at \
         once (parents of --jobs, the thread whose waits are told) is slowed by its core as well \
         as by the kernel: choose CPUs by taskset",
        listed(cpus)
    )
}

/// "0,1,5".
fn listed(cpus: &[usize]) -> String {
    let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
    cpus.join(",")
}

fn throttled(cpus: f64, share: f64, file: &str) -> String {
    let sustained = match cpus < 1.0 {
        true => format!(
            "spawns that wait for the next period take up to a period longer; one after the other, each takes about {} times its CPU time",
            trimmed(1.0 / cpus, 1)
        ),
        false => "spawns then wait for the next period".to_owned(),
    };
    format!(
        "the run's control group may use {} % of a CPU ({file}), which was spent in {:.0} % of its periods: {sustained}; raise the quota, or measure outside of that group",
        trimmed(cpus * 100.0, 1),
        share * 100.0
    )
}

fn samples_lost(lost: u64, kept: u64) -> String {
    format!(
        "{} of {} {} lost, so system and user time are less certain",
        thousands(lost),
        counted(lost.saturating_add(kept), "timer sample"),
        if lost == 1 { "was" } else { "were" }
    )
}

fn daemons(count: u64) -> String {
    if count == 1 {
        "the program left 1 process behind, which was ended: it ran beside the spawns that were timed".to_owned()
    } else {
        format!(
            "the program left {} processes behind, which were ended: they ran beside the spawns that were timed",
            thousands(count)
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time is not negative, and the cast saturates"
)]
fn thousands_of_us(ns: f64) -> String {
    thousands((ns / 1e3).round() as u64)
}

/// A whole number and its noun: "1 mapping", "1,030 mappings".
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// What was typed, without the noise of its binary fraction: "2", "0.5".
fn shortest(value: f64) -> String {
    trimmed(value, MOST_DECIMALS)
}

/// A value with as many decimals as tell it from another, and at least one.
fn apart(value: f64, other: f64) -> String {
    (1..MOST_DECIMALS)
        .find(|decimals| format!("{value:.decimals$}") != format!("{other:.decimals$}"))
        .map_or_else(
            || format!("{value:.MOST_DECIMALS$}"),
            |decimals| format!("{value:.decimals$}"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precision(asked: f64, widest: f64, cells: usize) -> String {
        Caveat::PrecisionMissed {
            asked,
            widest,
            cells,
            needed_s: None,
            obstacle: None,
        }
        .to_string()
    }

    #[test]
    fn what_a_precision_needs_and_what_stands_in_its_way_is_said() {
        let missed = |needed_s, obstacle| {
            let (asked, widest, cells) = (0.01, 0.031, 1);
            let missed = Caveat::PrecisionMissed {
                asked,
                widest,
                cells,
                needed_s,
                obstacle,
            };
            let said = missed.to_string();
            let (_, more) = said.split_once("it is ±3.1 %").unwrap();
            more.to_owned()
        };
        assert_eq!(missed(Some(41.0), None), "; about 41 s would do");
        assert_eq!(
            missed(Some(660.0), Some(Obstacle::Host)),
            "; the host was not steady enough for it; about 11 min would do"
        );
        assert!(missed(None, Some(Obstacle::Rounds)).ends_with("few workers"));
    }

    #[test]
    fn the_widest_interval_differs_from_the_aim() {
        assert_eq!(
            precision(0.02, 0.020_3, 4),
            "4 intervals are wider than the ±2 % aimed at, the widest ±2.03 %"
        );
        assert_eq!(
            precision(0.07, 0.070_000_2, 2),
            "2 intervals are wider than the ±7 % aimed at, the widest ±7.00002 %"
        );
        assert_eq!(
            precision(0.005, 0.024, 1),
            "1 interval is wider than the ±0.5 % aimed at: it is ±2.4 %"
        );
    }

    #[test]
    fn one_is_singular() {
        let few = |mappings, workers| Caveat::FewWorkers { mappings, workers }.to_string();
        assert_eq!(
            few(1, 1),
            "1 mapping: only 1 worker, too few to know how workers differ"
        );
        assert!(few(1_030, 2).starts_with("1,030 mappings: only 2 workers, "));
        let rows = |cells| {
            let (spread, mappings, method) = (0.12, 1_030, SpawnMethod::Fork);
            Caveat::WorkersDisagree {
                cells,
                spread,
                mappings,
                method,
            }
            .to_string()
        };
        assert!(rows(1).contains("differ in 1 row, with fork at 1,030 mappings: "));
        assert!(rows(2).contains("differ in 2 rows, most with fork at "));
    }

    #[test]
    fn lost_samples_are_told_from_all() {
        let lost = |lost, kept| Caveat::SamplesLost { lost, kept }.to_string();
        assert!(lost(1, 0).starts_with("1 of 1 timer sample was lost, so system"));
        assert!(lost(1, 9).starts_with("1 of 10 timer samples was lost"));
        assert!(lost(1_000, 9_000).starts_with("1,000 of 10,000 timer samples were lost"));
        assert!(lost(u64::MAX, 1).contains(" were lost"));
    }

    #[test]
    fn exceeded_time_is_shown_as_typed() {
        let took = |asked_s, used_s| Caveat::TimeExceeded { asked_s, used_s }.to_string();
        assert!(took(1.0, 36.2).starts_with("the run took 36.2 s instead of the 1 s of --time: "));
        assert!(took(0.5, 0.51).starts_with("the run took 0.51 s instead of the 0.5 s of "));
        assert!(took(10.0, 100.0).contains("took 100.0 s instead of the 10 s of"));
    }

    #[test]
    fn processes_left_behind_are_counted() {
        let left = |count| Caveat::Daemons { count }.to_string();
        assert!(left(1).contains("left 1 process behind, which was ended: it ran beside"));
        assert!(left(1_200).contains("left 1,200 processes behind, which were ended: they ran"));
    }
}
