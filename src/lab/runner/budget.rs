//! How the time of a run is shared out over the visits that are to come. Pure
//! arithmetic; the clock is the caller's.

use crate::model::StopRule;

/// Of the time, what is left for the analysis.
const RESERVE: f64 = 0.05;
/// Of the time, what is taken for starting and inflating workers while their real
/// share is not known.
const FIRST_BESIDES: f64 = 0.3;
/// The loop of a visit of weight 1. A shorter one is not worth a worker's start, so
/// that rounds are lost instead; a longer one tells less than another worker does.
const LEAST_UNIT_S: f64 = 0.01;
const MOST_UNIT_S: f64 = 0.5;
/// The same of a run that its precision ends: many workers, whatever a spawn takes.
const OPEN_UNIT_S: f64 = 0.1;
/// What takes so many times the time that was given takes clearly more.
const CLEARLY: f64 = 1.25;

/// What the last turn of a visit took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Its loop, as far as it kept to its slice.
    loop_s: f64,
    /// All else: the worker's start and inflation, and what it took beyond its slice
    /// for the fewest turns. No shorter slice would make it less.
    pub(super) besides_s: f64,
}

impl Pace {
    /// The pace of a turn that took `took_s`, its loop `loop_s` of it.
    pub(super) fn new(took_s: f64, loop_s: f64, slice_s: Option<f64>) -> Self {
        let loop_s = loop_s.min(slice_s.unwrap_or(loop_s));
        Self {
            loop_s,
            besides_s: (took_s - loop_s).max(0.0),
        }
    }
}

/// A run that nobody gave a time is announced if it takes longer.
const LATE_S: f64 = 15.0;

/// A visit that is to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// Its share of the loops' time.
    pub(super) weight: f64,
    /// `None` before its first turn.
    pub(super) pace: Option<Pace>,
}

/// The time of a run, if it is limited.
#[derive(Debug)]
pub(super) struct Budget {
    total_s: Option<f64>,
    /// Whether nothing but a precision ends it.
    is_open: bool,
    /// Whether nothing but a number of spawns does.
    pub(super) counts_spawns: bool,
    /// Of that, what is behind when the stage under way ends.
    stage: f64,
}

impl Budget {
    pub(super) fn new(stop: &StopRule) -> Self {
        Self {
            total_s: stop.time_s.map(|time| time * (1.0 - RESERVE)),
            is_open: stop.is_open(),
            counts_spawns: stop.spawns.is_some()
                && stop.time_s.is_none()
                && stop.precision.is_none(),
            stage: 1.0,
        }
    }

    /// Begins a stage that ends with this share of the time.
    pub(super) fn begin(&mut self, stage: f64) {
        self.stage = stage;
    }

    fn end_s(&self) -> Option<f64> {
        Some(self.total_s? * self.stage)
    }

    /// The loop time of a visit of weight 1, if all these are to have their turn; `None`
    /// where there is no end to it.
    pub(super) fn unit_s(&self, now_s: f64, to_come: &[Due]) -> Option<f64> {
        if self.is_open {
            return Some(OPEN_UNIT_S);
        }
        let left = (self.end_s()? - now_s).max(0.0);
        let weights: f64 = to_come.iter().map(|due| due.weight).sum();
        let loops = left - besides_s(left, to_come);
        Some((loops / weights.max(f64::MIN_POSITIVE)).clamp(LEAST_UNIT_S, MOST_UNIT_S))
    }

    /// Whether a round of these fits. While it may shrink, its loops are as short as
    /// they can be; otherwise as long as the last ones.
    pub(super) fn has_time(&self, now_s: f64, round: &[Due], shrinks: bool) -> bool {
        let needs = |due: &Due| {
            let pace = due.pace?;
            let loop_s = if shrinks {
                due.least_loop_s(pace)
            } else {
                pace.loop_s
            };
            Some(pace.besides_s + loop_s)
        };
        let needed: f64 = round.iter().filter_map(needs).sum();
        self.end_s().is_none_or(|end| now_s + needed < end)
    }

    /// About when these will be over, if that is clearly later than the time allows,
    /// whatever those take that had no turn yet: as long as others, it is taken then.
    pub(super) fn overrun_s(&self, now_s: f64, to_come: &[Due], others: &[Pace]) -> Option<f64> {
        let known = |due: &Due| {
            let pace = due.pace?;
            Some(pace.besides_s + due.least_loop_s(pace))
        };
        let known_s: f64 = to_come.iter().filter_map(known).sum();
        let given_s = self.total_s? / (1.0 - RESERVE);
        let is_clear = now_s + known_s > given_s * CLEARLY;
        let besides_s: f64 = others.iter().map(|pace| pace.besides_s).sum();
        let mean_s = besides_s / others.len().max(1) as f64;
        let new = to_come.iter().filter(|due| due.pace.is_none()).count();
        is_clear.then_some(now_s + known_s + mean_s * new as f64)
    }

    /// About when these will be over, if that is late: those that had no turn yet are taken
    /// to be like others.
    pub(super) fn late_s(now_s: f64, to_come: &[Due]) -> Option<f64> {
        let paces = to_come.iter().filter_map(|due| due.pace);
        let known: Vec<f64> = paces.map(|pace| pace.besides_s + pace.loop_s).collect();
        let sum: f64 = known.iter().sum();
        let mean = sum / known.len().max(1) as f64;
        let new = to_come.len() - known.len();
        (now_s + sum > LATE_S).then_some(now_s + sum + mean * new as f64)
    }

