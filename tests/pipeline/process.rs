//! A shape from its plan to whose the cost is, and the ways in which that ends early.

use std::time::Duration;

use forktax::lab::error::LabError;
use forktax::lab::kernel::{Kernel, Sampler, Script, ScriptOrder, Watcher, Watching, Worker};
use forktax::lab::limits::LimitError;
use forktax::lab::noise::Reading;
use forktax::lab::{run, run_versus};
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{
    AdviseOrder, Availability, Document, ExplainOrder, Findings, Interpreter, MappingContent,
    Missing, MissingKind, Order, PageKind, Placement, Plan, Process, ProcessFacts, ProcessOrder,
    ProcessRole, ProcessShape, RemedyHost, RemedyKind, ReplicaOrder, Rung, SHAPE_VERSION,
    ShapeMapping, ShapeScale, SpaceRequest, Stopped, Surroundings, Targets, Tool, TraceOrder,
};
use forktax::profile::ledger::Landmark;
use forktax::profile::symbols::Symbols;
use forktax::worker::protocol::Assignment;

use super::fake::{Fake, Fault, host, plan};
use super::{Steps, carry_out, document};

fn mapping(first_page: u64, content: MappingContent, own: &[[u64; 2]]) -> ShapeMapping {
    ShapeMapping {
        anon_vma: !own.is_empty(),
        own: own.to_vec(),
        ..ShapeMapping::untouched(first_page, 2_000, content)
    }
}

fn shape() -> ProcessShape {
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "server".to_owned(),
            pid: Some(7),
            taken_unix_s: 1,
            took_s: 0.1,
            kernel: "6.18".to_owned(),
            page_size: 4096,
            threads: 1,
            descriptors: 3,
            cloexec_descriptors: 1,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 0,
            allowed_cpus: vec![0, 1],
            page_table_bytes: 80 << 10,
            resident_bytes: 8 << 20,
            pinned_bytes: 0,
            reservations: Vec::new(),
            surroundings: None,
        },
        mappings: vec![
            mapping(0x10_000, MappingContent::Heap, &[[0, 1_500]]),
            mapping(0x20_000, MappingContent::Anonymous, &[[5, 10], [600, 300]]),
            mapping(0x30_000, MappingContent::Anonymous, &[]),
        ],
    }
}

/// An order for a shape.
fn replica(shape: ProcessShape) -> ReplicaOrder {
    ReplicaOrder {
        shape,
        scale: ShapeScale::WHOLE,
        cpus: Vec::new(),
        prices: Availability::Missing(Missing::unavailable("no card is stored", None)),
    }
}

fn explaining(shape: ProcessShape) -> Plan {
    plan_of(Order::Process(ProcessOrder {
        replica: replica(shape),
        ledger: None,
        rewrite_pages: 0,
    }))
}

/// The same with 1,000 pages that are written to again.
fn rewriting(shape: ProcessShape) -> Plan {
    plan_of(Order::Process(ProcessOrder {
        replica: replica(shape),
        ledger: None,
        rewrite_pages: 1_000,
    }))
}

fn advising(shape: ProcessShape, host: RemedyHost) -> Plan {
    plan_of(Order::Advise(AdviseOrder {
        replica: replica(shape),
        host,
        targets: Targets::default(),
    }))
}

fn plan_of(order: Order) -> Plan {
    let mut plan = plan(&[0], &[Fork, Vfork, PosixSpawn]);
    plan.stop.time_s = Some(60.0);
    plan.order = order;
    plan
}

fn both(shape: &ProcessShape) -> [Plan; 2] {
    let host = RemedyHost::default();
    [explaining(shape.clone()), advising(shape.clone(), host)]
}

fn process(document: Document) -> Process {
    match document.findings {
        Findings::Process(process) => *process,
        other => panic!("{other:?} explains no process"),
    }
}

#[test]
fn what_was_measured_before_a_signal_is_told() {
    let (outcome, _) = carry_out(Fault::Interrupted(4), &explaining(shape()));
    assert!(matches!(outcome.error, Some(LabError::Interrupted(2))));
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(process(document).blame.missing().is_some());
}

#[test]
fn a_run_in_which_nothing_can_be_built_ends_at_once_with_the_reason() {
    for plan in both(&shape()) {
        let (outcome, _) = carry_out(Fault::PagesMissing, &plan);
        assert!(matches!(outcome.error, Some(LabError::Inflation(_))));
        if let Some(document) = outcome.document {
            let replica = document.findings.replica().unwrap();
            assert!(replica.forecast.missing().is_some());
            if let Findings::Process(process) = &document.findings {
                assert!(process.blame.missing().is_some());
            }
        }
    }
}

