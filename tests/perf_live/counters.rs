//! Counters of the calling thread and of its children.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use forktax::sys::perf::{Counter, Counters, PerfError, Scope};

use super::skip;

const SOFTWARE: [Counter; 5] = [
    Counter::MinorFaults,
    Counter::MajorFaults,
    Counter::TaskClock,
    Counter::ContextSwitches,
    Counter::CpuMigrations,
];

fn software(scope: Scope) -> Option<Counters> {
    let opened = Counters::open(scope, &SOFTWARE);
    if let Some((_, error)) = opened.failures.first() {
        assert_eq!(opened.failures.len(), SOFTWARE.len(), "all or none");
        skip(error);
        return None;
    }
    assert_eq!(opened.counters.opened(), SOFTWARE);
    Some(opened.counters)
}

fn minor_faults(counters: &mut Counters) -> u64 {
    let mut counts = [0; SOFTWARE.len()];
    counters.read(&mut counts).unwrap();
    counts[0]
}

/// Touches 1,024 pages that are present nowhere yet. Each block is touched
/// before the next is mapped and is smaller than a huge page.
fn touch_fresh_pages() {
    for _ in 0..4 {
        let mut block = vec![0_u8; 1 << 20];
        for page in block.chunks_mut(4096) {
            page[0] = 1;
        }
        std::mem::forget(black_box(block));
    }
}

fn spin(length: Duration) {
    let start = Instant::now();
    while start.elapsed() < length {
        black_box((0..1_000_u64).fold(0, |sum, next| sum ^ black_box(next)));
    }
}

#[test]
fn fresh_pages_are_minor_faults_of_their_own_process() {
    let Some(mut own) = software(Scope::Own) else {
        return;
    };
    own.enable().unwrap();
    let before = minor_faults(&mut own);
    touch_fresh_pages();
    let after = minor_faults(&mut own);
    assert!(after - before >= 1_000, "{before} {after}");
    assert!(after - before < 10_000, "{before} {after}");
    let shares = own.shares();
    assert_eq!(shares.len(), SOFTWARE.len());
    let whole = |share: &f64| (share - 1.0).abs() < f64::EPSILON;
    assert!(shares.iter().all(whole), "{shares:?}");
}

#[test]
fn nothing_is_counted_before_enable() {
    let Some(mut own) = software(Scope::Own) else {
        return;
    };
    touch_fresh_pages();
    assert_eq!(minor_faults(&mut own), 0);
    own.enable().unwrap();
    touch_fresh_pages();
    let counted = minor_faults(&mut own);
    assert!(counted >= 1_000, "{counted}");
}

#[test]
fn a_child_s_faults_are_the_family_s_and_not_its_parent_s() {
    let (Some(mut own), Some(mut family)) = (software(Scope::Own), software(Scope::Family)) else {
        return;
    };
    family.enable().unwrap();
    own.enable().unwrap();
    let before = [minor_faults(&mut own), minor_faults(&mut family)];
    for _ in 0..50 {
        assert!(Command::new("true").status().unwrap().success());
    }
    let after = [minor_faults(&mut own), minor_faults(&mut family)];
    let [own, family] = [after[0] - before[0], after[1] - before[1]];
    // A dynamic program faults some dozens of times before its main.
    assert!(family >= own + 50 * 20, "own {own}, family {family}");
    assert!(own < 50 * 20, "own {own}, family {family}");
}

#[test]
fn the_task_clock_runs_while_the_thread_does() {
    let Some(mut own) = software(Scope::Own) else {
        return;
    };
    own.enable().unwrap();
    let clock = |own: &mut Counters| {
        let mut counts = [0; SOFTWARE.len()];
        own.read(&mut counts).unwrap();
        (counts[2], counts[3])
    };
    let (at_start, switches_at_start) = clock(&mut own);
    std::thread::sleep(Duration::from_millis(60));
    let (slept, switches_slept) = clock(&mut own);
    spin(Duration::from_millis(60));
    let (spun, _) = clock(&mut own);
    assert!(switches_slept > switches_at_start, "a sleep is a switch");
    assert!(spun - slept > 2 * (slept - at_start));
}

#[test]
fn a_missing_pmu_loses_no_software_counter() {
    if software(Scope::Own).is_none() {
        return;
    }
    // Hardware first, so that a failure would shift the order if it could.
    let mut wanted = Counter::ALL;
    wanted.reverse();
    let mut opened = Counters::open(Scope::Family, &wanted);
    for (counter, error) in &opened.failures {
        assert!(counter.is_hardware(), "{}: {error}", counter.name());
        assert!(matches!(error, PerfError::NoPmu | PerfError::Unsupported));
        assert!(!error.remedy().is_empty());
    }
    let failed = |counter: &Counter| opened.failures.iter().any(|(other, _)| other == counter);
    let expected: Vec<_> = wanted.into_iter().filter(|one| !failed(one)).collect();
    assert_eq!(opened.counters.opened(), expected);

    opened.counters.enable().unwrap();
    touch_fresh_pages();
    let mut counts = vec![0; expected.len()];
    opened.counters.read(&mut counts).unwrap();
    let faults = expected
        .iter()
        .position(|&one| one == Counter::MinorFaults)
        .unwrap();
    assert!(counts[faults] >= 1_000, "{counts:?}");
    let shares = opened.counters.shares();
    assert_eq!(shares.len(), expected.len());
    assert!(shares[faults] > 0.99, "{shares:?}");
}

#[test]
fn counts_never_fall() {
    let Some(mut own) = software(Scope::Own) else {
        return;
    };
    own.enable().unwrap();
    let mut previous = [0; SOFTWARE.len()];
    for _ in 0..1_000 {
        let mut counts = [0; SOFTWARE.len()];
        own.read(&mut counts).unwrap();
        let kept = previous.iter().zip(counts).all(|(&old, new)| old <= new);
        assert!(kept, "{previous:?} {counts:?}");
        previous = counts;
    }
    assert!(previous[2] > 0, "the task clock stands still");
}
