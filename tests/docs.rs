//! `docs/document-format.md` against the types: every field that a document can
//! hold has a row, and no row speaks of a field that is no more. And
//! `docs/mechanisms.md` against the rules, and the links of all pages.
//!
//! The stored documents and a few built here stand for all that can be written.
//! A field has a path; what has a form of its own (a summary, a counter, a
//! missing figure) is described once, under the name of its form.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

#[path = "docs/card.rs"]
mod card;
#[path = "docs/compared.rs"]
mod compared;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/process.rs"]
mod process;
#[path = "docs/reproduced.rs"]
mod reproduced;
#[path = "docs/shape.rs"]
mod shape;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use forktax::model::{
    Availability, Backing, Caveat, Cell, ChildAction, CountSource, Document, ExitOrder, FaultCause,
    FaultPhase, Findings, Level, Mechanism, Phase, Placement, Program, Reach, Side, SkipReason,
    SpaceRequest, SpawnMethod, Stopped, Temperature,
};
use forktax::profile::mechanisms::rule_of;
use serde::Serialize;
use serde_json::Value;

const COUNTERS: [&str; 8] = [
    "minor_faults",
    "major_faults",
    "context_switches",
    "cpu_migrations",
    "task_clock_ns",
    "cycles",
    "instructions",
    "dtlb_misses",
];

pub(crate) fn contract() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/document-format.md");
    fs::read_to_string(path).unwrap()
}

pub(crate) fn stored_documents() -> Vec<Document> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect()
}

pub(crate) fn sweep() -> Document {
    serde_json::from_str(include_str!("data/sweep.json")).unwrap()
}

fn cells(document: &mut Document) -> &mut Vec<Cell> {
    match &mut document.findings {
        Findings::Sweep { cells } => cells,
        other => panic!("{other:?} is no sweep"),
    }
}

