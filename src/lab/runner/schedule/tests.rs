use super::*;

/// A visit whose worker takes so long to start, and fills its slice or has its
/// fewest turns.
#[derive(Clone, Copy)]
struct Fake {
    start_s: f64,
    least_loop_s: f64,
    rhythm: Rhythm,
}

const QUICK: Fake = Fake {
    start_s: 0.005,
    least_loop_s: 0.0,
    rhythm: Rhythm::EVERY_ROUND,
};

fn within(time_s: Option<f64>) -> StopRule {
    StopRule {
        spawns: None,
        precision: None,
        time_s,
    }
}

#[derive(Default)]
struct Clock {
    now_s: f64,
    visits: Vec<Fake>,
    /// Visit, round and slice of every turn.
    turns: Vec<(usize, u32, Option<f64>)>,
    unwanted: Vec<usize>,
    most_rounds: Option<u32>,
    /// By how many times each turn takes longer to start than the one before it; 0 if
    /// none does.
    slower: f64,
    /// What was told of the time that the fewest rounds take, and after which turn.
    overruns: Vec<(f64, usize)>,
    /// The same of a run that a number of spawns ends.
    lengths: Vec<(f64, usize)>,
}

impl Stage for Clock {
    fn now_s(&self) -> f64 {
        self.now_s
    }

    fn wants(&self, visit: usize) -> bool {
        !self.unwanted.contains(&visit)
    }

    fn turn(&mut self, slot: &Slot) -> Result<f64, LabError> {
        assert!((0.0..=1.0).contains(&slot.share));
        let fake = self.visits[slot.visit];
        let loop_s = slot.slice_s.unwrap_or(0.0).max(fake.least_loop_s);
        let slower = if self.slower > 0.0 {
            (0..self.turns.len()).map(|_| self.slower).product()
        } else {
            1.0
        };
        self.now_s += fake.start_s * slower + loop_s;
        self.turns.push((slot.visit, slot.round, slot.slice_s));
        Ok(loop_s)
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let most = self.most_rounds?;
        (rounds >= most).then_some(Stopped::Spawns)
    }

    fn overruns(&mut self, run_s: f64, _: u32) {
        self.overruns.push((run_s, self.turns.len()));
    }

    fn is_long(&mut self, run_s: f64) {
        self.lengths.push((run_s, self.turns.len()));
    }
}

impl Clock {
    fn of(visits: &[Fake]) -> Self {
        Self {
            visits: visits.to_vec(),
            ..Self::default()
        }
    }

    fn schedule(&self, time_s: Option<f64>, least_rounds: u32) -> Schedule {
        let mut schedule = Schedule::new(&within(time_s), 7, least_rounds, AIM_ROUNDS);
        for fake in &self.visits {
            schedule.add(fake.rhythm);
        }
        schedule
    }

    /// Runs to the end of the time; the rounds.
    fn run(&mut self, time_s: f64, least_rounds: u32) -> u32 {
        let mut schedule = self.schedule(Some(time_s), least_rounds);
        assert_eq!(schedule.run(self, 1.0).unwrap(), Stopped::Time);
        schedule.rounds
    }

    fn turns_of(&self, visit: usize) -> usize {
        self.turns.iter().filter(|turn| turn.0 == visit).count()
    }

    fn round(&self, round: u32) -> Vec<usize> {
        let turns = self.turns.iter().filter(|turn| turn.1 == round);
        turns.map(|turn| turn.0).collect()
    }
}

