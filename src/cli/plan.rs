//! From arguments to a plan: all validation that needs no measurement.

use std::time::{Duration, SystemTime};

use super::args::{BackingArg, ChildArg, CpuArg, ExplainArgs, SpaceArgs, SpawningArgs, SweepArgs};
use crate::lab::path::resolve;
use crate::model::{
    Backing, ChildAction, Explain, Placement, Plan, Program, SpaceRequest, SpawnMethod, StopRule,
    Temperature,
};
use crate::units::{Blocks, thousands};
use crate::vm::Shape;

const LADDER: [u64; 4] = [0, 100, 1_000, 10_000];
/// A huge page is 2 MiB, so the ladder ends at 1 GiB.
const HUGE_LADDER: [u64; 4] = [0, 10, 100, 500];
const METHODS: [SpawnMethod; 3] = [
    SpawnMethod::Fork,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
];
/// The order in which methods are preferred as the one to compare with.
const BASELINES: [SpawnMethod; 3] = [
    SpawnMethod::PosixSpawn,
    SpawnMethod::Vfork,
    SpawnMethod::Clone3Vfork,
];
const TIME: Duration = Duration::from_secs(13);
const PRECISION: f64 = 0.02;
/// What is explained where nothing is said.
const EXPLAINED: u64 = 1_000;
const EXPLAINED_HUGE: u64 = 100;
const EXPLAINED_METHODS: [SpawnMethod; 2] = [SpawnMethod::Fork, SpawnMethod::PosixSpawn];
const EXPLAIN_TIME: Duration = Duration::from_secs(20);
/// Pages that are written to again, at the most.
const REWRITTEN: u64 = 1_000;
/// Above this the kernel spends its time on samples.
const MOST_HZ: u64 = 50_000;
/// Idling before a cold spawn: long enough for the caches of the kernel's own
/// work to be evicted by it, short enough for a run to have some spawns.
const COLD_IDLE_US: u64 = 20_000;

/// What is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct PlanError(String);

/// What the plan needs to know of the host.
pub(super) struct Surroundings {
    pub(super) allowed_cpus: Vec<usize>,
    pub(super) page_size: u64,
    pub(super) evict_bytes: u64,
    /// `PATH`, to resolve a program and for the children.
    pub(super) path: String,
}

/// The plan of a sweep.
pub(super) fn of_sweep(args: &SweepArgs, host: &Surroundings) -> Result<Plan, PlanError> {
    let ladder = if args.space.huge {
        HUGE_LADDER.as_slice()
    } else {
        LADDER.as_slice()
    };
    let sizes = args.mappings.clone().unwrap_or_else(|| ladder.to_vec());
    let defaults = Defaults {
        methods: &METHODS,
        time: TIME,
        precision: Some(PRECISION),
    };
    plan(
        &sizes,
        &args.space,
        args.methods.as_deref(),
        &args.spawning,
        &args.program,
        &defaults,
        host,
    )
}

/// The plan of an explanation: the address space, after an empty one.
pub(super) fn of_explain(args: &ExplainArgs, host: &Surroundings) -> Result<Plan, PlanError> {
    if !(1..=MOST_HZ).contains(&args.hz) {
        return Err(PlanError(format!(
            "--hz {}: between 1 and {} samples a second can be taken",
            thousands(args.hz),
            thousands(MOST_HZ)
        )));
    }
    let default = if args.space.huge {
        EXPLAINED_HUGE
    } else {
        EXPLAINED
    };
    let defaults = Defaults {
        methods: &EXPLAINED_METHODS,
        time: EXPLAIN_TIME,
        precision: None,
    };
    let mut plan = plan(
        &[0, args.mappings.unwrap_or(default)],
        &args.space,
        args.methods.as_deref(),
        &args.spawning,
        &args.program,
        &defaults,
        host,
    )?;
    plan.explain = Some(Explain {
        sampling_hz: args.hz,
        rewrite_pages: args.rewrite.unwrap_or(REWRITTEN),
        tree: args.tree,
    });
    Ok(plan)
}

