//! Recorded rounds of a real host: whether eight visits tell what all of them do.
//!
//! A line is a visit: a fresh process with 1,000 or 10,000 mappings of a page each forks
//! and executes a program of two instructions ten times. Beside it stand the medians of
//! seven forks from a process of 300 mappings and of seven vforks, before and after. Times
//! are in microseconds, but those of the vforks in tenths and those of the ten in tens.

use fastrand::Rng;

use super::{Estimate, HostCourse, Sight, level_replicates, spells};

const RECORDINGS: [&str; 3] = [
    include_str!("data/busy.csv"),
    include_str!("data/crowded.csv"),
    include_str!("data/hour.csv"),
];

/// Runs that are drawn from a recording.
const RUNS: u64 = 300;

/// Resamples behind an interval.
const DRAWS: usize = 300;

/// Visits of a recording, in the order of time.
struct Recording {
    sights: Vec<Sight>,
    cells: Vec<usize>,
    times: Vec<Vec<f64>>,
}

impl Recording {
    fn read(text: &str) -> Self {
        let mut read = Self {
            sights: Vec::new(),
            cells: Vec::new(),
            times: Vec::new(),
        };
        for line in text.lines().skip(2) {
            let values: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
            let times = values[6..].to_vec();
            read.sights.push(Sight {
                lasted: times.iter().sum(),
                // Of both references, each by its own measure.
                reference: [2, 3].map(|fork| (values[fork] * values[fork + 2]).sqrt()),
            });
            read.cells.push(usize::from(values[1] > 1.0));
            read.times.push(times);
        }
        read
    }

    /// Some of its visits.
    fn part(&self, visits: &[usize]) -> Self {
        Self {
            sights: visits.iter().map(|visit| self.sights[*visit]).collect(),
            cells: visits.iter().map(|visit| self.cells[*visit]).collect(),
            times: visits
                .iter()
                .map(|visit| self.times[*visit].clone())
                .collect(),
        }
    }

    /// The level of a cell in the visits that are taken.
    fn level(&self, cell: usize, seed: u64, taken: impl Fn(usize) -> bool) -> Estimate {
        let all = 0..self.cells.len();
        let own: Vec<usize> = all
            .filter(|visit| self.cells[*visit] == cell && taken(*visit))
            .collect();
        let level = level_replicates(&self.logs(&own), seed, DRAWS);
        level.unwrap().estimate()
    }

    /// The logarithms of the times of some visits.
    fn logs(&self, visits: &[usize]) -> Vec<Vec<f64>> {
        let logs = |visit: &usize| self.times[*visit].iter().map(|time| time.ln()).collect();
        visits.iter().map(logs).collect()
    }
}

/// The share of runs of eight visits of each cell, drawn from those that are taken, whose
/// interval holds the level of all of these.
fn eight_tell_what_all_do(recording: &Recording, taken: impl Fn(usize) -> bool) -> [f64; 2] {
    let taken = [0, 1].map(|cell| -> Vec<usize> {
        let all = 0..recording.cells.len();
        all.filter(|visit| recording.cells[*visit] == cell && taken(*visit))
            .collect()
    });
    let truth = [0, 1].map(|cell| {
        let logs = recording.logs(&taken[cell]);
        level_replicates(&logs, 1, 0).unwrap().value
    });
    let mut rng = Rng::with_seed(1);
    let mut covered = [0.0; 2];
    for seed in 0..RUNS {
        let mut drawn = taken
            .clone()
            .map(|visits| rng.choose_multiple(visits, 8))
            .concat();
        drawn.sort_unstable();
        let drawn = recording.part(&drawn);
        for cell in [0, 1] {
            let [low, high] = drawn.level(cell, seed, |_| true).ci95;
            let holds = low <= truth[cell] && truth[cell] <= high;
            covered[cell] += f64::from(u8::from(holds)) / RUNS as f64;
        }
    }
    covered
}

/// What the rounds with an even number say of each cell, and what those with an odd one.
fn halves(recording: &Recording) -> [[Estimate; 2]; 2] {
    [0, 1].map(|half| {
        let all = 0..recording.cells.len();
        let half: Vec<usize> = all.filter(|visit| visit / 2 % 2 == half).collect();
        let half = recording.part(&half);
        let told = spells(&half.sights, 1);
        [0, 1].map(|cell| half.level(cell, 1, |visit| told.state(visit).is_quiet()))
    })
}

#[test]
fn eight_visits_of_a_busy_host_tell_what_all_do() {
    for text in RECORDINGS {
        let all = eight_tell_what_all_do(&Recording::read(text), |_| true);
        assert!(
            all.iter().all(|held| (0.9..=0.985).contains(held)),
            "{all:?}"
        );
    }
}

/// What a spawn costs on hosts that are so busy, is how long others hold its CPU, and a
/// short reference does not tell that: most visits beside a quick one are alike, and some
/// take twice as long. Eight of which none is such a one think that there is none, so that
/// their intervals hold less than they say.
#[test]
fn eight_quiet_visits_of_a_busy_host_tell_it_less_surely() {
    for text in &RECORDINGS[..2] {
        let recording = Recording::read(text);
        let told = spells(&recording.sights, 1);
        assert!(matches!(told.finding, HostCourse::Spells(_)));
        let quiet = eight_tell_what_all_do(&recording, |visit| told.state(visit).is_quiet());
        assert!(
            quiet.iter().all(|held| (0.78..=0.985).contains(held)),
            "{quiet:?}"
        );
    }
}

#[test]
fn an_hour_beside_builds_has_no_quiet_state() {
    let recording = Recording::read(RECORDINGS[2]);
    let told = spells(&recording.sights, 1);
    assert!(matches!(told.finding, HostCourse::Restless { .. }));
}

#[test]
fn halves_of_a_recording_agree() {
    for text in RECORDINGS {
        let [even, odd] = halves(&Recording::read(text));
        for (even, odd) in even.iter().zip(&odd) {
            assert!(!even.exceeds(odd) && !odd.exceeds(even), "{even:?} {odd:?}");
        }
    }
}
