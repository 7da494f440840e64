use clap::Parser;

use super::sweep::METHODS;
use super::*;
use crate::cli::args::SweepArgs;
use crate::model::{Plan, Program, SpawnMethod};

pub(in crate::cli) fn host() -> Surroundings {
    Surroundings {
        allowed_cpus: vec![0, 1],
        cpu: Choice::of(&[0, 1], None),
        page_size: 4096,
        evict_bytes: 1 << 25,
        path: "/usr/bin:/bin".to_owned(),
        fits: Box::new(|_| Ok(())),
        pins: Box::new(Ok),
        watches: || true,
        folios: |_| true,
        share_a_core: |a, b| a / 2 == b / 2,
    }
}

fn plan(words: &str) -> Result<Plan, PlanError> {
    let words = ["sweep"].into_iter().chain(words.split_whitespace());
    of_sweep(&SweepArgs::parse_from(words), &host())
}

#[test]
fn the_defaults_are_a_ladder_of_four_on_the_last_cpu() {
    let plan = plan("").unwrap();
    assert_eq!(plan.spaces.len(), 4);
    assert_eq!(plan.methods, METHODS);
    assert_eq!(plan.baseline, SpawnMethod::PosixSpawn);
    assert_eq!(plan.placement, Placement::Pinned(1));
    assert_eq!(plan.program, Program::Embedded);
    assert_eq!(plan.stop.time_s, Some(13.0));
}

#[test]
fn sizes_are_sorted_and_come_once() {
    let plan = plan("--mappings 1k,0,100,1000").unwrap();
    let sizes: Vec<u64> = plan.spaces.iter().map(SpaceRequest::mappings).collect();
    assert_eq!(sizes, [0, 100, 1000]);
}

/// Mappings, descriptors and threads of each parent.
fn parents(words: &str) -> Vec<[u64; 3]> {
    let spaces = plan(words).unwrap().spaces;
    let counts = |s: &SpaceRequest| [s.mappings(), s.descriptors(), s.threads()];
    spaces.iter().map(counts).collect()
}

#[test]
fn parents_differ_in_one_thing() {
    assert_eq!(parents("--fds 1k,0"), [[0, 0, 0], [0, 1_000, 0]]);
    assert_eq!(parents("--threads 0,10"), [[0, 0, 0], [0, 0, 10]]);
    assert_eq!(
        parents("--fds 1k --mappings 0,100"),
        [[0, 1_000, 0], [100, 1_000, 0]]
    );
    assert_eq!(
        parents("--threads 0,5 --fds 7,7 --mappings 3"),
        [[3, 7, 0], [3, 7, 5]]
    );
    assert_eq!(parents("--threads 2").len(), 4, "the ladder");
    for (words, named) in [
        (
            "--fds 0,1k --mappings 0,10",
            "--mappings 0,10 with --fds 0,1000",
        ),
        ("--fds 0,1 --threads 0,1", "--fds 0,1 with --threads 0,1"),
    ] {
        let error = plan(words).expect_err(words).to_string();
        assert!(error.starts_with(named), "{words}: {error}");
    }
}

#[test]
fn parents_that_spawn_at_once_have_a_cpu_each() {
    let jobs = |words: &str| {
        let plan = plan(words).unwrap();
        let jobs: Vec<u64> = plan.spaces.iter().map(SpaceRequest::jobs).collect();
        (jobs, plan.other_cpus)
    };
    assert_eq!(jobs("--jobs 2,1"), (vec![1, 2], vec![0]));
    assert_eq!(jobs("--jobs 2 --mappings 5,6"), (vec![2, 2], vec![0]));
    assert_eq!(jobs("--jobs 1"), (vec![1; 4], Vec::new()));
    assert_eq!(jobs("--jobs 1 --cold"), (vec![1; 4], Vec::new()));
    assert_eq!(jobs("--jobs 1,2 --cpu any"), (vec![1, 2], Vec::new()));
    for (words, named) in [
        (
            "--jobs 0",
            "--jobs 0: the parent that is timed is one of them",
        ),
        (
            "--jobs 1,3",
            "--jobs 3: parents that spawn at once need a CPU each, and this process may run on 2",
        ),
        (
            "--jobs 3 --cpu any",
            "--jobs 3: parents that spawn at once need a CPU each, and this process may run on 2",
        ),
        (
            "--jobs 1,2 --cold",
            "--jobs with --cold: parents that idle before each spawn",
        ),
        (
            "--jobs 1,2 --threads 0,1",
            "--threads 0,1 with --jobs 1,2: parents differ in one",
        ),
    ] {
        let error = plan(words).expect_err(words).to_string();
        assert!(error.starts_with(named), "{words}: {error}");
    }
}

