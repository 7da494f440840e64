//! The lines of a result: its quantities, each with its resamples.

use super::{NotComparable, card, sweep};
use crate::model::{ComparedKind, Document, Findings, Fingerprint, LineUnit, WorkerSamples};
use crate::stats::Replicates;

/// One measured quantity of one result.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What names it in every result of its kind.
    pub key: String,
    /// What it belongs to, for people; neighbours of one group are shown together.
    pub group: String,
    /// What it is, for people.
    pub what: String,
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

/// A quantity that a result has no figure of, though it was to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What would name the line.
    pub key: String,
    /// Why it is missing.
    pub reason: String,
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
    /// The line of that key.
    pub fn find(&self, key: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.key == key)
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
        Findings::Explanation(_) => Err(NotComparable::Kind("an explanation")),
        Findings::Reproduction(_) => Err(NotComparable::Kind("a reproduction")),
        Findings::Process(_) => Err(NotComparable::Kind("an explained process")),
        Findings::Advice(_) => Err(NotComparable::Kind("an advice")),
    }
}

/// What a result is called in a refusal.
pub(super) fn name(kind: ComparedKind) -> &'static str {
    match kind {
        ComparedKind::Sweeps => "a sweep",
        ComparedKind::Cards => "a card",
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
    let trials = match findings {
        Findings::Card(card) => card.trials.as_slice(),
        Findings::Sweep { .. }
        | Findings::Explanation(_)
        | Findings::Reproduction(_)
        | Findings::Process(_)
        | Findings::Advice(_) => &[],
    };
    let of_cells = findings.cells().iter().flat_map(|cell| &cell.samples);
    let of_trials = trials.iter().flat_map(|trial| &trial.cells);
    of_cells.chain(of_trials.flat_map(|cell| &cell.samples))
}
