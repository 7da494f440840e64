//! `explain` on the real kernel: what its ledger, mechanisms, faults and page
//! tables say of address spaces whose answer is known by order of magnitude.
//!
//! What this kernel refuses to this user must come with a reason and a remedy;
//! the test then says that it skips, and looks at the rest. Most tests share
//! one run, and their runs follow one another: a worker that is watched while
//! its CPU is wanted by another is measured worse.

use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use forktax::model::{
    Availability, Document, Explanation, FaultCause, FaultPhase, Ledger, Level, Mechanism,
    Mechanisms, MethodExplained, MissingKind, PageTables, Phase, SpawnMethod, ThreadWaits,
};
use forktax::report::{Format, Shown, render};
use forktax::stats::Estimate;

use super::{forktax, output};

/// Explanations share the CPU's breakpoints and what a user may lock for the
/// rings of perf.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An explanation that must succeed: its document.
pub(crate) fn explain(words: &str) -> Document {
    let _turn = alone();
    let output = output(&format!("explain --format json --seed 1 {words}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The run that most tests look at: 1,000 mappings of a page each.
fn thousand() -> &'static Document {
    static RUN: OnceLock<Document> = OnceLock::new();
    RUN.get_or_init(|| explain("--mappings 1000 --spawns 120 --hz 5k"))
}

pub(crate) fn explanation(document: &Document) -> &Explanation {
    document.findings.explanation().unwrap()
}

pub(crate) fn method(document: &Document, method: SpawnMethod) -> &MethodExplained {
    let mut methods = explanation(document).methods.iter();
    methods
        .find(|explained| explained.method == method)
        .unwrap()
}

/// What was measured, or nothing where this user is refused it; a refusal must
/// say why and what to do.
pub(crate) fn or_refused<'a, T>(what: &str, figure: &'a Availability<T>) -> Option<&'a T> {
    if let Some(missing) = figure.missing() {
        assert_eq!(
            missing.missing,
            MissingKind::Unavailable,
            "{what}: {missing:?}"
        );
        assert!(!missing.reason.is_empty(), "{what}");
        assert!(missing.remedy.is_some(), "{what}: {missing:?}");
        println!("skipped: {what}: {}", missing.reason);
    }
    figure.measured()
}

pub(crate) fn ledger(document: &Document, of: SpawnMethod) -> Option<&Ledger> {
    or_refused("ledger", &method(document, of).ledger)
}

/// The time of a phase that this ledger has.
pub(crate) fn phase(ledger: &Ledger, phase: Phase) -> f64 {
    phase_time(ledger, phase).measured().unwrap().value
}

pub(crate) fn phase_time(ledger: &Ledger, phase: Phase) -> &Availability<Estimate> {
    let mut phases = ledger.phases.iter();
    &phases.find(|time| time.phase == phase).unwrap().ns
}

pub(crate) fn phases_sum(ledger: &Ledger) -> f64 {
    let phases = ledger.phases.iter();
    let times = phases.filter_map(|time| time.ns.measured());
    times.map(|time| time.value).sum()
}

fn mechanisms(document: &Document, of: SpawnMethod) -> Option<&Mechanisms> {
    or_refused("mechanisms", &method(document, of).mechanisms)
}

/// The share of these mechanisms together.
fn share(found: &Mechanisms, wanted: &[Mechanism]) -> f64 {
    let shares = found.shares.iter();
    let wanted = shares.filter(|share| wanted.contains(&share.mechanism));
    wanted.map(|share| share.share.value).sum()
}

/// What only a call that copies an address space does.
const COPYING: [Mechanism; 2] = [Mechanism::VmaDuplication, Mechanism::PageTableCopy];

fn copied(tables: &PageTables) -> u64 {
    tables.kinds.iter().map(|kind| kind.copied).sum()
}

fn vmas(tables: &PageTables) -> u64 {
    tables.kinds.iter().map(|kind| kind.mappings.vmas).sum()
}

fn pte_tables(tables: &PageTables) -> u64 {
    let mut levels = tables.levels.iter();
    levels
        .find(|level| level.level == Level::Pte)
        .unwrap()
        .tables
}

/// What the inflation added to a count of the page tables.
fn added(document: &Document, count: fn(&PageTables) -> u64) -> u64 {
    let explanation = explanation(document);
    let before = explanation.page_tables_before.measured().unwrap();
    count(explanation.page_tables.measured().unwrap()) - count(before)
}

#[test]
fn phases_and_what_is_unexplained_add_up_to_the_total() {
    for of in [SpawnMethod::Fork, SpawnMethod::PosixSpawn] {
        let Some(ledger) = ledger(thousand(), of) else {
            return;
        };
        // Three workers of fifteen are left on a busy host.
        assert!(ledger.spawns >= 40, "{of:?}: {}", ledger.spawns);
        assert!(ledger.incomplete <= ledger.spawns / 20, "{of:?}");
        let sum = phases_sum(ledger) + ledger.unexplained_ns.value;
        assert!((sum - ledger.total_ns.value).abs() < 1.0, "{of:?}: {sum}");
    }
}

