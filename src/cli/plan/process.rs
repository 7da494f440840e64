//! The plan that explains a live process, and what it shares with an advice.

use std::time::Duration;

use super::methods::Wanted;
use super::program::of_child;
use super::sweep::{REWRITTEN, explain, refuse_what_no_turn_tells};
use super::{
    Pace, PlanError, Surroundings, Task, child, methods, placement, stop_rule, temperature,
};
use crate::analysis::mappings::{MappingSum, entries_per_table, region_kind};
use crate::analysis::process::{Runtime, rewritable, runtime};
use crate::analysis::replica::{copied_at_once, enough_s, request_of, scaled};
use crate::analysis::shape::check_page_size;
use crate::cli::args::{BackingArg, ExplainArgs, NeighboursArg, RunningArgs, SpaceArgs};
use crate::lab::LONGEST_S;
use crate::lab::limits::LimitError;
use crate::model::{
    Availability, CardPrices, ChildAction, ExplainOrder, MappingContent, MappingFlag, Order,
    Placement, Plan, ProcessOrder, ProcessShape, Program, RegionKind, RemedyHost, ReplicaOrder,
    ShapeMapping, ShapeReservation, ShapeScale, SpaceRequest, SpawnMethod, Temperature,
};
use crate::report;
use crate::units::{bytes, thousands};

const EXPLAIN_TIME: Duration = Duration::from_secs(20);
/// What is explained beside the fork where nothing is said.
const EXPLAINED: [SpawnMethod; 4] = [
    SpawnMethod::Fork,
    SpawnMethod::ForkPipe,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
];

/// What the plan needs to know besides the arguments.
pub(in crate::cli) struct Found {
    /// The process.
    pub(in crate::cli) shape: ProcessShape,
    /// What the host charges, if a card is stored.
    pub(in crate::cli) prices: Availability<CardPrices>,
    /// What of the host bears on remedies.
    pub(in crate::cli) host: RemedyHost,
}

/// The plan that explains a process.
pub(in crate::cli) fn of_process(
    args: &ExplainArgs,
    found: Found,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let mut methods = wanted(args, &found, false)?;
    // Without the fork there is nothing to explain.
    if !methods.contains(&SpawnMethod::Fork) {
        methods.insert(0, SpawnMethod::Fork);
    }
    plan(args, methods, args.ledger, found, host)
}

/// The plan of a process that takes turns with itself, or with another: of its whole shape,
/// and of what times and stamps tell of it.
pub(in crate::cli) fn of_process_by_turns(
    args: &ExplainArgs,
    found: Found,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    refuse_what_no_turn_tells(args)?;
    let methods = wanted(args, &found, true)?;
    let plan = plan(args, methods, true, found, host)?;
    let scale = plan.order.replica().map(|order| &order.scale);
    match scale.and_then(|scale| scale.because.as_ref()) {
        Some(why) => Err(PlanError::refused(format!(
            "by turns the whole of a process is built, and there is no room for it: {why}"
        ))),
        None => Ok(plan),
    }
}

/// What the process's children do, as far as it is known or asked.
fn child_of(args: &ExplainArgs, found: &Found) -> ChildAction {
    child(&args.spawning.child, Some(&found.shape.process))
}

fn wanted(
    args: &ExplainArgs,
    found: &Found,
    explained: bool,
) -> Result<Vec<SpawnMethod>, PlanError> {
    let child = child_of(args, found);
    let wanted = Wanted { child, explained };
    let mut usual = EXPLAINED.to_vec();
    if runtime(&found.shape) == Some(Runtime::Java) {
        usual.push(SpawnMethod::PosixSpawnHelper);
    }
    methods::methods(args.methods.as_deref(), wanted, &usual)
}

