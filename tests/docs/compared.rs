//! The section on comparisons against the types.

use std::collections::BTreeSet;

use forktax::analysis::compare::{Input, compare};
use forktax::model::{
    Availability, ComparedKind, Comparison, HostFact, PlanFact, Tool, Verdict, Which,
};
use serde_json::Value;

use crate::{cells, contract, json, rows, sweep, walk};

/// A comparison with something in every list.
fn comparison() -> Comparison {
    let (a, mut b) = (sweep(), sweep());
    b.host.kernel = "another".to_owned();
    b.plan.environment.clear();
    let cells = cells(&mut b);
    cells[0].samples.truncate(1);
    cells.truncate(4);
    for worker in &mut cells[1].samples {
        worker.total_ns.iter_mut().for_each(|ns| *ns *= 10);
    }
    cells[2].call_ns = Availability::not_reached();
    let input = |document| Input {
        file: "x.json",
        document,
    };
    compare(Tool::this(), input(&a), input(&b), Some(10.0)).unwrap()
}

/// The fields, those of both sides under one name and without what has a section of
/// its own.
fn fields() -> BTreeSet<String> {
    let mut value = json(comparison());
    let object = value.as_object_mut().unwrap();
    let mut side = object.remove("a").unwrap();
    assert!(object.remove("b").is_some());
    for part in ["host", "stopped", "caveats"] {
        side[part] = Value::Null;
    }
    for part in ["program", "placement", "temperature"] {
        side["plan"][part] = Value::Null;
    }
    object.insert("side".to_owned(), side);
    let mut fields = BTreeSet::new();
    walk("", &value, &mut fields);
    let holds = |path: &String| {
        let (inner, element) = (format!("{path}."), format!("{path}[]"));
        let mut others = fields.iter();
        others.any(|other| other.starts_with(&inner) || other.starts_with(&element))
    };
    let own = |path: &String| path == "lines[].verdict" || !holds(path);
    let elsewhere = |path: &String| path.starts_with("estimate.") || path.starts_with("missing.");
    let kept = fields.iter().filter(|path| own(path) && !elsewhere(path));
    kept.cloned().collect()
}

#[test]
fn every_field_of_a_comparison_has_a_row_and_every_row_a_field() {
    assert_eq!(fields(), rows(&contract(), "field of a comparison"));
}

#[test]
fn every_word_of_a_comparison_is_named() {
    let plan = |fact| match fact {
        PlanFact::Child
        | PlanFact::Program
        | PlanFact::Environment
        | PlanFact::Placement
        | PlanFact::Temperature
        | PlanFact::Methods
        | PlanFact::Space => json(fact),
    };
    let mut words: Vec<Value> = HostFact::ALL.iter().map(json).collect();
    words.extend(
        [
            PlanFact::Child,
            PlanFact::Program,
            PlanFact::Environment,
            PlanFact::Placement,
            PlanFact::Temperature,
            PlanFact::Methods,
            PlanFact::Space,
        ]
        .map(plan),
    );
    words.extend([Verdict::Dearer, Verdict::Cheaper, Verdict::NoDifferenceSeen].map(json));
    words.extend([Which::A, Which::B].map(json));
    words.extend([ComparedKind::Sweeps, ComparedKind::Cards].map(json));
    let contract = contract();
    for word in words {
        let word = word.as_str().unwrap();
        assert!(
            contract.contains(&format!("`\"{word}\"`")),
            "{word} is not named"
        );
    }
}
