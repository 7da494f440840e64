use super::super::tests::{FORK, VFORK};
use super::*;
use crate::model::{CardMethod, CardTerm, Errors, Grade, Parent, Term};

const EXECUTED: Spawn = Spawn {
    executed: Some(0),
    ..FORK
};

/// Of a fork 10 us and 10 ns an entry in the call, and as much after it; of a posix_spawn 20 us
/// and 10 us, of a vfork 10 us and 10 us. Forecasts are off by a fifth.
fn card() -> CardPrices {
    let term = |term, call: f64, after: f64| CardTerm {
        term,
        call_ns: [call; 2],
        after_ns: [after; 2],
    };
    let way = |method, call, after| CardMethod {
        method,
        terms: vec![term(Term::Fixed, call, after)],
    };
    let errors = Errors {
        r_squared: 1.0,
        loo_median: 0.1,
        loo_p90: 0.2,
        validation_median: Availability::not_reached(),
        validation_worst: Availability::not_reached(),
    };
    CardPrices {
        terms: vec![term(Term::Fixed, 10e3, 10e3), term(Term::Pte, 10.0, 10.0)],
        knee_bytes: None,
        levels_off: false,
        instead: vec![
            way(SpawnMethod::PosixSpawn, 20e3, 10e3),
            way(SpawnMethod::Vfork, 10e3, 10e3),
        ],
        largest: None,
        grade: Grade {
            parents: 20,
            call: errors.clone(),
            total: errors,
        },
        measured_unix_s: 0,
    }
}

fn priced() -> Availability<CardPrices> {
    Availability::Measured(card())
}

fn with_entries(ptes: u64) -> Option<SpawnParent> {
    let mut parent = Parent::default();
    parent.mappings.ptes = ptes;
    seen(Availability::Measured(parent))
}

fn seen(parent: Availability<Parent>) -> Option<SpawnParent> {
    Some(SpawnParent {
        pid: 1,
        at_ns: 0,
        took_ns: 5,
        spawns: 0,
        never_executed: false,
        parent,
    })
}

fn untimed() -> Availability<()> {
    Availability::not_asked("calls are not timed")
}

/// All of the same kind.
fn of_one_kind(
    spawns: &[Spawn],
    kind: Option<SpawnParent>,
    calls: &Availability<()>,
    prices: &Availability<CardPrices>,
) -> Vec<Saving> {
    let of_spawns: Vec<Option<usize>> = spawns.iter().map(|it| it.copies().then_some(0)).collect();
    let parents = Parents {
        of_spawns: &of_spawns,
        kinds: &[kind],
    };
    savings(spawns, parents, 1_000, calls, prices)
}

#[test]
fn only_copies_whose_children_execute_and_get_no_namespace_are_replaceable() {
    const NEWPID: u64 = 0x2000_0000;
    let container = Spawn {
        flags: NEWPID,
        ..EXECUTED
    };
    let by_vfork = Spawn {
        executed: Some(0),
        ..VFORK
    };
    let spawns = [
        EXECUTED, FORK, container, by_vfork, EXECUTED, FORK, EXECUTED,
    ];
    let found = of_one_kind(&spawns, with_entries(1_000), &untimed(), &priced());
    let [saving] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((saving.copies, saving.replaceable), (6, 3));
    assert_eq!(saving.parents[0].spawns, 3);
    assert_eq!(saving.call_ns.missing(), untimed().missing());
    let card = saving.by_card.measured().unwrap();
    let ways: Vec<(SpawnMethod, f64, f64)> = (card.ways.iter())
        .map(|way| (way.method, way.call_ns, way.total_ns))
        .collect();
    assert_eq!(
        ways,
        [
            (SpawnMethod::Fork, 60e3, 120e3),
            (SpawnMethod::PosixSpawn, 60e3, 90e3),
            (SpawnMethod::Vfork, 30e3, 60e3),
        ]
    );
}

#[test]
fn a_child_that_spawns_before_it_executes_is_not_replaceable() {
    let child = |at_ns, child, to_exec_ns| Spawn {
        at_ns,
        child,
        to_exec_ns,
        life_ns: Some(90),
        ..EXECUTED
    };
    let by = |by, at_ns| Spawn { by, at_ns, ..VFORK };
    let replaceable = |others: &[Spawn]| {
        let mut spawns = vec![child(0, 10, Some(50)), child(100, 11, Some(50))];
        spawns.extend([child(200, 12, Some(50)), child(300, 13, None)]);
        spawns.extend(others);
        let found = of_one_kind(&spawns, with_entries(9), &untimed(), &priced());
        found[0].replaceable
    };
    assert_eq!(replaceable(&[]), 4);
    assert_eq!(replaceable(&[by(11, 140)]), 3);
    // After its exec, and by another of the same number.
    assert_eq!(replaceable(&[by(11, 170), by(12, 140)]), 4);
    // When it executed is not told.
    assert_eq!(replaceable(&[by(13, 380)]), 3);
}

