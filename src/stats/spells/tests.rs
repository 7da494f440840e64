//! What is told of simulated hosts, and what is not.

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::host::{Host, ROUGH, Run, SPELLS, STILL};

/// Runs of a host, with what is told of each.
fn told(host: Host, rounds: usize, cells: usize, runs: u64) -> Vec<(Run, Spells)> {
    (0..runs)
        .map(|seed| {
            let run = host.run(rounds, cells, &mut Rng::with_seed(seed));
            let told = spells(&run.sights, seed);
            (run, told)
        })
        .collect()
}

fn with_spells(told: &[(Run, Spells)]) -> Vec<(&Run, &Spells, SlowState)> {
    let slow = |told: &Spells| match told.finding {
        HostCourse::Spells(slow) => Some(slow),
        _ => None,
    };
    told.iter()
        .filter_map(|pair| Some((&pair.0, &pair.1, slow(&pair.1)?)))
        .collect()
}

fn sight(before: f64, after: f64) -> Sight {
    Sight {
        lasted: 1.0,
        reference: [before, after],
    }
}

/// Ten visits by turns quiet and ten slow, all at levels that differ by some per cent.
fn two_levels(slow: f64) -> Vec<Sight> {
    let level = |visit: usize| {
        let noise = 1.0 + 0.01 * ((visit * 7) % 5) as f64;
        if visit / 10 % 2 == 1 {
            slow * noise
        } else {
            noise
        }
    };
    (0..60)
        .map(|visit| sight(level(visit), level(visit)))
        .collect()
}

/// One state with whatever noise is never told as two, but by a rare chance.
#[test]
fn hosts_without_spells_have_none() {
    let hosts = [
        STILL,
        Host {
            reference: 0.15,
            ..STILL
        },
        Host {
            drifts: 0.4,
            ..STILL
        },
        Host {
            wanders: [0.05, 2.0],
            ..STILL
        },
        Host {
            wanders: [0.1, 5.0],
            drifts: 0.2,
            ..STILL
        },
        Host {
            wanders: [0.2, 20.0],
            ..STILL
        },
        Host {
            bursts: [0.1, 0.5],
            ..STILL
        },
        Host {
            bursts: [0.3, 0.3],
            ..STILL
        },
    ];
    let (mut fooled, mut runs) = (0, 0);
    for host in hosts {
        for (rounds, cells) in [(3, 4), (8, 5), (20, 6)] {
            let told = told(host, rounds, cells, 12);
            let two = |told: &Spells| {
                matches!(
                    told.finding,
                    HostCourse::Spells(_) | HostCourse::SeldomQuiet(_)
                )
            };
            fooled += told.iter().filter(|(_, told)| two(told)).count();
            runs += told.len();
        }
    }
    assert!(fooled * 100 <= runs, "{fooled} of {runs}");
}

#[test]
fn spells_of_seconds_are_told_visit_by_visit() {
    let rare = Host {
        lasts: [10.0, 1.0],
        slower: [2.0, 2.0],
        ..STILL
    };
    let slight = Host {
        slower: [1.15, 1.15],
        ..SPELLS
    };
    for (host, least) in [(SPELLS, 28), (slight, 28), (ROUGH, 27), (rare, 20)] {
        let told = told(host, 30, 6, 30);
        let with = with_spells(&told);
        assert!(with.len() >= least, "{host:?}: {} of 30", with.len());
        let mut quiet = [0, 0];
        let mut all = 0;
        for (run, told, _) in &with {
            for (state, slow) in told.states.iter().zip(&run.slow) {
                quiet[usize::from(*slow)] += usize::from(*state == HostState::Quiet);
                all += usize::from(!slow);
            }
        }
        assert!(quiet[1] * 30 < quiet[0], "{host:?}: {quiet:?} are slow");
        assert!(quiet[0] * 10 > all * 8, "{host:?}: {quiet:?} of {all}");
    }
}

