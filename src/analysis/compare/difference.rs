//! The conditions in which two runs differ and that bear on the figures.

use std::collections::BTreeSet;

use crate::model::{
    ChildAction, Document, Findings, Placement, Plan, PlanDifference, PlanFact, Program, ShapeUnit,
    Space, Temperature, UnitResemblance,
};
use crate::units::thousands;

/// Counts of two address spaces that differ by less than this share are the same
/// order, carried out twice.
const SPACES_DIFFER: f64 = 0.05;

/// Variables that are named, at the most, where environments differ.
const NAMED: usize = 3;

/// A condition, and what it is in a plan.
type Told = (PlanFact, fn(&Plan) -> String);

/// The differences, in the order in which a header tells the conditions.
pub(super) fn of_plans(a: &Document, b: &Document) -> Vec<PlanDifference> {
    let (of_a, of_b) = (&a.plan, &b.plan);
    let facts: [Told; 8] = [
        (PlanFact::Child, |plan| child(plan.child).to_owned()),
        (PlanFact::Program, |plan| program(&plan.program)),
        (PlanFact::Placement, |plan| placement(plan.placement)),
        (PlanFact::Temperature, |plan| temperature(plan.temperature)),
        (PlanFact::Setup, |plan| setup(plan)),
        (PlanFact::Methods, |plan| methods(plan)),
        (PlanFact::Turns, |plan| turns(plan).to_owned()),
        (PlanFact::Design, |plan| design(plan).to_owned()),
    ];
    let differing = facts.into_iter().filter_map(|(fact, told)| {
        let (a, b) = (told(of_a), told(of_b));
        (a != b).then_some(PlanDifference { fact, a, b })
    });
    let mut found: Vec<PlanDifference> = differing.collect();
    found.extend(environments(&of_a.environment, &of_b.environment));
    found.extend(spaces(a, b));
    found.extend(explained(a, b));
    found.extend(processes(a, b));
    found
}

fn child(action: ChildAction) -> &'static str {
    match action {
        ChildAction::Exec => "exec",
        ChildAction::Exit => "exit",
    }
}

/// What is executed: two programs may have one name and different arguments.
fn program(program: &Program) -> String {
    match program {
        Program::Embedded => "the embedded program".to_owned(),
        Program::Path { path, argv } => {
            let arguments = argv.iter().skip(1).map(String::as_str);
            let words: Vec<&str> = std::iter::once(path.as_str()).chain(arguments).collect();
            words.join(" ")
        }
    }
}

fn placement(placement: Placement) -> String {
    match placement {
        Placement::Pinned(cpu) => format!("pinned to CPU {cpu}"),
        Placement::Free => "free to move between CPUs".to_owned(),
    }
}

fn temperature(temperature: Temperature) -> String {
    match temperature {
        Temperature::Hot => "hot".to_owned(),
        Temperature::Cold {
            evict_bytes,
            idle_us,
        } => format!(
            "cold ({} KiB evicted, {} us idle)",
            thousands(evict_bytes >> 10),
            thousands(idle_us)
        ),
    }
}

fn setup(plan: &Plan) -> String {
    let setup = plan.setup.as_ref();
    setup.map_or("none".to_owned(), |setup| format!("{:?}", setup.command))
}

fn methods(plan: &Plan) -> String {
    let names: Vec<&str> = plan.methods.iter().map(|method| method.name()).collect();
    names.join(", ")
}

fn turns(plan: &Plan) -> &'static str {
    match plan.has_jobs() {
        true => "one after the other (--jobs)",
        false => "by turns",
    }
}

fn design(plan: &Plan) -> &'static str {
    match plan.order.card() {
        Some(card) if card.quick => "quick",
        _ => "whole",
    }
}

/// Bytes that an environment takes on a new stack, without the pointers to it.
pub(super) fn bytes(environment: &[String]) -> usize {
    environment.iter().map(|variable| variable.len() + 1).sum()
}

