//! Two results of one run, whose workers took turns: line by line, from the ratios of turns
//! that lie milliseconds apart; where slices of workers took turns, of workers that lie
//! seconds apart.

use std::collections::BTreeMap;

use super::lines::Quantity;
use super::sweep::Part;
use super::{
    Absent, DRAWS_OF_A_VERDICT, Input, Line, Lines, Name, NotComparable, assembled, compared,
    explain, lines, sweep,
};
use crate::model::{
    ByTurns, ComparedKind, Comparison, Document, Findings, Fingerprint, Tool, WorkerSamples,
};
use crate::stats::{Contrast, has_ratio, median};

/// Sets the two sides beside each other; `fail_above` as for two files.
///
/// # Errors
/// [`NotComparable::Unpaired`]: they are not of two sweeps, or two explanations, of a kind.
pub fn compare_by_turns(
    tool: Tool,
    by_turns: Box<ByTurns>,
    fail_above: Option<f64>,
) -> Result<Comparison, NotComparable> {
    let pairs = Paired::of(&by_turns)?;
    let contrast = |a: &Line, _: &Line| pairs.contrast(&a.name.key);
    let lines = compared(&pairs.a, &pairs.b, &contrast);
    let [a, b] = [("A", &by_turns.a), ("B", &by_turns.b)];
    let [a, b] = [a, b].map(|(file, document)| Input { file, document });
    let comparison = assembled(tool, [a, b], [&pairs.a, &pairs.b], lines, fail_above);
    Ok(Comparison {
        by_turns: Some(by_turns),
        ..comparison
    })
}

/// What one worker's spawns took, turn by turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Turns {
    /// The round in which the worker ran.
    pub round: u32,
    /// Nanoseconds; of a phase one median of all turns.
    pub ns: Vec<f64>,
}

/// The turns of workers in a part of a spawn.
pub fn turns(samples: &[WorkerSamples], part: &Part) -> Vec<Turns> {
    let of_worker = |worker: &WorkerSamples| Turns {
        round: worker.round,
        ns: (part.samples)(worker).iter().map(|ns| *ns as f64).collect(),
    };
    samples.iter().map(of_worker).collect()
}

/// Both sides of the turns of pairs, pair by pair.
type Pairs = Vec<Vec<[f64; 2]>>;

/// How pairs are had of the workers of both.
pub type PairsOf = fn(&[Turns], &[Turns]) -> Pairs;

/// Pairs of workers, turn by turn. What one of the two has more turns of is left out.
pub fn pairs_of_workers(a: &[Turns], b: &[Turns]) -> Pairs {
    let mut of_rounds: BTreeMap<u32, &Turns> = BTreeMap::new();
    for worker in b {
        of_rounds.entry(worker.round).or_insert(worker);
    }
    // Each worker is in one pair.
    let pairs = a.iter().filter_map(|of_a| {
        let of_b = of_rounds.remove(&of_a.round)?;
        Some(sides(&of_a.ns, &of_b.ns))
    });
    pairs.filter(|turns| !turns.is_empty()).collect()
}

/// Both sides of each turn of which there is a ratio: all that is told of a line is of these.
fn sides(a: &[f64], b: &[f64]) -> Vec<[f64; 2]> {
    let turns = a.iter().zip(b).map(|(a, b)| [*a, *b]);
    turns.filter(has_ratio).collect()
}

/// The same where slices of workers took turns: of each pair of slices the medians of their
/// workers, one after the other.
pub fn pairs_of_slices(a: &[Turns], b: &[Turns]) -> Pairs {
    let mut of_rounds: BTreeMap<u32, [Vec<f64>; 2]> = BTreeMap::new();
    for (side, workers) in [a, b].into_iter().enumerate() {
        for worker in workers {
            let slices = of_rounds.entry(worker.round).or_default();
            slices[side].extend(median(&worker.ns));
        }
    }
    let pairs = of_rounds.into_values().map(|[a, b]| sides(&a, &b));
    pairs.filter(|pair| !pair.is_empty()).collect()
}