#[test]
fn how_much_slower_is_known_where_spells_are_several() {
    let host = Host {
        wanders: [0.02, 0.5],
        ..SPELLS
    };
    let told = told(host, 40, 6, 60);
    let with = with_spells(&told);
    let mut held = 0;
    for (run, _, slow) in &with {
        let [low, high] = slow.slowdown.ci95;
        held += usize::from(low <= 1.5 && 1.5 <= high);
        assert!((slow.slowdown.value / 1.5 - 1.0).abs() < 0.1, "{slow:?}");
        let truly = run.slow.iter().filter(|slow| **slow).count() as f64;
        let share = truly / run.slow.len() as f64;
        assert!((slow.share_of_time - share).abs() < 0.1, "{slow:?} {share}");
        assert!((slow.share_of_visits - slow.share_of_time).abs() < 1e-9);
    }
    assert!(
        with.len() >= 55 && held * 100 >= with.len() * 88,
        "{held} of {}",
        with.len()
    );
}

#[test]
fn a_host_that_is_seldom_quiet_has_no_quiet_state() {
    let host = Host {
        lasts: [1.0, 10.0],
        slower: [2.0, 2.0],
        ..STILL
    };
    let told = told(host, 40, 6, 20);
    let seldom = |told: &Spells| matches!(told.finding, HostCourse::SeldomQuiet(_));
    let found = told.iter().filter(|(_, told)| seldom(told)).count();
    assert!(found >= 12, "{found} of 20");
    let (_, told) = told.iter().find(|(_, told)| seldom(told)).unwrap();
    assert!(told.states.contains(&HostState::Slow));
    assert!((0..told.states.len()).all(|visit| told.state(visit).is_quiet()));
}

#[test]
fn levels_that_are_far_apart_without_a_state_are_restless() {
    let host = Host {
        wanders: [0.4, 5.0],
        ..STILL
    };
    let told = told(host, 40, 6, 10);
    let restless = |told: &Spells| matches!(told.finding, HostCourse::Restless { spread } if spread > WIDEST_STATE);
    let found = told.iter().filter(|(_, told)| restless(told)).count();
    assert!(found >= 9, "{found} of 10");
}

#[test]
fn few_visits_are_not_enough_to_say() {
    let sights: Vec<Sight> = two_levels(2.0);
    let told = spells(&sights[..9], 1);
    assert_eq!(told.finding, HostCourse::NotEnough { levels: 9 });
    assert!((0..9).all(|visit| told.state(visit).is_quiet()));
    assert_eq!(spells(&[], 1).finding, HostCourse::NotEnough { levels: 0 });
    assert!(matches!(spells(&sights, 1).finding, HostCourse::Spells(_)));
}

#[test]
fn states_that_are_close_are_one() {
    assert_eq!(spells(&two_levels(1.11), 1).finding, HostCourse::Steady);
    assert!(matches!(
        spells(&two_levels(1.15), 1).finding,
        HostCourse::Spells(_)
    ));
}

#[test]
fn a_visit_in_which_the_host_turned_is_of_neither_state() {
    let mut sights = two_levels(2.0);
    sights[5].reference[1] *= 2.0;
    sights[15].reference[0] /= 2.0;
    let told = spells(&sights, 1);
    let mut expected: Vec<HostState> = [HostState::Quiet, HostState::Slow]
        .repeat(3)
        .into_iter()
        .flat_map(|state| [state; 10])
        .collect();
    expected[5] = HostState::Between;
    expected[15] = HostState::Between;
    assert_eq!(told.states, expected);
    let HostCourse::Spells(slow) = told.finding else {
        panic!("{told:?}");
    };
    assert_eq!(slow.spells, 3);
    assert!(told.state(4).is_quiet() && !told.state(5).is_quiet() && !told.state(12).is_quiet());
}

#[test]
fn a_visit_without_a_reference_is_of_no_state_and_moves_no_other() {
    let sights = two_levels(2.0);
    let mut soiled = sights.clone();
    for (place, odd) in [(3, f64::NAN), (14, 0.0), (25, -1.0), (36, f64::INFINITY)] {
        soiled.insert(place, sight(odd, 1.0));
    }
    let (clean, soiled) = (spells(&sights, 1), spells(&soiled, 1));
    let mut kept = soiled.clone();
    for place in [36, 25, 14, 3] {
        assert_eq!(kept.states.remove(place), HostState::Between);
        assert_eq!(kept.slow.remove(place), None);
    }
    assert_eq!((kept.states, kept.slow), (clean.states, clean.slow));
}

