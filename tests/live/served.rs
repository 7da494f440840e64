//! The fork server: what it costs, and that it ends with its worker.

use std::fs;

use forktax::model::{Caveat, Document, MissingKind, SpawnMethod, Stopped};

use super::{
    FOUR_WORKERS, assert_no_process, await_spawns, begin_endless_by, cell, failure, kill, sweep,
    total, worker_of,
};

#[test]
fn a_fork_server_stays_small_and_its_children_are_not_the_parents() {
    let document = sweep("--method fork,fork-server --mappings 0,10k --spawns 40");
    let totals = |method| [0, 10_000].map(|size| total(cell(&document, size, method)));
    let (fork, served) = (totals(SpawnMethod::Fork), totals(SpawnMethod::ForkServer));
    println!("fork {fork:?}, fork-server {served:?}");
    assert!(served[1] < 3.0 * served[0], "{served:?}");
    assert!(3.0 * served[1] < fork[1], "{served:?} {fork:?}");
    let large = cell(&document, 10_000, SpawnMethod::ForkServer);
    assert!(large.call_ns.measured().is_some());
    let missing = [large.cpu_ns.missing(), large.minor_faults.child.missing()];
    for missing in missing.map(Option::unwrap) {
        assert_eq!(missing.missing, MissingKind::Unavailable);
        assert!(missing.reason.contains("the fork server's"), "{missing:?}");
    }
    assert!(large.minor_faults.parent.measured().is_some());
    let left = |caveat: &Caveat| matches!(caveat, Caveat::Daemons { .. });
    assert!(!document.caveats.iter().any(left), "{:?}", document.caveats);
}

#[test]
fn a_served_child_may_leave_without_a_program() {
    let document = sweep("--method fork-server --child exit --mappings 0 --spawns 5");
    assert!(total(&document.findings.cells()[0]) > 0.0);
}

#[test]
fn a_fork_server_ends_with_a_lab_that_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("partial.json");
    let mut child = begin_endless_by("fork-server", dir.path(), &export);
    await_spawns(dir.path(), FOUR_WORKERS);
    kill("INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_no_process(&dir.path().display().to_string());
    let document: Document = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
}

#[test]
fn a_fork_server_ends_with_a_lab_or_a_worker_that_is_killed() {
    for worker_only in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("none.json");
        let mut child = begin_endless_by("fork-server", dir.path(), &export);
        await_spawns(dir.path(), 50);
        let worker = (0..1_000).find_map(|_| worker_of(child.id()));
        match worker.filter(|_| worker_only) {
            Some(pid) => {
                let mut killing = std::process::Command::new("kill");
                assert!(killing.args(["-KILL", &pid]).status().unwrap().success());
            }
            None => child.kill().unwrap(),
        }
        child.wait().unwrap();
        assert_no_process(&dir.path().display().to_string());
    }
}

#[test]
fn what_a_served_child_does_is_not_explained() {
    let said = failure("explain --method fork-server", 2);
    assert!(said.contains("children of another process"), "{said}");
}
