//! How the time of a run is shared out: over rounds and the workers of each.
//! Pure arithmetic; the clock is the caller's, and so are the workers' weights.

/// Rounds that are aimed at. Fewer workers say little about how they differ,
/// and more of them have no time left to measure.
pub(super) const AIM_ROUNDS: u32 = 8;
/// Of the time, what is left for the analysis.
const RESERVE: f64 = 0.04;
/// Of the first round, what is taken for starting and inflating workers before
/// their real share is known.
const FIRST_OVERHEAD: f64 = 0.3;

/// The weights of the workers in a round.
pub(super) type Course<'a> = &'a dyn Fn(u32) -> Vec<f64>;

/// What a round took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// From its begin to its end.
    pub(super) round_s: f64,
    /// Of that, within workers' loops.
    pub(super) loops_s: f64,
    /// Workers.
    pub(super) workers: usize,
}

/// The time of a run, if it is limited, and what is known of its use.
#[derive(Debug)]
pub(super) struct Budget {
    total_s: Option<f64>,
    /// What a worker takes besides its loop.
    overhead_s: Option<f64>,
    /// What the longest of the last two rounds took.
    last_rounds_s: [f64; 2],
}

impl Budget {
    pub(super) fn new(time_s: Option<f64>) -> Self {
        Self {
            total_s: time_s.map(|time| time * (1.0 - RESERVE)),
            overhead_s: None,
            last_rounds_s: [0.0; 2],
        }
    }

    /// Learns from a round that is over.
    pub(super) fn learn(&mut self, spent: Spent) {
        let besides = (spent.round_s - spent.loops_s).max(0.0);
        self.overhead_s = Some(besides / spent.workers.max(1) as f64);
        self.last_rounds_s = [self.last_rounds_s[1], spent.round_s];
    }

    /// The loop time of a worker of weight 1, in round `round`.
    pub(super) fn unit_s(&self, elapsed_s: f64, round: u32, course: Course<'_>) -> Option<f64> {
        let left = (self.total_s? - elapsed_s).max(0.0);
        let rounds = round..AIM_ROUNDS.max(round + 1);
        let weights: Vec<f64> = rounds.flat_map(course).collect();
        let units: f64 = weights.iter().sum();
        let overhead = self.overhead_s.map_or(left * FIRST_OVERHEAD, |overhead| {
            overhead * weights.len() as f64
        });
        Some((left - overhead).max(0.0) / units)
    }

    /// Whether another round fits. Until the aim is reached its loops shrink to
    /// what is left; after it, it is as long as those before.
    pub(super) fn has_time(&self, elapsed_s: f64, round: u32, course: Course<'_>) -> bool {
        let Some(total) = self.total_s else {
            return true;
        };
        let needed = if round < AIM_ROUNDS {
            self.overhead_s.unwrap_or(0.0) * course(round).len() as f64
        } else {
            self.last_rounds_s[0].max(self.last_rounds_s[1])
        };
        elapsed_s + needed < total
    }

    /// Whether no time is left at all.
    pub(super) fn is_spent(&self, elapsed_s: f64) -> bool {
        self.total_s.is_some_and(|total| elapsed_s >= total)
    }

    /// The share of the run that is behind.
    pub(super) fn share(&self, elapsed_s: f64, round: u32, of_round: f64) -> f64 {
        let rounds = (f64::from(round) + of_round) / f64::from(AIM_ROUNDS.max(round + 1));
        self.total_s
            .map_or(rounds, |total| elapsed_s / total)
            .min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends all rounds as planned, with an overhead for each worker.
    fn simulate(time_s: f64, spaces: usize, overhead_s: f64) -> (u32, f64) {
        let course = |round: u32| {
            let weights: &[f64] = if round.is_multiple_of(2) {
                &[2.5, 1.0, 1.0, 1.0]
            } else {
                &[2.5]
            };
            weights.repeat(spaces)
        };
        let mut budget = Budget::new(Some(time_s));
        let (mut round, mut elapsed) = (0, 0.0);
        loop {
            let unit = budget.unit_s(elapsed, round, &course).unwrap();
            let workers = course(round).len();
            let loops_s = unit * course(round).iter().sum::<f64>();
            let round_s = loops_s + overhead_s * workers as f64;
            budget.learn(Spent {
                round_s,
                loops_s,
                workers,
            });
            elapsed += round_s;
            round += 1;
            if !budget.has_time(elapsed, round, &course) {
                return (round, elapsed);
            }
        }
    }

    #[test]
    fn the_aim_is_reached_within_the_time() {
        for overhead_s in [0.0, 0.005, 0.05] {
            let (rounds, elapsed) = simulate(12.0, 4, overhead_s);
            assert_eq!(rounds, AIM_ROUNDS, "overhead {overhead_s}");
            assert!(
                (11.0..=12.0).contains(&elapsed),
                "{elapsed} at {overhead_s}"
            );
        }
    }

    #[test]
    fn workers_that_take_all_the_time_end_the_run_early() {
        let (rounds, elapsed) = simulate(5.0, 4, 0.2);
        assert!(rounds < AIM_ROUNDS);
        assert!(elapsed < 6.0, "{elapsed}");
    }

    #[test]
    fn without_a_limit_there_is_always_time() {
        let budget = Budget::new(None);
        let course = |_| vec![1.0];
        assert!(budget.has_time(1e9, 1_000, &course));
        assert_eq!(budget.unit_s(1e9, 1_000, &course), None);
    }
}
