//! Parents with open files, idle threads and signal handlers: that the kernel has
//! what was ordered, that every method spawns from them, and who pays.

use std::fs;
use std::process::Command;

use forktax::lab::census;
use forktax::model::{Cell, Document, Parent, Program, SpaceRequest, SpawnMethod};
use forktax::sys::handlers::MOST_HANDLERS;
use forktax::worker::protocol::{Failure, Reply, Request};

use super::likeness::{Asked, assignment};
use super::{FORKTAX, failure, sweep, total};

/// The hard limit of descriptors.
fn hard_limit() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let hard = line.unwrap().split_whitespace().nth(4).unwrap();
    hard.parse().unwrap_or(u64::MAX)
}

/// The cells of a method, from the smallest parent to the largest.
fn of(document: &Document, method: SpawnMethod) -> Vec<&Cell> {
    let cells = document.findings.cells().iter();
    cells.filter(|cell| cell.method == method).collect()
}

/// What the last parent has more than the first.
fn gained(document: &Document, count: fn(&Cell) -> u64) -> u64 {
    let (first, last) = (
        document.findings.cells().first(),
        document.findings.cells().last(),
    );
    count(last.unwrap()) - count(first.unwrap())
}

#[test]
fn every_method_pays_for_descriptors() {
    const FDS: u64 = 5_000;
    if hard_limit() < FDS + 200 {
        println!("skipped: the hard RLIMIT_NOFILE is {}", hard_limit());
        return;
    }
    for closing in ["--cloexec", ""] {
        let methods = "--method vfork,fork,posix_spawn";
        let document = sweep(&format!("--fds 0,{FDS} {closing} {methods} --spawns 40"));
        assert_eq!(gained(&document, |cell| cell.space.parent.descriptors), FDS);
        assert_eq!(gained(&document, |cell| cell.space.parent.threads), 0);
        for method in [
            SpawnMethod::Vfork,
            SpawnMethod::Fork,
            SpawnMethod::PosixSpawn,
        ] {
            let totals: Vec<f64> = of(&document, method).iter().map(|c| total(c)).collect();
            println!("{method:?} {closing}: {totals:?}");
            let least = match method {
                SpawnMethod::Fork => 1.2,
                _ => 1.5,
            };
            assert!(
                totals[1] > least * totals[0],
                "{method:?} {closing}: {totals:?}"
            );
        }
    }
}

#[test]
fn fork_pays_for_threads() {
    let document = sweep("--threads 0,100 --spawns 40 --method fork,vfork");
    assert_eq!(gained(&document, |cell| cell.space.parent.threads), 100);
    assert_eq!(gained(&document, |cell| cell.space.parent.descriptors), 0);
    // As many as two each, or none where libc needs no guards and stacks merge.
    let mappings = gained(&document, |cell| cell.space.parent.mappings.vmas);
    assert!(mappings <= 204, "{mappings}");
    let totals = |method| -> Vec<f64> {
        let cells = of(&document, method);
        cells.iter().map(|cell| total(cell)).collect()
    };
    let (fork, vfork) = (totals(SpawnMethod::Fork), totals(SpawnMethod::Vfork));
    println!("fork {fork:?}, vfork {vfork:?}");
    assert!(fork[1] > 1.3 * fork[0], "{fork:?}");
    assert!(
        fork[1] - fork[0] > 2.0 * (vfork[1] - vfork[0]),
        "{fork:?} {vfork:?}"
    );
}

#[test]
fn every_method_spawns_from_a_parent_that_has_it_all() {
    let words = "--malloc 50x100000 --fds 100 --threads 5 --method all --spawns 5 --cpu any";
    let document = sweep(words);
    assert_eq!(document.findings.cells().len(), 2 * SpawnMethod::ALL.len());
    for cell in document.findings.cells() {
        assert_eq!(cell.space.parent.threads, 6);
        assert!((100..150).contains(&cell.space.parent.descriptors));
        let request = &cell.space.request;
        assert_eq!((request.descriptors(), request.threads()), (100, 5));
        if !cell.method.is_optional() || cell.total_ns.measured().is_some() {
            assert_eq!(cell.spawns, 5, "{:?}", cell.method);
        }
    }
}

#[test]
fn what_the_host_does_not_give_is_refused_by_its_name() {
    let said = failure("sweep --fds 0,4G --spawns 1", 2);
    assert!(
        said.contains("RLIMIT_NOFILE") && said.contains("ulimit -Hn"),
        "{said}"
    );
    let said = failure("sweep --threads 10M --mappings 0 --spawns 1", 2);
    assert!(
        said.contains("mappings") || said.contains("threads"),
        "{said}"
    );
    let said = failure("sweep --fds 0,10 --mappings 0,10", 2);
    assert!(said.contains("--mappings 0,10 with --fds 0,10"), "{said}");
    assert!(failure("sweep --cloexec", 2).contains("--fds"));
    assert!(failure("explain --fds 10", 2).contains("--fds"));
}

