//! Remedies change what they say, and what helped is tried together.

use super::*;
use crate::analysis::replica::tests::{
    HIGH, TABLE, anonymous, nothing, regions, server, shape, trial,
};
use crate::analysis::replica::{Blueprint, Trial};
use crate::model::{
    Availability, ChildAction, Closing, MappingFlag, ProcessRole, ProcessShape, ProcessTrial,
    Program, Remedy, RemedyBaseline, RemedyHost, RemedyKind, RemedyVerdict, ShapeReservation,
    SpaceRequest, SpawnMethod, Surroundings, Targets, WorkerSamples,
};

const METHODS: [SpawnMethod; 5] = [
    SpawnMethod::Fork,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
    SpawnMethod::PosixSpawnUsevfork,
    SpawnMethod::ForkServer,
];

fn busy() -> ProcessShape {
    let mut process = server();
    process.process.threads = 5;
    process.process.descriptors = 500;
    process.mappings[3] = anonymous(HIGH + TABLE, 3 * TABLE, &[[0, 900]]);
    process.mappings[4].first_page = HIGH + 8 * TABLE;
    process.mappings[4].pages = 12;
    process
}

fn design(blueprint: &Blueprint, host: &RemedyHost) -> Design {
    design_of(blueprint, ChildAction::Exec, host)
}

fn design_of(blueprint: &Blueprint, child: ChildAction, host: &RemedyHost) -> Design {
    let program = |path: &str| {
        Some(Program::Path {
            path: path.to_owned(),
            argv: vec![path.to_owned()],
        })
    };
    let targets = Targets {
        fixed: program("/sbin/static"),
        dynamic: program("/bin/dynamic"),
    };
    Design::of(blueprint, (METHODS.as_slice(), child), host, &targets)
}

fn with(design: &Design, kind: RemedyKind) -> SpaceRequest {
    let role = ProcessRole::Remedied(kind);
    let mut trials = design.trials.iter();
    trials
        .find(|trial| trial.role == role)
        .unwrap()
        .space
        .clone()
}

#[test]
fn each_remedy_changes_what_it_is_for() {
    let blueprint = Blueprint::of(&busy(), &nothing());
    let design = design(&blueprint, &RemedyHost::default());
    let left = regions(&with(&design, RemedyKind::DontFork));
    let left: Vec<bool> = left.iter().map(|region| region.dontfork).collect();
    assert_eq!(left, [false, false, false, true, false, false]);

    let huge = regions(&with(&design, RemedyKind::HugePages));
    assert_eq!(huge[0].huge, [[0, 3 * TABLE]]);
    assert_eq!(
        (&huge[3].huge[..], huge[3].written.len()),
        (&[[0, 2 * TABLE]][..], 0)
    );
    let heap = regions(&with(&design, RemedyKind::HugeHeap));
    assert_eq!((heap[0].huge.len(), heap[3].huge.len()), (1, 0));

    let beside = with(&design, RemedyKind::Cloexec);
    assert_eq!((beside.descriptors(), beside.has_cloexec()), (497, true));
    assert_eq!(with(&design, RemedyKind::FewerDescriptors).descriptors(), 0);
    assert_eq!(with(&design, RemedyKind::FewerThreads).threads(), 0);
    let at_once = |trial: &&Trial| trial.closing == Closing::AtOnce;
    let closing = design.trials.iter().find(at_once).unwrap();
    assert_eq!(closing.role, ProcessRole::Remedied(RemedyKind::CloseRange));
    let pages = regions(&with(&design, RemedyKind::NoFilePages));
    assert_eq!(
        (
            pages[1].read.len(),
            pages[2].read.len(),
            pages[5].read.len()
        ),
        (1, 0, 1),
        "shared memory is no file"
    );
}

