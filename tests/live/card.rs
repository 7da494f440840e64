//! The card on this machine's kernel: orderings, and what is said of what is missing.

use std::process::Stdio;
use std::time::Duration;

use forktax::model::{
    Card, CardOrder, Document, Findings, GaugeSamples, Purpose, SpawnMethod, Verdict,
};

use super::{failure, forktax, output};

/// As long as two rounds take here; what is asserted holds after one.
fn card(words: &str) -> Document {
    let output = output(&format!(
        "card --quick --time 1s --seed 1 --no-store --format json {words}"
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn parts(document: &Document) -> (&CardOrder, &Card) {
    let Findings::Card(card) = &document.findings else {
        panic!("{:?} is no card", document.findings);
    };
    (document.plan.order.card().unwrap(), card)
}

/// The total of the last trial of a purpose.
fn total(document: &Document, purpose: Purpose, method: SpawnMethod) -> f64 {
    let (order, card) = parts(document);
    let place = order.trials.iter().rposition(|t| t.purpose == purpose);
    let cells = &card.trials[place.unwrap()].cells;
    let cell = cells.iter().find(|cell| cell.method == method).unwrap();
    cell.total_ns.measured().unwrap().median.value
}

/// The median of what was gauged in all workers.
fn gauged(document: &Document, pick: fn(&GaugeSamples) -> &Vec<f64>) -> f64 {
    let (_, card) = parts(document);
    let workers = card.trials.iter().flat_map(|trial| &trial.gauges);
    let mut all: Vec<f64> = workers.flat_map(pick).copied().collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[test]
fn a_card_tells_dear_parents_from_cheap_ones() {
    let document = card("");
    let (order, card) = parts(&document);
    assert_eq!(order.trials.len(), card.trials.len());
    assert_eq!(document.run.rounds, 2, "the fewest");
    let fork = |purpose| total(&document, purpose, SpawnMethod::Fork);
    assert!(fork(Purpose::AnonMappings) > 5.0 * fork(Purpose::Empty));
    assert!(fork(Purpose::DensePages) > 5.0 * fork(Purpose::Empty));
    assert!(fork(Purpose::HugePages) < fork(Purpose::DensePages));
    let vfork = |purpose| total(&document, purpose, SpawnMethod::Vfork);
    assert!(vfork(Purpose::Flatness) < 0.5 * fork(Purpose::AnonMappings));
    assert!(vfork(Purpose::CloexecDescriptors) > vfork(Purpose::Exit));
    assert!(vfork(Purpose::DynamicProgram) > 1.5 * vfork(Purpose::Exit));
    let fault = gauged(&document, |gauge| &gauge.fault_ns);
    let syscall = gauged(&document, |gauge| &gauge.syscall_ns);
    assert!(fault > syscall, "{fault} {syscall}");
    let copy = gauged(&document, |gauge| &gauge.parent_copy_ns);
    let reuse = gauged(&document, |gauge| &gauge.parent_reuse_ns);
    assert!(copy > reuse, "{copy} {reuse}");
}

#[test]
fn the_parents_of_a_card_are_what_was_designed() {
    let document = card("");
    let (order, card) = parts(&document);
    let of = |purpose: Purpose| {
        let place = order
            .trials
            .iter()
            .rposition(|t| t.purpose == purpose)
            .unwrap();
        card.trials[place].parent.measured().unwrap().mappings
    };
    let empty = of(Purpose::Empty);
    let near = |more: u64, less: u64, wanted: u64, slack: u64| {
        let gained = more.saturating_sub(less);
        assert!(wanted.abs_diff(gained) <= slack, "{gained} is not {wanted}");
    };
    let dirty = of(Purpose::AnonMappings);
    near(dirty.vmas, empty.vmas, 10_000, 4);
    near(dirty.anon_vmas, empty.anon_vmas, 10_000, 4);
    near(dirty.ptes, empty.ptes, 10_000, 64);
    let untouched = of(Purpose::Mappings);
    near(untouched.vmas, empty.vmas, 10_000, 4);
    near(untouched.anon_vmas, empty.anon_vmas, 0, 2);
    let scattered = of(Purpose::ScatteredPages);
    near(scattered.tables, empty.tables, 2_000, 30);
    // Each table is full of entries that are looked at, but for the last one.
    near(
        scattered.empty_entries,
        empty.empty_entries,
        511 * 1_999,
        1_000,
    );
    near(
        of(Purpose::FileMappings).file_vmas,
        empty.file_vmas,
        3_000,
        2,
    );
    near(
        of(Purpose::SharedMappings).shared_vmas,
        empty.shared_vmas,
        3_000,
        2,
    );
    let huge = of(Purpose::HugePages);
    // A host without huge pages gives small ones, and a fragmented one fewer.
    assert!(huge.huge_entries <= 100);
}

#[test]
fn programs_of_the_wrong_kind_are_refused() {
    let said = failure("card --static-program sh", 2);
    assert!(
        said.contains("--static-program") && said.contains("dynamically linked"),
        "{said}"
    );
    let said = failure("card --dynamic-program nowhere-at-all", 2);
    assert!(said.contains("nowhere-at-all"), "{said}");
    let said = failure("card --precision 1%", 2);
    assert!(said.contains("--precision"), "{said}");
}

#[test]
fn a_signal_ends_a_card_and_keeps_what_there_is() {
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let mut command = forktax("card --quick --seed 1 --no-store --quiet --export");
    command.arg(file.path()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let pid = i32::try_from(child.id()).unwrap();
    std::process::Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status()
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + 2));
    let bytes = std::fs::read(file.path()).unwrap();
    let document: Document = serde_json::from_slice(&bytes).unwrap();
    let (order, card) = parts(&document);
    assert_eq!(order.trials.len(), card.trials.len());
    assert!(
        card.trials
            .iter()
            .any(|trial| trial.parent.measured().is_some())
    );
}

#[test]
fn a_card_is_stored_and_found_again_while_it_holds() {
    let cache = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let mut command = forktax(words);
        command
            .env("XDG_CACHE_HOME", cache.path())
            .output()
            .unwrap()
    };
    let none = run("card --stored");
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(4), "{said}");
    assert!(
        said.contains("no card is stored") && said.contains("forktax card"),
        "{said}"
    );

    let measured = run("card --quick --time 1s --seed 1 --format json");
    let said = String::from_utf8_lossy(&measured.stderr).into_owned();
    assert!(
        measured.status.success() && said.contains("stored as"),
        "{said}"
    );
    let stored = run("card --stored --format json");
    assert!(stored.status.success());
    // What is read back is fitted anew, and comes to the same.
    assert!(stored.stdout == measured.stdout, "not what was measured");

    let files: Vec<_> = std::fs::read_dir(cache.path().join("forktax"))
        .unwrap()
        .collect();
    let [Ok(file)] = files.as_slice() else {
        panic!("{files:?}")
    };
    let mut document: Document = serde_json::from_slice(&stored.stdout).unwrap();
    document.host.kernel = "2.6.32".to_owned();
    std::fs::write(file.path(), serde_json::to_vec(&document).unwrap()).unwrap();
    let stale = run("card --stored");
    let said = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert_eq!(stale.status.code(), Some(4), "{said}");
    assert!(
        said.contains("2.6.32") && said.contains("measure again"),
        "{said}"
    );
}

#[test]
fn a_card_compared_with_itself_shows_no_difference() {
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let words = "card --quick --time 1s --seed 1 --no-store --quiet --export";
    let mut command = forktax(words);
    assert!(
        command
            .arg(file.path())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let path = file.path().display();
    let compared = output(&format!("compare {path} {path} --format json"));
    assert!(compared.status.success());
    let comparison: forktax::model::Comparison = serde_json::from_slice(&compared.stdout).unwrap();
    assert!(comparison.lines.len() > 20, "{}", comparison.lines.len());
    let seen = comparison
        .lines
        .iter()
        .any(|line| matches!(line.verdict, Verdict::Dearer | Verdict::Cheaper));
    assert!(!seen);
    // A sweep is something else.
    let sweep = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let mut command = forktax("sweep --mappings 0 --spawns 3 --quiet --export");
    assert!(
        command
            .arg(sweep.path())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let said = failure(&format!("compare {path} {}", sweep.path().display()), 2);
    assert!(
        said.contains("a card") && said.contains("a sweep"),
        "{said}"
    );
}
