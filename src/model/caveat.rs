//! What a reader must know before trusting the figures: typed, stored, and
//! worded in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SpawnMethod;
use crate::units::thousands;

/// A reservation about the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Some intervals are wider than was asked.
    PrecisionMissed {
        /// The relative half-width that was asked.
        asked: f64,
        /// The widest that remained.
        widest: f64,
        /// How many cells are wider than asked.
        cells: usize,
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
    /// The run was broken off.
    Interrupted,
}

impl fmt::Display for Caveat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable {
                figures,
                reason,
                remedy,
            } => {
                write!(out, "n/a: {figures}: {reason}")?;
                remedy
                    .as_ref()
                    .map_or(Ok(()), |remedy| write!(out, "; {remedy}"))
            }
            Self::MethodUnavailable { method, reason } => {
                write!(out, "n/a: {}: {reason}", method.name())
            }
            Self::HugePages {
                mappings,
                huge_bytes,
                asked,
            } => {
                let mib = huge_bytes >> 20;
                if *asked {
                    write!(
                        out,
                        "{} mappings: huge pages were asked for, {mib} MiB were given",
                        thousands(*mappings)
                    )
                } else {
                    write!(
                        out,
                        "{} mappings: {mib} MiB are in huge pages that were not asked for",
                        thousands(*mappings)
                    )
                }
            }
            Self::SpaceDrifted { mappings, change } => {
                write!(
                    out,
                    "{} mappings: the address space changed during the loop: {change}",
                    thousands(*mappings)
                )
            }
            Self::FewWorkers { mappings, workers } => write!(
                out,
                "{} mappings: only {workers} worker(s), too few to know how workers differ; raise --time",
                thousands(*mappings)
            ),
            Self::PrecisionMissed {
                asked,
                widest,
                cells,
            } => write!(
                out,
                "{cells} interval(s) are wider than the ±{:.1} % asked for, the widest ±{:.1} %; raise --time",
                asked * 100.0,
                widest * 100.0
            ),
            Self::WorkersDisagree {
                cells,
                spread,
                mappings,
                method,
            } => write!(
                out,
                "workers of the same address space differ in {cells} row(s), most with {} at {} mappings: their medians have a standard deviation of {:.0} %, which the intervals include",
                method.name(),
                thousands(*mappings),
                spread * 100.0
            ),
            Self::Multiplexed { share } => write!(
                out,
                "perf events took turns on the PMU and were counted {:.0} % of the time; the counts are scaled",
                share * 100.0
            ),
            Self::Interrupted => write!(
                out,
                "the run was broken off: these are the figures up to then"
            ),
        }
    }
}
