//! The whole pipeline, from a plan to a document, on a kernel that fails on
//! order. No process is started and no clock is read.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

#[path = "pipeline/card.rs"]
mod card;
#[path = "pipeline/explain.rs"]
mod explain;
mod fake;
#[path = "pipeline/jobs.rs"]
mod jobs;
#[path = "pipeline/noise.rs"]
mod noise;
#[path = "pipeline/process.rs"]
mod process;
#[path = "pipeline/prospect.rs"]
mod prospect;
#[path = "pipeline/reproduce.rs"]
mod reproduce;
#[path = "pipeline/trace.rs"]
mod trace;
#[path = "pipeline/versus.rs"]
mod versus;

use fake::{Fake, Fault, host, plan};
use forktax::lab::error::LabError;
use forktax::lab::{Outcome, Progress, run};
use forktax::model::SpawnMethod::{Clone3Vfork, Fork, PosixSpawn, System, Vfork};
use forktax::model::{
    Availability, Caveat, Cell, CountSource, Document, Plan, SpaceRequest, SpawnMethod, Stopped,
};
use forktax::report::{Format, Shown, render};
use forktax::stats::Estimate;

struct Steps(Vec<f64>);

impl Progress for Steps {
    fn step(&mut self, _: &str, share: f64) {
        self.0.push(share);
    }

    fn tell(&mut self, _: &str) {}
}

fn carry_out(fault: Fault, plan: &Plan) -> (Outcome, Vec<f64>) {
    let mut steps = Steps(Vec::new());
    let outcome = run(&Fake::new(fault), host(), plan, &mut steps);
    // Whatever came of it can be printed, in every format.
    if let Some(document) = &outcome.document {
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Json] {
            assert!(
                !render(&document.clone().into(), format, &Shown::default())
                    .unwrap()
                    .is_empty()
            );
        }
    }
    (outcome, steps.0)
}

fn document(fault: Fault, plan: &Plan) -> Document {
    let (outcome, _) = carry_out(fault, plan);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    outcome.document.unwrap()
}

fn cell(document: &Document, mappings: u64, method: SpawnMethod) -> &Cell {
    let mut cells = document.findings.cells().iter();
    let found = cells.find(|c| c.space.mappings_requested == mappings && c.method == method);
    found.unwrap()
}

/// A figure that was measured, without its interval.
fn value(found: &Availability<Estimate>) -> f64 {
    found.measured().unwrap().value
}

fn default_plan() -> Plan {
    plan(&[0, 100, 1_000], &[Fork, Vfork, PosixSpawn])
}

#[test]
fn a_good_run_gives_every_cell_its_figures() {
    let document = document(Fault::Nothing, &default_plan());
    assert_eq!(document.findings.cells().len(), 9);
    assert_eq!(document.run.stopped, Stopped::Time);
    let fork = cell(&document, 1_000, Fork);
    let call = fork.call_ns.measured().unwrap().median.value;
    let total = fork.total_ns.measured().unwrap().median.value;
    // 840 us and a jitter of up to 0.4 us, less one reading of the clock.
    assert!((839_900.0..840_400.0).contains(&call), "{call}");
    assert!((1_659_900.0..1_660_900.0).contains(&total), "{total}");
    let ratio = fork.ratio.measured().unwrap().value;
    assert!((16.4..16.7).contains(&ratio), "{ratio}");
    let baseline = cell(&document, 1_000, PosixSpawn);
    assert_eq!(baseline.ratio.measured(), Some(&Estimate::exact(1.0)));
    let each = fork.spawns_per_second.measured().unwrap();
    assert_eq!(each.value, 1e9 / total);
    assert!(each.ci95[0] <= each.value && each.value <= each.ci95[1]);
    assert_eq!(fork.space.parent.mappings.vmas, 1_030);
    assert_eq!(fork.space.before.mappings.vmas, 30);
    assert!(fork.samples.len() >= 5, "{} workers", fork.samples.len());
}

