//! The method: where and how was measured, in a few lines.

use crate::model::{
    Availability, ChildAction, Document, Host, Noise, Placement, Plan, Program, SpaceRequest,
    Temperature,
};

use super::number::{counted, integer, percent, significant};
use super::{process, trace};

/// The lines of the method.
pub(super) fn lines(document: &Document) -> Vec<String> {
    let mut lines = conditions_of(document);
    lines.extend(document.noise.as_ref().map(noise));
    lines
}

/// The same of a run on the same host as another one, of which that was told.
pub(super) fn lines_beside(document: &Document) -> Vec<String> {
    /// The machine and its settings.
    const OF_HOST: usize = 2;
    lines(document).split_off(OF_HOST)
}

/// What was measured, where and how.
fn conditions_of(document: &Document) -> Vec<String> {
    let Document {
        tool, host, plan, ..
    } = document;
    let mut lines = vec![
        format!("{} {}: {}", tool.name, tool.version, machine(host)),
        settings(host),
    ];
    if let Some(watched) = trace::method(document) {
        lines.push(watched);
        return lines;
    }
    lines.extend([clock(host), conditions(plan.placement, plan.temperature)]);
    lines.extend(parents(plan));
    lines.extend(plan.order.replica().into_iter().flat_map(process::origin));
    lines.push(format!(
        "child: {}; seed {}",
        child(plan.child, &plan.program),
        plan.seed
    ));
    lines
}

/// Those that a picture has room for: the machine, the conditions, the child; and the
/// process, if one was rebuilt.
pub(super) fn of_picture(document: &Document) -> Vec<String> {
    let lines = conditions_of(document);
    let rebuilt = document.plan.order.replica().is_some();
    let last = lines.len().saturating_sub(1);
    let has_room = |index: usize| [0, 3, 4].contains(&index) || rebuilt && index == last;
    let lines = lines.into_iter().enumerate();
    lines
        .filter(|(index, _)| has_room(*index))
        .map(|(_, line)| line)
        .collect()
}

/// What else the host did.
fn noise(noise: &Noise) -> String {
    let cpus = match noise.cpus.as_slice() {
        [cpu] => format!("CPU {cpu}"),
        cpus => counted(cpus.len() as u64, "CPU"),
    };
    let whole = &noise.whole;
    let rounds = noise.rounds.iter();
    let of_rounds = rounds.filter_map(|round| round.others_share.measured());
    let most = of_rounds.copied().reduce(f64::max);
    let most = most.filter(|_| noise.rounds.len() > 1);
    let most = most.map_or_else(String::new, |most| {
        format!(" (at most {} in a round)", in_percent(most))
    });
    let others = match &whole.others_share {
        Availability::Measured(share) => {
            format!("used by others {} of the time{most}", in_percent(*share))
        }
        missing => format!("use by others {}", share(missing)),
    };
    format!(
        "host while measured: {cpus} {others}, steal {}, pressure {}",
        share(&whole.steal_share),
        share(&whole.cpu_pressure_share)
    )
}

fn share(found: &Availability<f64>) -> String {
    shown(&found.map(|share| in_percent(*share)), "")
}

fn in_percent(share: f64) -> String {
    format!("{} %", percent(share))
}

