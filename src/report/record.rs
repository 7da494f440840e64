//! The flat record: a figure a line, the same fields for every command. Every export
//! that is no table and no picture is made of it.
//!
//! A name is the path of a figure in the document, and its unit is the one that a field on
//! that path declares: what the document's contract says of a field holds here, and
//! a figure that a document gains is in every export at once. Left out is what is no
//! figure: words, orders, places in a list, and the single spawns that the figures are
//! made of. What follows from the figures, and reports show as well, comes after them.

mod derived;
mod traced;
mod units;

use serde::Serialize;
use serde_json::{Map, Value};

use super::view::child;
use crate::analysis::reproduce::loops::BASE;
use crate::analysis::reproduce::spaces::Study;
use crate::model::{
    Answer, Cell, ComparedSide, Comparison, Document, Explanation, Findings, Host, LineUnit,
    LoneLine, Reproduction, Stored, Which,
};
use crate::units::{harmless, utc};
use units::declared;

/// One figure, or the reason why there is none. What does not apply is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The machine, by the hash that stands for it.
    pub host: String,
    /// Its kernel's release.
    pub kernel: String,
    /// When the run began.
    pub date: String,
    /// The version of forktax that measured it.
    pub version: String,
    /// The command.
    pub command: &'static str,
    /// The part of the findings.
    pub kind: &'static str,
    /// What was spawned from, as it was ordered.
    pub parent: String,
    /// What the child did, and with which program.
    pub child: String,
    /// How was spawned.
    pub method: String,
    /// The figure's path within its part.
    pub name: String,
    /// Its unit; 1 for a ratio or a share. Empty of what is missing and would have had
    /// figures of several units.
    pub unit: String,
    /// What a ratio is a multiple of, where the name does not say it.
    pub baseline: String,
    /// Where a count is from.
    pub source: String,
    /// The figure.
    pub value: String,
    /// The lower bound of its 95 % interval, if it has one.
    pub low: String,
    /// The upper bound.
    pub high: String,
    /// What may be said of it, where that was judged.
    pub verdict: String,
    /// Why there is no figure, and what to do about it.
    pub reason: String,
}

/// All figures of a result, in the order of its parts.
pub fn records(stored: &Stored) -> Vec<Record> {
    let mut records = Vec::new();
    match stored {
        Stored::Run(document) => run(document, &mut records),
        Stored::Comparison(comparison) => compared(comparison, &mut records),
    }
    records
}

fn machine(host: &Host) -> String {
    host.machine
        .measured()
        .map_or_else(String::new, |it| fact(it))
}

fn run(document: &Document, into: &mut Vec<Record>) {
    let host = &document.host;
    let about = Record {
        host: machine(host),
        kernel: fact(&host.kernel),
        date: utc(document.run.started_unix_s),
        version: fact(&document.tool.version),
        command: command(&document.findings),
        child: short(&child(document.plan.child, &document.plan.program)),
        baseline: document.plan.baseline.name().to_owned(),
        ..Record::default()
    };
    findings(&about, document, into);
    if let Some(noise) = &document.noise {
        part(&about, "noise", noise, into);
    }
}

/// The command that such findings are of.
fn command(findings: &Findings) -> &'static str {
    match findings {
        Findings::Sweep { .. } => "sweep",
        Findings::Explanation(_) => "explain",
        Findings::Reproduction(_) => "reproduce",
        Findings::Card(_) => "card",
        Findings::Process(_) => "process",
        Findings::Advice(_) => "advise",
        Findings::Trace(_) => "trace",
    }
}