#[test]
fn shares_are_of_time_and_of_visits() {
    let mut sights = two_levels(2.0);
    for (visit, sight) in sights.iter_mut().enumerate() {
        sight.lasted = if visit / 10 % 2 == 1 { 3.0 } else { 1.0 };
    }
    let share = |sights: &[Sight]| match spells(sights, 1).finding {
        HostCourse::Spells(slow) => [slow.share_of_time, slow.share_of_visits],
        other => panic!("{other:?}"),
    };
    let [time, visits] = share(&sights);
    assert!((time - 0.75).abs() < 0.01 && (visits - 0.5).abs() < 0.01);
    sights.iter_mut().for_each(|sight| sight.lasted = 0.0);
    let [time, visits] = share(&sights);
    assert_eq!(time, visits, "of visits that took no time");
}

#[test]
fn levels_that_are_all_the_same_are_steady() {
    assert_eq!(
        spells(&[sight(7.0, 7.0); 40], 1).finding,
        HostCourse::Steady
    );
}

#[test]
fn a_probability_is_at_most_one_whatever_was_rounded() {
    let odd = [(1e-308, 9e8), (4e-227, 1e9), (9e252, 6e8), (8e31, 8e8)];
    let coarse = [
        3, 3, 1, 2, 1, 1, 1, 3, 1, 3, 1, 2, 1, 2, 2, 3, 2, 1, 2, 1, 2, 2, 1, 1, 1, 1, 2,
    ];
    let coarse = coarse.map(|level| (f64::from(level), f64::from(level)));
    let levels = odd.iter().chain(&coarse);
    let sights: Vec<Sight> = levels
        .map(|(before, after)| sight(*before, *after))
        .collect();
    let told = spells(&sights, 1);
    assert!(
        told.slow.iter().flatten().all(|slow| *slow <= 1.0),
        "{told:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_makes_it_panic(
        levels in proptest::collection::vec((any::<f64>(), 0.0..1e9_f64, any::<f64>()), 0..40),
        coarse in proptest::collection::vec(1..4_u8, 0..40),
    ) {
        let mut sights: Vec<Sight> = levels
            .iter()
            .map(|(before, after, lasted)| Sight { lasted: *lasted, reference: [*before, *after] })
            .collect();
        sights.extend(coarse.iter().map(|level| sight(f64::from(*level), f64::from(*level))));
        let told = spells(&sights, 1);
        prop_assert_eq!(told.states.len(), sights.len());
        prop_assert!(told.slow.iter().flatten().all(|slow| (0.0..=1.0).contains(slow)));
        if let HostCourse::Spells(slow) | HostCourse::SeldomQuiet(slow) = told.finding {
            prop_assert!(slow.share_of_visits.is_finite() && slow.spells > 0);
        }
    }

    /// A unit of the reference says nothing.
    #[test]
    fn a_unit_changes_nothing(scale in 1e-3..1e6_f64, seed in any::<u64>()) {
        let run = SPELLS.run(6, 5, &mut Rng::with_seed(seed));
        let scaled: Vec<Sight> = run
            .sights
            .iter()
            .map(|sight| Sight { reference: sight.reference.map(|level| level * scale), ..*sight })
            .collect();
        prop_assert_eq!(spells(&run.sights, 1).states, spells(&scaled, 1).states);
    }
}

#[test]
fn stand_ins_make_three_and_are_the_likeliest_and_quickest() {
    use HostState::{Between, Quiet, Shared, Slow};
    let workers = [
        (Slow, 1.0),
        (Between, 5.0),
        (Quiet, 9.0),
        (Between, 3.0),
        (Shared, 0.5),
    ];
    assert_eq!(stand_ins(&workers), [3, 1]);
    assert_eq!(stand_ins(&workers[..3]), [1, 0]);
    assert_eq!(stand_ins(&[workers[0], workers[4]]), [0, 1]);
    assert!(stand_ins(&[(Quiet, 1.0); 3]).is_empty());
    assert!(stand_ins(&[]).is_empty());
}
