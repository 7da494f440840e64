//! Whether the quiet state's intervals hold what they promise on simulated hosts, and how
//! much narrower they are than those of all visits together.

use fastrand::Rng;

use super::bootstrap::median_replicates;
use super::host::{Host, ROUGH, Run, SPELLS, STILL};
use super::{
    Estimate, FEWEST_WORKERS, HostCourse, Spells, level_replicates, median, spells, stand_ins,
};

const DRAWS: usize = 300;

/// Visits of a run, of all cells.
const VISITS: usize = 240;

/// The level of a cell in the visits that the host was quiet for, if they are enough.
fn quiet(run: &Run, told: &Spells, cell: usize, seed: u64) -> Option<Estimate> {
    let is_of_it = |visit: usize| run.cells[visit] == cell && told.state(visit).is_quiet();
    let logs = run.logs(is_of_it);
    let level = level_replicates(&logs, seed, DRAWS).filter(|_| logs.len() >= FEWEST_WORKERS);
    level.map(|level| level.estimate())
}

/// The same of those that stand in where they are not enough.
fn stood_in(run: &Run, told: &Spells, cell: usize, seed: u64) -> Option<Estimate> {
    let visits = (0..run.cells.len()).filter(|visit| run.cells[*visit] == cell);
    let visits: Vec<usize> = visits.collect();
    let figures = run.figures();
    let seen = visits
        .iter()
        .map(|visit| (told.state(*visit), figures[*visit]));
    let chosen = stand_ins(&seen.collect::<Vec<_>>());
    let taken = |visit: usize| {
        let stands_in = chosen.iter().any(|place| visits[*place] == visit);
        run.cells[visit] == cell && (stands_in || told.state(visit).is_quiet())
    };
    let level = level_replicates(&run.logs(taken), seed, DRAWS);
    level
        .map(|level| level.estimate())
        .filter(|_| !chosen.is_empty())
}

/// What many runs of a host come to.
#[derive(Debug, Default)]
struct Tally {
    /// Intervals of the quiet state, and those of all visits as they were before.
    cells: f64,
    covered: [f64; 2],
    width: [f64; 2],
}

impl Tally {
    /// Of runs with about so many quiet visits a cell, and of the first cells alone: more
    /// of one run say little more.
    fn of(host: Host, quiet_visits: usize, runs: u64) -> Self {
        let share = if host.lasts[0].is_finite() { 7 } else { 4 };
        let rounds = (quiet_visits * share).div_ceil(4);
        let truth = truth(host);
        let mut tally = Self::default();
        for seed in 0..runs {
            let run = host.run(rounds, VISITS / rounds, &mut Rng::with_seed(seed));
            let told = spells(&run.sights, seed);
            if host.lasts[0].is_finite() && !matches!(told.finding, HostCourse::Spells(_)) {
                continue;
            }
            let cells = run.cells.iter().max().map_or(0, |last| last + 1);
            for cell in 0..cells.min(6) {
                let Some(figure) = quiet(&run, &told, cell, seed) else {
                    continue;
                };
                let all = run.logs(|visit| run.cells[visit] == cell);
                let all = median_replicates(&all, seed, 200).unwrap().estimate();
                tally.add(truth + ((cell + 1) as f64).ln(), [figure, all]);
            }
        }
        tally
    }

    fn add(&mut self, truth: f64, estimates: [Estimate; 2]) {
        self.cells += 1.0;
        for (kind, estimate) in estimates.into_iter().enumerate() {
            let [low, high] = estimate.ci95;
            self.covered[kind] += f64::from(u8::from(low <= truth && truth <= high));
            self.width[kind] += high - low;
        }
    }

    fn coverage(&self) -> [f64; 2] {
        self.covered.map(|covered| covered / self.cells)
    }

    /// The width beside that of all visits.
    fn narrower(&self) -> f64 {
        self.width[0] / self.width[1]
    }
}

/// The level of the first cell on the host while it is quiet.
fn truth(host: Host) -> f64 {
    let calm = Host {
        lasts: STILL.lasts,
        ..host
    };
    let run = calm.run(8000, 1, &mut Rng::with_seed(99));
    median(&run.figures()).unwrap()
}