/// Whether nobody else wanted the CPU while spawns were timed: a spawn that has to
/// wait for its CPU takes twice as long.
fn was_quiet(document: &Document) -> bool {
    let cells = document.findings.cells().iter();
    let totals = cells.filter_map(|cell| cell.total_ns.measured());
    totals.into_iter().all(|total| total.p90 < 1.4 * total.p10)
}

#[test]
fn little_of_a_spawn_is_unexplained() {
    // A CPU that others want as well stretches totals and not their phases'
    // medians, so only a quiet run can tell.
    let mut worst = Vec::new();
    for _ in 0..4 {
        let document = explain("--mappings 1000 --spawns 90 --rewrite 0 --hz 100");
        let of = [SpawnMethod::Fork, SpawnMethod::PosixSpawn];
        let ledgers: Option<Vec<&Ledger>> = of.iter().map(|of| ledger(&document, *of)).collect();
        let Some(ledgers) = ledgers else {
            return;
        };
        let rest = ledgers
            .iter()
            .map(|l| (l.unexplained_ns.value / l.total_ns.value).abs());
        let rest = rest.fold(0.0, f64::max);
        if rest < 0.15 {
            return;
        }
        worst.push((rest, was_quiet(&document)));
    }
    assert!(
        worst.iter().all(|(_, was_quiet)| !was_quiet),
        "unexplained: {worst:?} of the total"
    );
    println!("skipped: others want this CPU too: {worst:?}");
}

#[test]
fn a_fork_s_copy_and_its_teardown_are_what_a_thousand_mappings_cost() {
    let Some(fork) = ledger(thousand(), SpawnMethod::Fork) else {
        return;
    };
    let spawn = ledger(thousand(), SpawnMethod::PosixSpawn).unwrap();
    let copy = phase(fork, Phase::Copy);
    let longer = fork.phases.iter().filter_map(|time| time.ns.measured());
    assert!(
        longer.filter(|time| time.value > copy).count() <= 1,
        "{fork:?}"
    );
    assert!(copy > 5.0 * phase(spawn, Phase::Copy), "{copy} {spawn:?}");
    let teardown = phase(fork, Phase::ExecTeardown);
    assert!(
        teardown > 5.0 * phase(spawn, Phase::ExecTeardown),
        "{spawn:?}"
    );
    assert!(copy + teardown > 0.5 * phases_sum(fork), "{fork:?}");
}

#[test]
fn the_order_of_the_exit_record_is_found() {
    let probe = &explanation(thousand()).exit_probe;
    let Some(probe) = or_refused("exit probe", probe) else {
        return;
    };
    let [less, more] = {
        let mut added = [probe.before_record_ns, probe.after_record_ns];
        added.sort_by(f64::total_cmp);
        added
    };
    assert!(more > 3.0 * less, "{probe:?}");
    assert_eq!(probe.mappings, 1_000);
}

#[test]
fn each_mapping_adds_one_entry_to_copy() {
    assert_eq!(added(thousand(), vmas), 1_000);
    let entries = added(thousand(), copied);
    assert!((1_000..1_020).contains(&entries), "{entries}");
}

#[test]
fn malloc_scatters_its_pages_over_tables_and_adds_no_mappings() {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("malloc.json");
    let words = "explain --malloc 1000x100000 --spawns 12 --rewrite 0 --export";
    let turn = alone();
    let run = forktax(words).arg(&export).output().unwrap();
    drop(turn);
    assert!(run.status.success());
    let text = String::from_utf8(run.stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("page tables and their scatter"), "{text}");
    let document: Document = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
    assert!(added(&document, vmas) <= 2);
    let entries = added(&document, copied);
    assert!((980..=1_020).contains(&entries), "{entries}");
    let tables = added(&document, pte_tables);
    assert!((40..=60).contains(&tables), "{tables}");
}

#[test]
fn copying_is_what_the_kernel_does_for_fork_and_not_for_posix_spawn() {
    let Some(fork) = mechanisms(thousand(), SpawnMethod::Fork) else {
        return;
    };
    let spawn = mechanisms(thousand(), SpawnMethod::PosixSpawn).unwrap();
    for found in [fork, spawn] {
        assert!(found.samples > 20, "{} samples", found.samples);
        let other = share(found, &[Mechanism::Other]);
        assert!(other < 0.05, "{other}: {:?}", found.shares);
        let counted: u64 = found.shares.iter().map(|share| share.samples).sum();
        assert_eq!(counted, found.samples);
        let stacks: u64 = found.profile.stacks.iter().map(|stack| stack.samples).sum();
        assert_eq!(stacks, found.samples);
    }
    let [much, little] = [fork, spawn].map(|found| share(found, &COPYING));
    assert!(much > 0.1 && little < 0.05, "{much} {little}");
    let top: Vec<Mechanism> = fork.shares.iter().take(8).map(|s| s.mechanism).collect();
    assert!(COPYING.iter().all(|m| top.contains(m)), "{top:?}");
    let top = spawn.shares.iter().take(5);
    assert!(top.into_iter().all(|s| !COPYING.contains(&s.mechanism)));
}

