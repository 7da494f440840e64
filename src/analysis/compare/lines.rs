//! The lines of a result: its quantities, each with its resamples.

use super::{DRAWS_OF_A_VERDICT, NotComparable, Turns, card, explain, process, sweep};
use crate::model::{ComparedKind, Document, Findings, Fingerprint, LineUnit, WorkerSamples};
use crate::stats::{Replicates, cost_replicates, level_freedom};

/// What a line is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// What names it in every result of its kind.
    pub key: String,
    /// What it belongs to, for people; neighbours of one group are shown together.
    pub group: String,
    /// What it is, for people.
    pub what: String,
}

/// One measured quantity of one result.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is called.
    pub name: Name,
    /// The unit of its value: base units, which a view scales.
    pub unit: LineUnit,
    /// The figure, with the resamples that its uncertainty comes from.
    pub value: Replicates,
    /// Workers that were resampled; of a figure of several samples, the fewest that
    /// one of them has.
    pub workers: usize,
    /// The degrees of freedom of its error: see [`crate::stats::Party`].
    pub freedom: usize,
    /// Those by which its draws are spread.
    pub spread: Option<usize>,
    /// How uncertain the level of the whole run is, as the standard error of a
    /// logarithm: see [`crate::stats::drift`].
    pub drift: f64,
}

impl Line {
    /// That of what some workers took, which are resampled with a seed that comes from
    /// `luck`; `None` without a time.
    pub(super) fn of_workers(
        name: Name,
        workers: &[Vec<f64>],
        luck: u64,
        drift: f64,
    ) -> Option<Self> {
        let seed = Fingerprint::of(&name.key).and(&luck.to_le_bytes()).number();
        let value = cost_replicates(workers, seed, DRAWS_OF_A_VERDICT)?;
        Some(Self {
            name,
            unit: LineUnit::Ns,
            value,
            workers: workers.len(),
            freedom: level_freedom(workers.len()),
            spread: Some(level_freedom(workers.len())),
            drift,
        })
    }
}

/// A quantity that a result has no figure of, though it was to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What would name the line.
    pub key: String,
    /// Why it is missing.
    pub reason: String,
}

impl Absent {
    pub(super) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

/// A quantity that may be measured by turns: its line, or why there is none, and the turns
/// that it is made of.
pub(super) struct Quantity {
    pub(super) name: Name,
    pub(super) line: Result<Line, Absent>,
    pub(super) turns: Vec<Turns>,
}

/// All lines of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// What the result is.
    pub kind: ComparedKind,
    /// Those that have figures, in the order of the result's tables. No key comes
    /// twice.
    pub lines: Vec<Line>,
    /// Those that have none.
    pub absent: Vec<Absent>,
}

impl Lines {
    /// Those of a kind of result, of which there are none yet.
    pub(super) fn none(kind: ComparedKind) -> Self {
        Self {
            kind,
            lines: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// The same with one more, unless its key was there before.
    pub(super) fn add(&mut self, line: Result<Line, Absent>) {
        match line {
            Ok(line) if self.find(&line.name.key).is_none() => self.lines.push(line),
            Ok(_) => {}
            Err(absent) => self.absent.push(absent),
        }
    }

    /// The line of that key.
    pub fn find(&self, key: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name.key == key)
    }

    /// Why there is no line of that key.
    pub(super) fn why_not(&self, key: &str) -> String {
        let absent = self.absent.iter().find(|absent| absent.key == key);
        absent.map_or_else(
            || "not measured there".to_owned(),
            |absent| absent.reason.clone(),
        )
    }
}

/// The lines of a result, resampled with seeds that come from `luck`.
///
/// # Errors
/// [`NotComparable::Kind`]: it has none.
pub fn lines(document: &Document, luck: u64) -> Result<Lines, NotComparable> {
    // The one place that knows what a result is: another kind gives its lines here.
    match &document.findings {
        Findings::Sweep { cells } => Ok(sweep::lines(cells, luck)),
        Findings::Card(measured) => Ok(card::lines(measured, &document.plan, luck)),
        Findings::Explanation(found) => Ok(explain::lines(found, document.plan.child, luck)),
        Findings::Process(found) => Ok(process::lines(found, document, luck)),
        Findings::Reproduction(_) => Err(NotComparable::Kind("a reproduction")),
        Findings::Advice(_) => Err(NotComparable::Kind("an advice")),
        Findings::Trace(_) => Err(NotComparable::Kind("a watched program")),
    }
}

/// What a result is called in a refusal.
pub(super) fn name(kind: ComparedKind) -> &'static str {
    match kind {
        ComparedKind::Sweeps => "a sweep",
        ComparedKind::Cards => "a card",
        ComparedKind::Explanations => "an explanation",
        ComparedKind::Processes => "an explained process",
    }
}

/// Where the seeds of two results come from.
///
/// They come from the samples: so it does not matter which of the two is named
/// first. A result that is compared with itself gets another seed the second time,
/// since the same luck would strike both sides and cancel out.
pub(super) fn luck(documents: [&Document; 2]) -> [u64; 2] {
    let [a, b] = documents.map(|document| {
        let workers = workers(&document.findings);
        let samples = workers.flat_map(|worker| worker.total_ns.iter().chain(&worker.call_ns));
        let sum = samples.fold(Fingerprint::default(), |sum, ns| sum.and(&ns.to_le_bytes()));
        sum.number()
    });
    [a, if a == b { !b } else { b }]
}

/// The samples of what can be compared.
fn workers(findings: &Findings) -> impl Iterator<Item = &WorkerSamples> {
    let of_card = match findings {
        Findings::Card(card) => card.trials.as_slice(),
        _ => &[],
    };
    let of_replica = findings.replica().map(|replica| replica.trials.as_slice());
    let of_cells = findings.cells().iter().flat_map(|cell| &cell.samples);
    let of_card = of_card.iter().flat_map(|trial| &trial.cells);
    let of_replica = of_replica.into_iter().flatten();
    let of_replica = of_replica.flat_map(|trial| &trial.cells);
    of_cells.chain(of_card.chain(of_replica).flat_map(|cell| &cell.samples))
}