/// A server with a heap, some memory, a library, shared memory, five threads and a hundred
/// open files. Each mapping has one page, which is all that the fake builds of one; the
/// program and the first stack are what its worker has itself.
fn server() -> ProcessShape {
    let one_page = |first_page, content| mapping(first_page, content, &[[2, 1]]);
    let library = ShapeMapping {
        name: Some("/lib/a.so".to_owned()),
        ..one_page(0x40_000, MappingContent::Library)
    };
    let shared = ShapeMapping {
        permissions: "rw-s".to_owned(),
        file: vec![[0, 1]],
        ..mapping(0x50_000, MappingContent::SharedMemory, &[])
    };
    let mut shape = shape();
    shape.process.threads = 5;
    shape.process.descriptors = 100;
    shape.mappings = vec![
        one_page(0x10_000, MappingContent::Heap),
        // At 64 MiB it would be taken for malloc's.
        one_page(0x20_100, MappingContent::Anonymous),
        library,
        shared,
        mapping(0x60_000, MappingContent::Program, &[]),
        mapping(0x61_000, MappingContent::Program, &[[0, 3]]),
        mapping(0x70_000, MappingContent::Stack, &[[15, 5]]),
    ];
    shape
}

/// The same without anything beside its memory.
fn single() -> ProcessShape {
    let mut shape = server();
    shape.process.threads = 1;
    shape.process.descriptors = 3;
    shape
}

#[test]
fn a_process_is_built_rung_by_rung_and_the_rungs_are_its_fork() {
    let document = document(Fault::Nothing, &explaining(server()));
    assert_eq!(document.run.stopped, Stopped::Time);
    let Process { replica, blame, .. } = process(document);
    let roles: Vec<ProcessRole> = replica.trials.iter().map(|trial| trial.role).collect();
    let rungs = [Rung::Empty, Rung::Beside, Rung::Mappings];
    let mut expected = vec![ProcessRole::Whole];
    expected.extend(rungs.map(ProcessRole::Rung));
    assert_eq!(roles[..expected.len()], expected);
    let checks = &roles[expected.len()..];
    assert!(!checks.is_empty(), "nothing is left out once");
    for (index, role) in checks.iter().enumerate() {
        assert_eq!(*role, ProcessRole::Without(index));
    }
    for trial in &replica.trials {
        assert!(trial.parent.measured().is_some(), "{:?}", trial.role);
        for cell in &trial.cells {
            assert!(cell.total_ns.measured().is_some(), "{:?}", trial.role);
        }
    }

    let blame = blame.measured().unwrap();
    let added: Vec<Rung> = blame.rungs.iter().map(|rung| rung.rung).collect();
    assert_eq!(added[..rungs.len()], rungs);
    assert_eq!(added[rungs.len()..], [Rung::AnonVmas]);
    let sum = |costs: &[f64]| costs.iter().sum::<f64>();
    let of = |rungs: &[forktax::model::RungCost]| {
        sum(&rungs
            .iter()
            .map(|rung| rung.cost.total_ns.value)
            .collect::<Vec<_>>())
    };
    let fork = blame.fork.total_ns.value;
    let all = of(&blame.rungs);
    assert!((all / fork - 1.0).abs() < 1e-6, "{all} of {fork}");
    // The mappings, group by group, are the rungs above the two lowest.
    let groups: Vec<f64> = (blame.groups.iter())
        .map(|group| group.cost.total_ns.value)
        .collect();
    let parts = of(&blame.rungs[..2]) + sum(&groups);
    assert!((parts / fork - 1.0).abs() < 1e-6, "{parts} of {fork}");
    let why = replica.forecast.missing().unwrap();
    assert_eq!(why.reason, "no card is stored");
}

#[test]
fn a_worker_that_dies_costs_its_trial_alone_and_is_the_error() {
    let (outcome, _) = carry_out(Fault::WorkerDies(3), &explaining(server()));
    assert!(matches!(outcome.error, Some(LabError::Died { .. })));
    let document = outcome.document.unwrap();
    let replica = document.findings.replica().unwrap();
    let lost: Vec<_> = (replica.trials.iter())
        .filter(|trial| trial.parent.missing().is_some())
        .collect();
    assert_eq!(lost.len(), 1, "{:?}", lost);
    let why = lost[0].parent.missing().unwrap();
    assert!(why.reason.contains("SIGKILL"), "{why:?}");
}

