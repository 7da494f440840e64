//! Two results side by side: what `forktax compare` finds out, as serde types.
//!
//! It is a document of its own, and keeps what was compared and not the samples, unless both
//! were measured in one run (`by_turns`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, Caveat, ChildAction, Document, Host, HostDifference, Placement, Program, Setup,
    SpawnMethod, Stopped, Temperature, Tool,
};
use crate::stats::Estimate;

/// Two results, line by line.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this contract, as of a run.
    pub schema_version: u32,
    /// Who compared.
    pub tool: Tool,
    /// What was compared. It tells a comparison from the document of a run, which has
    /// findings instead.
    pub compared: ComparedKind,
    /// The result that the other is measured by.
    pub a: ComparedSide,
    /// The other.
    pub b: ComparedSide,
    /// Facts in which the hosts differ.
    pub host_differences: Vec<HostDifference>,
    /// How many times as long as A's the reference of B took, which is the same in every
    /// run: their distance is one standard error of each ratio. Absent where one of two
    /// files has none or another placement, and of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_ratio: Option<f64>,
    /// Conditions in which the runs differ and that bear on the figures.
    pub plan_differences: Vec<PlanDifference>,
    /// How often, at the most, a comparison of equals may name a difference in any of
    /// its lines.
    pub family_error: f64,
    /// The lines that both have.
    pub lines: Vec<ComparedLine>,
    /// The lines that one of them has.
    pub lone: Vec<LoneLine>,
    /// What was to fail; null if nothing was.
    pub fail_above: Option<FailAbove>,
    /// What was measured by `--vs` or between setups: the results themselves, in one run
    /// whose workers, or slices of them, took turns. Every line is of pairs of them then.
    /// Absent of two files, which keep their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_turns: Option<Box<ByTurns>>,
}

/// Two results of one run.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ByTurns {
    /// The options in which the second was to differ, as they were typed.
    pub options: String,
    /// The first. The cells, or explained methods, of both come in the same order, and
    /// workers of one round are those that took turns; where the plans have setups, they are those of the
    /// two slices of a pair, each side's as many and one after the other.
    pub a: Document,
    /// The second.
    pub b: Document,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparedKind {
    /// Two sweeps.
    Sweeps,
    /// Two cards.
    Cards,
    /// Two explanations.
    Explanations,
    /// Two explained processes.
    Processes,
}

/// One of the two results.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ComparedSide {
    /// Its file, as it was given; of one that was measured beside the other, `A` or `B`.
    pub file: String,
    /// The version of the program that measured it.
    pub tool_version: String,
    /// Where it was measured.
    pub host: Host,
    /// When that began, in seconds since 1970.
    pub started_unix_s: u64,
    /// Rounds that were completed.
    pub rounds: u32,
    /// Why it ended.
    pub stopped: Stopped,
    /// How it was measured.
    pub plan: ComparedPlan,
    /// What a reader must know before trusting its figures.
    pub caveats: Vec<Caveat>,
}

/// A plan, as far as it bears on the figures.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ComparedPlan {
    /// What an explanation is of, in words, or the name of the process; absent of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<String>,
    /// The methods, which took turns.
    pub methods: Vec<SpawnMethod>,
    /// What the child did.
    pub child: ChildAction,
    /// What it executed.
    pub program: Program,
    /// Variables in its environment.
    pub variables: usize,
    /// Bytes of them, each with the byte that ends it.
    pub variable_bytes: usize,
    /// Where the workers ran.
    pub placement: Placement,
    /// What happened between two spawns.
    pub temperature: Temperature,
}

/// A condition that bears on the figures and that a plan sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanFact {
    /// What the child does.
    Child,
    /// What it executes.
    Program,
    /// Its environment.
    Environment,
    /// Where the workers run.
    Placement,
    /// What happens between two spawns.
    Temperature,
    /// What the host is set to before each slice.
    Setup,
    /// The methods that take turns.
    Methods,
    /// Whether methods take turns, or each has a worker for a while, as where parents spawn at
    /// once.
    Turns,
    /// Whether a card has its whole design.
    Design,
    /// What the kernel reported of an address space that was ordered alike: more than 5
    /// % more VMAs, present PTEs or huge pages on one side; and of explanations what was
    /// ordered, of processes another name or more than 5 % more of what a fork pays for.
    Space,
}

impl ByTurns {
    /// What the host was set to for each of the two, if it was.
    pub fn setups(&self) -> Option<[&Setup; 2]> {
        let [a, b] = [&self.a, &self.b].map(|document| document.plan.setup.as_ref());
        Some([a?, b?])
    }
}

impl PlanFact {
    /// What it is called in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Program => "program",
            Self::Environment => "environment",
            Self::Placement => "placement",
            Self::Temperature => "temperature",
            Self::Turns => "methods spawn",
            Self::Setup => "setup",
            Self::Methods => "methods",
            Self::Design => "design",
            Self::Space => "address space",
        }
    }
}

/// A condition in which two runs differ.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PlanDifference {
    /// Which.
    pub fact: PlanFact,
    /// What it was in the first; of an environment its size and names of variables,
    /// never their values.
    pub a: String,
    /// What it was in the second.
    pub b: String,
}

/// One quantity that both have.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ComparedLine {
    /// What names it in every result: of a sweep the order of the address space, the
    /// method, the child and the part; of an explanation or a process `explained` or
    /// `process` in the place of the address space, whatever that is.
    pub key: String,
    /// What it belongs to, for people.
    pub group: String,
    /// What it is, for people.
    pub what: String,
    /// The unit of both figures.
    pub unit: LineUnit,
    /// The first result's figure.
    pub a: Estimate,
    /// The second's.
    pub b: Estimate,
    /// Workers behind the first figure.
    pub a_workers: usize,
    /// Workers behind the second.
    pub b_workers: usize,
    /// The second over the first. Its interval is that of this line alone.
    pub ratio: Availability<Estimate>,
    /// The second less the first, with an interval as the ratio's; null where there is no
    /// ratio, and of sweeps and cards, whose lines are no parts of each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Estimate>,
    /// The smallest ratio above 1 that would have been dearer; null without a verdict.
    pub visible_from: Option<f64>,
    /// What may be said of the two.
    pub verdict: Verdict,
}

/// The unit of a line's figures.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineUnit {
    /// Nanoseconds.
    Ns,
    /// Nanoseconds for each of what is named: a VMA.
    NsPer(String),
    /// Another, which is printed as it stands here.
    Other(String),
}

/// What may be said of two figures.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The second is larger, and chance does not explain it.
    Dearer,
    /// The second is smaller, and chance does not explain it.
    Cheaper,
    /// Chance explains the difference.
    NoDifferenceSeen,
    /// Nothing, for this reason.
    NotCompared(String),
}

/// Which of two results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The first.
    A,
    /// The second.
    B,
}

/// One quantity that only one of them has.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct LoneLine {
    /// What names it.
    pub key: String,
    /// What it belongs to, for people.
    pub group: String,
    /// What it is, for people.
    pub what: String,
    /// The unit of its figure.
    pub unit: LineUnit,
    /// Who has it.
    pub only_in: Which,
    /// Its figure.
    pub value: Estimate,
    /// Why the other does not.
    pub reason: String,
}

/// By how much a line may be dearer, and which exceed it.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct FailAbove {
    /// Percent of the first figure.
    pub percent: f64,
    /// The keys of the lines that are dearer and whose ratio's whole interval lies
    /// above; of explanations and processes among the totals alone.
    pub exceeded: Vec<String>,
}
