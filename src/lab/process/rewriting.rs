//! The hidden tax of a process: workers of its shape that write to their pages again after
//! each spawn, beside the trials.

use crate::analysis::process::{rewritable, sampled};
use crate::lab::explain::rewriting_of;
use crate::lab::replica::Experiment;
use crate::lab::rounds::Try;
use crate::lab::session::Recording;
use crate::lab::tried::Tried;
use crate::model::{
    Availability, Missing, Plan, ProcessOrder, Rewriting, Rewritten, SpaceRequest, SpawnMethod,
    keep_quiet,
};
use crate::worker::protocol::{Assignment, Pass};

/// The workers that write again, of each kind of pages.
pub(super) fn tries(plan: &Plan, order: &ProcessOrder, whole: &SpaceRequest) -> Vec<Try> {
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
            ..Assignment::of_plan(plan, whole.clone(), Pass::Rewriting)
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
    let of_kind = |((of, process), tried): ((_, u64), &Tried)| {
        let seed = experiment.plan.seed;
        let of_method = move |method| Rewritten {
            of,
            method,
            process,
            rewriting: of_workers(tried, method, seed),
        };
        let methods: Vec<Rewritten> = methods(experiment.plan)
            .into_iter()
            .map(of_method)
            .collect();
        methods
    };
    tried.flat_map(of_kind).collect()
}

fn of_workers(tried: &Tried, method: SpawnMethod, seed: u64) -> Availability<Rewriting> {
    let mut workers: Vec<&Recording> = tried.workers.iter().collect();
    keep_quiet(&mut workers, |worker| worker.counts());
    let why_none = || match workers.is_empty() {
        true => tried.why_none(),
        false => Missing::unavailable(
            "the workers built none of these pages: those that they have by themselves stand for \
             the process's",
            None,
        ),
    };
    Availability::of(rewriting_of(&workers, method, seed), why_none)
}