/// The lines of both, under the same names, and the pairs behind each.
struct Paired {
    a: Lines,
    b: Lines,
    pairs: BTreeMap<String, Pairs>,
    pairs_of: PairsOf,
    luck: u64,
}

impl Paired {
    fn of(by_turns: &ByTurns) -> Result<Self, NotComparable> {
        let documents = [&by_turns.a, &by_turns.b];
        let luck = lines::luck(documents);
        let [a, b] = [0, 1].map(|side| quantities(documents[side], luck[side]));
        let ((kind, a), (other, b)) = a.zip(b).ok_or(NotComparable::Unpaired)?;
        if kind != other || a.len() != b.len() {
            return Err(NotComparable::Unpaired);
        }
        let mut paired = Self {
            a: Lines::none(kind),
            b: Lines::none(kind),
            pairs: BTreeMap::new(),
            pairs_of: by_turns
                .setups()
                .map_or(pairs_of_workers, |_| pairs_of_slices),
            luck: luck[0] ^ luck[1],
        };
        for (a, b) in a.into_iter().zip(b) {
            paired.add([a, b]);
        }
        Ok(paired)
    }

    fn add(&mut self, [a, b]: [Quantity; 2]) {
        let name = Name {
            key: both(&a.name.key, &b.name.key),
            group: both(&a.name.group, &b.name.group),
            what: both(&a.name.what, &b.name.what),
        };
        if self.pairs.contains_key(&name.key) {
            return;
        }
        let pairs = (self.pairs_of)(&a.turns, &b.turns);
        for (lines, quantity) in [(&mut self.a, a), (&mut self.b, b)] {
            lines.add(match quantity.line {
                Ok(line) => Ok(Line {
                    name: name.clone(),
                    workers: pairs.len(),
                    ..line
                }),
                Err(absent) => Err(Absent::new(&name.key, absent.reason)),
            });
        }
        self.pairs.insert(name.key, pairs);
    }

    fn contrast(&self, key: &str) -> Result<Contrast, String> {
        let seed = Fingerprint::of(key).and(&self.luck.to_le_bytes()).number();
        let pairs = self.pairs.get(key);
        let contrast = pairs.and_then(|pairs| Contrast::of_pairs(pairs, seed, DRAWS_OF_A_VERDICT));
        contrast.ok_or_else(|| {
            "fewer than two pairs have turns with a ratio; raise --time or --spawns".to_owned()
        })
    }
}

/// What may be paired of a side.
fn quantities(document: &Document, luck: u64) -> Option<(ComparedKind, Vec<Quantity>)> {
    // The level of the run is the same on both sides.
    const DRIFT: f64 = 0.0;
    match &document.findings {
        Findings::Sweep { cells } => {
            Some((ComparedKind::Sweeps, sweep::quantities(cells, luck, DRIFT)))
        }
        Findings::Explanation(found) => Some((
            ComparedKind::Explanations,
            explain::quantities(found, document.plan.child, luck, DRIFT),
        )),
        _ => None,
    }
}

/// One name, or the names of both.
fn both(a: &str, b: &str) -> String {
    match a == b {
        true => a.to_owned(),
        false => format!("{a} against {b}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_without_a_ratio_are_in_no_pair() {
        let of = |rounds: &[(u32, &[f64])]| -> Vec<Turns> {
            let turns = rounds.iter().map(|(round, ns)| Turns {
                round: *round,
                ns: ns.to_vec(),
            });
            turns.collect()
        };
        let a = of(&[(0, &[5.0, 0.0, 6.0]), (1, &[0.0]), (2, &[7.0])]);
        let b = of(&[(0, &[8.0, 9.0]), (1, &[9.0]), (3, &[9.0])]);
        assert_eq!(pairs_of_workers(&a, &b), [[[5.0, 8.0]]]);
        assert_eq!(pairs_of_slices(&a, &b), [[[5.0, 8.5]]]);
    }
}