fn findings(about: &Record, document: &Document, into: &mut Vec<Record>) {
    match &document.findings {
        Findings::Sweep { cells } => {
            spawns(about, cells, into);
            derived::extra(about, document, into);
        }
        Findings::Explanation(found) => explanation(about, found, into),
        Findings::Reproduction(found) => reproduction(about, document, found, into),
        Findings::Card(card) => {
            let trials = document.plan.order.card().map(|order| &order.trials);
            for (trial, result) in trials.into_iter().flatten().zip(&card.trials) {
                let about = Record {
                    child: short(&child(trial.child, &trial.program)),
                    ..about.clone().from(&trial.space.key())
                };
                part(&about, "trials", &(trial.purpose, result), into);
            }
            part(about, "prices", &card.prices, into);
        }
        Findings::Process(found) => {
            part(about, "replica", &found.replica, into);
            part(about, "blame", &found.blame, into);
            part(about, "rewritten", &found.rewritten, into);
            if let Some(ledger) = &found.ledger {
                explanation(about, ledger, into);
            }
        }
        Findings::Advice(found) => part(about, "advice", found, into),
        Findings::Trace(found) => traced::records(about, found, into),
    }
}

fn reproduction(about: &Record, document: &Document, found: &Reproduction, into: &mut Vec<Record>) {
    let study = Record {
        kind: "study",
        ..about.clone().in_unit("1")
    };
    walk(&study, "scale", &json(&found.scale), into);
    match &found.answer {
        Answer::Spaces { points, cells } => {
            spawns(about, cells, into);
            part(about, "points", points, into);
            derived::costs(about, &Study::of(document, found, points), into);
        }
        Answer::Programs(loops) => {
            let about = Record {
                baseline: json(&BASE).as_str().unwrap_or_default().to_owned(),
                ..about.clone()
            };
            part(&about, "loops", loops, into);
        }
    }
}

fn spawns(about: &Record, cells: &[Cell], into: &mut Vec<Record>) {
    for cell in cells {
        part(
            &about.clone().from(&cell.space.request.key()),
            "cells",
            cell,
            into,
        );
    }
}

fn explanation(about: &Record, found: &Explanation, into: &mut Vec<Record>) {
    spawns(about, &found.cells, into);
    let mut rest = json(found);
    if let Value::Object(fields) = &mut rest {
        // The one was written just now, and the other is the parent of all the rest.
        fields.retain(|field, _| field != "cells" && field != "space");
    }
    let about = about.clone().from(&found.space.key());
    part(&about, "explanation", &rest, into);
}

fn compared(comparison: &Comparison, into: &mut Vec<Record>) {
    let about = Record {
        command: "compare",
        kind: "lines",
        ..Record::default()
    };
    let side = |side: &ComparedSide| Record {
        host: machine(&side.host),
        kernel: fact(&side.host.kernel),
        date: utc(side.started_unix_s),
        version: fact(&side.tool_version),
        ..about.clone()
    };
    for line in &comparison.lines {
        let judged = |about: Record, unit: String| Record {
            unit,
            ..about.judged(&json(&line.verdict))
        };
        let name = |figure: &str| format!("{}.{figure}", short(&line.key));
        let [a, b] = [&comparison.a, &comparison.b].map(|of| judged(side(of), unit(&line.unit)));
        walk(&a, &name("a"), &json(&line.a), into);
        walk(&b, &name("b"), &json(&line.b), into);
        let ratio = judged(about.clone(), "1".to_owned());
        walk(&ratio, &name("ratio"), &json(&line.ratio), into);
        let difference = judged(about.clone(), unit(&line.unit));
        walk(
            &difference,
            &name("difference"),
            &json(&line.difference),
            into,
        );
        walk(
            &ratio,
            &name("visible_from"),
            &json(&line.visible_from),
            into,
        );
    }
    for line in &comparison.lone {
        let LoneLine {
            key, value, reason, ..
        } = line;
        let (of, figure) = match line.only_in {
            Which::A => (&comparison.a, "a"),
            Which::B => (&comparison.b, "b"),
        };
        let about = Record {
            unit: unit(&line.unit),
            verdict: "not_compared".to_owned(),
            reason: reason.clone(),
            ..side(of)
        };
        walk(&about, &format!("{key}.{figure}"), &json(value), into);
    }
}