#[test]
fn a_soft_limit_is_raised_and_a_hard_one_is_kept() {
    let under = |limit: &str, fds: u64| {
        let script = format!(
            "ulimit {limit} && exec {FORKTAX} sweep --fds 0,{fds} --spawns 2 --method vfork \
             --quiet --format csv"
        );
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let raised = under("-Sn 100", 500);
    let said = String::from_utf8_lossy(&raised.stderr);
    assert!(raised.status.success() || hard_limit() < 700, "{said}");
    let kept = under("-n 100", 500);
    let said = String::from_utf8_lossy(&kept.stderr);
    assert_eq!(kept.status.code(), Some(2), "{said}");
    assert!(said.contains("the hard RLIMIT_NOFILE = 100"), "{said}");
}

/// A worker with what was asked for, its census before and after, and what it said
/// of the inflation.
fn inflated(space: SpaceRequest, methods: &[SpawnMethod], program: Program) -> Inflated {
    let assignment = forktax::worker::protocol::Assignment {
        methods: methods.to_vec(),
        extras: vec![0; methods.len()],
        program,
        rewrite_pages: 0,
        ..assignment(space)
    };
    let mut worker = Asked::start(&assignment);
    let prepared = worker.prepare(&assignment);
    let pid = worker.process.pid();
    let take = || census::take(pid, &prepared.instrument).unwrap();
    let before = take();
    let reply = worker.ask(&Request::Inflate(None));
    let after = take();
    Inflated {
        worker,
        before,
        after,
        reply,
    }
}

struct Inflated {
    worker: Asked,
    before: Parent,
    after: Parent,
    reply: Reply,
}

impl Inflated {
    /// Spawns, and gives what the worker says of it.
    fn run(&mut self) -> Reply {
        assert!(
            matches!(self.reply, Reply::Inflated { .. }),
            "{:?}",
            self.reply
        );
        self.worker.ask(&Request::Run)
    }
}

/// The signals that a process catches.
fn caught(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap()
}

#[test]
fn posix_spawn_works_where_every_signal_has_a_handler() {
    let methods = [
        SpawnMethod::PosixSpawn,
        SpawnMethod::Std,
        SpawnMethod::Fork,
        SpawnMethod::Vfork,
    ];
    let handlers = |count| SpaceRequest::Handlers { count };
    let mut worker = inflated(handlers(MOST_HANDLERS), &methods, Program::Embedded);
    let signals = u64::from(caught(worker.worker.process.pid()).count_ones());
    assert!(signals >= MOST_HANDLERS, "{signals}");
    assert_eq!(worker.after.mappings.vmas, worker.before.mappings.vmas);
    let reply = worker.run();
    assert!(
        matches!(&reply, Reply::Done(done) if done.spawns == 16),
        "{reply:?}"
    );
    let refused = inflated(handlers(MOST_HANDLERS + 1), &methods, Program::Embedded);
    let words = match refused.reply {
        Reply::Failed(failure @ Failure::Setup { .. }) => failure.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(
        words.contains(&format!("at most {MOST_HANDLERS} signals")),
        "{words}"
    );
}

#[test]
fn an_exec_keeps_descriptors_and_closes_those_it_is_told_to() {
    let shell = |test: &str| Program::Path {
        path: "/bin/sh".to_owned(),
        argv: ["sh", "-c", test].map(str::to_owned).into(),
    };
    // The shell opens some itself, and none with so high a number.
    let has = "test -e /proc/self/fd/150";
    let has_not = "! test -e /proc/self/fd/150";
    for (cloexec, test) in [(false, has), (true, has_not)] {
        for method in [
            SpawnMethod::Vfork,
            SpawnMethod::PosixSpawn,
            SpawnMethod::Fork,
        ] {
            let space = SpaceRequest::Together {
                parts: vec![
                    SpaceRequest::Descriptors {
                        count: 190,
                        cloexec,
                    },
                    SpaceRequest::Threads { count: 3 },
                ],
            };
            // The worker tries its methods while it is small, and has none then.
            let either = format!("{test} || ! test -e /proc/$PPID/fd/150");
            let mut worker = inflated(space, &[method], shell(&either));
            assert_eq!(worker.after.descriptors - worker.before.descriptors, 190);
            assert_eq!((worker.before.threads, worker.after.threads), (1, 4));
            let reply = worker.run();
            assert!(
                matches!(reply, Reply::Done(_)),
                "{method:?} {cloexec}: {reply:?}"
            );
        }
    }
}

#[test]
fn an_idle_thread_has_few_pages_and_no_signal() {
    let worker = inflated(
        SpaceRequest::Threads { count: 50 },
        &[SpawnMethod::Fork],
        Program::Embedded,
    );
    assert!(matches!(worker.reply, Reply::Inflated { .. }));
    let pages = worker.after.mappings.present_ptes - worker.before.mappings.present_ptes;
    let copied = worker.after.mappings.ptes - worker.before.mappings.ptes;
    let mappings = worker.after.mappings.vmas - worker.before.mappings.vmas;
    println!("50 threads: {pages} pages, {copied} of them copied, {mappings} mappings");
    assert!((50..=50 * 8).contains(&pages), "{pages}");
    assert!((50..=pages).contains(&copied), "{copied}");
    let tasks = fs::read_dir(format!("/proc/{}/task", worker.worker.process.pid())).unwrap();
    let asleep = tasks.filter(|task| {
        let status = task.as_ref().unwrap().path().join("status");
        let status = fs::read_to_string(status).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
        // SIGHUP, SIGINT and SIGTERM.
        status.contains("State:\tS") && mask & 0x4003 == 0x4003
    });
    assert_eq!(asleep.count(), 50);
}