    /// Whether no time is left at all.
    pub(super) fn is_spent(&self, now_s: f64) -> bool {
        self.end_s().is_some_and(|end| now_s >= end)
    }

    /// The share of the run that is behind, by the time if it is limited, and by the
    /// rounds if not.
    pub(super) fn share(&self, now_s: f64, of_rounds: f64) -> f64 {
        self.total_s
            .map_or(of_rounds, |total| now_s / total)
            .min(1.0)
    }
}

impl Due {
    /// The shortest loop that it may have.
    fn least_loop_s(&self, pace: Pace) -> f64 {
        pace.loop_s.min(self.weight * LEAST_UNIT_S)
    }
}

/// What these visits will take besides their loops. One that had no turn yet is taken
/// to be like the others, and like the usual.
fn besides_s(left_s: f64, to_come: &[Due]) -> f64 {
    let paces = to_come.iter().filter_map(|due| due.pace);
    let known: Vec<f64> = paces.map(|pace| pace.besides_s).collect();
    let sum: f64 = known.iter().sum();
    let mean = sum / known.len().max(1) as f64;
    let usual = FIRST_BESIDES * left_s / to_come.len().max(1) as f64;
    sum + mean.max(usual) * (to_come.len() - known.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(time_s: Option<f64>) -> Budget {
        Budget::new(&StopRule {
            spawns: None,
            precision: None,
            time_s,
        })
    }

    fn due(besides_s: Option<f64>) -> Due {
        let pace = besides_s.map(|besides_s| Pace {
            loop_s: 0.1,
            besides_s,
        });
        Due { weight: 2.0, pace }
    }

    #[test]
    fn what_workers_take_besides_their_loops_makes_these_shorter() {
        let budget = within(Some(10.0));
        let unit = |besides_s| budget.unit_s(0.0, &[due(besides_s); 40]).unwrap();
        // 9.5 s over 80 units; and less the 40 starts.
        assert!((unit(Some(0.0)) - 9.5 / 80.0).abs() < 1e-9);
        assert!((unit(Some(0.1)) - 5.5 / 80.0).abs() < 1e-9);
        assert!((unit(None) - 0.7 * 9.5 / 80.0).abs() < 1e-9);
        assert_eq!(unit(Some(1.0)), LEAST_UNIT_S);
    }

    #[test]
    fn what_is_beyond_the_slice_is_no_loop_that_could_shrink() {
        let pace = Pace::new(0.75, 0.5, Some(0.125));
        assert_eq!((pace.loop_s, pace.besides_s), (0.125, 0.625));
        let pace = Pace::new(0.75, 0.5, None);
        assert_eq!((pace.loop_s, pace.besides_s), (0.5, 0.25));
    }

    #[test]
    fn a_round_that_may_shrink_fits_where_another_does_not() {
        let budget = within(Some(1.0));
        let round = [due(Some(0.05)); 4];
        assert!(budget.has_time(0.5, &round, true));
        assert!(!budget.has_time(0.5, &round, false));
    }

    #[test]
    fn a_stage_ends_before_the_run() {
        let mut budget = within(Some(10.0));
        budget.begin(0.5);
        assert!(budget.is_spent(4.75) && !budget.is_spent(4.7));
        assert!((budget.share(4.75, 0.0) - 0.5).abs() < 1e-9);
        budget.begin(1.0);
        assert!(!budget.is_spent(4.75));
    }

    #[test]
    fn an_overrun_is_told_of_what_is_known_and_reckoned_with_the_rest() {
        let budget = within(Some(10.0));
        let (known, new) = (due(Some(4.48)), due(None));
        // The loops shrink to 0.02 s.
        let overrun_s = |to_come: &[Due]| budget.overrun_s(4.0, to_come, &[known.pace.unwrap()]);
        assert_eq!(overrun_s(&[known]), None);
        assert_eq!(overrun_s(&[known, new, new]), None);
        let over_s = overrun_s(&[known, known, new]).unwrap();
        assert!((over_s - 17.5).abs() < 0.1, "{over_s}");
        assert_eq!(within(None).overrun_s(1e9, &[known], &[]), None);
    }

    #[test]
    fn a_long_run_is_known_by_its_first_visits() {
        let late_s = |to_come: &[Due]| Budget::late_s(1.0, to_come);
        assert_eq!(late_s(&[due(Some(2.9)); 4]), None);
        let late = late_s(&[due(Some(4.9)), due(Some(4.9)), due(Some(4.9)), due(None)]);
        assert!((late.unwrap() - 21.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_that_its_precision_ends_has_short_loops_for_ever() {
        let budget = Budget::new(&StopRule {
            spawns: None,
            precision: Some(0.01),
            time_s: None,
        });
        assert_eq!(budget.unit_s(1e9, &[due(Some(9.0))]), Some(OPEN_UNIT_S));
        assert!(budget.has_time(1e9, &[due(Some(9.0))], false));
    }

    #[test]
    fn without_a_limit_there_is_always_time() {
        let budget = within(None);
        let round = [due(Some(1e9))];
        assert!(budget.has_time(1e9, &round, false) && !budget.is_spent(1e9));
        assert_eq!(budget.unit_s(1e9, &round), None);
        assert_eq!(budget.share(1e9, 0.25), 0.25);
    }
}