/// Every variant of every enum that a plan, a run or a cell can hold.
fn every_variant() -> Vec<Document> {
    let plain = sweep();
    let mut documents = vec![plain.clone(); 5];
    let path = || Program::Path {
        path: "/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    };
    let mappings = |backing| SpaceRequest::Mappings {
        mappings: 1,
        pages: 1,
        spacing: 1,
        backing,
        huge: false,
    };
    let malloc = SpaceRequest::Malloc {
        count: 1,
        bytes: 1,
        pages: 1,
        spacing: 1,
    };
    let parts = [
        malloc.clone(),
        SpaceRequest::Descriptors {
            count: 1,
            cloexec: true,
        },
        SpaceRequest::Threads { count: 1 },
        SpaceRequest::Handlers { count: 1 },
    ];
    let together = SpaceRequest::Together {
        parts: parts.into(),
    };
    let cold = Temperature::Cold {
        evict_bytes: 1,
        idle_us: 1,
    };
    let variants = [
        (Stopped::Precision, Program::Embedded, Backing::Anon),
        (Stopped::Time, path(), Backing::File),
        (Stopped::Spawns, path(), Backing::Shared),
        (Stopped::Interrupted, path(), Backing::Anon),
        (Stopped::Failed("why".to_owned()), path(), Backing::Anon),
    ];
    for (document, (stopped, program, backing)) in documents.iter_mut().zip(variants) {
        document.plan.methods = SpawnMethod::ALL.to_vec();
        document.plan.spaces = vec![mappings(backing), malloc.clone(), together.clone()];
        document.plan.program = program.clone();
        document.plan.child = ChildAction::Exec;
        cells(document)[0].program = program;
        cells(document)[0].cycles.source = CountSource::None;
        cells(document)[0].cycles.parent = Availability::not_asked("why");
        cells(document)[0].minor_faults.source = CountSource::Rusage;
        cells(document)[0].ratio = Availability::unavailable("why", Some("remedy"));
        document.run.stopped = stopped;
    }
    documents[0].plan.placement = Placement::Pinned(1);
    documents[0].plan.temperature = cold;
    documents[0].plan.child = ChildAction::Exit;
    documents[1].plan.placement = Placement::Free;
    documents[1].plan.temperature = Temperature::Hot;
    cells(&mut documents[1])[0].cycles.source = CountSource::Perf;
    documents
}

fn caveats() -> Vec<Caveat> {
    let method = SpawnMethod::Fork;
    let reason = String::new();
    let caveats = vec![
        Caveat::Unavailable {
            figures: String::new(),
            reason: reason.clone(),
            remedy: None,
        },
        Caveat::MethodUnavailable { method, reason },
        Caveat::HugePages {
            mappings: 1,
            huge_bytes: 1,
            asked: true,
        },
        Caveat::SpaceDrifted {
            mappings: 1,
            change: String::new(),
        },
        Caveat::FewWorkers {
            mappings: 1,
            workers: 1,
        },
        Caveat::PrecisionMissed {
            asked: 0.1,
            widest: 0.2,
            cells: 1,
        },
        Caveat::WorkersDisagree {
            cells: 1,
            spread: 0.2,
            mappings: 1,
            method,
        },
        Caveat::Multiplexed { share: 0.5 },
        Caveat::SamplesLost { lost: 1, kept: 1 },
        Caveat::TimeExceeded {
            asked_s: 1.0,
            used_s: 2.0,
        },
        Caveat::Daemons { count: 1 },
        Caveat::FewRounds { rounds: 1 },
        Caveat::Interrupted,
    ];
    for caveat in &caveats {
        // A new caveat does not compile until it is named here, and then the
        // list above lacks it.
        match caveat {
            Caveat::Unavailable { .. }
            | Caveat::MethodUnavailable { .. }
            | Caveat::HugePages { .. }
            | Caveat::SpaceDrifted { .. }
            | Caveat::FewWorkers { .. }
            | Caveat::PrecisionMissed { .. }
            | Caveat::WorkersDisagree { .. }
            | Caveat::Multiplexed { .. }
            | Caveat::SamplesLost { .. }
            | Caveat::TimeExceeded { .. }
            | Caveat::Daemons { .. }
            | Caveat::FewRounds { .. }
            | Caveat::Interrupted => {}
        }
    }
    caveats
}

/// The name under which the contract describes what lies at a path.
fn form(path: &str, value: &Value) -> String {
    let last = path.rsplit('.').next().unwrap_or_default();
    match path {
        _ if value.get("missing").is_some() => "missing".to_owned(),
        _ if value.get("value").is_some() && value.get("ci95").is_some() => "estimate".to_owned(),
        "findings.sweep" => String::new(),
        "findings.explanation" | "process.ledger" => "explanation".to_owned(),
        "findings.reproduction" => "reproduction".to_owned(),
        "findings.card" => "card".to_owned(),
        "findings.process" => "process".to_owned(),
        "findings.advice" => "advice".to_owned(),
        "explanation.cells[]" | "reproduction.answer.spaces.cells[]" => "cells[]".to_owned(),
        "process.replica" | "advice.replica" => "replica".to_owned(),
        "plan.order.process.replica" | "plan.order.advise.replica" => "replica_order".to_owned(),
        "plan.order.process.ledger" => "plan.order.explain".to_owned(),
        "cells[].program"
        | "plan.order.card.trials[].program"
        | "plan.order.advise.targets.fixed"
        | "plan.order.advise.targets.dynamic" => "plan.program".to_owned(),
        "replica_order.shape" => "shape".to_owned(),
        "cells[].space.before"
        | "cells[].space.parent"
        | "reproduction.answer.programs.rows[].here.parent"
        | "card.trials[].parent"
        | "replica.trials[].parent" => "parent".to_owned(),
        "parent.mappings" | "page_tables.kinds[].mappings" | "process.blame.groups[].mappings" => {
            "counts".to_owned()
        }
        "process.blame.fork"
        | "process.blame.rungs[].cost"
        | "process.blame.groups[].cost"
        | "process.blame.groups[].without" => "cost".to_owned(),
        "cells[].space.request"
        | "explanation.space"
        | "plan.spaces[].parts[]"
        | "plan.order.card.trials[].space" => "plan.spaces[]".to_owned(),
        "cells[].call_ns"
        | "cells[].total_ns"
        | "card.trials[].cells[].call_ns"
        | "card.trials[].cells[].total_ns"
        | "replica.trials[].cells[].call_ns"
        | "replica.trials[].cells[].total_ns" => "summary".to_owned(),
        "card.prices.terms[].small"
        | "card.prices.terms[].large"
        | "card.prices.prices[].priced" => "priced".to_owned(),
        "card.prices.grade.call"
        | "card.prices.grade.total"
        | "replica_order.prices.grade.call"
        | "replica_order.prices.grade.total" => "errors".to_owned(),
        "explanation.page_tables" | "explanation.page_tables_before" => "page_tables".to_owned(),
        "page_tables.tree.root" | "table.below[]" => "table".to_owned(),
        _ if path.starts_with("cells[].") && COUNTERS.contains(&last) => "counted".to_owned(),
        _ => path.to_owned(),
    }
}

/// Collects the paths of all fields, and the words that fields may hold.
pub(crate) fn walk(path: &str, value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let form = form(path, value);
            for (key, value) in object {
                let path = format!("{form}.{key}");
                let path = path.trim_start_matches('.');
                fields.insert(path.to_owned());
                walk(path, value, fields);
            }
        }
        Value::Array(array) if !path.ends_with(".ci95") => {
            fields.remove(path);
            for value in array {
                let path = format!("{path}[]");
                fields.insert(path.clone());
                walk(&path, value, fields);
            }
        }
        _ => {}
    }
}