#[test]
fn what_works_as_copies_or_spawns_now_and_then_has_no_saving() {
    assert!(of_one_kind(&[FORK; 9], with_entries(9), &untimed(), &priced()).is_empty());
    assert!(of_one_kind(&[EXECUTED; 2], with_entries(9), &untimed(), &priced()).is_empty());
    assert!(of_one_kind(&[VFORK; 9], with_entries(9), &untimed(), &priced()).is_empty());
}

#[test]
fn what_went_in_is_measured_where_calls_are_timed() {
    let took = |at_ns, call_ns| Spawn {
        at_ns,
        call_ns: Some(call_ns),
        ..EXECUTED
    };
    let fork = Spawn {
        call_ns: Some(700),
        ..FORK
    };
    let spawns = [took(0, 100), fork, took(50, 100), took(500, 100), EXECUTED];
    let timed = Availability::Measured(());
    let found = of_one_kind(&spawns, with_entries(9), &timed, &priced());
    let calls = found[0].call_ns.measured().unwrap();
    assert_eq!((calls.count, calls.total), (3, 300.0));
    assert_eq!(found[0].standing_share, Availability::Measured(0.25));
}

#[test]
fn without_a_card_or_a_look_it_is_said_why() {
    let no_card = Missing::unavailable("no card is stored", None);
    let none = Availability::Missing(no_card.clone());
    let of = |kind, prices: &Availability<CardPrices>| {
        let found = of_one_kind(&[EXECUTED; 3], kind, &untimed(), prices);
        found[0].by_card.missing().cloned()
    };
    assert_eq!(of(with_entries(9), &none), Some(no_card));
    let refused = Missing::unavailable("permission is refused", None);
    let unread = seen(Availability::Missing(refused.clone()));
    assert_eq!(of(unread, &priced()), Some(refused));
    assert!(of(None, &priced()).unwrap().reason.contains("looked at"));
    let mut pinned = with_entries(9).unwrap();
    let mut parent = *pinned.parent.measured().unwrap();
    parent.mappings.pinned_ptes = 1;
    pinned.parent = Availability::Measured(parent);
    let why = of(Some(pinned), &priced()).unwrap().reason;
    assert!(why.contains("pinned"), "{why}");
    let mut forked = with_entries(9).unwrap();
    forked.never_executed = true;
    let why = of(Some(forked), &priced()).unwrap().reason;
    assert!(why.contains("anon_vmas"), "{why}");
}

#[test]
fn nothing_is_foretold_far_beyond_the_largest_parent_of_the_card() {
    let mut card = card();
    card.largest = Some(Counts {
        ptes: 500_000,
        ..Counts::default()
    });
    let prices = Availability::Measured(card);
    let of = |ptes| {
        let found = of_one_kind(&[EXECUTED; 3], with_entries(ptes), &untimed(), &prices);
        found[0].by_card.clone()
    };
    assert!(of(1_000_000).measured().is_some());
    assert_eq!(
        of(84_303_000).missing().unwrap().reason,
        "the process had 84,303,000 PTEs; the card's largest parent had 500,000"
    );
}

#[test]
fn each_size_has_its_price_and_the_dearest_program_comes_first() {
    let other = Spawn {
        program: 1,
        ..EXECUTED
    };
    let spawns = [[EXECUTED; 4], [other; 4]].concat();
    let of_spawns = [0, 0, 1, 2, 3, 3, 3, 3].map(Some);
    let kinds = [
        with_entries(0),
        with_entries(1_000),
        None,
        with_entries(9_000),
    ];
    let parents = Parents {
        of_spawns: &of_spawns,
        kinds: &kinds,
    };
    let found = savings(&spawns, parents, 1_000, &untimed(), &priced());
    let programs: Vec<usize> = found.iter().map(|it| it.program).collect();
    assert_eq!(programs, [1, 0]);
    let card = found[1].by_card.measured().unwrap();
    assert_eq!((found[1].replaceable, card.spawns), (4, 3));
    assert_eq!(card.by(SpawnMethod::Fork).unwrap().call_ns, 40e3);
    let entries: Vec<u64> = (found[1].parents.iter())
        .map(|it| it.parent.measured().unwrap().mappings.ptes)
        .collect();
    assert_eq!(entries, [0, 1_000]);
}

#[test]
fn something_is_saved_only_beyond_what_forecasts_are_off_by() {
    let of = |ptes| {
        let found = of_one_kind(&[EXECUTED; 3], with_entries(ptes), &untimed(), &priced());
        saved(
            found[0].by_card.measured().unwrap(),
            SpawnMethod::PosixSpawn,
        )
    };
    // A fork's total is 20 us and 20 ns an entry, against 30 us; its call 10 us and 10 ns an
    // entry, against 20 us.
    assert_eq!(of(0), None);
    assert_eq!(of(800), None);
    assert_eq!(of(1_000), Some(Saved::InTotal));
    assert_eq!(of(1_600), Some(Saved::InCall));
    let card = CardSaving {
        ways: Vec::new(),
        spawns: 3,
        call_error: 0.1,
        total_error: 0.1,
        measured_unix_s: 0,
    };
    assert_eq!(saved(&card, SpawnMethod::PosixSpawn), None);
}