fn plan(
    args: &ExplainArgs,
    methods: Vec<SpawnMethod>,
    has_ledger: bool,
    found: Found,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let spawning = &args.spawning;
    if let Some(spawns) = spawning.spawns {
        return Err(PlanError::refused(format!(
            "--spawns {}: a process is explained by workers that take turns for --time; give that",
            thousands(spawns)
        )));
    }
    refuse_spaces(&args.space)?;
    // What is written again is beside the trials, and not in the ledger's workers.
    let ledger = ExplainOrder {
        rewrite_pages: 0,
        ..explain(args)?
    };
    let ledger = Some(ledger).filter(|_| has_ledger);
    let usual = if args.ledger { REWRITTEN } else { 0 };
    let rewrite_pages = args.rewrite.unwrap_or(usual);
    let spawns = Spawns {
        methods,
        child: child_of(args, &found),
        program: of_child(child_of(args, &found), &args.program, &host.path)?,
        temperature: temperature(&spawning.temperature, host),
        time: EXPLAIN_TIME,
        times: if args.ledger { 2 } else { 1 },
        rewrites: rewrite_pages > 0,
    };
    spawns.plan(&spawning.running, found, host, |replica, _| {
        Order::Process(ProcessOrder {
            replica,
            ledger,
            rewrite_pages,
        })
    })
}

/// What a process has is not for the command line to say.
pub(super) fn refuse_spaces(space: &SpaceArgs) -> Result<(), PlanError> {
    refuse(&[
        (space.pages.is_some(), "--pages"),
        (space.spacing != 1, "--spacing"),
        (space.backing != BackingArg::Anon, "--backing"),
        (space.neighbours != NeighboursArg::Apart, "--neighbours"),
        (space.huge, "--huge"),
        (space.malloc.is_some(), "--malloc"),
    ])
}

/// Refuses the first of these options that is given.
pub(super) fn refuse(options: &[(bool, &str)]) -> Result<(), PlanError> {
    match options.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(PlanError::refused(format!(
            "{name} with a process: the process itself says what there is; leave it out"
        ))),
        None => Ok(()),
    }
}

/// What the workers spawn, and for how long.
pub(super) struct Spawns {
    pub(super) methods: Vec<SpawnMethod>,
    pub(super) child: ChildAction,
    pub(super) program: Program,
    pub(super) temperature: Temperature,
    /// The usual time of its trials.
    pub(super) time: Duration,
    /// How many times that the run is to have: a ledger takes as much again.
    pub(super) times: u32,
    /// Whether some of them write to their pages again.
    pub(super) rewrites: bool,
}

impl Spawns {
    /// The plan of it.
    pub(super) fn plan(
        self,
        running: &RunningArgs,
        found: Found,
        host: &Surroundings,
        order: impl FnOnce(ReplicaOrder, RemedyHost) -> Order,
    ) -> Result<Plan, PlanError> {
        if running.precision.is_some() {
            return Err(PlanError::refused(
                "--precision: all trials of a process have the same time; give --time instead",
            ));
        }
        check_page_size(&found.shape, host.page_size)
            .map_err(|error| PlanError::refused(error.to_string()))?;
        check_memory(&found.shape)?;
        let (scale, space) = fitting(&found.shape, host)?;
        let (placement, cpus) = place(&found.shape, running, host)?;
        // Of a large process few rounds fit into the usual time.
        let built = scaled(&found.shape, &scale);
        let rewriting = match self.rewrites {
            true => rewritable(&built).len(),
            false => 0,
        };
        let enough_s = enough_s(&built, &self.methods, rewriting).min(LONGEST_S);
        let pace = Pace {
            time: self.times * self.time.max(Duration::from_secs_f64(enough_s.ceil())),
            precision: None,
        };
        let replica = ReplicaOrder {
            shape: found.shape,
            scale,
            cpus,
            prices: found.prices,
        };
        let task = Task {
            order: order(replica, found.host),
            spaces: vec![space],
            baseline: methods::baseline(&self.methods),
            methods: self.methods,
            child: self.child,
            program: self.program,
            temperature: self.temperature,
            stop: stop_rule(running, None, &pace)?,
        };
        Ok(Plan {
            placement,
            ..task.plan(running, host)?
        })
    }
}

