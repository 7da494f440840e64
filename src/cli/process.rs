//! `forktax explain --pid` and `forktax advise`: the process is looked at, then the plan
//! is made.

use super::args::{AdviseArgs, ExplainArgs, ProcessArgs};
use super::card as stored;
use super::measure;
use super::plan::{self, FoundProcess, Surroundings};
use super::versus;
use crate::analysis::card::{self, Charged};
use crate::lab::host::remedies;
use crate::lab::linux::Attendant;
use crate::lab::shape::{self, Options};
use crate::model::{Availability, CardPrices, Document, Findings, Host, ProcessShape};
use crate::store::Found;
use crate::units::{about_percent, utc};

/// Explains a process, or two by turns.
pub(super) fn explain(args: &ExplainArgs, attendant: Option<Attendant>) -> anyhow::Result<()> {
    if args.versus.is_given() {
        return by_turns(args, attendant);
    }
    // The process's own CPUs are taken.
    let surroundings = measure::surroundings(true)?;
    let shape = process_shape(&args.process)?;
    let plan = plan::of_process(args, found(shape), &surroundings)?;
    measure::measure(&plan, &surroundings, &args.output)
}

/// Explains a process by turns with itself, under other options, or with another one.
fn by_turns(args: &ExplainArgs, attendant: Option<Attendant>) -> anyhow::Result<()> {
    let shape = process_shape(&args.process)?;
    let planner = |side: &ExplainArgs, surroundings: &Surroundings| {
        let shape = match side.process == args.process {
            // It may change, and shall be the same for both.
            true => shape.clone(),
            false => process_shape(&side.process)?,
        };
        let plan = plan::of_process_by_turns(side, found(shape), surroundings)?;
        Ok(plan)
    };
    versus::run(args, &args.versus, &args.output, &planner, attendant)
}

/// Tries remedies on a process, or on one that is made up.
pub(super) fn advise(args: &AdviseArgs) -> anyhow::Result<()> {
    let names_cpu = args.process.is_given() || args.running.cpu.is_some();
    let surroundings = measure::surroundings(names_cpu)?;
    let shape = match args.process.is_given() {
        true => process_shape(&args.process)?,
        false => plan::made_up_shape(args, &measure::host().kernel, &surroundings)?,
    };
    let plan = plan::of_advise(args, found(shape), &surroundings)?;
    measure::measure(&plan, &surroundings, &args.output)
}

/// Reads the process that was named, or the file.
fn process_shape(args: &ProcessArgs) -> anyhow::Result<ProcessShape> {
    match (&args.pid, &args.shape, &args.smaps) {
        (Some(pid), ..) => Ok(shape::take(*pid, Options::default())?),
        (None, Some(file), _) => Ok(super::shape::read(file)?),
        (None, None, Some(dump)) => Ok(super::shape::read_dump(dump)?),
        (None, None, None) => unreachable!("the caller has seen that one is given"),
    }
}

fn found(shape: ProcessShape) -> FoundProcess {
    let host = measure::host();
    FoundProcess {
        shape,
        prices: prices(&host),
        host: remedies(&host),
    }
}

/// The prices of the card that is stored for this host.
pub(super) fn prices(host: &Host) -> Availability<CardPrices> {
    let store = match stored::store() {
        Ok(store) => store,
        Err(error) => return Availability::unavailable(error.to_string(), None),
    };
    match store.find(host) {
        Found::Found { document, .. } => prices_of(&document),
        other => Availability::unavailable(other.to_string(), None),
    }
}

/// What to do where no card can be used.
const MEASURE: &str = "measure one with forktax card, while the host rests";

fn prices_of(document: &Document) -> Availability<CardPrices> {
    let charged = match &document.findings {
        Findings::Card(measured) => Charged::of(document, measured),
        _ => None,
    };
    let graded = charged.as_ref().and_then(|charged| {
        let grade = charged.prices().grade.measured()?;
        Some((charged, charged.fit()?, grade.clone()))
    });
    let Some((charged, fit, grade)) = graded else {
        return Availability::unavailable("the stored card has no fork's prices", Some(MEASURE));
    };
    if !card::is_believable(&grade) {
        let off = card::error(grade.total.loo_p90);
        let off = off
            .measured()
            .map(|off| format!(", by more than {} in one of ten", about_percent(*off)));
        return Availability::unavailable(
            format!(
                "the stored card of {} is not used, as its own forecasts are too far off{}",
                utc(document.run.started_unix_s),
                off.unwrap_or_default()
            ),
            Some(MEASURE),
        );
    }
    Availability::Measured(CardPrices {
        terms: fit.terms(),
        knee_bytes: fit.knee.map(|knee| knee.bytes),
        levels_off: fit.knee.is_some_and(|knee| knee.levels_off),
        instead: charged.instead(),
        largest: Some(charged.largest()),
        grade,
        measured_unix_s: document.run.started_unix_s,
    })
}