#[test]
fn cpu_time_is_the_sum_of_both_sides_split_by_ticks() {
    let document = document(Fault::Nothing, &default_plan());
    let fork = cell(&document, 0, Fork);
    assert_eq!(value(&fork.cpu_ns), 110_000.0);
    let system = fork.sys_ns.measured().unwrap().value;
    let user = fork.user_ns.measured().unwrap().value;
    assert!((system + user - 110_000.0).abs() < 1.0);
    assert!((0.85..0.95).contains(&(system / 110_000.0)), "{system}");
}

#[test]
fn counters_are_told_apart_by_side() {
    let document = document(Fault::Nothing, &default_plan());
    let faults = &cell(&document, 100, Vfork).minor_faults;
    assert_eq!(value(&faults.parent), 2.0);
    assert_eq!(value(&faults.child), 23.0);
    assert_eq!(faults.source, CountSource::Perf);
    assert!(
        cell(&document, 100, Vfork)
            .cycles
            .parent
            .missing()
            .is_some()
    );
}

#[test]
fn the_reference_is_read_before_each_visit_and_after_the_last() {
    let document = document(Fault::Nothing, &default_plan());
    let reference = document.run.reference.measured().unwrap();
    assert!(
        reference.readings.len() > 20,
        "{}",
        reference.readings.len()
    );
    let cells = document.findings.cells();
    let workers = cells.iter().flat_map(|cell| &cell.samples);
    let visits: Vec<usize> = workers.map(|worker| worker.visit.unwrap()).collect();
    assert!(
        visits
            .iter()
            .all(|visit| visit + 1 < reference.readings.len())
    );
    // The methods of a parent have the same workers, and parents do not.
    assert_eq!(
        visits[..cells[0].samples.len()],
        visits[cells[0].samples.len()..][..cells[1].samples.len()]
    );
    assert_ne!(cells[0].samples[0].visit, cells[3].samples[0].visit);
    // 300 mappings cost 40 us and 0.8 us each in the call, and as much after it.
    let fork = reference.readings[0].fork_ns;
    assert!((600_000.0..620_000.0).contains(&fork), "{fork}");
}

#[test]
fn a_run_does_without_a_reference_and_says_so() {
    let document = document(Fault::NoReference, &default_plan());
    let missing = document.run.reference.missing().unwrap();
    assert!(missing.reason.contains("there is no room"), "{missing:?}");
    let cells = document.findings.cells();
    let mut workers = cells.iter().flat_map(|cell| &cell.samples);
    assert!(workers.all(|worker| worker.visit.is_none()));
}

#[test]
fn the_same_seed_gives_the_same_document() {
    let mut documents = [0, 1].map(|_| document(Fault::Nothing, &default_plan()));
    for document in &mut documents {
        document.run.started_unix_s = 0;
    }
    assert_eq!(documents[0], documents[1]);
}

#[test]
fn progress_only_grows() {
    let (_, steps) = carry_out(Fault::Nothing, &default_plan());
    assert!(steps.len() > 10);
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]), "{steps:?}");
    assert!(steps.iter().all(|share| (0.0..=1.0).contains(share)));
}

#[test]
fn precision_ends_a_run_before_its_time() {
    let mut plan = default_plan();
    plan.stop.precision = Some(0.05);
    plan.stop.time_s = Some(1_000.0);
    let document = document(Fault::Nothing, &plan);
    assert_eq!(document.run.stopped, Stopped::Precision);
    assert_eq!(document.run.rounds, 8);
}

#[test]
fn the_number_of_spawns_is_kept_exactly() {
    let mut plan = default_plan();
    plan.stop.time_s = None;
    plan.stop.spawns = Some(77);
    let document = document(Fault::Nothing, &plan);
    assert_eq!(document.run.stopped, Stopped::Spawns);
    assert!(
        document
            .findings
            .cells()
            .iter()
            .all(|cell| cell.spawns == 77)
    );
}

#[test]
fn a_missing_method_is_a_row_that_says_why() {
    let plan = plan(&[0, 10], &[Fork, PosixSpawn, Clone3Vfork]);
    let document = document(Fault::NoClone3, &plan);
    let gone = cell(&document, 10, Clone3Vfork);
    assert!(gone.total_ns.missing().unwrap().reason.contains("5.5"));
    assert_eq!(gone.spawns, 0);
    assert!(
        document
            .caveats
            .iter()
            .any(|c| matches!(c, Caveat::MethodUnavailable { .. }))
    );
    assert!(cell(&document, 10, Fork).total_ns.measured().is_some());
}