/// Refuses a shape that lists more memory than its process had: what was taken for pages
/// would become some.
fn check_memory(shape: &ProcessShape) -> Result<(), PlanError> {
    /// Pages that came while the mappings were read.
    const GROWN: u64 = 64 << 20;
    let facts = &shape.process;
    let of_process = |mapping: &&ShapeMapping| mapping.content != MappingContent::Hugetlb;
    let mappings: Vec<&ShapeMapping> = shape.mappings.iter().filter(of_process).collect();
    let sum = MappingSum::of(&mappings, facts.page_size);
    let huge = sum.huge.saturating_mul(entries_per_table(facts.page_size));
    // Of no file, such pages are written to like its own.
    let anonymous = |mapping: &&&ShapeMapping| {
        region_kind(mapping.content, mapping.is_shared()) == RegionKind::Anon
    };
    let others = mappings.iter().filter(anonymous).flat_map(|m| &m.file);
    let others = others.fold(0_u64, |sum, [_, count]| sum.saturating_add(*count));
    let all = sum.own.saturating_add(huge).saturating_add(others);
    let listed = all.saturating_mul(facts.page_size);
    let most = (facts.resident_bytes / 4 * 5).saturating_add(GROWN);
    if listed <= most {
        return Ok(());
    }
    let remedy = match facts.reservations.contains(&ShapeReservation::NoFlags) {
        true => "take it again without --no-flags, which tells pages of zeros from others",
        false => "take it again",
    };
    Err(PlanError::refused(format!(
        "the shape lists {} of pages, and its process has {} resident: to rebuild it would take \
         memory that the process has not; {remedy}",
        bytes(listed),
        bytes(facts.resident_bytes)
    )))
}

/// As much of the shape as this host has room for.
fn fitting(
    shape: &ProcessShape,
    host: &Surroundings,
) -> Result<(ShapeScale, SpaceRequest), PlanError> {
    /// Less than this is no likeness.
    const MOST: u64 = 1 << 16;
    let mut scale = ShapeScale::WHOLE;
    loop {
        let space = request_of(&scaled(shape, &scale));
        let Err(error) = (host.fits)(&space) else {
            let scale = pinning(shape, scale, host);
            let space = request_of(&scaled(shape, &scale));
            let told = |m: &ShapeMapping| m.has(MappingFlag::UserfaultForks);
            let scale = ShapeScale {
                watched: shape.mappings.iter().any(told) && (host.watches)(),
                out_of_folios: space.out_of_folios(host.folios),
                ..scale
            };
            return Ok((scale, space));
        };
        scale.because.get_or_insert_with(|| error.to_string());
        match error {
            LimitError::Mappings { .. } | LimitError::ThreadMappings { .. } => {
                scale.mappings_divisor *= 2;
            }
            LimitError::MemAvailable { .. } | LimitError::CgroupMemory { .. }
                if scale.without_file_pages =>
            {
                scale.pages_divisor *= 2;
            }
            LimitError::MemAvailable { .. } | LimitError::CgroupMemory { .. } => {
                scale.without_file_pages = true;
            }
            // The high number alone can be had lower; more files than may be open cannot.
            LimitError::Descriptors(short)
                if scale.descriptors_up_to.is_none()
                    && shape.process.highest_descriptor >= Some(short.room.left()) =>
            {
                scale.descriptors_up_to = Some(short.room.left().saturating_sub(1));
            }
            other => {
                // Where memory may not be committed twice, its own forks may fail for it.
                let own = report::refusals(shape);
                let said = match own.is_empty() {
                    true => other.to_string(),
                    false => format!("{} No worker can be like it: {other}", own.join(" ")),
                };
                return Err(PlanError::refused(said));
            }
        }
        if scale.mappings_divisor.max(scale.pages_divisor) > MOST {
            return Err(PlanError::refused(error.to_string()));
        }
    }
}

/// As many of the pinned pages as may be pinned here.
fn pinning(shape: &ProcessShape, scale: ShapeScale, host: &Surroundings) -> ShapeScale {
    let part = scaled(shape, &scale);
    let wanted = copied_at_once(&part.mappings) * shape.process.page_size;
    if wanted == 0 {
        return scale;
    }
    let (pinned_divisor, pins_because) = match (host.pins)(wanted) {
        Ok(room) if room >= wanted => (1, None),
        Ok(room) => {
            let because = format!(
                "no more than {} may be pinned here (ulimit -l)",
                bytes(room)
            );
            (wanted.div_ceil(room.max(1)), Some(because))
        }
        Err(why) => (0, Some(why)),
    };
    ShapeScale {
        pinned_divisor,
        pins_because,
        ..scale
    }
}