#[test]
fn an_advice_says_what_was_tried_and_why_the_rest_was_not() {
    let host = RemedyHost {
        no_huge_pages: Some("huge pages are switched off".to_owned()),
        ..RemedyHost::default()
    };
    let document = document(Fault::Nothing, &advising(single(), host));
    let Findings::Advice(advice) = document.findings else {
        panic!("{:?} is no advice", document.findings);
    };
    let outcome = |kind| {
        let mut remedies = advice.remedies.iter();
        let found = remedies.find(|remedy| remedy.kind == kind);
        &found.unwrap_or_else(|| panic!("no {kind:?}")).outcome
    };
    for kind in [
        RemedyKind::PosixSpawn,
        RemedyKind::Vfork,
        RemedyKind::DontFork,
    ] {
        assert!(outcome(kind).measured().is_some(), "{kind:?}");
    }
    for (kind, words) in [
        (RemedyKind::FewerThreads, "one thread"),
        (RemedyKind::HugePages, "switched off"),
        (RemedyKind::NoHugePages, "no huge pages"),
        (RemedyKind::Cloexec, "have it"),
        (RemedyKind::NoFilePages, "no page of a file"),
        (RemedyKind::StaticTarget, "--static-program"),
    ] {
        let reason = &outcome(kind).missing().unwrap().reason;
        assert!(reason.contains(words), "{kind:?}: {reason}");
    }
}

#[test]
fn what_is_written_again_is_told_of_each_kind_of_pages() {
    let without = process(document(Fault::Nothing, &explaining(server())));
    assert!(without.rewritten.is_empty());
    let mut shape = server();
    shape.mappings[1].huge = vec![[256, 1_024]];
    let found = process(document(Fault::Nothing, &rewriting(shape)));
    // As many trials as without.
    assert_eq!(found.replica.trials[0].role, ProcessRole::Whole);
    let rows = found.rewritten.iter();
    let rows: Vec<_> = rows.map(|row| (row.of, row.method, row.process)).collect();
    let (small, huge) = (PageKind::Small, PageKind::Huge);
    // A page of each of three mappings, and those of program and stack.
    let pages = 3 + 3 + 5;
    assert_eq!(
        rows,
        [
            (small, Fork, pages),
            (small, PosixSpawn, pages),
            (huge, Fork, 2),
            (huge, PosixSpawn, 2),
        ]
    );
    for row in &found.rewritten {
        let tax = row.rewriting.measured().unwrap();
        assert_eq!(tax.tax_ns.value, 742.0, "{row:?}");
        assert_eq!(tax.held_ns.measured().is_some(), row.method == Fork);
    }
}

#[test]
fn small_pages_in_the_place_of_huge_ones_are_not_told_as_huge() {
    let mut shape = server();
    shape.mappings[1].huge = vec![[256, 1_024]];
    let found = process(document(Fault::NoHugePages, &rewriting(shape)));
    for row in found.rewritten {
        let missing = row.rewriting.missing();
        assert_eq!(missing.is_some(), row.of == PageKind::Huge, "{row:?}");
        assert!(missing.is_none_or(|why| why.reason.contains("did not grant")));
    }
}

#[test]
fn writing_again_that_fails_costs_no_other_trial_and_says_why() {
    let lost = |nth| {
        let (outcome, _) = carry_out(Fault::WorkerDies(nth), &rewriting(server()));
        assert!(matches!(outcome.error, Some(LabError::Died { .. })));
        let found = process(outcome.document.unwrap());
        let why = found.rewritten[0].rewriting.missing()?.reason.clone();
        let trials = found.replica.trials.iter();
        assert_eq!(
            trials
                .filter(|trial| trial.parent.missing().is_some())
                .count(),
            0
        );
        Some(why)
    };
    let why = (2..20).find_map(lost).unwrap();
    assert!(why.contains("SIGKILL"), "{why}");

    let (outcome, _) = carry_out(Fault::Interrupted(2), &rewriting(server()));
    let reached = outcome.document.map(process);
    for row in reached.iter().flat_map(|found| &found.rewritten) {
        let why = row.rewriting.missing().unwrap();
        assert_eq!(why.missing, MissingKind::NotAsked, "{why:?}");
    }
}

#[test]
fn copies_that_there_is_no_room_for_cost_their_kind_of_pages_alone() {
    let mut shape = server();
    shape.mappings[1].huge = vec![[256, 1_024]];
    let (outcome, _) = carry_out(Fault::NoRoomForCopies, &rewriting(shape));
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    for row in process(outcome.document.unwrap()).rewritten {
        let missing = row.rewriting.missing();
        assert_eq!(missing.is_some(), row.of == PageKind::Huge, "{row:?}");
        assert!(missing.is_none_or(|why| why.reason.contains("exceed vm.max_map_count")));
    }
}

