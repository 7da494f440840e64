//! Stored results side by side: statuses, refusals, and sweeps of this machine.

use std::fs;
use std::path::Path;

use forktax::model::{ComparedLine, Comparison, PlanFact, Verdict, WorkerSamples};

use crate::{failure, forktax, output};

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

/// A stored sweep whose spawns all take so many percent of what they took.
fn scaled(dir: &Path, percent: u64) -> String {
    changed(dir, &percent.to_string(), |worker| {
        for ns in worker.call_ns.iter_mut().chain(&mut worker.total_ns) {
            *ns = *ns * percent / 100;
        }
        true
    })
}

/// A stored sweep with some of its workers, changed.
fn changed(dir: &Path, name: &str, keep: impl Fn(&mut WorkerSamples) -> bool) -> String {
    let text = fs::read(data("sweep")).unwrap();
    let mut document: forktax::model::Document = serde_json::from_slice(&text).unwrap();
    let forktax::model::Findings::Sweep { cells } = &mut document.findings else {
        panic!("it is a sweep");
    };
    for cell in cells {
        cell.samples.retain_mut(&keep);
    }
    let path = dir.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();
    path.display().to_string()
}

/// Stores a sweep of this machine.
fn measured(dir: &Path, name: &str, words: &[String]) -> String {
    let path = dir.join(name).display().to_string();
    let run = forktax("sweep -q --mappings 0,200 --method fork,vfork --time 3s --seed 1")
        .args(words)
        .args(["--export", &path])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    path
}

