//! The schemas in `docs/schema`: they are what the program prints, they say something of
//! each field and each word, and what is stored in `tests/data` is of their form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forktax::model::{
    FaultCause, FaultPhase, LoopSystem, Mechanism, Phase, RemedyKind, Rung, SpawnMethod, StudyId,
    Term,
};
use forktax::report::Contract;
use serde_json::{Map, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn checked_in(contract: Contract) -> PathBuf {
    root().join(format!("docs/schema/{}.json", contract.name()))
}

#[test]
fn the_schemas_are_what_the_program_prints() {
    for contract in Contract::ALL {
        let name = contract.name();
        let mut program = Command::new(env!("CARGO_BIN_EXE_forktax"));
        let printed = program.args(["schema", name]).output().unwrap();
        assert!(
            fs::read(checked_in(contract)).unwrap() == printed.stdout,
            "write it again: cargo test --test docs -- --ignored"
        );
    }
}

#[test]
#[ignore = "writes the schemas again, as the types are now"]
fn write_the_schemas() {
    for contract in Contract::ALL {
        fs::write(checked_in(contract), contract.text()).unwrap();
    }
}

/// The text that is said of something, if any is.
fn said(schema: &Value) -> bool {
    schema["description"]
        .as_str()
        .is_some_and(|text| !text.is_empty())
}

/// Whether a field is told: by itself, as the word that a choice goes by, or as all that
/// the choice holds, which is told in its place.
fn told(holder: &Value, field: &Value) -> bool {
    let alone = holder["properties"].as_object().unwrap().len() == 1;
    said(field) || (said(holder) && (alone || field.get("const").is_some()))
}

/// Collects what a schema holds and says nothing of.
fn untold(path: &str, schema: &Value, found: &mut Vec<String>) {
    let inner = |key: &dyn std::fmt::Display| format!("{path}/{key}");
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(fields)) = object.get("properties") {
                let fields = fields.iter().filter(|(_, field)| !told(schema, field));
                found.extend(fields.map(|(name, _)| inner(name)));
            }
            // Words that are told come one by one; a list of them tells none.
            let word = object.contains_key("const") && !path.contains("/properties/");
            if object.contains_key("enum") || (word && !said(schema)) {
                found.push(path.to_owned());
            }
            for (key, value) in object {
                untold(&inner(key), value, found);
            }
        }
        Value::Array(array) => {
            for (place, value) in array.iter().enumerate() {
                untold(&inner(&place), value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_and_every_word_is_told() {
    for contract in Contract::ALL {
        let mut found = Vec::new();
        untold("", &contract.schema().to_value(), &mut found);
        assert!(found.is_empty(), "{}: {found:#?}", contract.name());
    }
}

/// A contract, to hold values against.
struct Form {
    root: Value,
}

impl Form {
    /// What a schema refers to, if it does.
    fn referred(&self, schema: &Value) -> Option<&Value> {
        let to = schema["$ref"].as_str()?;
        Some(self.root.pointer(to.trim_start_matches('#')).unwrap())
    }

    /// Why a value is not of the form of a schema, down to each field.
    fn holds(&self, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
        let own = schema["properties"].is_object();
        if let Some(to) = self.referred(schema).filter(|_| !own) {
            return self.holds(to, value, path);
        }
        if let Some(choices) = schema.get("anyOf").or(schema.get("oneOf")) {
            let mut wrong = Vec::new();
            for choice in choices.as_array().unwrap() {
                match self.holds(choice, value, path) {
                    Ok(()) => return Ok(()),
                    Err(why) => wrong.push(why),
                }
            }
            return Err(wrong.join("\n"));
        }
        match value {
            Value::Object(fields) => self.holds_fields(schema, fields, path),
            Value::Array(elements) => elements.iter().try_for_each(|element| {
                self.holds(&schema["items"], element, &format!("{path}[]"))
            }),
            plain => holds_plain(schema, plain)
                .then_some(())
                .ok_or_else(|| format!("{path}: {plain}")),
        }
    }

    fn holds_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        path: &str,
    ) -> Result<(), String> {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                return Err(format!("{path}: no {name}"));
            }
        }
        let lent = self.referred(schema).map(|lender| &lender["properties"]);
        for (name, value) in fields {
            let own = schema["properties"].get(name);
            let field = own.or_else(|| lent?.get(name));
            let path = format!("{path}.{name}");
            let field = field.ok_or_else(|| format!("{path} is not told"))?;
            self.holds(field, value, &path)?;
        }
        Ok(())
    }
}

/// Whether a value that holds no others is of the type and one of the words.
fn holds_plain(schema: &Value, value: &Value) -> bool {
    let kinds = schema["type"].to_string();
    let of_kind = match value {
        Value::Null => kinds.contains("null"),
        Value::Bool(_) => kinds.contains("boolean"),
        Value::String(_) => kinds.contains("string"),
        Value::Number(number) if number.is_f64() => kinds.contains("number"),
        _ => kinds.contains("number") || kinds.contains("integer"),
    };
    of_kind && schema.get("const").is_none_or(|word| word == value)
}

#[test]
fn every_stored_document_is_of_its_form() {
    let mut read = 0;
    for (directory, contract) in [
        ("tests/data", Contract::Document),
        ("tests/data/compared", Contract::Comparison),
        ("tests/data/shapes", Contract::Shape),
    ] {
        let form = Form {
            root: contract.schema().to_value(),
        };
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let wrong = form.holds(&form.root, &value, "").err();
                assert_eq!(wrong, None, "{path:?}");
                read += 1;
            }
        }
    }
    assert!(read > 20, "only {read} read");
}

/// A choice that is gone through as a whole somewhere: its name in the schema, and how
/// many words the program goes through.
fn choices() -> [(&'static str, usize); 10] {
    [
        ("FaultCause", FaultCause::ALL.len()),
        ("FaultPhase", FaultPhase::ALL.len()),
        ("LoopSystem", LoopSystem::ALL.len()),
        ("Mechanism", Mechanism::ALL.len()),
        ("Phase", Phase::ALL.len()),
        ("RemedyKind", RemedyKind::ALL.len()),
        ("Rung", Rung::ALL.len()),
        ("SpawnMethod", SpawnMethod::ALL.len()),
        ("StudyId", StudyId::ALL.len()),
        ("Term", Term::ALL.len()),
    ]
}

/// What is left out of a list of all is tried by nothing, and no compiler says so.
#[test]
fn all_are_all_of_them() {
    let schema: Value = serde_json::from_str(&Contract::Document.text()).unwrap();
    for (name, known) in choices() {
        let words = schema["$defs"][name]["oneOf"].as_array().map(Vec::len);
        assert_eq!(words, Some(known), "{name}");
    }
}