/// The unit of a compared line.
fn unit(unit: &LineUnit) -> String {
    match unit {
        LineUnit::Ns => "ns".to_owned(),
        LineUnit::NsPer(what) => format!("ns/{}", short(what)),
        LineUnit::Other(other) => short(other),
    }
}

impl Record {
    /// The fields' names, in order.
    pub const FIELDS: [&str; 18] = [
        "host", "kernel", "date", "version", "command", "kind", "parent", "child", "method",
        "name", "unit", "baseline", "source", "value", "low", "high", "verdict", "reason",
    ];

    /// What they hold.
    pub(super) fn fields(&self) -> [&str; 18] {
        [
            &self.host,
            &self.kernel,
            &self.date,
            &self.version,
            self.command,
            self.kind,
            &self.parent,
            &self.child,
            &self.method,
            &self.name,
            &self.unit,
            &self.baseline,
            &self.source,
            &self.value,
            &self.low,
            &self.high,
            &self.verdict,
            &self.reason,
        ]
    }

    fn from(self, parent: &str) -> Self {
        let parent = short(parent);
        Self { parent, ..self }
    }

    fn in_unit(self, unit: &str) -> Self {
        Self {
            unit: unit.to_owned(),
            ..self
        }
    }

    /// With a verdict as the document has it: a word, or a word and its reason.
    fn judged(self, verdict: &Value) -> Self {
        match verdict {
            Value::Object(tagged) => match tagged.iter().next() {
                Some((word, why)) => Self {
                    verdict: word.clone(),
                    reason: why.as_str().unwrap_or_default().to_owned(),
                    ..self
                },
                None => self,
            },
            word => Self {
                verdict: word.as_str().unwrap_or_default().to_owned(),
                ..self
            },
        }
    }
}

/// Text as it stands in a record: a line, and not so long that a thousand records of it
/// would be a large file.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 512;
    harmless(text, LONGEST)
}

/// What each record of a run says again: no name of a kernel is longer (`__NEW_UTS_LEN`).
fn fact(text: &str) -> String {
    const LONGEST: usize = 64;
    harmless(text, LONGEST)
}

/// All figures of one part.
fn part(about: &Record, kind: &'static str, found: &impl Serialize, into: &mut Vec<Record>) {
    let about = Record {
        kind,
        ..about.clone()
    };
    walk(&about, "", &json(found), into);
}

/// What can be stored can be written as JSON; else it would have no figure here either.
fn json(found: &impl Serialize) -> Value {
    serde_json::to_value(found).unwrap_or_default()
}

/// Fields with orders, and those with what the figures were made of.
const NO_FIGURES: [&str; 15] = [
    "advised", "callers", "check", "ended", "ending", "endings", "gauges", "request", "role",
    "runs", "samples", "source", "spawns", "stacks", "tree",
];

/// Numbers that are bits, or a place in another list.
const NO_NUMBERS: [&str; 9] = [
    "by", "caller", "child", "errno", "flags", "pid", "program", "space", "trial",
];

/// Fields whose word tells an element of a list from the others.
const NAMES: [&str; 17] = [
    "kind",
    "of",
    "term",
    "purpose",
    "mechanism",
    "phase",
    "cause",
    "rung",
    "role",
    "unit",
    "level",
    "system",
    "name",
    "why",
    "part",
    "series",
    "side",
];