/// What a command takes where nothing was typed.
struct Defaults<'a> {
    methods: &'a [SpawnMethod],
    time: Duration,
    precision: Option<f64>,
}

fn plan(
    sizes: &[u64],
    space: &SpaceArgs,
    names: Option<&[String]>,
    spawning: &SpawningArgs,
    words: &[String],
    defaults: &Defaults<'_>,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let child = match spawning.child {
        ChildArg::Exec => ChildAction::Exec,
        ChildArg::Exit => ChildAction::Exit,
    };
    let methods = methods(names, child, defaults.methods)?;
    let baseline = BASELINES
        .into_iter()
        .find(|method| methods.contains(method));
    Ok(Plan {
        spaces: spaces(sizes, space, host.page_size)?,
        baseline: baseline.unwrap_or(methods[0]),
        methods,
        child,
        program: program(words, child, &host.path)?,
        environment: environment(&host.path, &spawning.env),
        stop: stop_rule(spawning, defaults)?,
        placement: placement(spawning.cpu, &host.allowed_cpus)?,
        temperature: if spawning.cold {
            Temperature::Cold {
                evict_bytes: host.evict_bytes,
                idle_us: COLD_IDLE_US,
            }
        } else {
            Temperature::Hot
        },
        seed: spawning.seed.unwrap_or_else(seed_of_the_clock),
        spawn_timeout_ms: timeout_ms(spawning.timeout)?,
        explain: None,
        reproduce: None,
    })
}

/// The children's variables. One that is given again replaces the first, so
/// that all methods hand the same environment on.
fn environment(path: &str, given: &[String]) -> Vec<String> {
    let mut variables = vec![format!("PATH={path}"), "LC_ALL=C".to_owned()];
    for variable in given {
        let name = |variable: &str| variable.split('=').next().map(str::to_owned);
        variables.retain(|other| name(other) != name(variable));
        variables.push(variable.clone());
    }
    variables
}

fn spaces(sizes: &[u64], args: &SpaceArgs, page_size: u64) -> Result<Vec<SpaceRequest>, PlanError> {
    if args.spacing == 0 {
        return Err(PlanError(
            "--spacing 0: pages are at least 1 page apart".to_owned(),
        ));
    }
    if args.huge && args.backing == BackingArg::File {
        return Err(PlanError(
            "--huge with --backing file: a private file mapping that is written to gets no huge pages; use anon or shared".to_owned(),
        ));
    }
    let spaces = match args.malloc {
        Some(Blocks { count, bytes }) => {
            let heap = SpaceRequest::Malloc {
                count,
                bytes,
                pages: args.pages.unwrap_or(0),
                spacing: args.spacing,
            };
            vec![mappings_of(args, 0), heap]
        }
        None => {
            let mut sizes = sizes.to_vec();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
                .into_iter()
                .map(|size| mappings_of(args, size))
                .collect()
        }
    };
    for space in &spaces {
        Shape::of(space, page_size).map_err(|error| PlanError(error.to_string()))?;
    }
    Ok(spaces)
}

fn mappings_of(args: &SpaceArgs, mappings: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages: args.pages.unwrap_or(1),
        spacing: args.spacing,
        backing: match args.backing {
            BackingArg::Anon => Backing::Anon,
            BackingArg::File => Backing::File,
            BackingArg::Shared => Backing::Shared,
        },
        huge: args.huge,
    }
}

