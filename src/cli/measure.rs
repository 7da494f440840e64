//! The commands that measure: plan, measure, print, export.

use signal_hook::consts::SIGXCPU;

use super::args::{CardArgs, ExplainArgs, OutputArgs, ReproduceArgs, SweepArgs};
use super::output::{self, Exports};
use super::plan::{self, Surroundings};
use super::progress::Bar;
use crate::lab;
use crate::lab::host::{self, Probed};
use crate::lab::limits::{self, Limits, Need};
use crate::lab::linux::{self, Linux, Stop};
use crate::model::{Host, Plan, Stored};
use crate::report::Subject;
use crate::sys::{clock, memory, perf, process};

/// Carries out a sweep.
pub(super) fn sweep(args: &SweepArgs) -> anyhow::Result<()> {
    let plan = plan::of_sweep(args, &surroundings()?)?;
    measure(&plan, &args.output)
}

/// Carries out an explanation.
pub(super) fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let plan = plan::of_explain(args, &surroundings()?)?;
    measure(&plan, &args.output)
}

/// Measures a study again.
pub(super) fn reproduce(args: &ReproduceArgs) -> anyhow::Result<()> {
    let plan = plan::of_reproduce(args, &surroundings()?)?;
    measure(&plan, &args.output)
}

/// Measures a card, and gives it if it is whole.
pub(super) fn card(args: &CardArgs) -> anyhow::Result<Option<Stored>> {
    let plan = plan::of_card(args, &surroundings()?)?;
    run(&plan, &args.output)
}

pub(super) fn surroundings() -> anyhow::Result<Surroundings> {
    let page_size = memory::page_size() as u64;
    Ok(Surroundings {
        allowed_cpus: process::allowed_cpus()?,
        page_size,
        evict_bytes: linux::evict_bytes(),
        path: plan::search_path(std::env::var("PATH"))?,
        fits: Box::new(move |space| limits::check(&Need::of(space, page_size), &Limits::read())),
    })
}

pub(super) fn measure(plan: &Plan, args: &OutputArgs) -> anyhow::Result<()> {
    run(plan, args).map(|_| ())
}

/// Measures, prints and exports; the result of a run that ended by itself.
fn run(plan: &Plan, args: &OutputArgs) -> anyhow::Result<Option<Stored>> {
    let subject = Subject::of_order(&plan.order);
    output::check(&args.export, subject)?;
    output::check_shown(&args.shown, subject, output::format(args.format))?;
    let exports = Exports::open(&args.export)?;
    let stop = Stop::default();
    let out_of_time = [SIGXCPU]
        .into_iter()
        .filter(|signal| !process::ignores(*signal));
    for signal in linux::stopping().into_iter().chain(out_of_time) {
        let number = usize::try_from(signal)?;
        signal_hook::flag::register_usize(signal, stop.0.clone(), number)?;
    }
    let host = host();
    let cpus = plan.order.replica().map(|order| &order.cpus);
    if let Some(cpus) = cpus.filter(|cpus| !cpus.is_empty()) {
        // The workers inherit it.
        process::run_on(cpus)?;
    }
    let kernel = Linux::new(stop, plan.placement)?;
    let mut bar = Bar::new(args.quiet, plan::length(plan));
    let outcome = lab::run(&kernel, host, plan, &mut bar);
    bar.finish();
    match outcome.document {
        Some(document) => {
            // One way out that is barred shall not bar the others.
            let stored = Stored::from(document);
            let printed = output::print(&stored, args.format, &args.shown);
            let written = exports.write(&stored);
            if let Some(error) = outcome.error {
                for lost in printed.err().into_iter().chain(written.err()) {
                    output::complain(&lost.into());
                }
                return Err(error.into());
            }
            printed?;
            written?;
            Ok(Some(stored))
        }
        None => outcome.error.map_or(Ok(None), |error| Err(error.into())),
    }
}

/// What this host is.
pub(super) fn host() -> Host {
    let clock = clock::calibrate();
    host::read_host(Probed {
        clock_step_ns: clock.step_ns,
        clock_cost_ns: clock.cost_ns,
        pmu: perf::has_pmu(),
        privileged: process::is_root(),
    })
}