#[test]
fn system_has_no_call_of_its_own() {
    let document = document(Fault::Nothing, &plan(&[0], &[Fork, PosixSpawn, System]));
    let system = cell(&document, 0, System);
    assert!(system.call_ns.missing().unwrap().reason.contains("waits"));
    assert!(system.total_ns.measured().is_some());
}

#[test]
fn without_perf_the_times_stand_and_usage_counts_the_faults() {
    let document = document(Fault::NoPerf, &default_plan());
    let fork = cell(&document, 1_000, Fork);
    assert!(fork.total_ns.measured().is_some());
    assert!(fork.cpu_ns.measured().is_some());
    assert!(fork.sys_ns.missing().unwrap().remedy.is_some());
    assert!(
        fork.task_clock_ns
            .parent
            .missing()
            .unwrap()
            .remedy
            .is_some()
    );
    assert_eq!(fork.minor_faults.source, CountSource::Rusage);
    assert_eq!(value(&fork.minor_faults.child), 20.0);
    assert!(
        document
            .caveats
            .iter()
            .any(|c| matches!(c, Caveat::Unavailable { .. }))
    );
}

#[test]
fn what_was_not_ordered_is_not_timed() {
    for fault in [Fault::MappingMissing, Fault::PagesMissing] {
        let (outcome, _) = carry_out(fault, &plan(&[1_000], &[Fork, PosixSpawn]));
        assert!(outcome.document.is_none());
        assert!(
            matches!(outcome.error, Some(LabError::Inflation(_))),
            "{:?}",
            outcome.error
        );
    }
}

/// A parent of mappings, descriptors and threads, and an empty one.
fn parents(mappings: u64, descriptors: u64, threads: u64) -> Plan {
    let mut plan = plan(&[0, mappings], &[Fork, Vfork]);
    plan.spaces[1] = SpaceRequest::Together {
        parts: vec![
            plan.spaces[1].clone(),
            SpaceRequest::Descriptors {
                count: descriptors,
                cloexec: true,
            },
            SpaceRequest::Threads { count: threads },
        ],
    };
    plan
}

#[test]
fn descriptors_and_threads_are_measured_and_stored() {
    let document = document(Fault::Nothing, &parents(100, 1_000, 50));
    let (empty, full) = (cell(&document, 0, Fork), cell(&document, 100, Fork));
    assert_eq!(
        (empty.space.parent.descriptors, empty.space.parent.threads),
        (8, 1)
    );
    assert_eq!(
        (full.space.parent.descriptors, full.space.parent.threads),
        (1_008, 51)
    );
    assert_eq!(full.space.parent.mappings.vmas, 30 + 100 + 2 * 50);
    let total = |cell: &Cell| cell.total_ns.measured().unwrap().median.value;
    assert!(total(full) - total(empty) > 300_000.0);
}

