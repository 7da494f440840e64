//! The orders: what a command is to find out, and what only that command needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdviseOrder, CardOrder, Findings, ProcessOrder, ReplicaOrder, StudyId, TraceOrder};

/// What is to be found out.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// What spawns cost by method and address space.
    Sweep,
    /// Where the time of a spawn from the last address space goes.
    Explain(ExplainOrder),
    /// What a published study's parents or programs cost here.
    Reproduce(ReproduceOrder),
    /// What this host charges.
    Card(CardOrder),
    /// What forks from a process of this shape cost, and why.
    Process(ProcessOrder),
    /// What can be done about that.
    Advise(AdviseOrder),
    /// What a program spawns, how, and from where.
    Trace(TraceOrder),
}

impl Order {
    /// Whether these findings are of the kind that was ordered.
    pub fn is_answered_by(&self, findings: &Findings) -> bool {
        match self {
            Self::Sweep => matches!(findings, Findings::Sweep { .. }),
            Self::Explain(_) => matches!(findings, Findings::Explanation(_)),
            Self::Reproduce(_) => matches!(findings, Findings::Reproduction(_)),
            Self::Card(_) => matches!(findings, Findings::Card(_)),
            Self::Process(_) => matches!(findings, Findings::Process(_)),
            Self::Advise(_) => matches!(findings, Findings::Advice(_)),
            Self::Trace(_) => matches!(findings, Findings::Trace(_)),
        }
    }

    /// What the prices of this host are found out by, if they are wanted.
    pub fn card(&self) -> Option<&CardOrder> {
        match self {
            Self::Card(order) => Some(order),
            Self::Sweep
            | Self::Explain(_)
            | Self::Reproduce(_)
            | Self::Process(_)
            | Self::Advise(_)
            | Self::Trace(_) => None,
        }
    }

    /// How it is explained where the time goes, if that is wanted.
    pub fn explain(&self) -> Option<&ExplainOrder> {
        match self {
            Self::Explain(order) => Some(order),
            Self::Process(order) => order.ledger.as_ref(),
            Self::Sweep | Self::Reproduce(_) | Self::Card(_) | Self::Advise(_) | Self::Trace(_) => {
                None
            }
        }
    }

    /// What is watched, if something is.
    pub fn trace(&self) -> Option<&TraceOrder> {
        match self {
            Self::Trace(order) => Some(order),
            _ => None,
        }
    }

    /// What process is rebuilt, if one is.
    pub fn replica(&self) -> Option<&ReplicaOrder> {
        match self {
            Self::Process(order) => Some(&order.replica),
            Self::Advise(order) => Some(&order.replica),
            Self::Sweep
            | Self::Explain(_)
            | Self::Reproduce(_)
            | Self::Card(_)
            | Self::Trace(_) => None,
        }
    }
}

/// How the last address space of a plan is explained.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ExplainOrder {
    /// Samples of kernel call chains in each second of CPU time.
    pub sampling_hz: u64,
    /// Pages that the parent writes to again after a spawn; 0 for none.
    pub rewrite_pages: u64,
    /// Whether the page-table tree of a mapping is kept.
    pub tree: bool,
}

/// How a study is reproduced.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ReproduceOrder {
    /// Which one.
    pub study: StudyId,
    /// The share of the study's sizes that is built: 1, or a power of two down to 1/64.
    pub scale: f64,
    /// The limit of this host that forbids the whole; absent where the scale is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_because: Option<String>,
    /// The loops of a study of programs; absent of one of address spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loops: Option<LoopOrder>,
}

/// How programs that spawn in a loop are run.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LoopOrder {
    /// Iterations of a loop.
    pub iterations: u64,
    /// Iterations of the one that runs longer.
    pub long_iterations: u64,
    /// Timed runs of each program.
    pub repeats: u32,
    /// The interpreter as it was asked for: a path, or a name for `PATH`.
    pub interpreter: String,
    /// Whether the interpreter is the study's own, since none was named. Then it
    /// may be missing.
    pub own_interpreter: bool,
    /// The same of the program that the children execute.
    pub own_program: bool,
}
