//! `forktax trace`: a program is watched, and its exit status is passed on.

mod advised;

use std::process::ExitCode;

use super::args::{FormatArg, OutputArgs, TraceArgs};
use super::measure::{self, Delivery};
use super::plan::{self, PlanError};
use super::progress::Bar;
use super::{exit, output, process};
use crate::lab::linux::{Linux, Means, Stop, process_name};
use crate::lab::{self, Outcome, Watched};
use crate::model::{
    Availability, Caveat, Document, Ending, Findings, Missing, Stored, TraceMeans, TraceOrder,
    TraceTarget,
};
use crate::report::{self, Subject};

/// Watches, prints and exports; the status is the command's, unless something else was to
/// be told by it.
pub(super) fn run(args: &TraceArgs) -> anyhow::Result<ExitCode> {
    let name = args.pid.map(process_name).transpose()?;
    plan::check_trace(args)?;
    let means = means(args)?;
    let host = measure::host();
    let plan = plan::of_trace(args, name, &means, process::prices(&host))?;
    let order = plan.order.trace().expect("the plan is to watch a program");
    let delivery = Delivery::ready(Subject::of_order(&plan.order), &args.output)?;
    let kernel = Linux::looking_on(delivery.stop(), args.command.clone(), means);
    say_what_begins(args, order);
    let mut bar = Bar::new(args.output.quiet, Vec::new());
    let watched = lab::watch(&kernel, host, &plan, order, &mut bar);
    bar.finish();
    let outcome = match order.advise {
        true => advised(watched, &delivery.stop(), args.output.quiet),
        false => watched.outcome,
    };
    let status = outcome.document.as_ref().map(status);
    let unseen = outcome.document.as_ref().is_some_and(is_unseen);
    let stored = outcome.document.map(Stored::from);
    let offences = stored.as_ref().map(report::offences).unwrap_or_default();
    let delivered = match args.command.is_empty() {
        true => delivery.deliver(stored, outcome.error),
        false => delivery.deliver_beside(stored, outcome.error),
    };
    if offences.is_empty() {
        delivered?;
        if unseen {
            output::tell(
                false,
                "not all was seen of which --fail-on asks (lost records, or processes that are \
                 incomplete): watch the command from its start, which stops it for that",
            );
            return Ok(exit::OFFENCE.into());
        }
        return Ok(status.unwrap_or(ExitCode::SUCCESS));
    }
    // What was found stands, whatever ended the watching.
    if let Err(error) = delivered {
        output::complain(&error);
    }
    if !are_shown(&args.output) {
        for offence in &offences {
            output::tell(false, offence);
        }
    }
    Ok(exit::OFFENCE.into())
}

/// Whether something is missing in what checks have looked at.
fn is_unseen(document: &Document) -> bool {
    let is_lost = |caveat: &Caveat| matches!(caveat, Caveat::RecordsLost { .. });
    let order = document.plan.order.trace();
    let is_asked = order.is_some_and(|order| !order.checks.is_empty());
    let trace = document.findings.trace();
    let is_incomplete = trace.is_some_and(|trace| trace.incomplete > 0);
    is_asked && (is_incomplete || document.caveats.iter().any(is_lost))
}

/// By what it is watched: the best that can be had, or what was asked for. Of those who stop
/// nothing is lost, and all is seen that a check looks at: so a command that is checked is
/// stopped.
fn means(args: &TraceArgs) -> Result<Means, PlanError> {
    let is_checked = !args.command.is_empty() && !args.fail_on.is_empty();
    let asked = match (args.by, is_checked) {
        (Some(by), _) => Some(by.into()),
        (None, true) => Some(TraceMeans::Ptrace),
        (None, false) => None,
    };
    Means::open(asked).map_err(|error| {
        let remedy = error.remedy();
        PlanError::refused(format!("--by tracepoints: {error}; {remedy}"))
    })
}

/// Whether a command ended as by what asks for an end, Ctrl-C or kill(1), which is a wish to
/// wait for nothing further. It may have caught the signal, and have told of it by its status.
fn was_broken_off(ended: &Availability<Ending>) -> bool {
    const STATUSES: [i32; 2] = [128 + libc::SIGINT, 128 + libc::SIGTERM];
    match ended.measured() {
        Some(Ending::Signal(signal)) => {
            matches!(*signal, libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
        }
        Some(Ending::Exit(status)) => STATUSES.contains(status),
        Some(Ending::Unseen) | None => false,
    }
}

/// The run's end with what remedies do to the dearest spawner.
fn advised(watched: Watched, stop: &Stop, quiet: bool) -> Outcome {
    let Watched {
        mut outcome,
        dearest,
    } = watched;
    if let Some(Document {
        findings: Findings::Trace(trace),
        ..
    }) = &mut outcome.document
    {
        trace.advised = Some(match &outcome.error {
            None if was_broken_off(&trace.ended) => Availability::Missing(Missing {
                remedy: Some("let it end by itself, or --time end the watching".to_owned()),
                ..Missing::not_asked("the command was broken off")
            }),
            None => advised::advised(dearest, stop, quiet),
            // Who asks for an end has no remedies tried.
            Some(_) => Availability::Missing(Missing {
                remedy: Some("let --time end the watching".to_owned()),
                ..Missing::not_asked("the watching was broken off")
            }),
        });
    }
    outcome
}

/// Whether the report has them already.
fn are_shown(args: &OutputArgs) -> bool {
    let is_text = matches!(args.format, FormatArg::Table | FormatArg::Markdown);
    is_text && args.shown.is_whole()
}

/// What is to be known before the tracing begins.
fn say_what_begins(args: &TraceArgs, order: &TraceOrder) {
    if order.call_times {
        output::tell(
            false,
            "a seccomp filter will be on the command and its descendants: forktax stays until the last \
             of them has ended; if it is killed, what they spawn and execute from then on fails \
             with ENOSYS",
        );
    }
    let who = match &order.target {
        TraceTarget::Command { .. } => return,
        TraceTarget::Process { pid, name } => format!("PID {pid} ({name}) and its descendants"),
        TraceTarget::Host => "all processes of this host".to_owned(),
    };
    output::tell(
        args.output.quiet,
        &format!("watching {who}; Ctrl-C prints what was seen"),
    );
}

/// How the command ended, as shells tell it.
fn status(document: &Document) -> ExitCode {
    let ended = document
        .findings
        .trace()
        .and_then(|trace| trace.ended.measured());
    match ended {
        Some(Ending::Exit(status)) => u8::try_from(*status).unwrap_or(1).into(),
        Some(Ending::Signal(signal)) => exit::by_signal(*signal).into(),
        Some(Ending::Unseen) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remedies_are_tried_after_what_was_broken_off() {
        let is = |ended| was_broken_off(&Availability::Measured(ended));
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            assert!(is(Ending::Signal(signal)));
        }
        assert!(is(Ending::Exit(130)) && is(Ending::Exit(143)));
        assert!(!is(Ending::Exit(0)) && !is(Ending::Signal(libc::SIGSEGV)));
        assert!(!was_broken_off(&Availability::not_asked("it went on")));
    }
}