#[test]
fn what_cannot_be_applied_is_not_tried_and_says_why() {
    let blueprint = Blueprint::of(&shape(vec![anonymous(HIGH, 3, &[])]), &nothing());
    let host = RemedyHost {
        no_huge_pages: Some("they are off".to_owned()),
        child_runs_first: Some(1),
    };
    let design = design(&blueprint, &host);
    let trials = vec![trial(ProcessRole::Whole, &[(SpawnMethod::Fork, 1, 2)], 0)];
    let all = remedies(&design, &[], &trials, &host, 1);
    let why = |kind| {
        let found = all
            .iter()
            .find(|remedy: &&Remedy| remedy.kind == kind)
            .unwrap();
        found.outcome.missing().unwrap().reason.clone()
    };
    assert_eq!(why(RemedyKind::HugePages), "they are off");
    assert!(why(RemedyKind::FewerThreads).contains("one thread"));
    assert!(why(RemedyKind::Cloexec).contains("all but 0"));
    assert!(why(RemedyKind::ChildRunsFirst).contains("1 here"));
    assert!(why(RemedyKind::NoHugePages).contains("no huge pages"));
    assert!(why(RemedyKind::Vfork).contains("before its turn"));
}

fn outcomes(design: &Design) -> Vec<ProcessTrial> {
    let took = |role, method| match (role, method) {
        (ProcessRole::Whole, SpawnMethod::Fork) => 1_000_000,
        (ProcessRole::Whole, SpawnMethod::ForkServer) => 90_000,
        (ProcessRole::Whole, _) => 80_000,
        (ProcessRole::Remedied(RemedyKind::DontFork), _) => 600_000,
        (ProcessRole::Remedied(RemedyKind::HugePages), _) => 300_000,
        (ProcessRole::Remedied(RemedyKind::HugeHeap), _) => 500_000,
        (ProcessRole::Remedied(RemedyKind::FewerDescriptors), _) => 900_000,
        (ProcessRole::Remedied(RemedyKind::FewerThreads), _) => 1_200_000,
        _ => 1_000_000,
    };
    let each = design.trials.iter().map(|planned| {
        let methods: Vec<_> = (planned.methods.iter())
            .map(|method| (*method, 1_000, took(planned.role, *method)))
            .collect();
        trial(planned.role, &methods, 1 << 20)
    });
    each.collect()
}

#[test]
fn what_helped_is_tried_together_and_all_is_sorted() {
    let blueprint = Blueprint::of(&busy(), &nothing());
    let host = RemedyHost::default();
    let design = design(&blueprint, &host);
    let mut trials = outcomes(&design);
    let chosen = choose(&design, &trials, 1);
    assert_eq!(
        chosen[0].parts,
        [
            RemedyKind::DontFork,
            RemedyKind::HugePages,
            RemedyKind::FewerDescriptors
        ]
    );
    let together = chosen[0].trial(&blueprint, &host).unwrap();
    let built = regions(&together.space);
    assert_eq!((built[0].huge.len(), built[3].dontfork), (1, true));
    assert_eq!(chosen[1].kind, RemedyKind::Best);
    assert_eq!(chosen[1].parts, [RemedyKind::FewerDescriptors]);

    let fork = [(SpawnMethod::Fork, 900, 200_000)];
    trials.push(trial(
        ProcessRole::Remedied(RemedyKind::BestForks),
        &fork,
        3 << 20,
    ));
    let all = remedies(&design, &chosen, &trials, &host, 1);
    let ratio = |remedy: &Remedy| remedy.outcome.measured().map(|outcome| outcome.ratio.value);
    let ratios: Vec<f64> = all.iter().filter_map(ratio).collect();
    assert!(ratios.is_sorted(), "{ratios:?}");
    assert!(
        all.iter()
            .skip(ratios.len())
            .all(|remedy| ratio(remedy).is_none())
    );
    let of = |kind| {
        let found = all.iter().find(|remedy| remedy.kind == kind).unwrap();
        *found.outcome.measured().unwrap()
    };
    let best = of(RemedyKind::BestForks);
    assert!((best.ratio.value - 0.2).abs() < 0.01);
    assert_eq!(best.memory_bytes, 2 << 20);
    assert_eq!(of(RemedyKind::FewerThreads).verdict, RemedyVerdict::Harms);
    assert_eq!(of(RemedyKind::Cloexec).verdict, RemedyVerdict::NoDifference);
    assert_eq!(of(RemedyKind::PosixSpawn).verdict, RemedyVerdict::Helps);
    let usevfork = of(RemedyKind::Usevfork);
    assert_eq!(usevfork.against, RemedyBaseline::PosixSpawn);
    assert_eq!(usevfork.verdict, RemedyVerdict::NoDifference);
    assert_eq!(
        of(RemedyKind::StaticTarget).against,
        RemedyBaseline::DynamicTarget
    );
}

