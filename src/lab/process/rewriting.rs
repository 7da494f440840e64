//! The hidden tax of a process: workers of its shape that write to their pages again after
//! each spawn, beside the trials.

use crate::analysis::process::{rewritable, sampled};
use crate::lab::explain::rewriting_of;
use crate::lab::replica::Experiment;
use crate::lab::rounds::Try;
use crate::lab::session::Recording;
use crate::lab::tried::Tried;
use crate::model::{
    Availability, Missing, PageKind, Plan, ProcessOrder, Rewriting, Rewritten, SpaceRequest,
    SpawnMethod, keep_quiet,
};
use crate::worker::protocol::{Assignment, Pass};

/// The workers that write again, of each kind of pages: with nothing pinned, as a fork leaves
/// pinned pages as they were.
pub(super) fn tries(plan: &Plan, order: &ProcessOrder, unpinned: &SpaceRequest) -> Vec<Try> {
    if order.rewrite_pages == 0 {
        return Vec::new();
    }
    let shape = &order.replica.shape;
    let methods = methods(plan);
    let of_kind = |(kind, _)| Try {
        name: "rewriting pages".to_owned(),
        assignment: Assignment {
            extras: vec![0; methods.len()],
            methods: methods.clone(),
            rewrite_pages: sampled(kind, order.rewrite_pages, shape.process.page_size),
            rewritten: kind,
            ..Assignment::of_plan(plan, unpinned.clone(), Pass::Rewriting)
        },
        may_fail: false,
        never_rests: false,
        comes_later: false,
    };
    rewritable(shape).into_iter().map(of_kind).collect()
}

/// The fork, and what it is compared with.
fn methods(plan: &Plan) -> Vec<SpawnMethod> {
    let mut methods = vec![SpawnMethod::Fork, plan.baseline];
    methods.dedup();
    methods
}

/// What came of it, as far as it came.
pub(super) fn rewritten(experiment: &Experiment<'_>, order: &ProcessOrder) -> Vec<Rewritten> {
    let kinds = rewritable(&order.replica.shape).into_iter();
    let tried = kinds.zip(experiment.beside());
    let page_size = order.replica.shape.process.page_size;
    let all_huge = experiment.built.whole().huge_pages(1) * page_size;
    let of_kind = |((of, process), tried): ((_, u64), &Tried)| {
        let seed = experiment.plan.seed;
        let huge_bytes = match of {
            PageKind::Small => 0,
            PageKind::Huge => all_huge,
        };
        let of_method = move |method| Rewritten {
            of,
            method,
            process,
            rewriting: of_workers(tried, method, seed, huge_bytes),
        };
        let methods: Vec<Rewritten> = methods(experiment.plan)
            .into_iter()
            .map(of_method)
            .collect();
        methods
    };
    tried.flat_map(of_kind).collect()
}

/// Of the workers that have about so much in huge pages: where the kernel grants none, small
/// ones stand in their place.
fn of_workers(
    tried: &Tried,
    method: SpawnMethod,
    seed: u64,
    huge_bytes: u64,
) -> Availability<Rewriting> {
    let enough = huge_bytes - huge_bytes / 20;
    let granted = |worker: &&Recording| worker.inflated.huge_bytes >= enough;
    let mut workers: Vec<&Recording> = tried.workers.iter().filter(granted).collect();
    keep_quiet(&mut workers, |worker| worker.counts());
    let why_none = || match workers.is_empty() {
        true if tried.workers.is_empty() => tried.why_none(),
        true => Missing::unavailable(
            "the kernel did not grant all huge pages",
            Some("see /sys/kernel/mm/transparent_hugepage, or free memory"),
        ),
        false => Missing::unavailable(
            "the workers built none of these pages: those that they have by themselves stand for \
             the process's",
            None,
        ),
    };
    Availability::of(rewriting_of(&workers, method, seed), why_none)
}