/// What all parents have more than a worker, and what becomes of their descriptors
/// at an exec.
fn parents(plan: &Plan) -> Option<String> {
    let spaces = &plan.spaces;
    // The count that all have, if they have the same and it is not none.
    let of_all = |of: fn(&SpaceRequest) -> u64| {
        let first = spaces.first().map(of).filter(|count| *count > 0)?;
        spaces
            .iter()
            .all(|space| of(space) == first)
            .then_some(first)
    };
    let more = [
        (of_all(SpaceRequest::descriptors), "more descriptor"),
        (of_all(SpaceRequest::threads), "more idle thread"),
        (of_all(SpaceRequest::handlers), "more signal handler"),
    ];
    let more: Vec<String> = more
        .into_iter()
        .filter_map(|(count, what)| Some(counted(count?, what)))
        .collect();
    let mut clauses = Vec::new();
    if !more.is_empty() {
        clauses.push(format!("each parent has {}", more.join(" and ")));
    }
    if spaces.iter().any(|space| space.descriptors() > 0) {
        clauses.push(match spaces.iter().any(SpaceRequest::has_cloexec) {
            true => "an exec closes the descriptors".to_owned(),
            false => "an exec keeps the descriptors, the child's exit closes them".to_owned(),
        });
    }
    clauses.extend(at_once(plan));
    (!clauses.is_empty()).then(|| clauses.join("; "))
}

/// Where the other parents run that spawn at once with the one that is timed.
fn at_once(plan: &Plan) -> Option<String> {
    let most = plan.spaces.iter().map(SpaceRequest::jobs).max();
    let most = most.filter(|jobs| *jobs > 1)?;
    let others = process::cpus(&plan.other_cpus);
    let others = others.map_or_else(String::new, |cpus| format!(", the others on {cpus}"));
    Some(format!(
        "up to {} spawn at once, by one method at a time{others}",
        counted(most, "parent")
    ))
}

/// Kernel, CPU and hypervisor in one line.
pub(super) fn machine(host: &Host) -> String {
    format!(
        "Linux {} {}, {}, {}, virtualisation: {}",
        host.kernel,
        host.arch,
        shown(&host.cpu, "CPU model"),
        counted(host.cores as u64, "CPU"),
        host.virtualisation,
    )
}

fn settings(host: &Host) -> String {
    format!(
        "pages of {} bytes, THP {}, perf_event_paranoid {}, {}, {}",
        integer(host.page_size),
        shown(&host.thp, ""),
        shown(&host.perf_event_paranoid, ""),
        if host.pmu {
            "hardware PMU"
        } else {
            "no hardware PMU"
        },
        if host.privileged {
            "privileged"
        } else {
            "unprivileged"
        },
    )
}

fn clock(host: &Host) -> String {
    format!(
        "clock: {}, step {} ns, a reading costs {} ns (subtracted)",
        shown(&host.clocksource, "source"),
        significant(host.clock_step_ns),
        significant(host.clock_cost_ns),
    )
}

/// Where the workers run, and what happens between two spawns.
pub(super) fn conditions(placement: Placement, temperature: Temperature) -> String {
    let placement = match placement {
        Placement::Pinned(cpu) => format!("pinned to CPU {cpu}"),
        Placement::Free => "free to move between CPUs".to_owned(),
    };
    let temperature = match temperature {
        Temperature::Hot => "hot (back to back)".to_owned(),
        Temperature::Cold {
            evict_bytes,
            idle_us,
        } => format!(
            "cold (caches evicted with {} KiB, then {} us idle)",
            integer(evict_bytes >> 10),
            integer(idle_us)
        ),
    };
    format!("{placement}, {temperature}")
}

/// What the child does.
pub(in crate::report) fn child(action: ChildAction, program: &Program) -> String {
    match (action, program) {
        (ChildAction::Exit, _) => "_exit at once, no exec".to_owned(),
        (ChildAction::Exec, Program::Embedded) => {
            "exec of the embedded program, which exits at once".to_owned()
        }
        (ChildAction::Exec, Program::Path { path, argv }) => {
            let mut words = vec![path.as_str()];
            words.extend(argv.iter().skip(1).map(String::as_str));
            format!("exec of {}", words.join(" "))
        }
    }
}

/// A fact of the host, or the reason why it is not known.
fn shown<T: ToString>(fact: &Availability<T>, name: &str) -> String {
    match fact {
        Availability::Measured(value) => value.to_string(),
        Availability::Missing(missing) => format!("{name} n/a ({})", missing.reason)
            .trim_start()
            .to_owned(),
    }
}
