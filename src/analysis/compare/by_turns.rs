//! Two results of one run, whose workers took turns: line by line, from the logarithms of
//! the ratios of turns that lie milliseconds apart; where slices of workers took turns, of
//! workers that lie seconds apart.

use std::collections::BTreeMap;

use super::sweep::{self, PARTS, Part};
use super::{
    Absent, DRAWS_OF_A_VERDICT, Input, Line, Lines, NotComparable, assembled, compared, lines,
};
use crate::model::{
    ByTurns, Cell, ComparedKind, Comparison, Findings, Fingerprint, Tool, WorkerSamples,
};
use crate::stats::{Contrast, median};

/// Sets the two sides beside each other; `fail_above` as for two files.
///
/// # Errors
/// [`NotComparable::Kind`]: they are not of two sweeps.
pub fn compare_by_turns(
    tool: Tool,
    by_turns: Box<ByTurns>,
    fail_above: Option<f64>,
) -> Result<Comparison, NotComparable> {
    let pairs = Pairs::of(&by_turns)?;
    let contrast = |a: &Line, _: &Line| pairs.contrast(&a.key);
    let lines = compared(&pairs.a, &pairs.b, &contrast);
    let [a, b] = [("A", &by_turns.a), ("B", &by_turns.b)];
    let [a, b] = [a, b].map(|(file, document)| Input { file, document });
    let comparison = assembled(tool, [a, b], [&pairs.a, &pairs.b], lines, fail_above);
    Ok(Comparison {
        by_turns: Some(by_turns),
        ..comparison
    })
}

/// The logarithms of the second over the first, turn by turn, of each pair of workers.
/// What one of the two has more turns of is left out.
pub fn logs_of_pairs(a: &[WorkerSamples], b: &[WorkerSamples], part: &Part) -> Vec<Vec<f64>> {
    let mut of_rounds: BTreeMap<u32, &WorkerSamples> = BTreeMap::new();
    for worker in b {
        of_rounds.entry(worker.round).or_insert(worker);
    }
    // Each worker is in one pair.
    let pairs = a.iter().filter_map(|of_a| {
        let of_b = of_rounds.remove(&of_a.round)?;
        let turns = (part.samples)(of_a).iter().zip((part.samples)(of_b));
        let logs = turns.map(|(a, b)| (*b as f64 / *a as f64).ln());
        Some(logs.filter(|log| log.is_finite()).collect())
    });
    pairs.filter(|turns: &Vec<f64>| !turns.is_empty()).collect()
}

/// The same where slices of workers took turns: of each pair of slices the logarithms of
/// the ratios of its workers' medians, one after the other.
pub fn logs_of_slices(a: &[WorkerSamples], b: &[WorkerSamples], part: &Part) -> Vec<Vec<f64>> {
    let mut of_rounds: BTreeMap<u32, [Vec<f64>; 2]> = BTreeMap::new();
    for (side, workers) in [a, b].into_iter().enumerate() {
        for worker in workers {
            let spawns = (part.samples)(worker).iter().map(|ns| *ns as f64);
            let level = median(&spawns.collect::<Vec<f64>>());
            let slices = of_rounds.entry(worker.round).or_default();
            slices[side].extend(level.map(f64::ln));
        }
    }
    let logs = of_rounds.into_values().map(|[a, b]| {
        let logs = a.iter().zip(b).map(|(a, b)| b - a);
        logs.filter(|log| log.is_finite()).collect()
    });
    logs.filter(|pair: &Vec<f64>| !pair.is_empty()).collect()
}

/// How logarithms are had of the workers of both.
pub type LogsOf = fn(&[WorkerSamples], &[WorkerSamples], &Part) -> Vec<Vec<f64>>;

/// The lines of both, under the same names, and the logarithms behind each.
struct Pairs {
    a: Lines,
    b: Lines,
    logs: BTreeMap<String, Vec<Vec<f64>>>,
    logs_of: LogsOf,
    luck: u64,
}

impl Pairs {
    fn of(by_turns: &ByTurns) -> Result<Self, NotComparable> {
        let documents = [&by_turns.a, &by_turns.b];
        for document in documents {
            if !matches!(document.findings, Findings::Sweep { .. }) {
                return Err(NotComparable::Kind("what is no sweep"));
            }
        }
        let [of_a, of_b] = documents.map(|document| document.findings.cells().len());
        if of_a != of_b {
            return Err(NotComparable::Unpaired);
        }
        let [luck_a, luck_b] = lines::luck(documents);
        let none = || Lines {
            kind: ComparedKind::Sweeps,
            lines: Vec::new(),
            absent: Vec::new(),
        };
        let mut pairs = Self {
            a: none(),
            b: none(),
            logs: BTreeMap::new(),
            logs_of: by_turns.setups().map_or(logs_of_pairs, |_| logs_of_slices),
            luck: luck_a ^ luck_b,
        };
        let [of_a, of_b] = documents.map(|document| document.findings.cells());
        for (a, b) in of_a.iter().zip(of_b) {
            for part in &PARTS {
                pairs.add([a, b], part, [luck_a, luck_b]);
            }
        }
        Ok(pairs)
    }

    fn add(&mut self, cells: [&Cell; 2], part: &Part, luck: [u64; 2]) {
        let [key, group, what] = [
            |cell: &Cell, part: &Part| sweep::key(cell, part),
            |cell: &Cell, _: &Part| cell.space.request.in_words(),
            |cell: &Cell, part: &Part| sweep::what(cell, part),
        ]
        .map(|name| both(cells.map(|cell| name(cell, part))));
        if self.logs.contains_key(&key) {
            return;
        }
        let [of_a, of_b] = cells.map(|cell| cell.samples.as_slice());
        let logs = (self.logs_of)(of_a, of_b, part);
        for (side, lines) in [&mut self.a, &mut self.b].into_iter().enumerate() {
            match sweep::line(cells[side], part, luck[side], 0.0) {
                Ok(line) => lines.lines.push(Line {
                    key: key.clone(),
                    group: group.clone(),
                    what: what.clone(),
                    workers: logs.len(),
                    ..line
                }),
                Err(reason) => lines.absent.push(Absent {
                    key: key.clone(),
                    reason,
                }),
            }
        }
        self.logs.insert(key, logs);
    }

    fn contrast(&self, key: &str) -> Result<Contrast, String> {
        let seed = Fingerprint::of(key).and(&self.luck.to_le_bytes()).number();
        let logs = self.logs.get(key);
        let contrast = logs.and_then(|logs| Contrast::of_pairs(logs, seed, DRAWS_OF_A_VERDICT));
        contrast
            .ok_or_else(|| "fewer than two pairs took turns; raise --time or --spawns".to_owned())
    }
}

/// One name, or the names of both.
fn both([a, b]: [String; 2]) -> String {
    match a == b {
        true => a,
        false => format!("{a} against {b}"),
    }
}