fn compared(a: &str, b: &str) -> Comparison {
    let output = output(&format!("compare {a} {b} --format json"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_status_says_whether_a_line_is_dearer_than_was_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (data("sweep"), scaled(dir.path(), 300));
    for (words, status) in [
        (format!("{before} {after}"), 0),
        (format!("{before} {after} --fail-above 10"), 1),
        (format!("{before} {after} --fail-above 200%"), 0),
        (format!("{after} {before} --fail-above 10"), 0),
        (format!("{before} {before} --fail-above 0"), 0),
    ] {
        let output = output(&format!("compare {words}"));
        assert_eq!(output.status.code(), Some(status), "{words}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.is_empty(), status == 0, "{words}: {said}");
        assert!(
            !output.stdout.is_empty(),
            "{words}: it is printed all the same"
        );
    }
    let said = output(&format!("compare {before} {after} --fail-above 10")).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("18 lines are dearer by more than 10 %"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused_by_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = data("sweep");
    for (words, status, named) in [
        (
            format!("{sweep} {}", data("explain")),
            2,
            "a sweep cannot be compared with an explanation",
        ),
        (format!("{sweep} {sweep} --fail-above=-3"), 2, "fail-above"),
        (
            format!("{sweep} {sweep} --fail-above ten"),
            2,
            "no percentage",
        ),
        ("- -".to_owned(), 2, "can be read once"),
        (sweep.clone(), 2, "no result of --vs"),
        (
            format!("{sweep} {}/none.json", dir.path().display()),
            4,
            "No such file",
        ),
        (format!("{} {sweep}", dir.path().display()), 4, "directory"),
        (
            format!("{sweep} {sweep} --export x.svg"),
            4,
            "a comparison cannot be shown as svg",
        ),
    ] {
        let said = failure(&format!("compare {words}"), status);
        assert!(said.contains(named), "{words}: {said}");
    }
}

#[test]
fn to_fail_there_must_be_something_to_judge() {
    let dir = tempfile::tempdir().unwrap();
    let (sweep, exit) = (data("sweep"), data("sweep-exit"));
    let few = changed(dir.path(), "few", |worker| worker.round == 0);
    for (other, why) in [
        (few, "--fail-above has nothing to judge"),
        (exit, "no line in common"),
    ] {
        let output = output(&format!("compare {sweep} {other} --fail-above 10"));
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_stored_comparison_is_shown_again_and_is_no_result_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (data("sweep"), scaled(dir.path(), 300));
    let stored = dir.path().join("compared.json").display().to_string();
    let printed = output(&format!("compare {before} {after} --export {stored}")).stdout;
    assert_eq!(output(&format!("show {stored}")).stdout, printed);
    let said = failure(&format!("compare {stored} {after}"), 2);
    assert!(said.contains("is a comparison already"), "{said}");
    let said = failure(&format!("show {stored} --export {stored}.svg"), 4);
    assert!(
        said.contains("a comparison cannot be shown as svg"),
        "{said}"
    );
}

/// Whether two equal runs differ is up to the machine, which others may load in one
/// of them: what is asserted is that the comparison holds together.
#[test]
fn two_sweeps_of_this_machine_are_compared_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a.json", "b.json"].map(|name| measured(dir.path(), name, &[]));
    let comparison = compared(&a, &b);
    assert_eq!(comparison.lines.len(), 8);
    assert!(comparison.host_differences.is_empty() && comparison.lone.is_empty());
    for line in &comparison.lines {
        let ratio = line.ratio.measured().unwrap();
        assert!(ratio.ci95[0] <= ratio.value && ratio.value <= ratio.ci95[1]);
        assert!(ratio.value > 0.01 && ratio.value < 100.0, "{line:?}");
    }
}

/// An exec copies the environment, 1 MB here: it is the same address space, and a
/// dearer spawn.
#[test]
fn a_large_environment_makes_an_exec_dearer() {
    let dir = tempfile::tempdir().unwrap();
    let variable = |number: u32| {
        let value = "x".repeat(1_000);
        ["--env".to_owned(), format!("V{number}={value}")]
    };
    let many: Vec<String> = (0..1_000).flat_map(variable).collect();
    let small = measured(dir.path(), "small.json", &[]);
    let large = measured(dir.path(), "large.json", &many);
    let comparison = compared(&small, &large);
    let told = comparison.plan_differences.iter();
    assert!(
        told.map(|d| d.fact)
            .any(|fact| fact == PlanFact::Environment)
    );
    let total = comparison.lines.iter().find(|line| {
        let is_total = line.key.ends_with("/vfork/exec/total");
        is_total && line.group == "no mappings"
    });
    let total = total.unwrap();
    assert!(total.ratio.measured().unwrap().value > 1.5, "{total:?}");
    // On a host that is loaded by others there may be too few workers for a verdict.
    assert!(
        matches!(
            total.verdict,
            Verdict::Dearer | Verdict::NoDifferenceSeen | Verdict::NotCompared(_)
        ),
        "{total:?}"
    );
}

/// What a result of `--vs` says of one line.
fn ratio_of(comparison: &Comparison, what: &str) -> forktax::stats::Estimate {
    let mut lines = comparison.lines.iter();
    let line = lines.find(|line| line.what == what).unwrap();
    *line.ratio.measured().unwrap()
}

#[test]
fn two_plans_by_turns_are_one_result_that_can_be_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("both.json").display().to_string();
    let words = "sweep -q --mappings 100 --method fork,vfork --spawns 64 --vs";
    let run = forktax(words)
        .args(["--mappings 400", "--export", &file])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(printed.contains("took turns"), "{printed}");
    let text = fs::read(&file).unwrap();
    let comparison: Comparison = serde_json::from_slice(&text).unwrap();
    // Four times the mappings are no four times the time, and vfork copies none.
    let [fork, vfork] = ["fork total", "vfork total"].map(|what| ratio_of(&comparison, what));
    assert!(fork.value > 1.2 && vfork.value < 1.2, "{fork:?} {vfork:?}");
    let by_turns = comparison.by_turns.as_ref().unwrap();
    for document in [&by_turns.a, &by_turns.b] {
        assert!(
            document
                .findings
                .cells()
                .iter()
                .all(|cell| cell.spawns == 64)
        );
    }
    let again = output(&format!("compare {file} --fail-above 5"));
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(output(&format!("show {file} --brief")).status.success());
    let beside = output(&format!("compare {file} {}", data("sweep")));
    assert_eq!(beside.status.code(), Some(2));
    let alone = output(&format!("compare {}", data("sweep")));
    assert_eq!(alone.status.code(), Some(2));
}

/// What a kernel copies of a mapping more is in the copy, and what it frees in the exec.
#[test]
fn mappings_more_are_found_in_the_phases_that_copy_and_free_them() {
    let _turn = super::explain::alone();
    let words = "explain -q --mappings 1000 --method fork --time 12s --seed 1 --format json --vs";
    let run = forktax(words).arg("--mappings=1500").output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let comparison: Comparison = serde_json::from_slice(&run.stdout).unwrap();
    let line = |end: &str| -> Option<&ComparedLine> {
        let key = format!("explained/fork/exec/{end}");
        comparison.lines.iter().find(|line| line.key == key)
    };
    let more = |line: &ComparedLine| line.difference.unwrap().value;
    let total = line("total").unwrap();
    assert!(more(total) > 0.0, "{total:?}");
    let by_turns = comparison.by_turns.as_ref().unwrap();
    let explanation = by_turns.a.findings.explanation().unwrap();
    let Some(copy) = line("phase/copy") else {
        let why = explanation.methods[0].ledger.missing().unwrap();
        println!("skipped: phases: {}", why.reason);
        assert!(!why.reason.is_empty() && why.remedy.is_some(), "{why:?}");
        return;
    };
    let freed = line("phase/exec-teardown").unwrap();
    for phase in [copy, freed] {
        let ratio = phase.ratio.measured().unwrap();
        assert!(ratio.value > 1.1 && ratio.value < 2.5, "{phase:?}");
    }
    let less = comparison.lines.iter().filter(|line| {
        let is_other = ![&copy.key, &freed.key].contains(&&line.key);
        line.key.contains("/phase/") && is_other && more(line) > more(copy)
    });
    assert_eq!(less.count(), 0, "{:?}", comparison.lines);
}

#[test]
fn sides_that_cannot_take_turns_are_refused() {
    for (options, words) in [
        ("--mappings 1,2", "1 parents in A and 2 in B"),
        ("--method all", "1 methods in A and"),
        ("--cloexec", "--fds"),
        ("--time 3s", "of the whole run"),
        ("--mappings", "a value is required"),
    ] {
        let run = forktax("sweep -q --mappings 1 --method fork --vs")
            .arg(options)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains("--vs") && said.contains(words), "{said}");
    }
}
