//! Two results side by side: what differs around them, line by line, and what may
//! be said of it.

mod words;

use crate::analysis::compare::judged;
use crate::model::{
    ComparedKind, ComparedLine, ComparedSide, Comparison, HostDifference, HostFact, LineUnit,
    PlanDifference, PlanFact, Stopped, Verdict, Which,
};
use crate::units::utc;

use super::number::{PERCENT, PLAIN, Unit, counted};
use super::table::{Column, Entry, Table};
use super::{CAVEATS, Section, closing, header, in_short};

/// More lines than this that share a reason are not listed one by one.
const LISTED: usize = 4;

/// The whole report.
pub(super) fn sections(comparison: &Comparison) -> Vec<Section> {
    let tables = tables(comparison);
    let legend = closing::legend(Some(closing::OF_RUNS), &tables);
    let [mut verdict, further] = in_short(words::sentences(comparison));
    if let Some(line) = words::around(comparison) {
        verdict.block.say(line);
    }
    let mut sections = vec![verdict];
    sections.extend(tables);
    sections.extend([
        Section::lines("only-in-one", "Only in one of them", lone(comparison)),
        further,
        Section::lines(
            "differences",
            "What differs around them",
            differences(comparison),
        ),
        Section::lines("method", "What was compared", sides(comparison)),
        Section::lines(CAVEATS, "Caveats", caveats(comparison)),
        legend,
    ]);
    sections
}

fn sides(comparison: &Comparison) -> Vec<String> {
    let Comparison { tool, a, b, .. } = comparison;
    let mut told = vec![
        format!("{} {}: B compared with A", tool.name, tool.version),
        format!("A: {}", side(a)),
        format!("B: {}", side(b)),
    ];
    let [of_a, of_b] = [a, b].map(conditions);
    if of_a == of_b {
        told.push(format!("both: {of_a}"));
    } else {
        told.extend([format!("A: {of_a}"), format!("B: {of_b}")]);
    }
    told
}

