//! Several parents that spawn at once, each on a CPU of its own.

use std::process::Stdio;

use forktax::model::{Cell, Document, SpawnMethod, WorkerSamples};
use std::os::unix::process::CommandExt;

use super::{
    assert_no_process, await_spawns, below, failure, forktax, kill_by, output, sweep, total,
};

/// Whether two parents have a CPU each; where they have not, that is said.
pub(super) fn has_two_cpus() -> bool {
    let output = output("sweep --format json --jobs 2 --mappings 0 --spawns 1 --method vfork");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        assert!(
            said.contains("parents that spawn at once need a CPU each"),
            "{said}"
        );
        println!("skipped: {said}");
    }
    output.status.success()
}

fn of(document: &Document, jobs: u64, method: SpawnMethod) -> &Cell {
    let mut cells = document.findings.cells().iter();
    let found = cells.find(|cell| cell.space.jobs == Some(jobs) && cell.method == method);
    found.unwrap()
}

#[test]
fn two_parents_spawn_at_once_and_one_is_timed() {
    if !has_two_cpus() {
        return;
    }
    let document = sweep("--mappings 1k --jobs 1,2 --spawns 40");
    assert_eq!(document.plan.other_cpus.len(), 1);
    for jobs in [1, 2] {
        let fork = of(&document, jobs, SpawnMethod::Fork);
        assert_eq!(fork.spawns, 40);
        // Its own mappings, and nobody else's.
        assert!((1_000..1_200).contains(&fork.space.parent.mappings.vmas));
        assert!(total(fork) > total(of(&document, jobs, SpawnMethod::Vfork)));
        let faults = fork.minor_faults.child.measured().unwrap().value;
        assert!(faults < 1_000.0, "{faults}");
    }
    for method in [SpawnMethod::Fork, SpawnMethod::PosixSpawn] {
        // One alone comes to no more than its own, and another adds no more than it can.
        let counted = |jobs| {
            let workers = of(&document, jobs, method).samples.iter();
            workers.map(|worker| (worker.all_per_second.unwrap(), busy(worker)))
        };
        for (all, (own, _)) in counted(1) {
            assert!(
                0.0 < all && all <= own * 1.001,
                "{method:?}: {all} of {own}"
            );
        }
        let quickest = counted(1)
            .chain(counted(2))
            .map(|(_, (_, quickest))| quickest);
        let most = quickest.fold(0.0, f64::max);
        for (all, (own, _)) in counted(2) {
            assert!(all < own + 2.0 * most, "{method:?}: {all} of {own}");
        }
        // On a loaded host one of the others may have had little of its CPU, but not each.
        let more = counted(2).map(|(all, (own, _))| all / own);
        let most = more.fold(0.0, f64::max);
        assert!(most > 1.2, "{method:?}: {most}");
    }
}

/// Spawns a second of a worker while it spawned, and as if each took as long as its quickest.
fn busy(worker: &WorkerSamples) -> (f64, f64) {
    let (took, spawns) = (worker.total_ns.iter().sum::<u64>(), worker.total_ns.len());
    let quickest = *worker.total_ns.iter().min().unwrap();
    (spawns as f64 * 1e9 / took as f64, 1e9 / quickest as f64)
}

#[test]
fn there_are_no_more_parents_at_once_than_cpus() {
    let said = failure("sweep --jobs 1,1000000", 2);
    assert!(
        said.contains("--jobs 1000000: parents that spawn at once need a CPU each"),
        "{said}"
    );
    assert!(
        said.contains("at the most, or give it more (taskset, cpuset)"),
        "{said}"
    );
    let said = failure("sweep --jobs 1,1000000 --cpu any", 2);
    assert!(said.contains("need a CPU each"), "{said}");
    let said = failure("sweep --jobs 1,2 --cpu any --time 100ms --vs=--cold", 2);
    assert!(said.contains("--jobs"), "{said}");
}

/// Whoever of the tool's processes is killed, no parent and no child of any is left.
#[test]
fn none_of_them_outlives_the_tool() {
    if !has_two_cpus() {
        return;
    }
    for victim in [Some(0), Some(1), Some(2), Some(3), None] {
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("MARK={}", dir.path().display());
        let trace = dir.path().join("trace").display().to_string();
        let mut command = forktax("sweep -q --jobs 2 --mappings 0 --spawns 1M --method vfork");
        let command = command.args(["--env", &mark, "--", "sh", "-c"]);
        let command = command.arg(format!("echo >> {trace}"));
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn().unwrap();
        await_spawns(dir.path(), 100);
        let pid = match victim {
            Some(steps) => (0..1_000).find_map(|_| below(child.id(), steps)).unwrap(),
            None => format!("-{}", child.id()),
        };
        kill_by("KILL", &pid);
        assert!(!child.wait().unwrap().success(), "{victim:?}");
        assert_no_process(&dir.path().display().to_string());
    }
}