#[test]
fn children_that_execute_nothing_are_helped_by_what_copies_keep() {
    let mut process = busy();
    let server = ShapeReservation::AflForkServer;
    process.process.reservations.push(server);
    let blueprint = Blueprint::of(&process, &nothing());
    let host = RemedyHost::default();
    let design = design_of(&blueprint, ChildAction::Exit, &host);
    let executes = |trial: &crate::analysis::replica::Trial| trial.program.is_some();
    assert!(!design.trials.iter().any(executes));
    let trials = outcomes(&design);
    let all = remedies(&design, &choose(&design, &trials, 1), &trials, &host, 1);
    let of = |kind| all.iter().find(|r| r.kind == kind).unwrap();
    for kind in [
        RemedyKind::PosixSpawn,
        RemedyKind::ForkServer,
        RemedyKind::DontFork,
        RemedyKind::Cloexec,
        RemedyKind::StaticTarget,
    ] {
        let why = of(kind).outcome.missing().unwrap().in_words();
        assert!(why.contains("the children"), "{why}");
    }
    let huge = of(RemedyKind::HugePages).outcome.measured().unwrap();
    assert_eq!(huge.verdict, RemedyVerdict::Helps);
    let told = of(RemedyKind::PersistentMode).outcome.missing().unwrap();
    assert!(told.reason.contains("__AFL_LOOP"));
}

#[test]
fn of_two_rounds_it_is_not_said_that_there_is_no_difference() {
    let blueprint = Blueprint::of(&busy(), &nothing());
    let host = RemedyHost::default();
    let design = design(&blueprint, &host);
    let verdict = |workers: usize| {
        let mut trials = outcomes(&design);
        for cell in trials.iter_mut().flat_map(|trial| &mut trial.cells) {
            cell.samples.truncate(workers);
        }
        let all = remedies(&design, &[], &trials, &host, 1);
        let same = all.iter().find(|r| r.kind == RemedyKind::Cloexec).unwrap();
        same.outcome.measured().unwrap().verdict
    };
    assert_eq!(verdict(2), RemedyVerdict::TooFew);
    assert_eq!(verdict(3), RemedyVerdict::NoDifference);
}

#[test]
fn children_that_close_each_number_are_what_close_range_is_set_against() {
    let of = |open_files| {
        let mut process = busy();
        process.process.surroundings = Some(Surroundings {
            open_files,
            ..Surroundings::default()
        });
        let blueprint = Blueprint::of(&process, &nothing());
        design(&blueprint, &RemedyHost::default())
    };
    let kind = RemedyKind::CloseRangeForEach;
    let closing = |design: &Design, role| {
        let trial = design.trials.iter().find(|trial| trial.role == role)?;
        Some(trial.closing)
    };
    for (limit, end, words) in [
        (20_000, 20_000, "the 20,000 numbers below"),
        (1 << 30, 1 << 16, "65,536 of the 1,073,741,824 numbers"),
    ] {
        let design = of(Some(limit));
        let [with, against] = [ProcessRole::Remedied(kind), ProcessRole::Against(kind)]
            .map(|role| closing(&design, role));
        assert_eq!(with, Some(Closing::AtOnce));
        assert_eq!(against, Some(Closing::EachBelow(end)));
        let (_, applied) = design.remedies.iter().find(|(k, _)| *k == kind).unwrap();
        assert!(applied.as_ref().unwrap().starts_with(words), "{applied:?}");
        let all = remedies(&design, &[], &outcomes(&design), &RemedyHost::default(), 1);
        let found = all.iter().find(|remedy| remedy.kind == kind).unwrap();
        let outcome = found.outcome.measured().unwrap();
        assert_eq!(outcome.against, RemedyBaseline::ClosingEach);
    }
    assert_eq!(closing(&of(None), ProcessRole::Remedied(kind)), None);
}

