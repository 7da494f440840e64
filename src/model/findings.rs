//! The findings: what a run found out. A command is a variant here and one of
//! [`Order`](super::Order), under the names that all layers use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Advice, Answer, Card, Cell, Explanation, Process, Replica, Reproduction, Trace};

/// What was found out, by the command that was to find it out.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Findings {
    /// What spawns cost by method and address space.
    Sweep {
        /// One for each address space and method, in the plan's order.
        cells: Vec<Cell>,
    },
    /// Where the time of a spawn goes.
    Explanation(Box<Explanation>),
    /// What was published, and this host's answer.
    Reproduction(Reproduction),
    /// What this host charges.
    Card(Card),
    /// What forks from a process of this shape cost, and why.
    Process(Box<Process>),
    /// What can be done about that.
    Advice(Advice),
    /// What a program was seen to spawn.
    Trace(Box<Trace>),
}

impl Findings {
    /// The timed cells; none where it is trials or loops that were timed.
    pub fn cells(&self) -> &[Cell] {
        match self {
            Self::Sweep { cells } => cells,
            Self::Explanation(explanation) => &explanation.cells,
            Self::Reproduction(reproduction) => match &reproduction.answer {
                Answer::Spaces { cells, .. } => cells,
                Answer::Programs(_) => &[],
            },
            Self::Process(process) => match &process.ledger {
                Some(ledger) => &ledger.cells,
                None => &[],
            },
            Self::Card(_) | Self::Advice(_) | Self::Trace(_) => &[],
        }
    }

    /// Where the time of a spawn goes, if that is among them.
    pub fn explanation(&self) -> Option<&Explanation> {
        match self {
            Self::Explanation(explanation) => Some(explanation),
            Self::Process(process) => process.ledger.as_ref(),
            Self::Sweep { .. }
            | Self::Reproduction(_)
            | Self::Card(_)
            | Self::Advice(_)
            | Self::Trace(_) => None,
        }
    }

    /// What was measured in workers of a process's shape, if it was.
    pub fn replica(&self) -> Option<&Replica> {
        match self {
            Self::Process(process) => Some(&process.replica),
            Self::Advice(advice) => Some(&advice.replica),
            Self::Sweep { .. }
            | Self::Explanation(_)
            | Self::Reproduction(_)
            | Self::Card(_)
            | Self::Trace(_) => None,
        }
    }

    /// What a program was seen to spawn, if one was watched.
    pub fn trace(&self) -> Option<&Trace> {
        match self {
            Self::Trace(trace) => Some(trace),
            _ => None,
        }
    }
}
