//! What was compared, and what differs around it.

use crate::model::{
    Caveat, ComparedSide, Comparison, HostDifference, HostFact, PlanDifference, PlanFact, Stopped,
};
use crate::report::view::number::{counted, significant};
use crate::report::view::{closing, header};
use crate::units::utc;

/// Both results: where they are from, and how they came about.
pub(super) fn sides(comparison: &Comparison) -> Vec<String> {
    let Comparison { tool, a, b, .. } = comparison;
    let mut told = vec![
        format!("{} {}: B compared with A", tool.name, tool.version),
        format!("A: {}", side(a)),
        match &comparison.by_turns {
            None => format!("B: {}", side(b)),
            Some(by_turns) => format!(
                "B: the same run with {}; its {} took turns with A's",
                options(&by_turns.options),
                match by_turns.setups() {
                    None => "workers",
                    Some(_) => "slices of workers",
                }
            ),
        },
    ];
    let setups = comparison.by_turns.iter().filter_map(|it| it.setups());
    told.extend(setups.map(|[a, b]| {
        format!(
            "set up before each slice: A by {:?}, B by {:?}; restored by {:?}",
            a.command, b.command, a.restore
        )
    }));
    let [of_a, of_b] = [a, b].map(conditions);
    if of_a == of_b {
        told.push(format!("both: {of_a}"));
    } else {
        told.extend([format!("A: {of_a}"), format!("B: {of_b}")]);
    }
    told
}

/// The options of B, as they were typed.
pub(super) fn options(typed: &str) -> String {
    match typed.trim() {
        "" => "no option changed".to_owned(),
        typed => format!("\"{typed}\""),
    }
}

fn side(side: &ComparedSide) -> String {
    let ended = match side.stopped {
        Stopped::OutOfReach | Stopped::Interrupted | Stopped::Failed(_) => {
            format!(", {}", closing::stopped(&side.stopped))
        }
        Stopped::Precision | Stopped::Time | Stopped::Spawns | Stopped::Ended => String::new(),
    };
    format!(
        "{} of {}, by forktax {} in {}{ended}; {}",
        side.file,
        utc(side.started_unix_s),
        side.tool_version,
        counted(u64::from(side.rounds), "round"),
        header::machine(&side.host),
    )
}

fn conditions(side: &ComparedSide) -> String {
    let plan = &side.plan;
    let explained = plan.explained.as_ref();
    format!(
        "{}{}; child: {}",
        explained.map_or_else(String::new, |parent| format!("{parent}; ")),
        header::conditions(plan.placement, plan.temperature),
        header::child(plan.child, &plan.program)
    )
}

/// What differs in hosts and plans.
pub(super) fn differences(comparison: &Comparison) -> Vec<String> {
    let mut told: Vec<String> = comparison.host_differences.iter().map(of_hosts).collect();
    told.extend(speed(comparison));
    told.extend(comparison.plan_differences.iter().map(of_plans));
    if told.is_empty() {
        told.push("nothing that forktax knows to bear on what a spawn costs".to_owned());
    }
    told.extend(unknown(comparison));
    told
}

fn of_hosts(difference: &HostDifference) -> String {
    let HostDifference { fact, a, b } = difference;
    let remark = if fact.bears() {
        ""
    } else {
        ": that changes what can be measured, and not what a spawn costs"
    };
    format!("{}: {a} in A, {b} in B{remark}", fact.name())
}

/// How fast the host was in the one run and in the other.
fn speed(comparison: &Comparison) -> Option<String> {
    /// Two runs of a steady host are as far apart.
    const TOLD: f64 = 0.02;
    let ratio = comparison.reference_ratio?;
    (ratio.ln().abs() > TOLD).then(|| {
        format!(
            "speed of the host: the reference, the same in every run, took {} times as long in B as \
             in A; that is one standard error of each ratio",
            significant(ratio)
        )
    })
}

fn of_plans(difference: &PlanDifference) -> String {
    let PlanDifference { fact, a, b } = difference;
    let remark = match fact {
        PlanFact::Methods => ": the methods took turns with others",
        _ => "",
    };
    format!("{}: {a} in A, {b} in B{remark}", fact.name())
}

/// The facts that one of the two hosts did not tell.
fn unknown(comparison: &Comparison) -> Option<String> {
    let hosts = [&comparison.a.host, &comparison.b.host];
    let one_sided = |fact: &HostFact| {
        let [a, b] = hosts.map(|host| fact.of(host).is_some());
        a != b
    };
    let facts = HostFact::ALL.into_iter().filter(one_sided);
    let names: Vec<&str> = facts.map(HostFact::name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "known of one of them only, and so not compared: {}",
            names.join(", ")
        )
    })
}

/// The reservations about both, but for those about figures that are not compared.
pub(super) fn caveats(comparison: &Comparison) -> Vec<String> {
    let elsewhere = |caveat: &&Caveat| {
        matches!(
            caveat,
            Caveat::Unavailable { .. } | Caveat::MethodUnavailable { .. }
        )
    };
    let of_side = |name: &str, side: &ComparedSide| {
        let told = side.caveats.iter().filter(|caveat| !elsewhere(caveat));
        let told = told.map(|caveat| match comparison.by_turns {
            Some(_) => caveat.where_turns_are_taken(),
            None => caveat.to_string(),
        });
        let mut lines: Vec<String> = told.map(|caveat| format!("{name}: {caveat}")).collect();
        lines.dedup();
        lines
    };
    let mut told = of_side("A", &comparison.a);
    for line in of_side("B", &comparison.b) {
        // What is of the run by turns is of both.
        let same = line.replacen("B: ", "A: ", 1);
        match told.iter_mut().find(|told| **told == same) {
            Some(told) => *told = line.replacen("B: ", "A and B: ", 1),
            None => told.push(line),
        }
    }
    told
}