#[test]
fn huge_pages_that_were_not_granted_are_told_of_their_own_trial() {
    let blueprint = Blueprint::of(&busy(), &nothing());
    let host = RemedyHost::default();
    let design = design(&blueprint, &host);
    let told = |granted: ProcessRole| {
        let mut trials = outcomes(&design);
        for trial in &mut trials {
            if let Availability::Measured(parent) = &mut trial.parent {
                parent.mappings.huge_entries = if trial.role == granted { 1 << 20 } else { 1 };
            }
        }
        let all = remedies(&design, &[], &trials, &host, 1);
        let huge = all.iter().find(|r| r.kind == RemedyKind::HugePages);
        huge.unwrap().applied_to.clone()
    };
    let own = ProcessRole::Remedied(RemedyKind::HugePages);
    assert!(!told(own).contains("granted"), "{}", told(own));
    let others = told(ProcessRole::Whole);
    assert!(others.contains("1 of them granted"), "{others}");
}

#[test]
fn what_was_tried_later_is_set_against_what_was_measured_beside_it() {
    let blueprint = Blueprint::of(&busy(), &nothing());
    let host = RemedyHost::default();
    let design = design(&blueprint, &host);
    let mut trials = outcomes(&design);
    let role = ProcessRole::Remedied(RemedyKind::DontFork);
    for trial in &mut trials {
        for cell in &mut trial.cells {
            let workers = |rounds, times| shifted(&cell.samples, rounds, times);
            cell.samples = match trial.role {
                // The host was four times as slow until it was tried.
                ProcessRole::Whole => [workers(0, 4), workers(4, 4), workers(8, 1)].concat(),
                other if other == role => workers(8, 1),
                _ => continue,
            };
        }
    }
    let all = remedies(&design, &[], &trials, &host, 1);
    let found = all
        .iter()
        .find(|remedy| remedy.kind == RemedyKind::DontFork);
    let ratio = found.unwrap().outcome.measured().unwrap().ratio.value;
    assert!((ratio - 0.6).abs() < 0.01, "{ratio}");
}

/// The same workers some rounds later, whose spawns took so many times as long.
fn shifted(samples: &[WorkerSamples], rounds: u32, times: u64) -> Vec<WorkerSamples> {
    let mut samples = samples.to_vec();
    for worker in &mut samples {
        worker.round += rounds;
        worker.total_ns.iter_mut().for_each(|ns| *ns *= times);
    }
    samples
}

#[test]
fn a_huge_page_takes_the_place_of_the_small_ones_only() {
    let mut process = shape(vec![anonymous(
        HIGH + 100,
        3 * TABLE,
        &[
            [0, 10],
            [TABLE - 100, 5],
            [TABLE - 90, 5],
            [TABLE + 700, 40],
        ],
    )]);
    process.mappings[0].flags.push(MappingFlag::HugeAdvised);
    process.mappings[0].zero = vec![[TABLE - 50, 60]];
    let blueprint = Blueprint::of(&process, &nothing());
    let design = design(&blueprint, &RemedyHost::default());
    let region = &regions(&with(&design, RemedyKind::HugePages))[0];
    // The first whole huge page begins 412 pages after the mapping.
    assert_eq!(region.huge, [[TABLE - 100, 2 * TABLE]]);
    assert_eq!(region.written, [[0, 10]]);
    assert_eq!(region.read.len(), 0);
    let all = remedies(&design, &[], &[], &RemedyHost::default(), 1);
    let huge = all
        .iter()
        .find(|remedy| remedy.kind == RemedyKind::HugePages);
    let applied_to = &huge.unwrap().applied_to;
    assert!(applied_to.ends_with(", 2 huge pages"), "{applied_to}");
}
