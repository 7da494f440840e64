//! The lines of an explained process: call and total of each method from its shape, what each
//! rung of the ladder adds to a fork, and the phases, where the fork was taken apart.

use super::sweep::{self, PARTS, course};
use super::{Absent, DRAWS_OF_A_VERDICT, Line, Lines, Name, explain};
use crate::model::{
    Availability, ChildAction, ComparedKind, Document, Fingerprint, LineUnit, Process, ProcessRole,
    ProcessTrial, Rung, RungCost, SpawnMethod, TrialCell, WorkerSamples, times,
};
use crate::stats::{Replicates, cost_replicates, drift, level_freedom};

pub(super) fn lines(found: &Process, document: &Document, luck: u64) -> Lines {
    let mut lines = Lines::none(ComparedKind::Processes);
    let trials = &found.replica.trials;
    let cells = trials.iter().flat_map(|trial| &trial.cells);
    let drift = drift(&course(cells.map(|cell| &cell.samples)));
    let order = document.plan.order.replica();
    let is_part = order.is_some_and(|order| order.scale.is_part());
    let whole = trials.iter().find(|trial| trial.role == ProcessRole::Whole);
    for (trial, cell) in whole
        .iter()
        .flat_map(|it| it.cells.iter().map(move |cell| (it, cell)))
    {
        for line in spawns(trial, cell, is_part, luck, drift) {
            lines.add(line);
        }
    }
    let ladder = Ladder {
        trials,
        child: document.plan.child,
        luck,
        drift,
    };
    match &found.blame {
        Availability::Measured(blame) => {
            let rungs = ladder.lines(&blame.rungs);
            rungs.into_iter().for_each(|line| lines.add(line));
        }
        Availability::Missing(why) => {
            let none = Rung::ALL.map(|rung| Absent::new(ladder.name(rung).key, &why.reason));
            none.into_iter().for_each(|rung| lines.add(Err(rung)));
        }
    }
    let explained = found.ledger.iter().flat_map(|ledger| &ledger.methods);
    for method in explained {
        let phases = explain::phases("process", method, document.plan.child, luck, drift);
        phases.into_iter().for_each(|phase| lines.add(phase.line));
    }
    lines
}

/// Call and total of a method from the whole shape.
fn spawns(
    trial: &ProcessTrial,
    cell: &TrialCell,
    is_part: bool,
    luck: u64,
    drift: f64,
) -> [Result<Line, Absent>; 2] {
    let (method, child) = (cell.method.name(), sweep::child(trial.child));
    PARTS.map(|part| {
        let name = Name {
            key: format!("process/{method}/{child}/{}", part.name),
            group: method.to_owned(),
            what: part.name.to_owned(),
        };
        if is_part {
            let why = "a part of the shape was rebuilt there, and a spawn from that is none from \
                       the process";
            return Err(Absent::new(name.key, why));
        }
        let line = Line::of_workers(
            name.clone(),
            &times(&cell.samples, part.samples),
            luck,
            drift,
        );
        line.ok_or_else(|| Absent::new(name.key, "not measured"))
    })
}

/// The ladder from an empty worker to the whole shape.
struct Ladder<'a> {
    trials: &'a [ProcessTrial],
    child: ChildAction,
    luck: u64,
    drift: f64,
}

impl Ladder<'_> {
    fn name(&self, rung: Rung) -> Name {
        let (key, what) = names(rung);
        Name {
            key: format!("process/fork/{}/rung/{key}", sweep::child(self.child)),
            group: "fork".to_owned(),
            what: what.to_owned(),
        }
    }

    /// What each rung adds to a fork's total.
    fn lines(&self, rungs: &[RungCost]) -> Vec<Result<Line, Absent>> {
        let forks: Vec<Option<(Replicates, usize)>> = (rungs.iter().enumerate())
            .map(|(place, cost)| {
                self.fork(match place + 1 == rungs.len() {
                    true => ProcessRole::Whole,
                    false => ProcessRole::Rung(cost.rung),
                })
            })
            .collect();
        let line = |rung: Rung| {
            let name = self.name(rung);
            let why = |why: &str| Absent::new(&name.key, why);
            let place = rungs.iter().position(|cost| cost.rung == rung);
            let place = place.ok_or_else(|| why("it adds nothing there to the rungs below it"))?;
            let fork = forks[place].as_ref().ok_or_else(|| why("not measured"))?;
            let below = place.checked_sub(1).map(|below| forks[below].as_ref());
            let below = below.map(|fork| fork.ok_or_else(|| why("not measured")));
            let added = self.added(&name, fork, below.transpose()?, &rungs[place]);
            added.ok_or_else(|| why("not told from 0"))
        };
        Rung::ALL.into_iter().map(line).collect()
    }

    /// The fork from one rung, and its workers.
    fn fork(&self, role: ProcessRole) -> Option<(Replicates, usize)> {
        let place = self.trials.iter().position(|trial| trial.role == role)?;
        let mut cells = self.trials[place].cells.iter();
        let cell = cells.find(|cell| cell.method == SpawnMethod::Fork)?;
        let workers = times(&cell.samples, WorkerSamples::totals);
        let seed = Fingerprint::of("rung").and(&place.to_le_bytes());
        let seed = seed.and(&self.luck.to_le_bytes()).number();
        let level = cost_replicates(&workers, seed, DRAWS_OF_A_VERDICT)?;
        Some((level, workers.len()))
    }

    /// What it is more than the fork from the rung below, if that is told from 0.
    fn added(
        &self,
        name: &Name,
        fork: &(Replicates, usize),
        below: Option<&(Replicates, usize)>,
        cost: &RungCost,
    ) -> Option<Line> {
        let (own, workers) = fork;
        let (value, workers) = match below {
            None => (own.clone(), *workers),
            Some((lower, other)) => {
                let added = |v: &[f64]| Some(cost.factor * (v[0] - v[1]));
                (
                    Replicates::combine(&[own, lower], added)?,
                    *workers.min(other),
                )
            }
        };
        let freedom = level_freedom(workers);
        value.estimate().is_above(0.0).then(|| Line {
            name: name.clone(),
            unit: LineUnit::Ns,
            value,
            workers,
            freedom,
            spread: Some(freedom),
            drift: self.drift,
        })
    }
}

fn names(rung: Rung) -> (&'static str, &'static str) {
    match rung {
        Rung::Empty => ("empty", "the fork itself"),
        Rung::Beside => ("beside", "files, threads"),
        Rung::Mappings => ("mappings", "mappings"),
        Rung::AnonVmas => ("anon-vmas", "anon_vmas"),
        Rung::Tables => ("tables", "page tables"),
        Rung::HugePages => ("huge-pages", "huge pages"),
        Rung::Pages => ("pages", "PTEs"),
        Rung::Pinned => ("pinned", "pinned pages"),
    }
}