fn fields() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let documents = stored_documents().into_iter().chain(every_variant());
    let documents = documents.chain(reproduced::documents());
    for mut document in documents.chain([card::document(), process::document(), process::advice()])
    {
        document.caveats.clear();
        walk("", &serde_json::to_value(&document).unwrap(), &mut fields);
    }
    // What only holds other fields has no row of its own.
    let holds = |path: &String| {
        let (inner, element) = (format!("{path}."), format!("{path}[]"));
        fields
            .iter()
            .any(|other| other.starts_with(&inner) || other.starts_with(&element))
    };
    let own_row = [
        "plan.order",
        "plan.program",
        "plan.placement",
        "plan.temperature",
        "run.stopped",
        "page_tables.tree",
        "reproduction.answer.programs.interpreter",
        "reproduction.answer.programs.rows[].here",
        "card.prices.grade",
        "replica_order.prices",
        "replica.trials[].role",
        "replica.forecast",
        "process.blame",
        "advice.remedies[].outcome",
    ];
    fields
        .iter()
        .filter(|path| !holds(path) || own_row.contains(&path.as_str()))
        .filter(|path| *path != "caveats")
        .cloned()
        .collect()
}

/// The first cells of the table rows below a header.
pub(crate) fn rows(contract: &str, header: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut rows = BTreeSet::new();
    for line in contract.lines() {
        if line.starts_with(&format!("| {header} |")) {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && let Some(cell) = line.split('|').nth(1) {
            rows.insert(cell.trim().trim_matches('`').to_owned());
        }
    }
    rows.retain(|row| !row.starts_with("---"));
    rows
}

#[test]
fn every_field_has_a_row_and_every_row_a_field() {
    let (fields, rows) = (fields(), rows(&contract(), "field"));
    let without: Vec<_> = fields.difference(&rows).collect();
    assert!(without.is_empty(), "no row for {without:#?}");
    let stale: Vec<_> = rows.difference(&fields).collect();
    assert!(stale.is_empty(), "no field for {stale:#?}");
    assert!(fields.len() > 90, "only {} fields seen", fields.len());
}

#[test]
fn every_caveat_has_a_row_that_names_its_fields() {
    let contract = contract();
    let mut kinds = BTreeSet::new();
    for caveat in caveats() {
        let value = serde_json::to_value(&caveat).unwrap();
        let kind = value["caveat"].as_str().unwrap().to_owned();
        let start = format!("| `{kind}` |");
        let row = contract.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row for the caveat {kind}"));
        for key in value.as_object().unwrap().keys() {
            let named = key == "caveat" || row.contains(&format!("`{key}`"));
            assert!(named, "the row of {kind} does not name {key}");
        }
        kinds.insert(kind);
    }
    assert_eq!(rows(&contract, "caveat"), kinds);
}

/// The words of an explanation's smaller enums; each names all of its variants
/// in a match that does not compile when one is added.
fn explained_words() -> Vec<Value> {
    let level = |level| match level {
        Level::Pte | Level::Pmd | Level::Pud | Level::P4d | Level::Pgd => json(level),
    };
    let skip = |reason| match reason {
        SkipReason::NoAnonVma
        | SkipReason::Shared
        | SkipReason::DontFork
        | SkipReason::WipeOnFork => json(reason),
    };
    let phase = |phase| match phase {
        FaultPhase::ParentBefore
        | FaultPhase::ParentAfter
        | FaultPhase::ChildBeforeExec
        | FaultPhase::Exec
        | FaultPhase::Program => json(phase),
    };
    let cause = |cause| match cause {
        FaultCause::CopyOnWrite
        | FaultCause::Anonymous
        | FaultCause::File
        | FaultCause::Shared
        | FaultCause::Unknown => json(cause),
    };
    let mut words = vec![
        json(Reach::SystemWide),
        json(Reach::Inherited),
        json(Side::Parent),
        json(Side::Child),
        json(ExitOrder::BeforeTeardown),
        json(ExitOrder::AfterTeardown),
    ];
    words.extend([Level::Pte, Level::Pmd, Level::Pud, Level::P4d, Level::Pgd].map(level));
    words.extend(
        [
            SkipReason::NoAnonVma,
            SkipReason::Shared,
            SkipReason::DontFork,
            SkipReason::WipeOnFork,
        ]
        .map(skip),
    );
    words.extend(
        [
            FaultPhase::ParentBefore,
            FaultPhase::ParentAfter,
            FaultPhase::ChildBeforeExec,
            FaultPhase::Exec,
            FaultPhase::Program,
        ]
        .map(phase),
    );
    words.extend(
        [
            FaultCause::CopyOnWrite,
            FaultCause::Anonymous,
            FaultCause::File,
            FaultCause::Shared,
            FaultCause::Unknown,
        ]
        .map(cause),
    );
    words
}

pub(crate) fn json(variant: impl Serialize) -> Value {
    serde_json::to_value(variant).unwrap()
}

#[test]
fn every_word_that_a_field_may_hold_is_named() {
    fn word(value: impl Serialize) -> String {
        match serde_json::to_value(value).unwrap() {
            Value::String(word) => word,
            Value::Object(object) => object.keys().next().unwrap().clone(),
            other => panic!("{other} is no word"),
        }
    }
    let contract = contract();
    let mut words: Vec<String> = SpawnMethod::ALL.iter().map(word).collect();
    words.extend([ChildAction::Exec, ChildAction::Exit].iter().map(word));
    words.extend(
        [Backing::Anon, Backing::File, Backing::Shared]
            .iter()
            .map(word),
    );
    words.extend(
        [CountSource::Perf, CountSource::Rusage, CountSource::None]
            .iter()
            .map(word),
    );
    words.extend(
        every_variant()
            .iter()
            .map(|document| word(&document.run.stopped)),
    );
    words.extend(Phase::ALL.iter().map(word));
    words.extend(Mechanism::ALL.iter().map(word));
    words.extend(explained_words().iter().map(word));
    words.extend(reproduced::words().iter().map(word));
    words.extend(card::words().iter().map(word));
    words.extend(process::words().iter().map(word));
    let kinds = every_variant().remove(0).plan.spaces;
    let kinds = kinds.iter().flat_map(|space| match space {
        SpaceRequest::Together { parts } => {
            [std::slice::from_ref(space), parts.as_slice()].concat()
        }
        plain => vec![plain.clone()],
    });
    let kind = |space| json(space)["kind"].as_str().unwrap().to_owned();
    words.extend(kinds.map(kind));
    words.extend(["unavailable", "not_asked", "free", "hot", "embedded"].map(str::to_owned));
    for word in words {
        let named = contract.contains(&format!("`\"{word}\"`")) || word == "failed";
        assert!(named, "{word} is not named");
    }
}

#[test]
fn every_mechanism_has_a_section_with_functions_of_its_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mechanisms.md");
    let page = fs::read_to_string(path).unwrap();
    for mechanism in Mechanism::ALL {
        let word = json(mechanism);
        let head = format!("(`{}`)\n", word.as_str().unwrap());
        let section = page.split_once(&head).map(|(_, rest)| rest);
        let section = section.unwrap_or_else(|| panic!("no section for {mechanism:?}"));
        let section = section.split("\n#").next().unwrap_or_default();
        let list = section.split("- Functions: ").nth(1).unwrap_or_default();
        let list = list.split("\n- ").next().unwrap_or_default();
        let mut functions = 0;
        for function in list.split('`').filter_map(|word| word.strip_suffix("()")) {
            let counted_as = rule_of(function).map(|rule| rule.mechanism);
            assert_eq!(counted_as, Some(mechanism), "{function}");
            functions += 1;
        }
        let without = matches!(mechanism, Mechanism::UserMode | Mechanism::Other);
        assert_eq!(functions == 0, without, "{mechanism:?}");
    }
}