fn methods(
    names: Option<&[String]>,
    child: ChildAction,
    defaults: &[SpawnMethod],
) -> Result<Vec<SpawnMethod>, PlanError> {
    let able = |method: &SpawnMethod| child == ChildAction::Exec || method.can_exit();
    let Some(names) = names else {
        return Ok(defaults.iter().copied().filter(able).collect());
    };
    let mut chosen = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if name == "all" {
            chosen.extend(SpawnMethod::ALL.into_iter().filter(able));
            continue;
        }
        let method = SpawnMethod::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = SpawnMethod::ALL
                .iter()
                .map(|method| method.name())
                .collect();
            PlanError(format!(
                "--method {name}: unknown; there are {}, and all",
                known.join(", ")
            ))
        })?;
        if !able(&method) {
            let why = "always executes a program; leave out --child exit, or the method";
            return Err(PlanError(format!(
                "--method {name} --child exit: {name} {why}"
            )));
        }
        chosen.push(method);
    }
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        return Err(PlanError("--method: the list is empty".to_owned()));
    }
    Ok(chosen)
}

fn program(words: &[String], child: ChildAction, path: &str) -> Result<Program, PlanError> {
    let Some(name) = words.first() else {
        return Ok(Program::Embedded);
    };
    if child == ChildAction::Exit {
        let why = "the child leaves at once and executes nothing; leave out one of them";
        return Err(PlanError(format!("{name} with --child exit: {why}")));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(PlanError(format!(
            "{name:?}: a zero byte cannot be in an argument"
        )));
    }
    Ok(Program::Path {
        path: resolve(name, path),
        argv: words.to_vec(),
    })
}

fn stop_rule(args: &SpawningArgs, defaults: &Defaults<'_>) -> Result<StopRule, PlanError> {
    if args.spawns == Some(0) {
        return Err(PlanError(
            "--spawns 0: at least 1 is needed to measure".to_owned(),
        ));
    }
    if args.time.is_some_and(|time| time.is_zero()) {
        return Err(PlanError(
            "--time 0: some time is needed to measure".to_owned(),
        ));
    }
    let free = args.spawns.is_none();
    Ok(StopRule {
        spawns: args.spawns,
        precision: args.precision.or(defaults.precision.filter(|_| free)),
        time_s: args
            .time
            .or(free.then_some(defaults.time))
            .map(|time| time.as_secs_f64()),
    })
}

fn placement(cpu: Option<CpuArg>, allowed: &[usize]) -> Result<Placement, PlanError> {
    match cpu {
        Some(CpuArg::Any) => Ok(Placement::Free),
        Some(CpuArg::One(cpu)) if allowed.contains(&cpu) => Ok(Placement::Pinned(cpu)),
        Some(CpuArg::One(cpu)) => {
            let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let list = list.join(",");
            Err(PlanError(format!(
                "--cpu {cpu}: this process may run on CPUs {list} only"
            )))
        }
        // The first CPU serves more interrupts than the last.
        None => Ok(allowed
            .last()
            .map_or(Placement::Free, |cpu| Placement::Pinned(*cpu))),
    }
}

fn timeout_ms(timeout: Duration) -> Result<u64, PlanError> {
    match u64::try_from(timeout.as_millis()) {
        Ok(ms) if ms > 0 => Ok(ms),
        _ => Err(PlanError(
            "--timeout: at least 1ms is needed for a spawn".to_owned(),
        )),
    }
}

/// Short enough to be typed again.
fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    fastrand::Rng::with_seed(u64::from(since.subsec_nanos()) ^ since.as_secs()).u64(1..1_000_000)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn host() -> Surroundings {
        Surroundings {
            allowed_cpus: vec![0, 1],
            page_size: 4096,
            evict_bytes: 1 << 25,
            path: "/usr/bin:/bin".to_owned(),
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
                SpawnMethod::Clone3Vfork
            ]
        );
        assert_eq!(plan.baseline, SpawnMethod::Vfork);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (words, named) in [
            ("--method spoon", "spoon"),
            ("--method std --child exit", "std"),
            ("--child exit -- true", "true"),
            ("--cpu 7", "0,1"),
            ("--spawns 0", "--spawns"),
            ("--spacing 0", "--spacing"),
            ("--timeout 0s", "--timeout"),
            ("--time 0", "--time"),
            ("--huge --backing file", "--backing file"),
            ("--mappings 60k --pages 1000000000", "60,000 mappings"),
            ("--malloc 10x100 --pages 2", "100 bytes"),
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
}
