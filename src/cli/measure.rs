//! The commands that measure: plan, measure, print, export.

use std::io;

use signal_hook::consts::SIGXCPU;

use super::args::{
    CardArgs, ExplainArgs, FormatArg, OutputArgs, ReproduceArgs, ShownArgs, SweepArgs,
};
use super::output::{self, Exports, OutputError};
use super::plan::{self, Choice, Surroundings};
use super::progress::Bar;
use super::versus;
use crate::lab;
use crate::lab::error::LabError;
use crate::lab::host::{self, Probed};
use crate::lab::limits::{self, Limits, Need};
use crate::lab::linux::{self, Attendant, Linux, Stop};
use crate::model::{Host, Plan, Stored};
use crate::report::Subject;
use crate::sys::{clock, memory, perf, process};

/// Carries out a sweep, or two by turns.
pub(super) fn sweep(args: &SweepArgs, attendant: Option<Attendant>) -> anyhow::Result<()> {
    if args.versus.is_given() {
        let planner =
            |args: &SweepArgs, host: &Surroundings| Ok(plan::of_swept_by_turns(args, host)?);
        return versus::run(args, &args.versus, &args.output, &planner, attendant);
    }
    let host = surroundings(args.spawning.running.cpu.is_some())?;
    let plan = plan::of_sweep(args, &host)?;
    measure(&plan, &host, &args.output)
}

/// Carries out an explanation, or two by turns.
pub(super) fn explain(args: &ExplainArgs, attendant: Option<Attendant>) -> anyhow::Result<()> {
    if args.versus.is_given() {
        let planner = |args: &ExplainArgs, host: &Surroundings| {
            let plan = plan::of_explained_by_turns(args, host)?;
            Ok(plan)
        };
        return versus::run(args, &args.versus, &args.output, &planner, attendant);
    }
    let host = surroundings(args.spawning.running.cpu.is_some())?;
    let plan = plan::of_explain(args, &host)?;
    measure(&plan, &host, &args.output)
}

/// Measures a study again, or its parents by turns with themselves.
pub(super) fn reproduce(args: &ReproduceArgs, attendant: Option<Attendant>) -> anyhow::Result<()> {
    if args.versus.is_given() {
        let planner = |args: &ReproduceArgs, host: &Surroundings| Ok(plan::of_parents(args, host)?);
        return versus::run(args, &args.versus, &args.output, &planner, attendant);
    }
    let host = surroundings(args.running.cpu.is_some())?;
    let plan = plan::of_reproduce(args, &host)?;
    measure(&plan, &host, &args.output)
}

/// Measures a card, and gives it if it is whole.
pub(super) fn card(args: &CardArgs) -> anyhow::Result<Option<Stored>> {
    let host = surroundings(args.running.cpu.is_some())?;
    let plan = plan::of_card(args, &host)?;
    run(&plan, &host, &args.output)
}

/// What plans need to know of this host. A CPU for the workers is looked for only where
/// none is named, as that takes a moment.
pub(super) fn surroundings(names_cpu: bool) -> anyhow::Result<Surroundings> {
    let page_size = memory::page_size() as u64;
    let allowed_cpus = process::allowed_cpus()?;
    let seen = match names_cpu || allowed_cpus.len() < 2 {
        true => None,
        false => linux::cpu_use(&allowed_cpus),
    };
    Ok(Surroundings {
        cpu: Choice::of(&allowed_cpus, seen.as_deref()),
        allowed_cpus,
        page_size,
        evict_bytes: linux::evict_bytes(),
        path: plan::search_path(std::env::var("PATH"))?,
        fits: Box::new(move |space| limits::check(&Need::of(space, page_size), &Limits::read())),
        pins: Box::new(linux::room_for_pins),
        watches: linux::may_watch_forks,
        folios: memory::gives_folios,
        share_a_core: process::share_a_core,
    })
}

pub(super) fn measure(plan: &Plan, host: &Surroundings, args: &OutputArgs) -> anyhow::Result<()> {
    run(plan, host, args).map(|_| ())
}