fn walk(about: &Record, path: &str, value: &Value, into: &mut Vec<Record>) {
    match value {
        Value::Number(number) => into.push(figure(about, path, number.to_string())),
        Value::Array(items) => list(about, path, items, into),
        Value::Object(fields) => object(about, path, fields, into),
        Value::String(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// Elements whose children execute another program than the plan's.
const OTHER_PROGRAMS: [&str; 2] = ["static_target", "c_posix_spawn_floor"];

/// Numbers in a row are what figures were made of.
fn list(about: &Record, path: &str, items: &[Value], into: &mut Vec<Record>) {
    match items {
        numbers if numbers.iter().all(Value::is_number) => {}
        // The first of a pair says what the other is.
        [Value::String(name), item] => walk(about, &join(path, name), item, into),
        items => {
            for (index, item) in items.iter().enumerate() {
                let name = name_of(item, index);
                let mut about = about.clone();
                if name.split('.').any(|word| OTHER_PROGRAMS.contains(&word)) {
                    about.child.clear();
                }
                walk(&about, &join(path, &name), item, into);
            }
        }
    }
}

fn object(about: &Record, path: &str, fields: &Map<String, Value>, into: &mut Vec<Record>) {
    let text = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if let (Some(value), Some([low, high])) = (fields.get("value"), bounds(fields)) {
        into.push(Record {
            low: low.to_string(),
            high: high.to_string(),
            ..figure(about, path, value.to_string())
        });
        return;
    }
    if let (Some(Value::Number(value)), Some(Value::String(unit))) =
        (fields.get("value"), fields.get("unit"))
    {
        into.push(Record {
            unit: unit.clone(),
            ..figure(about, path, value.to_string())
        });
        return;
    }
    if fields.contains_key("missing") {
        let remedy = text("remedy");
        let reason = match remedy {
            "" => text("reason").to_owned(),
            remedy => format!("{}; {remedy}", text("reason")),
        };
        into.push(Record {
            reason: short(&reason),
            ..figure(about, path, MISSING.to_owned())
        });
        return;
    }
    let mut about = about.clone();
    if !text("method").is_empty() {
        about.method = text("method").to_owned();
    }
    about.source = text("source").to_owned();
    for (field, value) in fields {
        let left_out = match value.is_number() {
            true => NO_NUMBERS.as_slice(),
            false => NO_FIGURES.as_slice(),
        };
        if left_out.contains(&field.as_str()) {
            continue;
        }
        let mut about = about.clone();
        if let Some(unit) = declared(field) {
            about.unit = unit.to_owned();
        }
        if field == "ratio" {
            about = of_ratio(about, fields);
        }
        walk(&about, &join(path, field), value, into);
    }
}

/// What a ratio is one to; and that it was judged, and not what stands beside it.
fn of_ratio(about: Record, fields: &Map<String, Value>) -> Record {
    let against = fields.get("against").and_then(Value::as_str);
    let about = Record {
        baseline: against.unwrap_or(&about.baseline).to_owned(),
        ..about
    };
    match fields.get("verdict") {
        Some(verdict) => about.judged(verdict),
        None => about,
    }
}

/// What stands where there is no figure.
const MISSING: &str = "n/a";

fn figure(about: &Record, path: &str, value: String) -> Record {
    let mut figure = Record {
        name: short(path),
        value,
        ..about.clone()
    };
    if !path.ends_with("ratio") {
        figure.baseline.clear();
    }
    figure
}

/// The bounds of an interval, if it is one.
fn bounds(fields: &Map<String, Value>) -> Option<[&Value; 2]> {
    match fields.get("ci95")?.as_array()?.as_slice() {
        [low, high] => Some([low, high]),
        _ => None,
    }
}

/// What tells an element from its neighbours: its words, as far as it has some. A
/// method has a field of its own.
fn name_of(item: &Value, index: usize) -> String {
    let mut words: Vec<String> = NAMES
        .iter()
        .filter_map(|field| word(item.get(*field)?))
        .collect();
    // A system call is another one with other flags.
    let flags = item.get("flags").and_then(Value::as_u64);
    words.extend(flags.map(|flags| format!("{flags:#x}")));
    match item.get("method") {
        _ if !words.is_empty() => short(&words.join(".")),
        Some(_) => String::new(),
        None => (index + 1).to_string(),
    }
}

/// A variant's word; of one that holds another, both.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(word) => Some(word.clone()),
        Value::Object(tagged) if tagged.len() == 1 => {
            let (outer, inner) = tagged.iter().next()?;
            let inner = word(inner).or_else(|| inner.as_u64().map(|index| index.to_string()))?;
            Some(format!("{outer}.{inner}"))
        }
        _ => None,
    }
}

fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", only) | (only, "") => only.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}