#[test]
fn other_parents_have_cores_of_their_own_as_far_as_there_are_some() {
    // CPUs 2n and 2n + 1 are threads of one core.
    let others = |words: &str| {
        let words = ["sweep"].into_iter().chain(words.split_whitespace());
        let host = Surroundings {
            allowed_cpus: vec![0, 1, 2, 3, 5],
            ..host()
        };
        of_sweep(&SweepArgs::parse_from(words), &host)
            .unwrap()
            .other_cpus
    };
    assert_eq!(others("--cpu 3 --jobs 3"), [5, 1]);
    assert_eq!(others("--cpu 3 --jobs 5"), [5, 1, 2, 0]);
}

#[test]
fn a_parent_without_anything_besides_is_asked_for_as_ever() {
    let [plain, more] = plan("--fds 0,1k --cloexec")
        .unwrap()
        .spaces
        .try_into()
        .unwrap();
    assert_eq!(plain, plan("--mappings 0").unwrap().spaces[0]);
    let SpaceRequest::Together { parts } = more else {
        panic!("{more:?}");
    };
    let (count, cloexec) = (1_000, true);
    let files = SpaceRequest::Descriptors { count, cloexec };
    assert_eq!(parts, [plain, files]);
    assert!(SweepArgs::try_parse_from(["sweep", "--cloexec"]).is_err());
}

#[test]
fn a_heap_can_have_descriptors_and_threads() {
    let kinds = |words: &str| {
        let spaces = plan(words).unwrap().spaces;
        let heap = |part: &SpaceRequest| matches!(part, SpaceRequest::Malloc { .. });
        let has_heap = |space: &SpaceRequest| match space {
            SpaceRequest::Together { parts } => parts.iter().any(heap),
            other => heap(other),
        };
        let counts = |s: &SpaceRequest| (has_heap(s), s.descriptors(), s.threads());
        spaces.iter().map(counts).collect::<Vec<_>>()
    };
    assert_eq!(
        kinds("--malloc 10x100 --fds 5 --threads 2"),
        [(false, 5, 2), (true, 5, 2)]
    );
    assert_eq!(
        kinds("--malloc 10x100 --threads 0,3"),
        [(true, 0, 0), (true, 0, 3)]
    );
}

#[test]
fn spawns_alone_end_a_run() {
    let stop = plan("--spawns 500").unwrap().stop;
    assert_eq!(
        (stop.spawns, stop.time_s, stop.precision),
        (Some(500), None, None)
    );
}

#[test]
fn an_exit_leaves_out_what_always_executes() {
    let plan = plan("--child exit --method all").unwrap();
    assert_eq!(
        plan.methods,
        [
            SpawnMethod::Fork,
            SpawnMethod::Vfork,
            SpawnMethod::VforkLibc,
            SpawnMethod::Clone3Vfork,
            SpawnMethod::Clone3IntoCgroup,
            SpawnMethod::ForkServer
        ]
    );
    assert_eq!(plan.baseline, SpawnMethod::Vfork);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (words, named) in [
        ("--method std --child exit", "give --child exec"),
        (
            "--child exit -- true",
            "leave out true, or give --child exec",
        ),
        ("--cpu 7", "0,1"),
        ("--spawns 0", "--spawns"),
        ("--spacing 0", "--spacing"),
        ("--timeout 0s", "--timeout"),
        ("--time 0", "--time"),
        ("--huge --backing file", "--backing file"),
        ("--neighbours shared --huge", "--neighbours shared"),
        (
            "--neighbours shared --backing shared",
            "--neighbours shared",
        ),
        ("--mappings 60k --pages 1000000000", "60,000 mappings"),
        ("--malloc 10x100 --pages 2", "100 bytes"),
        ("--threads 1G", "1,000,000,000 threads"),
    ] {
        let error = plan(words).expect_err(words).to_string();
        assert!(error.contains(named), "{words}: {error}");
    }
}

#[test]
fn a_variable_that_is_given_again_replaces_the_first() {
    let plan = plan("--env A=1 --env LC_ALL=x --env A=2").unwrap();
    assert_eq!(plan.environment, ["PATH=/usr/bin:/bin", "LC_ALL=x", "A=2"]);
}

#[test]
fn a_program_is_looked_up_once() {
    let Program::Path { path, argv } = plan("-- sh -c true").unwrap().program else {
        panic!("a program was given");
    };
    assert!(path.starts_with('/') && path.ends_with("/sh"), "{path}");
    assert_eq!(argv, ["sh", "-c", "true"]);
}
