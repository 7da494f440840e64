//! What a run tells while it goes on, and what it comes to.

use super::error::LabError;
use super::session::Recording;
use crate::model::{Document, HostState, Noise, Run};
use crate::stats::{Spells, Visit, lucks, stand_ins};

/// Hears how far a run has come.
pub trait Progress {
    /// What is being measured, and what share of the run is behind.
    fn step(&mut self, what: &str, share: f64);

    /// What is known of the run by now that its user waits to hear: one line.
    fn tell(&mut self, line: &str);
}

/// A run's end: the document as far as it came, and the error that ended it.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when nothing was timed.
    pub document: Option<Document>,
    /// `None` when the run ended by itself.
    pub error: Option<LabError>,
}

impl Outcome {
    /// That of a run which came to nothing.
    pub(super) fn nothing(error: LabError) -> Self {
        Self {
            document: None,
            error: Some(error),
        }
    }
}

/// How the rounds of a run ended.
pub(super) struct Ended {
    pub(super) run: Run,
    /// What else went on meanwhile.
    pub(super) noise: Option<Noise>,
    /// Whether workers had one CPU, so that others on it are in their way.
    pub(super) is_pinned: bool,
    /// When the host was slow, if there was a reference.
    pub(super) spells: Option<Spells>,
    /// Processes that the children of all its workers and scripts left behind.
    pub(super) left_behind: u64,
    pub(super) error: Option<LabError>,
}

/// By what share a worker's spawns may take longer than those of its like because neither it
/// nor a child ran, before others are taken to have had the CPU.
const MOST_SHARED: f64 = 0.1;

impl Ended {
    /// Tells workers what state the host was in when they ran, which of them stand in, and
    /// how lucky those were that it was quiet for.
    pub(super) fn tell<'a>(&self, recordings: impl IntoIterator<Item = &'a mut Recording>) {
        let mut recordings: Vec<&mut Recording> = recordings.into_iter().collect();
        self.states(&mut recordings);
        let cells = alike(&recordings);
        for like in &cells {
            let seen = like
                .iter()
                .map(|at| (recordings[*at].host, recordings[*at].level()));
            for place in stand_ins(&seen.collect::<Vec<_>>()) {
                recordings[like[place]].stands_in = true;
            }
        }
        if let Some(spells) = &self.spells {
            tell_lucks(&mut recordings, &cells, spells);
        }
    }

    /// The same of workers that took turns with others, without any that stand in: what the
    /// host did to one of a pair, it did to both.
    pub(super) fn tell_pairs(&self, recordings: &mut [Recording]) {
        self.states(&mut recordings.iter_mut().collect::<Vec<_>>());
    }

    fn states(&self, recordings: &mut [&mut Recording]) {
        let shared: Vec<bool> = (0..recordings.len())
            .map(|at| self.is_pinned && shared(recordings, at))
            .collect();
        for (recording, shared) in recordings.iter_mut().zip(shared) {
            let visit = recording.occasion.visit.unwrap_or(usize::MAX);
            recording.host = match &self.spells {
                _ if shared => HostState::Shared,
                Some(spells) => spells.state(visit),
                None => HostState::Quiet,
            };
        }
    }
}

/// Workers that did the same in parents of the same kind, by their places.
fn alike(recordings: &[&mut Recording]) -> Vec<Vec<usize>> {
    let mut cells: Vec<Vec<usize>> = Vec::new();
    for (at, own) in recordings.iter().enumerate() {
        let cell = cells.iter_mut();
        let mut cell = cell.filter(|like| is_like(own, recordings[like[0]]));
        match cell.next() {
            Some(like) => like.push(at),
            None => cells.push(vec![at]),
        }
    }
    cells
}

/// Tells workers that the host was quiet for how lucky they were.
fn tell_lucks(recordings: &mut [&mut Recording], cells: &[Vec<usize>], spells: &Spells) {
    let places = cells.iter().enumerate();
    let places = places.flat_map(|(cell, like)| like.iter().map(move |at| (cell, *at)));
    let visit = |(cell, at): (usize, usize)| {
        let own = &recordings[at];
        let level = *spells.levels.get(own.occasion.visit?)?;
        let figure = own.level();
        let is_told = own.host.is_quiet() && level.is_finite() && figure.is_finite();
        let visit = Visit {
            cell,
            level,
            figure,
        };
        is_told.then_some((at, visit))
    };
    let (told, visits): (Vec<usize>, Vec<Visit>) = places.filter_map(visit).unzip();
    for (at, luck) in told.into_iter().zip(lucks(&visits, &spells.course())) {
        recordings[at].luck = luck;
    }
}

/// Whether two workers did the same in parents of the same kind.
fn is_like(own: &Recording, other: &Recording) -> bool {
    other.occasion.of == own.occasion.of && other.pass == own.pass && other.methods == own.methods
}

/// Whether others had the CPU for a good part of a worker's time: what its like slept,
/// because it was told to or because its children did, it had to sleep, too. One with
/// company also sleeps on what the others hold, which is what it is run for.
fn shared(recordings: &[&mut Recording], at: usize) -> bool {
    let own = &recordings[at];
    if own.has_company {
        return false;
    }
    let like = recordings.iter().filter(|other| is_like(own, other));
    let least = like.filter_map(|other| other.idle_us_a_spawn());
    let least = least.fold(f64::INFINITY, f64::min);
    let took = own.done.usage.wall_us as f64 / own.done.spawns.max(1) as f64;
    let more = own.idle_us_a_spawn().map(|idle| idle - least);
    more.is_some_and(|more| more > MOST_SHARED * (took - more))
}