/// Measures, prints and exports; the result of a run that ended by itself.
fn run(plan: &Plan, host: &Surroundings, args: &OutputArgs) -> anyhow::Result<Option<Stored>> {
    let delivery = Delivery::ready(Subject::of_order(&plan.order), args)?;
    run_where_it_does(plan)?;
    let outcome = delivery.measure([plan], host, |kernel, host, bar| {
        lab::run(kernel, host, plan, bar)
    })?;
    delivery.deliver(outcome.document.map(Stored::from), outcome.error)
}

/// Has the workers run on the CPUs of the process that is rebuilt, if that is of some.
pub(super) fn run_where_it_does(plan: &Plan) -> io::Result<()> {
    let cpus = plan.order.replica().map(|order| &order.cpus);
    match cpus.filter(|cpus| !cpus.is_empty()) {
        // They inherit it.
        Some(cpus) => process::run_on(cpus),
        None => Ok(()),
    }
}

/// Where a result goes, looked at before there is one.
pub(super) struct Delivery<'a> {
    args: &'a OutputArgs,
    exports: Exports,
    stop: Stop,
    attendant: Option<Attendant>,
}

impl<'a> Delivery<'a> {
    /// Refuses places that the result could not be written to; from here on a signal asks
    /// the run to stop.
    pub(super) fn ready(subject: Subject, args: &'a OutputArgs) -> anyhow::Result<Self> {
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
        Ok(Self {
            args,
            exports,
            stop,
            attendant: None,
        })
    }

    /// The same with somebody who sets the host.
    pub(super) fn attended(self, attendant: Option<Attendant>) -> Self {
        Self { attendant, ..self }
    }

    /// Readies this machine for these plans, and has them carried out.
    pub(super) fn measure<R, const PLANS: usize>(
        &self,
        plans: [&Plan; PLANS],
        surroundings: &Surroundings,
        carry_out: impl FnOnce(&Linux, Host, &mut Bar) -> R,
    ) -> anyhow::Result<R> {
        let host = host();
        let kernel = Linux::new(self.stop.clone(), &plans.map(|plan| plan.placement))?;
        let others = plans.iter().flat_map(|plan| &plan.other_cpus).copied();
        let kernel = kernel.accompanied(&others.collect::<Vec<usize>>())?;
        let kernel = kernel.attended(self.attendant.clone());
        let on_cpu = surroundings.cpu.said.clone();
        let begins = [Some(plan::length(plans[0])), on_cpu].into_iter().flatten();
        let mut bar = Bar::new(self.args.quiet, begins.collect());
        let result = carry_out(&kernel, host, &mut bar);
        bar.finish();
        Ok(result)
    }

    /// What a signal sets.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Prints and exports what there is, and gives it back if the run ended by itself.
    pub(super) fn deliver(
        self,
        stored: Option<Stored>,
        error: Option<LabError>,
    ) -> anyhow::Result<Option<Stored>> {
        self.deliver_by(output::print, stored, error)
    }

    /// The same beside a command whose stdout is its own.
    pub(super) fn deliver_beside(
        self,
        stored: Option<Stored>,
        error: Option<LabError>,
    ) -> anyhow::Result<Option<Stored>> {
        self.deliver_by(output::print_beside, stored, error)
    }

    fn deliver_by(
        self,
        print: impl Fn(&Stored, FormatArg, &ShownArgs) -> Result<(), OutputError>,
        stored: Option<Stored>,
        error: Option<LabError>,
    ) -> anyhow::Result<Option<Stored>> {
        let Some(stored) = stored else {
            return error.map_or(Ok(None), |error| Err(error.into()));
        };
        // One way out that is barred shall not bar the others.
        let printed = print(&stored, self.args.format, &self.args.shown);
        let written = self.exports.write(&stored);
        if let Some(error) = error {
            for lost in printed.err().into_iter().chain(written.err()) {
                output::complain(&lost.into());
            }
            return Err(error.into());
        }
        printed?;
        written?;
        Ok(Some(stored))
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
