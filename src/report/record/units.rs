//! The unit of each figure, by the name of its field: that is the contract of
//! `src/model`, where a field without a unit in its name is a count or a ratio.
//!
//! What stands in none of these tables has the unit of what it is part of: a median is in
//! the unit of the times that it is of. The test below goes through every field that a
//! document can have, and fails if one has no unit.

/// Names that are a unit, or end with one after an underline.
const UNITS: [(&str, &str); 7] = [
    ("ns", "ns"),
    ("us", "us"),
    ("ms", "ms"),
    ("s", "s"),
    ("bytes", "bytes"),
    ("hz", "1/s"),
    ("share", "1"),
];

/// What is counted in a second.
const RATES: [&str; 3] = ["all_per_second", "per_second", "spawns_per_second"];

/// Ratios and shares.
const RATIOS: [&str; 16] = [
    "call_error",
    "counting_slowdown",
    "covered",
    "error",
    "factor",
    "loo_median",
    "loo_p90",
    "r_squared",
    "ratio",
    "scale",
    "slowdown",
    "total_error",
    "validation_median",
    "validation_worst",
    "visible_from",
    "worker_spread",
];

/// Counts of things.
const COUNTS: [&str; 57] = [
    "anon_vmas",
    "built",
    "capacity",
    "context_switches",
    "copied",
    "copies",
    "count",
    "counted",
    "cpu_migrations",
    "cycles",
    "descriptors",
    "dtlb_misses",
    "empty_entries",
    "executed",
    "expected",
    "file_ptes",
    "file_vmas",
    "huge_entries",
    "incomplete",
    "instructions",
    "iterations",
    "jobs",
    "left_running",
    "lost",
    "major_faults",
    "mappings",
    "mappings_requested",
    "migrations",
    "minor_faults",
    "outliers",
    "pages",
    "parent_samples",
    "parents",
    "periods",
    "pinned_ptes",
    "present_ptes",
    "process",
    "processes",
    "ptes",
    "replaceable",
    "rounds",
    "samples",
    "seen",
    "shared_vmas",
    "skipped",
    "spawns",
    "stand_ins",
    "swapped_ptes",
    "tables",
    "threads",
    "throttled_periods",
    "times",
    "units",
    "unlisted",
    "used",
    "vmas",
    "wanted",
];

/// The unit that a field's name declares.
pub(super) fn declared(field: &str) -> Option<&'static str> {
    let end = field.rsplit('_').next().unwrap_or(field);
    let tables: [(&[&str], &str); 3] = [(&RATES, "1/s"), (&RATIOS, "1"), (&COUNTS, "count")];
    let named = tables.iter().find(|(names, _)| names.contains(&field));
    let measured = || UNITS.iter().find(|(name, _)| *name == end);
    named
        .map(|(_, unit)| *unit)
        .or_else(|| measured().map(|(_, unit)| *unit))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::report::Contract;
    use crate::report::record::{NO_FIGURES, NO_NUMBERS};

    /// Goes through all that a schema allows, and notes the figures without a unit.
    struct Walk {
        schema: Value,
        seen: BTreeSet<(String, &'static str)>,
        nameless: BTreeSet<String>,
        figures: BTreeSet<String>,
    }

    impl Walk {
        fn of(&mut self, at: &Value, path: &str, unit: &'static str) {
            let place = at.get("$ref").and_then(Value::as_str);
            if let Some(place) = place.filter(|place| self.seen.insert(((*place).to_owned(), unit)))
            {
                let part = self.schema.pointer(&place[1..]).expect("it is defined");
                self.of(&part.clone(), path, unit);
            }
            let numbers = ["number", "integer"];
            let is = |value: &Value| value.as_str().is_some_and(|kind| numbers.contains(&kind));
            let kind = &at["type"];
            if is(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is)) {
                let field = path.rsplit('.').next().unwrap_or(path);
                self.figures.insert(field.to_owned());
                if unit.is_empty() {
                    self.nameless.insert(path.to_owned());
                }
            }
            for one in ["oneOf", "anyOf", "allOf", "prefixItems"] {
                for part in at.get(one).and_then(Value::as_array).into_iter().flatten() {
                    self.of(part, path, unit);
                }
            }
            // Numbers in a row are no figures.
            if let Some(items) = at.get("items").filter(|items| !is(&items["type"])) {
                self.of(items, path, unit);
            }
            let fields = at.get("properties").and_then(Value::as_object);
            let has_unit =
                fields.is_some_and(|f| f.contains_key("value") && f.contains_key("unit"));
            for (field, part) in fields.into_iter().flatten() {
                let is_number = NO_NUMBERS.contains(&field.as_str());
                let is_left_out = NO_FIGURES.contains(&field.as_str()) && !is(&part["type"]);
                if !is_number && !is_left_out && !has_unit {
                    let unit = declared(field).unwrap_or(unit);
                    self.of(part, &format!("{path}.{field}"), unit);
                }
            }
        }
    }

    #[test]
    fn every_figure_that_a_document_can_have_has_a_unit() {
        let schema = Contract::Document.schema().to_value();
        let parts = ["findings", "noise"].map(|part| (part, schema["properties"][part].clone()));
        let mut walk = Walk {
            schema,
            seen: BTreeSet::new(),
            nameless: BTreeSet::new(),
            figures: BTreeSet::new(),
        };
        for (name, part) in &parts {
            walk.of(part, name, "");
        }
        assert_eq!(walk.nameless, BTreeSet::new(), "declare their units");
        assert!(walk.figures.len() > 50, "{:?}", walk.figures);
    }

    #[test]
    fn a_unit_is_a_whole_word_of_a_name() {
        assert_eq!(declared("total_ns"), Some("ns"));
        assert_eq!(declared("hz"), Some("1/s"));
        assert_eq!(declared("spawns"), Some("count"));
        assert_eq!(declared("vmas"), Some("count"));
        assert_eq!(declared("median"), None);
    }
}