fn side(side: &ComparedSide) -> String {
    let ended = match side.stopped {
        Stopped::Interrupted | Stopped::Failed(_) => {
            format!(", {}", closing::stopped(&side.stopped))
        }
        Stopped::Precision | Stopped::Time | Stopped::Spawns => String::new(),
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
    format!(
        "{}; child: {}",
        header::conditions(plan.placement, plan.temperature),
        header::child(plan.child, &plan.program)
    )
}

fn differences(comparison: &Comparison) -> Vec<String> {
    let mut told: Vec<String> = comparison.host_differences.iter().map(of_hosts).collect();
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

/// A table for each unit.
fn tables(comparison: &Comparison) -> Vec<Section> {
    let mut units: Vec<&LineUnit> = Vec::new();
    for line in &comparison.lines {
        if !units.contains(&&line.unit) {
            units.push(&line.unit);
        }
    }
    let of_unit = |unit: &LineUnit| {
        let lines = comparison.lines.iter().filter(|line| line.unit == *unit);
        table(comparison, unit, &lines.collect::<Vec<_>>())
    };
    units.into_iter().map(of_unit).collect()
}

fn table(comparison: &Comparison, unit: &LineUnit, lines: &[&ComparedLine]) -> Section {
    let (scale, sign) = scale(unit, lines);
    let judged = judged(comparison).count();
    let (name, title, group) = match (comparison.compared, unit) {
        (ComparedKind::Sweeps, _) => ("times", "Time of one spawn, B beside A", "address space"),
        (ComparedKind::Cards, LineUnit::Ns) => ("totals", "A fork's total, B beside A", "parents"),
        (ComparedKind::Cards, _) => ("prices", "Prices, B beside A", "prices"),
    };
    let mut last: Option<&str> = None;
    let rows = lines.iter().map(|line| {
        let shown = last != Some(line.group.as_str());
        last = Some(&line.group);
        row(line, shown, scale)
    });
    let table = Table {
        title: title.to_owned(),
        rows: rows.collect(),
        columns: columns(group, &sign, judged),
        rules: Vec::new(),
        notes: notes(lines),
    };
    Section::table(name, table)
}

/// How figures of a unit are scaled, and its sign for a column's head.
fn scale(unit: &LineUnit, lines: &[&ComparedLine]) -> (Unit, String) {
    let time = Unit::of_time(lines.iter().flat_map(|line| [line.a.value, line.b.value]));
    match unit {
        LineUnit::Ns => (time, time.subheader()),
        LineUnit::NsPer(what) => (time, format!("({}/{what})", time.name)),
        LineUnit::Other(unit) => (PLAIN, format!("({unit})")),
    }
}

fn columns(group: &str, sign: &str, judged: usize) -> Vec<Column> {
    let difference = format!(
        "dearer or cheaper where chance does not explain it. That is judged over all {} at once: \
         two equal runs show any difference in fewer than 5 % of comparisons",
        counted(judged as u64, "line")
    );
    vec![
        match group {
            "prices" => Column::name(group).explained("what they are of; docs/card.md tells each"),
            _ => Column::name(group)
                .explained("as it was ordered: what was added to the worker's own"),
        },
        Column::name("figure"),
        Column::number("A", sign),
        Column::number("B", sign),
        Column::number("times", "A").explained("B over A; its interval is that of this line alone"),
        Column::number("visible", "(%)").explained(
            "the smallest difference that would have been called one, by how much workers differ \
             and the host drifted",
        ),
        Column::list("difference", "").explained(difference),
    ]
}

fn row(line: &ComparedLine, first: bool, scale: Unit) -> Vec<Entry> {
    let ratio = line.ratio.measured();
    let visible = line.visible_from.map(|ratio| ratio - 1.0);
    vec![
        if first {
            Entry::Name(line.group.clone())
        } else {
            Entry::Blank
        },
        Entry::Name(line.what.clone()),
        scale.entry(line.a),
        scale.entry(line.b),
        ratio.map_or(Entry::Missing, |ratio| PLAIN.entry(*ratio)),
        visible.map_or(Entry::Missing, |share| PERCENT.bare(share)),
        match line.verdict {
            Verdict::Dearer => Entry::Name("dearer".to_owned()),
            Verdict::Cheaper => Entry::Name("cheaper".to_owned()),
            Verdict::NoDifferenceSeen => Entry::Name("none seen".to_owned()),
            Verdict::NotCompared(_) => Entry::Missing,
        },
    ]
}

/// Why lines have no verdict, each reason once.
fn notes(lines: &[&ComparedLine]) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for line in lines {
        let Verdict::NotCompared(reason) = &line.verdict else {
            continue;
        };
        let name = format!("{} {}", line.group, line.what);
        match notes.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => notes.push((reason.as_str(), vec![name])),
        }
    }
    let told = notes.into_iter().map(|(reason, names)| {
        let place = if names.len() > LISTED {
            counted(names.len() as u64, "line")
        } else {
            names.join("; ")
        };
        format!("n/a: {place}: {reason}")
    });
    told.collect()
}

/// The lines of one side, those of one address space and one reason together.
fn lone(comparison: &Comparison) -> Vec<String> {
    let mut told: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for line in &comparison.lone {
        let side = match line.only_in {
            Which::A => "A",
            Which::B => "B",
        };
        let head = format!("{side} alone, {}", line.group);
        let known = told
            .iter_mut()
            .find(|(known, _, reason)| *known == head && *reason == line.reason);
        match known {
            Some((_, names, _)) => names.push(&line.what),
            None => told.push((head, vec![line.what.as_str()], line.reason.as_str())),
        }
    }
    let lines = told.into_iter();
    lines
        .map(|(head, names, reason)| {
            format!("{head}: {} (in the other: {reason})", names.join("; "))
        })
        .collect()
}

/// The reservations about both, but for those about figures that are not compared.
fn caveats(comparison: &Comparison) -> Vec<String> {
    use crate::model::Caveat;
    let of_side = |name: &'static str, side: &'_ ComparedSide| -> Vec<String> {
        let told = side.caveats.iter().filter(|caveat| {
            let elsewhere = matches!(
                caveat,
                Caveat::Unavailable { .. } | Caveat::MethodUnavailable { .. }
            );
            !elsewhere
        });
        let mut lines: Vec<String> = told.map(|caveat| format!("{name}: {caveat}")).collect();
        lines.dedup();
        lines
    };
    let mut lines = of_side("A", &comparison.a);
    lines.extend(of_side("B", &comparison.b));
    lines
}
