//! A comparison as one flat table: a row a line, those of one side alone at the end.

use std::io;

use super::record::{self, MISSING, figure, finish};
use crate::model::{ComparedLine, Comparison, LineUnit, LoneLine, Verdict, Which};
use crate::stats::Estimate;

const HEADER: [&str; 18] = [
    "key",
    "group",
    "what",
    "unit",
    "a",
    "a_ci95_low",
    "a_ci95_high",
    "a_workers",
    "b",
    "b_ci95_low",
    "b_ci95_high",
    "b_workers",
    "ratio",
    "ratio_ci95_low",
    "ratio_ci95_high",
    "visible_from",
    "verdict",
    "reason",
];

/// The header and a record for each line.
pub(in crate::report) fn render(comparison: &Comparison) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for line in &comparison.lines {
        writer.write_record(compared(line))?;
    }
    for line in &comparison.lone {
        writer.write_record(lone(line))?;
    }
    finish(writer)
}

fn compared(line: &ComparedLine) -> Vec<String> {
    let mut record = names(&line.key, &line.group, &line.what, &line.unit);
    record.extend(estimate(Some(&line.a)));
    record.push(line.a_workers.to_string());
    record.extend(estimate(Some(&line.b)));
    record.push(line.b_workers.to_string());
    record.extend(estimate(line.ratio.measured()));
    record.push(figure(line.visible_from));
    let (verdict, reason) = match &line.verdict {
        Verdict::Dearer => ("dearer", MISSING),
        Verdict::Cheaper => ("cheaper", MISSING),
        Verdict::NoDifferenceSeen => ("no_difference_seen", MISSING),
        Verdict::NotCompared(reason) => ("not_compared", reason.as_str()),
    };
    record.extend([verdict.to_owned(), reason.to_owned()]);
    record
}

fn lone(line: &LoneLine) -> Vec<String> {
    let value = estimate(Some(&line.value)).into_iter();
    let value: Vec<String> = value.chain([MISSING.to_owned()]).collect();
    let none = vec![MISSING.to_owned(); 4];
    let (a, b, verdict) = match line.only_in {
        Which::A => (value, none, "only_in_a"),
        Which::B => (none, value, "only_in_b"),
    };
    let mut record = names(&line.key, &line.group, &line.what, &line.unit);
    record.extend(a);
    record.extend(b);
    record.extend(vec![MISSING.to_owned(); 4]);
    record.extend([verdict.to_owned(), line.reason.clone()]);
    record
}

fn names(key: &str, group: &str, what: &str, unit: &LineUnit) -> Vec<String> {
    let unit = match unit {
        LineUnit::Ns => "ns".to_owned(),
        LineUnit::NsPer(what) => format!("ns/{what}"),
        LineUnit::Other(unit) => unit.clone(),
    };
    vec![key.to_owned(), group.to_owned(), what.to_owned(), unit]
}

fn estimate(found: Option<&Estimate>) -> [String; 3] {
    record::estimate(found.copied()).map(figure)
}