/// Four address spaces as a sweep visits them.
fn sweep(start_s: f64) -> Vec<Fake> {
    let timing = Fake {
        start_s,
        rhythm: Rhythm {
            weight: 2.5,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let counts = Fake {
        start_s,
        rhythm: Rhythm {
            every: 2,
            first: 1,
            owed: false,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    [timing, counts, counts, counts].repeat(4)
}

#[test]
fn the_aim_is_reached_within_the_time() {
    for start_s in [0.0, 0.005, 0.05] {
        let mut clock = Clock::of(&sweep(start_s));
        assert_eq!(clock.run(12.0, 1), AIM_ROUNDS, "start {start_s}");
        assert!((11.0..=12.0).contains(&clock.now_s), "{}", clock.now_s);
    }
}

#[test]
fn workers_that_take_all_the_time_end_the_run_early() {
    let mut clock = Clock::of(&sweep(0.2));
    assert!(clock.run(5.0, 1) < AIM_ROUNDS);
    assert!(clock.now_s < 5.0, "{}", clock.now_s);
}

#[test]
fn loops_shrink_before_rounds_are_lost() {
    let mut clock = Clock::of(&sweep(0.05));
    assert_eq!(clock.run(6.0, 1), AIM_ROUNDS);
    assert!(clock.now_s < 6.0, "{}", clock.now_s);
    let slices: Vec<f64> = clock.turns.iter().filter_map(|turn| turn.2).collect();
    assert!(slices.iter().all(|slice| *slice >= 0.01), "{slices:?}");
    assert!(slices[slices.len() - 1] < 0.06, "{slices:?}");
}

#[test]
fn more_time_is_more_rounds_and_not_longer_loops() {
    let mut clock = Clock::of(&[QUICK; 3]);
    let mut schedule = clock.schedule(Some(60.0), 2);
    schedule.run(&mut clock, 1.0).unwrap();
    assert!(schedule.rounds > 3 * AIM_ROUNDS, "{}", schedule.rounds);
    assert!((50.0..=60.0).contains(&clock.now_s), "{}", clock.now_s);
    assert!(clock.turns.iter().all(|turn| turn.2 <= Some(0.5)));
}

#[test]
fn the_fewest_rounds_are_run_whatever_they_take() {
    for least in [1, 2] {
        let mut visits = sweep(3.0);
        let mut clock = Clock::of(&visits);
        assert_eq!(clock.run(1.0, least), least);
        // Times alone, as the others may be missing.
        assert_eq!(clock.turns.len(), 4 * least as usize);
        visits.truncate(1);
        let mut clock = Clock::of(&visits);
        assert_eq!(clock.run(1.0, least), least);
    }
}

#[test]
fn what_the_fewest_rounds_take_is_told_as_soon_as_it_is_clear() {
    let mut clock = Clock::of(&sweep(3.0));
    // The second of four ends at 6 s: two rounds of four will take 24 s.
    clock.run(10.0, 2);
    assert_eq!(clock.overruns.len(), 1);
    let (run_s, turns) = clock.overruns[0];
    assert_eq!(turns, 3);
    assert!((run_s / clock.now_s - 1.0).abs() < 0.1, "{run_s}");
    // A round that fits, and one whose last turn is over.
    for (visits, time_s) in [(sweep(0.05), 6.0), (sweep(3.0)[..1].to_vec(), 1.0)] {
        let mut clock = Clock::of(&visits);
        clock.run(time_s, 1);
        assert_eq!(clock.overruns, []);
    }
}

#[test]
fn a_run_that_its_precision_ends_goes_on_in_short_loops() {
    let mut clock = Clock::of(&[QUICK; 2]);
    clock.most_rounds = Some(100);
    let stop = StopRule {
        precision: Some(0.01),
        ..within(None)
    };
    let mut schedule = Schedule::new(&stop, 7, 1, AIM_ROUNDS);
    schedule.add(QUICK.rhythm);
    schedule.add(QUICK.rhythm);
    assert_eq!(schedule.run(&mut clock, 1.0).unwrap(), Stopped::Spawns);
    assert!(clock.turns.iter().all(|turn| turn.2 == Some(0.1)));
    assert_eq!(clock.overruns, []);
}

#[test]
fn the_first_round_has_its_order_and_later_ones_are_mirrored() {
    let mut clock = Clock::of(&sweep(0.01));
    clock.run(12.0, 1);
    let times = |visits: &[usize]| visits.iter().all(|visit| visit % 4 == 0);
    let first = clock.round(0);
    assert!(times(&first[..4]) && first.len() == 16, "{first:?}");
    let third = clock.round(2);
    assert!(!times(&third[..4]), "{third:?}");
    let mut mirrored: Vec<usize> = third.into_iter().filter(|visit| visit % 4 == 0).collect();
    mirrored.reverse();
    assert_eq!(clock.round(3), mirrored);
}

#[test]
fn dear_visits_rest_where_they_are_asked_to() {
    let large = |rests| Fake {
        start_s: 0.6,
        rhythm: Rhythm {
            rests,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let mut clock = Clock::of(&[QUICK, QUICK, large(true), large(false)]);
    let rounds = clock.run(30.0, 2) as usize;
    assert!(rounds >= 8);
    // What is left after the last round may be spent on one more.
    let rested = clock.turns_of(2) - rounds.div_ceil(2);
    assert!(rested <= 1, "{rested}");
    assert_eq!(clock.turns_of(3), rounds);
    // Alone they have nobody to leave a round to.
    let mut clock = Clock::of(&[large(true)]);
    let rounds = clock.run(30.0, 2) as usize;
    assert!((rounds..=rounds + 1).contains(&clock.turns_of(0)));
}

#[test]
fn the_fewest_turns_of_a_slow_spawn_are_no_slice_that_others_could_have() {
    let slow = Fake {
        least_loop_s: 0.5,
        ..QUICK
    };
    let mut clock = Clock::of(&[QUICK, QUICK, QUICK, slow]);
    assert_eq!(clock.run(10.0, 2), AIM_ROUNDS);
    assert!((9.0..=10.0).contains(&clock.now_s), "{}", clock.now_s);
}

#[test]
fn nothing_that_is_wanted_any_more_ends_the_run_at_once() {
    let mut clock = Clock::of(&[QUICK; 2]);
    clock.unwanted = vec![1];
    let mut schedule = clock.schedule(Some(10.0), 2);
    schedule.run(&mut clock, 0.5).unwrap();
    assert_eq!(clock.turns_of(1), 0);
    assert!((4.0..=5.0).contains(&clock.now_s), "{}", clock.now_s);
    // The next stage has the rest of the time, and others have their turn.
    clock.unwanted = vec![0];
    schedule.run(&mut clock, 1.0).unwrap();
    assert!((9.0..=10.0).contains(&clock.now_s), "{}", clock.now_s);
    assert!(clock.turns_of(1) >= 8);
    let rounds = schedule.rounds;
    clock.unwanted = vec![0, 1];
    schedule.run(&mut clock, 1.0).unwrap();
    assert_eq!(schedule.rounds, rounds + 1);
}

#[test]
fn without_a_limit_the_feature_ends_the_run() {
    let mut clock = Clock::of(&[QUICK; 2]);
    clock.most_rounds = Some(20);
    let mut schedule = clock.schedule(None, 1);
    assert_eq!(schedule.run(&mut clock, 1.0).unwrap(), Stopped::Spawns);
    assert_eq!(clock.turns.len(), 40);
    assert!(clock.turns.iter().all(|turn| turn.2.is_none()));
}

#[test]
fn what_has_its_turn_once_has_it_first_and_takes_no_later_time() {
    let once = Fake {
        start_s: 1.0,
        rhythm: Rhythm {
            weight: 0.0,
            every: Rhythm::ONCE,
            first: 0,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let later = Fake {
        rhythm: Rhythm {
            first: 1,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let mut clock = Clock::of(&[later, once]);
    assert!(clock.run(4.0, 1) >= AIM_ROUNDS);
    assert_eq!((clock.turns[0].0, clock.turns_of(1)), (1, 1));
    assert!((3.5..=4.0).contains(&clock.now_s), "{}", clock.now_s);
}

#[test]
fn a_long_run_of_some_spawns_is_announced_by_its_first_workers() {
    let told = |start_s: f64| {
        let visit = Fake { start_s, ..QUICK };
        let mut clock = Clock::of(&[visit, visit]);
        let stop = StopRule {
            spawns: Some(10),
            ..within(None)
        };
        let mut schedule = Schedule::new(&stop, 7, 1, AIM_ROUNDS);
        clock
            .visits
            .iter()
            .for_each(|fake| schedule.add(fake.rhythm));
        clock.most_rounds = Some(AIM_ROUNDS);
        schedule.run(&mut clock, 1.0).unwrap();
        (clock.lengths, clock.now_s)
    };
    let (lengths, took_s) = told(3.0);
    assert_eq!(lengths.len(), 1, "it is told once");
    assert!((lengths[0].0 - took_s).abs() < 0.5, "{lengths:?}, {took_s}");
    assert_eq!(lengths[0].1, 1, "after the first turn");
    assert!(told(0.1).0.is_empty());
}

#[test]
fn what_comes_later_has_no_turn_before_others_are_repeated() {
    let check = Fake {
        rhythm: Rhythm {
            from: 2,
            owed: false,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let mut clock = Clock::of(&[QUICK, check]);
    let rounds = clock.run(4.0, 2) as usize;
    assert_eq!((clock.round(0), clock.round(1)), (vec![0], vec![0]));
    assert_eq!(clock.turns_of(1), rounds - 2);
    let slow = Fake {
        start_s: 3.0,
        ..QUICK
    };
    let mut clock = Clock::of(&[slow, check]);
    clock.run(4.0, 2);
    assert_eq!((clock.turns_of(0), clock.turns_of(1)), (2, 0));
}

#[test]
fn a_round_that_the_time_cut_off_is_not_counted() {
    // The third visit takes ever longer, so that no round foretells the next.
    let mut clock = Clock::of(&[QUICK; 3]);
    let mut schedule = clock.schedule(Some(10.0), 1);
    clock.slower = 2.0;
    schedule.run(&mut clock, 1.0).unwrap();
    let turns: Vec<usize> = (0..3).map(|visit| clock.turns_of(visit)).collect();
    let most = turns.iter().max().copied().unwrap();
    let least = turns.iter().min().copied().unwrap();
    assert!(least < most, "no round was cut off: {turns:?}");
    assert_eq!(schedule.rounds as usize, least, "{turns:?}");
}

#[test]
fn any_number_of_rounds_may_be_aimed_at() {
    for time_s in [None, Some(5.0)] {
        let mut clock = Clock::of(&[QUICK]);
        let mut schedule = Schedule::new(&within(time_s), 7, 1, u32::MAX);
        schedule.add(QUICK.rhythm);
        clock.most_rounds = Some(3);
        assert_eq!(schedule.run(&mut clock, 1.0).unwrap(), Stopped::Spawns);
        assert_eq!(schedule.rounds, 3);
    }
}

#[test]
fn time_that_is_too_short_for_a_round_goes_to_whom_was_seldom_visited() {
    let trial = |start_s| Fake {
        start_s,
        rhythm: Rhythm {
            rests: true,
            ..Rhythm::EVERY_ROUND
        },
        ..QUICK
    };
    let visits = [trial(0.3), trial(0.3), trial(2.0), trial(0.6)];
    let mut clock = Clock::of(&visits);
    let rounds = clock.run(10.0, 2);
    let of_part = clock.round(rounds);
    assert!(
        !of_part.is_empty() && of_part.len() < visits.len(),
        "{of_part:?}"
    );
    assert!(of_part.contains(&3), "{of_part:?}");
    assert!(clock.now_s <= 10.0, "{}", clock.now_s);
    // Others than trials of a design are measured in whole rounds.
    let plain = visits.map(|visit| Fake {
        rhythm: Rhythm::EVERY_ROUND,
        ..visit
    });
    let mut clock = Clock::of(&plain);
    let rounds = clock.run(10.0, 2);
    assert!(clock.round(rounds).is_empty());
}