#[test]
fn filters_that_the_host_does_not_give_are_no_error_and_any_other_failure_is() {
    let mut shape = server();
    shape.process.surroundings = Some(Surroundings {
        seccomp_filters: Some(2),
        ..Surroundings::default()
    });
    for lacking in [true, false] {
        let plan = explaining(shape.clone());
        let (outcome, _) = carry_out(Fault::FiltersFail { lacking }, &plan);
        assert_eq!(outcome.error.is_none(), lacking, "{:?}", outcome.error);
        let found = process(outcome.document.unwrap());
        let mut trials = found.replica.trials.iter();
        let filtered = trials.find(|trial| trial.role == ProcessRole::Filtered);
        let missing = filtered.unwrap().parent.missing().unwrap();
        assert!(
            missing.reason.contains("seccomp filters: no"),
            "{missing:?}"
        );
    }
}

/// A kernel without room for anything.
struct Full(Fake);

impl Kernel for Full {
    fn set_up(&self, command: &str) -> Result<(), LabError> {
        self.0.set_up(command)
    }

    fn check_limits(&self, _: &[SpaceRequest]) -> Result<(), LabError> {
        let (asked, limit) = (70, 60);
        Err(LimitError::Mappings { asked, limit }.into())
    }

    fn check_rewriting(&self, of: &Assignment) -> Result<(), LabError> {
        self.check_limits(std::slice::from_ref(&of.space))
    }

    fn check_both(&self, [a, _]: [&SpaceRequest; 2]) -> Result<(), LabError> {
        self.check_limits(std::slice::from_ref(a))
    }

    fn try_program(&self, plan: &Plan) -> Result<(), LabError> {
        self.0.try_program(plan)
    }

    fn launch(&self, of: &Assignment, timeout: Duration) -> Result<Box<dyn Worker>, LabError> {
        self.0.launch(of, timeout)
    }

    fn launch_reference(
        &self,
        of: &Assignment,
        timeout: Duration,
    ) -> Result<Box<dyn Worker>, LabError> {
        self.0.launch_reference(of, timeout)
    }

    fn watch(
        &self,
        watching: &Watching,
        placement: Placement,
        worker: u32,
    ) -> Result<Box<dyn Sampler>, Missing> {
        self.0.watch(watching, placement, worker)
    }

    fn symbols(&self) -> Result<Symbols, Missing> {
        self.0.symbols()
    }

    fn landmarks(&self, plan: &Plan) -> Result<Vec<(Landmark, u64)>, Missing> {
        self.0.landmarks(plan)
    }

    fn interpreter(&self, plan: &Plan, asked: &str) -> Result<Interpreter, LabError> {
        self.0.interpreter(plan, asked)
    }

    fn start_script(&self, of: &ScriptOrder, limit: Duration) -> Result<Box<dyn Script>, LabError> {
        self.0.start_script(of, limit)
    }

    fn follow(&self, order: &TraceOrder) -> Result<Box<dyn Watcher>, LabError> {
        self.0.follow(order)
    }

    fn beside(&self, placement: Placement) -> Result<Placement, Missing> {
        self.0.beside(placement)
    }

    fn share_a_core(&self, a: usize, b: usize) -> bool {
        self.0.share_a_core(a, b)
    }

    fn host_counts(&self) -> Reading {
        self.0.host_counts()
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn page_size(&self) -> u64 {
        self.0.page_size()
    }
}

#[test]
fn a_shape_that_there_is_no_room_for_is_not_begun() {
    for plan in both(&server()) {
        let kernel = Full(Fake::new(Fault::Nothing));
        let mut steps = Steps(Vec::new());
        let outcome = run(&kernel, host(), &plan, &mut steps);
        assert!(outcome.document.is_none());
        let error = outcome.error;
        assert!(matches!(error, Some(LabError::Limit(_))), "{error:?}");
        assert!(steps.0.is_empty());
        assert_eq!(kernel.0.launched(), 1, "but to see what a worker is like");
    }
}

#[test]
fn a_process_takes_turns_with_itself_as_an_explained_parent() {
    let methods = [Fork, PosixSpawn];
    let explain = ExplainOrder {
        sampling_hz: 1_000,
        rewrite_pages: 0,
        tree: false,
    };
    let plan = Plan {
        order: Order::Process(ProcessOrder {
            replica: replica(single()),
            ledger: Some(explain),
            rewrite_pages: 0,
        }),
        ..plan(&[0], &methods)
    };
    let fake = Fake::new(Fault::FamilyAlone);
    let ended = run_versus(&fake, &host(), [&plan, &plan], &mut Steps(Vec::new()));
    assert!(ended.error.is_none(), "{:?}", ended.error);
    for document in ended.documents.unwrap() {
        let found = document.findings.explanation().unwrap();
        assert_eq!(
            found.space.in_words().split(" + ").next(),
            Some("like server")
        );
        let ledger = found.methods[0].ledger.measured().unwrap();
        assert!(ledger.samples.len() > 10, "{}", ledger.samples.len());
    }
}