/// Where the workers run: as the process, as far as this process may.
fn place(
    shape: &ProcessShape,
    running: &RunningArgs,
    host: &Surroundings,
) -> Result<(Placement, Vec<usize>), PlanError> {
    if running.cpu.is_some() || shape.process.allowed_cpus.is_empty() {
        return Ok((placement(running.cpu, host)?, Vec::new()));
    }
    let theirs = shape.process.allowed_cpus.iter();
    let both: Vec<usize> = theirs
        .copied()
        .filter(|cpu| host.allowed_cpus.contains(cpu))
        .collect();
    Ok(match both.as_slice() {
        [one] => (Placement::Pinned(*one), Vec::new()),
        [] => (Placement::Free, Vec::new()),
        all if all.len() == host.allowed_cpus.len() => (Placement::Free, Vec::new()),
        _ => (Placement::Free, both),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::analysis::shape::parse_shape;
    use crate::cli::plan::tests::host;
    use crate::lab::limits::{Room, Short};

    fn shape() -> ProcessShape {
        let stored = include_str!("../../../tests/data/shapes/shape.json");
        parse_shape(stored.as_bytes()).unwrap()
    }

    #[test]
    fn pages_that_the_process_had_not_are_refused_with_a_remedy() {
        let mut shape = shape();
        assert!(check_memory(&shape).is_ok());
        let anonymous = |mapping: &&mut ShapeMapping| {
            region_kind(mapping.content, mapping.is_shared()) == RegionKind::Anon
        };
        let mapping = shape.mappings.iter_mut().find(anonymous).unwrap();
        mapping.file = vec![[0, 1 << 24]];
        let refused = check_memory(&shape).unwrap_err().to_string();
        assert!(refused.ends_with("take it again"), "{refused}");
        let reservations = &mut shape.process.reservations;
        reservations.push(ShapeReservation::NoFlags);
        let refused = check_memory(&shape).unwrap_err().to_string();
        assert!(refused.contains("without --no-flags"), "{refused}");
    }

    #[test]
    fn a_jvm_is_explained_as_it_spawns_and_pages_are_written_again_where_that_is_asked() {
        let planned = |words: &[&str], library: &str| {
            let mut shape = shape();
            let last = shape.mappings.last().unwrap().end_page() + 8;
            shape.mappings.push(ShapeMapping {
                name: Some(format!("/lib/{library}")),
                ..ShapeMapping::untouched(last, 4, MappingContent::Library)
            });
            let found = Found {
                shape,
                prices: Availability::unavailable("no card is stored", None),
                host: RemedyHost::default(),
            };
            let words = ["explain", "--pid", "7"].iter().chain(words);
            of_process(&ExplainArgs::parse_from(words), found, &host()).unwrap()
        };
        let helper = SpawnMethod::PosixSpawnHelper;
        assert!(planned(&[], "libjvm.so").methods.contains(&helper));
        assert!(!planned(&[], "libx.so").methods.contains(&helper));
        for (words, pages) in [
            (&[][..], 0),
            (&["--rewrite"][..], 1_000),
            (&["--rewrite", "2k"][..], 2_000),
            (&["--ledger"][..], 1_000),
            (&["--ledger", "--rewrite", "0"][..], 0),
        ] {
            let Order::Process(order) = planned(words, "libx.so").order else {
                panic!("it orders no process");
            };
            assert_eq!(order.rewrite_pages, pages, "{words:?}");
            assert!(order.ledger.is_none_or(|ledger| ledger.rewrite_pages == 0));
        }
    }

    #[test]
    fn a_descriptor_that_is_too_high_is_had_lower() {
        let mut shape = shape();
        shape.process.highest_descriptor = Some(9_999);
        let refusing = |number: &'static str| Surroundings {
            fits: Box::new(move |space| {
                let room = Room {
                    limit: 1_000,
                    used: 10,
                };
                let short = Short {
                    jobs: 1,
                    asked: 10_000,
                    room,
                    threads: 0,
                };
                match space.in_words().contains(number) {
                    true => Err(LimitError::Descriptors(short)),
                    false => Ok(()),
                }
            }),
            ..host()
        };
        let (scale, space) = fitting(&shape, &refusing("up to number 9,999")).unwrap();
        assert_eq!(scale.descriptors_up_to, Some(989));
        assert!(scale.because.unwrap().contains("RLIMIT_NOFILE"));
        assert!(space.in_words().contains("up to number 989"));
        assert!(fitting(&shape, &refusing("descriptors")).is_err());
    }
}
