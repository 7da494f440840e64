//! What a search for a card comes to, in words that are ready to print.

use std::fmt;
use std::path::PathBuf;

use crate::model::{Document, Host, HostDifference, HostFact, differences};
use crate::units::utc;

/// What to do where there is no card that is true.
const MEASURE: &str = "measure one with forktax card";
const MEASURE_AGAIN: &str = "measure again with forktax card";

/// What a search for a card comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A card of this host as it is.
    Found {
        /// Its file.
        path: PathBuf,
        /// The card.
        document: Box<Document>,
    },
    /// A card of this machine that holds no longer.
    Stale {
        /// Its file.
        path: PathBuf,
        /// Why not.
        why: Outdated,
    },
    /// Cards of other machines only, or one under this host's name that is of another.
    Foreign {
        /// The file of the newest.
        path: PathBuf,
        /// Where it was measured.
        host: Box<Host>,
    },
    /// No card at all.
    None {
        /// Where one would be.
        directory: PathBuf,
    },
    /// Something in a card's place that is none.
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a card of this machine holds no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outdated {
    /// The host is not as it was: each fact as the card has it (`a`) and as it is now
    /// (`b`). Empty where facts that are known now were not known then, or the reverse.
    Host(Vec<HostDifference>),
    /// The card has a schema that this program does not read.
    Schema {
        /// The card's.
        found: u64,
        /// This program's.
        known: u32,
    },
}

impl Found {
    /// A card whose facts are not those of the host.
    pub(super) fn of_another_state(path: PathBuf, document: Document, host: &Host) -> Self {
        let then = document.host;
        if !is_same_machine(&then, host) {
            let host = Box::new(then);
            return Self::Foreign { path, host };
        }
        let mut changed = differences(&then, host);
        changed.retain(|difference| difference.fact.bears());
        Self::Stale {
            path,
            why: Outdated::Host(changed),
        }
    }
}

/// Whether both are the same machine, which needs to be known of both; where it is
/// known of neither, a machine is as good as its CPU.
pub(super) fn is_same_machine(a: &Host, b: &Host) -> bool {
    match [a, b].map(|host| HostFact::Machine.of(host)) {
        [Some(a), Some(b)] => a == b,
        [None, None] => a.cpu == b.cpu && a.arch == b.arch,
        _ => false,
    }
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { path, document } => write!(
                out,
                "the stored card {} is of this host, measured {}",
                path.display(),
                utc(document.run.started_unix_s)
            ),
            Self::Stale { path, why } => {
                write!(
                    out,
                    "the stored card {} {why}: {MEASURE_AGAIN}",
                    path.display()
                )
            }
            Self::Foreign { path, host } => write!(
                out,
                "the stored card {} is of another machine ({}): {MEASURE}",
                path.display(),
                machine(host)
            ),
            Self::None { directory } => {
                write!(
                    out,
                    "no card is stored in {}: {MEASURE}",
                    directory.display()
                )
            }
            Self::Unreadable { path, why } => write!(
                out,
                "the stored card {} cannot be read: {why}; {MEASURE_AGAIN}, or remove the file",
                path.display()
            ),
        }
    }
}

impl fmt::Display for Outdated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { found, known } => write!(
                out,
                "has schema version {found}, and this forktax reads version {known}"
            ),
            Self::Host(changed) if changed.is_empty() => {
                out.write_str("was measured where other facts of the host could be read")
            }
            Self::Host(changed) => {
                for (index, difference) in changed.iter().enumerate() {
                    let lead = if index == 0 { "" } else { "; " };
                    write!(out, "{lead}{}", in_words(difference))?;
                }
                Ok(())
            }
        }
    }
}

fn in_words(difference: &HostDifference) -> String {
    let HostDifference { fact, a, b } = difference;
    match fact {
        HostFact::Kernel => format!("is of Linux {a}, this host runs {b}"),
        fact => format!("is of {} {a}, this host has {b}", fact.name()),
    }
}

fn machine(host: &Host) -> String {
    let cpu = host.cpu.measured().map_or("unknown CPU", String::as_str);
    let s = if host.cores == 1 { "" } else { "s" };
    format!(
        "Linux {} {}, {cpu}, {} CPU{s}",
        host.kernel, host.arch, host.cores
    )
}