/// Coverage within 93 to 97 per cent, with an allowance for some hundred simulated cells
/// of which those of one run go together, and the most that the width is of today's.
fn holds(host: Host, most: [f64; 4]) {
    for (visits, most) in [3, 5, 8, 20].into_iter().zip(most) {
        let tally = Tally::of(host, visits, 60);
        let [covered, _] = tally.coverage();
        let highest = if visits == 3 { 0.995 } else { 0.985 };
        assert!(
            (0.905..=highest).contains(&covered),
            "{host:?}, {visits} visits: {covered}"
        );
        assert!(
            tally.narrower() < most,
            "{host:?}, {visits} visits: {}",
            tally.narrower()
        );
    }
}

#[test]
fn a_still_host_is_covered_and_no_more() {
    holds(STILL, [0.9, 0.9, 0.95, 0.95]);
}

#[test]
fn a_host_that_wanders_is_covered() {
    holds(
        Host {
            wanders: [0.05, 0.5],
            ..STILL
        },
        [0.95; 4],
    );
}

#[test]
fn a_host_with_bursts_is_covered() {
    holds(
        Host {
            bursts: [0.03, 0.3],
            ..STILL
        },
        [0.98, 0.9, 0.95, 0.95],
    );
}

#[test]
fn spells_are_taken_out() {
    holds(SPELLS, [0.35, 0.3, 0.3, 0.2]);
    holds(
        Host {
            drifts: 0.04,
            wanders: [0.03, 0.5],
            ..SPELLS
        },
        [0.4, 0.35, 0.3, 0.3],
    );
}

#[test]
fn a_rough_host_is_covered() {
    holds(ROUGH, [0.4, 0.35, 0.3, 0.3]);
}

/// What was printed before covers the quiet level as good as never where spells take a
/// third of the time.
#[test]
fn all_visits_together_are_not_the_quiet_state() {
    let [quiet, all] = Tally::of(SPELLS, 20, 20).coverage();
    assert!(quiet > 0.88 && all < 0.4, "{quiet} and {all}");
}

/// Whether an interval holds a value, and how far off its middle is.
fn beside(estimate: &Estimate, truth: f64) -> [f64; 2] {
    let [low, high] = estimate.ci95;
    let holds = f64::from(u8::from(low <= truth && truth <= high));
    [holds, (estimate.value - truth).abs()]
}

/// Of cells of which two visits or fewer were surely quiet. The quickest of many would be
/// too quick if the others were as good; of hosts whose spells are as short as a visit they
/// are not, either.
#[test]
fn stand_ins_tell_the_quiet_state_and_all_visits_do_not() {
    let restless = Host {
        lasts: [0.3, 0.4],
        ..ROUGH
    };
    for (host, rounds, least_cells) in [(ROUGH, 6, 500), (restless, 6, 500), (restless, 12, 150)] {
        let mut found = [[0.0; 2]; 2];
        let mut cells = 0;
        let truth = truth(host);
        for seed in 0..60 {
            for estimates in stand_ins_and_all(host, rounds, truth, seed) {
                cells += 1;
                for (sums, [holds, off]) in found.iter_mut().zip(estimates) {
                    *sums = [sums[0] + holds, sums[1] + off];
                }
            }
        }
        assert!(cells > least_cells, "{cells}");
        let [[held, off], [held_by_all, off_all]] =
            found.map(|sums| sums.map(|sum| sum / f64::from(cells)));
        assert!((0.905..0.995).contains(&held), "{host:?}: {held}");
        assert!(held_by_all < 0.6, "{host:?}: {held_by_all}");
        assert!(off < 0.55 * off_all, "{host:?}: {off} {off_all}");
    }
}

/// How stand-ins and all visits do beside the quiet level, of each cell of a run that has
/// stand-ins.
fn stand_ins_and_all(host: Host, rounds: usize, truth: f64, seed: u64) -> Vec<[[f64; 2]; 2]> {
    let run = host.run(rounds, VISITS / rounds, &mut Rng::with_seed(seed));
    let told = spells(&run.sights, seed);
    let cells = (0..VISITS / rounds).filter_map(|cell| {
        let figure = stood_in(&run, &told, cell, seed)?;
        let all = run.logs(|visit| run.cells[visit] == cell);
        let all = level_replicates(&all, seed, DRAWS)?.estimate();
        let truth = truth + ((cell + 1) as f64).ln();
        Some([beside(&figure, truth), beside(&all, truth)])
    });
    cells.collect()
}