#[test]
fn only_a_forked_child_faults_on_write_protected_pages() {
    let counted = |of: SpawnMethod, wanted: fn(FaultPhase) -> bool| {
        let faults = or_refused("faults", &method(thousand(), of).faults)?;
        let counts = faults.counts.iter();
        let copies = counts.filter(|c| c.cause == FaultCause::CopyOnWrite && wanted(c.phase));
        Some(copies.map(|c| c.counted.value).sum::<f64>())
    };
    let before_exec = |phase| phase == FaultPhase::ChildBeforeExec;
    let Some(fork) = counted(SpawnMethod::Fork, before_exec) else {
        return;
    };
    assert!((1.0..200.0).contains(&fork), "{fork}");
    assert_eq!(counted(SpawnMethod::PosixSpawn, |_| true), Some(0.0));
}

#[test]
fn a_fork_holds_up_another_thread_for_a_good_part_of_its_call() {
    let waits = |of| or_refused("waits", &method(thousand(), of).waits);
    let Some(fork) = waits(SpawnMethod::Fork) else {
        return;
    };
    let other = waits(SpawnMethod::PosixSpawn).unwrap();
    for waits in [fork, other] {
        assert!(waits.spawns > 0 && waits.fault_ns.value > 0.0, "{waits:?}");
    }
    assert!(fork.mapping_ns.value > 0.2 * fork.call_ns.value, "{fork:?}");
    for of in [
        |waits: &ThreadWaits| waits.mapping_ns,
        |waits: &ThreadWaits| waits.fault_ns,
    ] {
        assert!(of(fork).value > of(other).value, "{fork:?} {other:?}");
    }
    let text = render(&thousand().clone().into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let is_seen =
        fork.fault_ns.exceeds(&other.fault_ns) && fork.mapping_ns.exceeds(&other.mapping_ns);
    let says = text.contains("Another thread of the parent waits meanwhile: beside a fork");
    assert_eq!(says, is_seen, "{text}");
}

#[test]
fn whoever_forked_pays_for_each_page_that_it_writes_to_again() {
    let tax = |document: &Document, of: SpawnMethod| {
        let rewriting = method(document, of).rewriting.measured().unwrap();
        assert_eq!(rewriting.pages, 1_000);
        rewriting.clone()
    };
    let fork = tax(thousand(), SpawnMethod::Fork);
    let spawn = tax(thousand(), SpawnMethod::PosixSpawn);
    // A fork flushes the TLB, which makes the writes after it dearer wherever they go.
    let more = fork.tax_ns.value;
    assert!(more > 2.0 * spawn.tax_ns.value.abs(), "{fork:?} {spawn:?}");
    assert!(fork.after_ns.value > 2.0 * fork.again_ns.value, "{fork:?}");
    let held = fork.held_ns.measured().unwrap().value;
    assert!(held > more, "{fork:?}");
    assert!(spawn.held_ns.missing().is_some());
    // Shared pages are never write-protected by a fork.
    let shared = explain("--mappings 1000 --backing shared --spawns 60 --hz 100");
    let shared = tax(&shared, SpawnMethod::Fork);
    assert!(
        more > 2.0 * shared.tax_ns.value.abs(),
        "{fork:?} {shared:?}"
    );
}

#[test]
fn what_is_refused_is_said_in_the_text_too() {
    let dir = tempfile::tempdir().unwrap();
    let stored = dir.path().join("thousand.json");
    fs::write(&stored, serde_json::to_vec(thousand()).unwrap()).unwrap();
    let shown = output(&format!("show {}", stored.display()));
    assert!(shown.status.success());
    let text = String::from_utf8(shown.stdout).unwrap();
    let fork = method(thousand(), SpawnMethod::Fork);
    for (is_there, headline, refused) in [
        (
            fork.mechanisms.measured().is_some(),
            "What the CPU does during one spawn",
            "n/a: what the kernel does: ",
        ),
        (
            fork.faults.measured().is_some(),
            "Page faults of one spawn",
            "n/a: page faults: ",
        ),
    ] {
        assert_eq!(text.contains(headline), is_there, "{text}");
        assert_eq!(text.contains(refused), !is_there, "{text}");
    }
    if fork.ledger.measured().is_some() {
        assert!(text.contains("Where the time of one spawn goes"), "{text}");
    }
}