/// An exec copies the environment, so that its size counts. What the values are is
/// nobody's business, so that variables are told by their names.
fn environments(a: &[String], b: &[String]) -> Option<PlanDifference> {
    if a == b {
        return None;
    }
    let told = |own: &[String], other: &[String]| {
        let other: BTreeSet<&String> = other.iter().collect();
        let differing = own.iter().filter(|variable| !other.contains(variable));
        let names: Vec<&str> = differing
            .map(|variable| variable.split('=').next().unwrap_or_default())
            .collect();
        let (named, rest) = names.split_at(names.len().min(NAMED));
        let named = named.join(", ");
        let list = match (names.len(), rest.len()) {
            (0, _) => String::new(),
            (_, 0) => format!(", among them {named}"),
            (_, more) => format!(", among them {named} and {} more", thousands(more as u64)),
        };
        format!(
            "{} variable{} of {} bytes{list}",
            thousands(own.len() as u64),
            if own.len() == 1 { "" } else { "s" },
            thousands(bytes(own) as u64)
        )
    };
    Some(PlanDifference {
        fact: PlanFact::Environment,
        a: told(a, b),
        b: told(b, a),
    })
}

/// Address spaces that were ordered alike and came out differently.
fn spaces(a: &Document, b: &Document) -> Vec<PlanDifference> {
    let mut found: Vec<PlanDifference> = Vec::new();
    for cell in a.findings.cells() {
        let order = &cell.space.request;
        let mut others = b.findings.cells().iter().map(|cell| &cell.space);
        let other = others.find(|space| space.request == *order);
        let name = order.in_words();
        let difference = other
            .filter(|other| differ(&cell.space, other))
            .map(|other| PlanDifference {
                fact: PlanFact::Space,
                a: format!("{name}: {}", counts(&cell.space)),
                b: counts(other),
            });
        found.extend(difference.filter(|difference| !found.contains(difference)));
    }
    found
}

/// Explanations of address spaces that were ordered differently.
fn explained(a: &Document, b: &Document) -> Option<PlanDifference> {
    let of = |document: &Document| match &document.findings {
        Findings::Explanation(found) => Some(found.space.clone()),
        _ => None,
    };
    let (a, b) = of(a).zip(of(b))?;
    (a != b).then(|| PlanDifference {
        fact: PlanFact::Space,
        a: a.in_words(),
        b: b.in_words(),
    })
}

/// Processes that have other names, or more of what a fork pays for.
fn processes(a: &Document, b: &Document) -> Option<PlanDifference> {
    let of = |document: &Document| {
        let facts = document.plan.order.replica()?.shape.process.clone();
        let units = document.findings.replica()?.likeness.units.clone();
        Some((facts.name, units))
    };
    let ((name_a, of_a), (name_b, of_b)) = of(a).zip(of(b))?;
    let differs = |unit: &UnitResemblance| {
        let mut others = of_b.iter().filter(|other| other.unit == unit.unit);
        others
            .next()
            .is_some_and(|other| apart(unit.process, other.process))
    };
    let apart: Vec<ShapeUnit> = of_a
        .iter()
        .filter(|it| differs(it))
        .map(|it| it.unit)
        .collect();
    let told = |name: &str, units: &[UnitResemblance]| {
        let units = units.iter().filter(|unit| apart.contains(&unit.unit));
        let counts = units.map(|it| format!("{} {}", it.unit.name(), thousands(it.process)));
        let words: Vec<String> = std::iter::once(name.to_owned()).chain(counts).collect();
        words.join(", ")
    };
    (name_a != name_b || !apart.is_empty()).then(|| PlanDifference {
        fact: PlanFact::Space,
        a: told(&name_a, &of_a),
        b: told(&name_b, &of_b),
    })
}

/// Whether two counts are another order, and not the same one carried out twice.
fn apart(a: u64, b: u64) -> bool {
    let (few, many) = (a.min(b) as f64, a.max(b) as f64);
    many - few > SPACES_DIFFER * few
}

fn differ(a: &Space, b: &Space) -> bool {
    apart(a.parent.mappings.vmas, b.parent.mappings.vmas)
        || apart(
            a.parent.mappings.present_ptes,
            b.parent.mappings.present_ptes,
        )
        || apart(a.parent.huge_bytes, b.parent.huge_bytes)
}

fn counts(space: &Space) -> String {
    let mut counts = format!(
        "{} VMAs, {} present PTEs",
        thousands(space.parent.mappings.vmas),
        thousands(space.parent.mappings.present_ptes)
    );
    if space.parent.huge_bytes > 0 {
        counts += &format!(
            ", {} MiB in huge pages",
            thousands(space.parent.huge_bytes >> 20)
        );
    }
    counts
}