#[test]
fn what_is_no_memory_is_verified_to_the_last_one() {
    for (fault, plan, words) in [
        (
            Fault::DescriptorMissing,
            parents(0, 1_000, 0),
            "999 descriptors more instead of 1000",
        ),
        (
            Fault::DescriptorLeaked,
            plan(&[100], &[Fork, Vfork]),
            "1 descriptors more instead of 0",
        ),
        (
            Fault::DescriptorMissing,
            plan(&[100], &[Fork, Vfork]),
            "-1 descriptors more instead of 0",
        ),
        (
            Fault::ThreadMissing,
            parents(0, 0, 50),
            "49 threads more instead of 50",
        ),
        (
            Fault::StacksInPieces,
            parents(10, 0, 50),
            "210 mappings more instead of 10 and those of 50 threads",
        ),
        (
            Fault::MappingMissing,
            parents(1_000, 10, 0),
            "999 mappings more instead of 1000",
        ),
    ] {
        let (outcome, _) = carry_out(fault, &plan);
        let error = outcome.error.unwrap();
        assert!(matches!(error, LabError::Inflation(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_parent_that_nobody_can_build_is_refused_before_it_is_timed() {
    let mut plan = parents(10, 10, 10);
    let heap = SpaceRequest::Malloc {
        count: 1,
        bytes: 100,
        pages: 0,
        spacing: 1,
    };
    plan.spaces[1] = SpaceRequest::Together {
        parts: vec![heap.clone(), heap],
    };
    let (outcome, _) = carry_out(Fault::Nothing, &plan);
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("a parent has one heap"), "{error}");
}

#[test]
fn a_change_under_way_is_told() {
    let drifted = document(Fault::Drift, &default_plan());
    assert!(
        drifted
            .caveats
            .iter()
            .any(|c| matches!(c, Caveat::SpaceDrifted { .. }))
    );
    let huge = document(Fault::HugePages, &plan(&[1_000], &[Fork, PosixSpawn]));
    assert!(
        huge.caveats
            .iter()
            .any(|c| matches!(c, Caveat::HugePages { asked: false, .. }))
    );
    let shared = document(Fault::Multiplexed, &default_plan());
    assert!(shared.caveats.contains(&Caveat::Multiplexed { share: 0.5 }));
}

#[test]
fn a_counter_that_shared_the_pmu_is_scaled_by_its_own_share() {
    let shared = document(Fault::Multiplexed, &default_plan());
    for cell in shared.findings.cells() {
        assert_eq!(value(&cell.task_clock_ns.parent), 110_000.0);
        assert_eq!(value(&cell.task_clock_ns.child), 110_000.0);
        assert_eq!(value(&cell.minor_faults.parent), 2.0);
        assert_eq!(value(&cell.minor_faults.child), 23.0);
    }
}

#[test]
fn a_counter_that_never_had_its_turn_gives_no_zero() {
    let shared = document(Fault::NeverCounted, &default_plan());
    assert!(shared.caveats.contains(&Caveat::Multiplexed { share: 0.0 }));
    for cell in shared.findings.cells() {
        for side in [&cell.task_clock_ns.parent, &cell.task_clock_ns.child] {
            let missing = side.missing().unwrap();
            assert!(missing.reason.contains("never had its turn"));
            assert!(missing.remedy.is_some());
        }
        assert_eq!(value(&cell.minor_faults.parent), 2.0);
    }
}

#[test]
fn a_dead_worker_leaves_what_was_measured() {
    let (outcome, _) = carry_out(Fault::WorkerDies(30), &default_plan());
    assert!(matches!(outcome.error, Some(LabError::Died { .. })));
    let document = outcome.document.unwrap();
    assert!(matches!(&document.run.stopped, Stopped::Failed(why) if why.contains("SIGKILL")));
    assert!(document.findings.cells().iter().all(|cell| cell.spawns > 0));
}

#[test]
fn an_interruption_leaves_what_was_measured() {
    let (outcome, _) = carry_out(Fault::Interrupted(12), &default_plan());
    assert!(matches!(outcome.error, Some(LabError::Interrupted(2))));
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(document.caveats.contains(&Caveat::Interrupted));
    assert!(
        document
            .caveats
            .iter()
            .any(|c| matches!(c, Caveat::FewWorkers { .. }))
    );
}

#[test]
fn an_interruption_before_all_leaves_nothing() {
    let (outcome, _) = carry_out(Fault::Interrupted(1), &default_plan());
    assert!(outcome.document.is_none());
}

#[test]
fn a_program_that_hangs_starts_no_worker() {
    let kernel = Fake::new(Fault::ProgramHangs);
    let outcome = run(&kernel, host(), &default_plan(), &mut Steps(Vec::new()));
    assert!(matches!(outcome.error, Some(LabError::Program(_))));
    assert_eq!(kernel.launched(), 0);
}

#[test]
fn a_child_that_fails_ends_the_run() {
    let (outcome, _) = carry_out(Fault::ChildFails, &default_plan());
    assert!(outcome.document.is_none());
    assert!(matches!(outcome.error, Some(LabError::Worker { .. })));
}

/// The report as text.
fn shown(document: Document) -> String {
    let bytes = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    String::from_utf8(bytes).unwrap()
}
