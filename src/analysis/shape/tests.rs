//! Shapes that were made up, and files that mean harm.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::analysis::mappings::{copied_tables, fate};
use crate::model::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    ShapeReservation, Tool,
};

/// A private mapping with nothing in it.
pub(crate) fn mapping(first_page: u64, pages: u64) -> ShapeMapping {
    ShapeMapping::untouched(first_page, pages, MappingContent::Anonymous)
}

/// A process with these mappings.
pub(crate) fn shape(mappings: Vec<ShapeMapping>) -> ProcessShape {
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "server".to_owned(),
            pid: Some(4711),
            taken_unix_s: 1_760_000_000,
            took_s: 0.25,
            kernel: "6.18.0".to_owned(),
            page_size: 4096,
            threads: 3,
            descriptors: 5,
            cloexec_descriptors: 7,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 2,
            allowed_cpus: vec![0, 1, 4],
            page_table_bytes: 1 << 20,
            resident_bytes: 64 << 20,
            pinned_bytes: 0,
            reservations: vec![ShapeReservation::Seccomp],
            surroundings: None,
        },
        mappings,
    }
}

/// One with something of everything.
fn full() -> ProcessShape {
    let heap = ShapeMapping {
        content: MappingContent::Heap,
        anon_vma: true,
        own: vec![[0, 3], [5, 1]],
        zero: vec![[3, 1]],
        swapped: vec![[9, 2]],
        huge: vec![[512, 1024]],
        huge_zero: vec![[2048, 512]],
        guards: vec![[11, 4]],
        stretch: Some(1.5),
        generations: 3,
        flags: vec![MappingFlag::HugeAdvised],
        ..mapping(1 << 20, 4096)
    };
    let file = ShapeMapping {
        content: MappingContent::Library,
        name: Some("/lib/libc.so.6".to_owned()),
        permissions: "r-xp".to_owned(),
        file: vec![[0, 20]],
        ..mapping((1 << 20) + 4096, 40)
    };
    shape(vec![heap, file])
}

fn parsed(bytes: &[u8]) -> Result<ProcessShape, ShapeFileError> {
    parse_shape(bytes)
}

/// What is said of the full shape after a change of its JSON.
fn said(path: &str, value: Value) -> String {
    let mut json = serde_json::to_value(full()).unwrap();
    *json.pointer_mut(path).unwrap() = value;
    match parsed(json.to_string().as_bytes()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_was_written_is_read_again() {
    let bytes = to_json(&full()).unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(parsed(&bytes).unwrap(), full());
    assert_eq!(
        parsed(&to_json(&shape(Vec::new())).unwrap()).unwrap(),
        shape(Vec::new())
    );
}

#[test]
fn a_shape_can_go_without_names() {
    let mut anonymous = full();
    anonymise(&mut anonymous);
    let text = String::from_utf8(to_json(&anonymous).unwrap()).unwrap();
    assert!(!text.contains("server") && !text.contains("libc"), "{text}");
    assert_eq!(parsed(text.as_bytes()).unwrap().process.name, "process");
}

#[test]
fn every_broken_promise_is_named() {
    let heap = |field: &str| format!("/mappings/0/{field}");
    let wrong = [
        (heap("pages"), json!(0), "mapping 1 of the shape is empty"),
        (
            heap("first_page"),
            json!(u64::MAX),
            "mapping 1 of the shape is empty",
        ),
        (heap("first_page"), json!(1_u64 << 44), "beyond user space"),
        (
            heap("pages"),
            json!(4097),
            "mapping 2 of the shape begins before",
        ),
        (heap("permissions"), json!("rw"), "no permissions"),
        (heap("permissions"), json!("wr-p"), "no permissions"),
        (
            heap("permissions"),
            json!("rw-s"),
            "is shared and has pages",
        ),
        (heap("flags"), json!(["locked", "locked"]), "a flag twice"),
        (heap("own"), json!([[5, 1], [0, 3]]), "`own` that is empty"),
        (heap("own"), json!([[0, 0]]), "`own` that is empty"),
        (
            heap("own"),
            json!([[u64::MAX, 2]]),
            "`own` that reaches beyond",
        ),
        (
            heap("own"),
            json!([[0, u64::MAX]]),
            "`own` that reaches beyond",
        ),
        (heap("zero"), json!([[2, 1]]), "a page of two kinds"),
        (heap("huge"), json!([[513, 512]]), "not aligned"),
        (heap("huge"), json!([[512, 100]]), "not aligned"),
        (heap("anon_vma"), json!(false), "`anon_vma`"),
        ("/mappings/1/anon_vma".to_owned(), json!(true), "`anon_vma`"),
        (heap("stretch"), json!(0.5), "`stretch`"),
        (heap("stretch"), json!(1e300), "`stretch`"),
        (heap("generations"), json!(65), "`generations`"),
        (
            "/mappings/1/name".to_owned(),
            json!("/x\u{1b}[2J"),
            "has a name",
        ),
        (
            "/mappings/1/name".to_owned(),
            json!("x".repeat(20_000)),
            "has a name",
        ),
        ("/process/name".to_owned(), json!("a\nb"), "has a name"),
        ("/process/kernel".to_owned(), json!(""), "has a kernel"),
        (
            "/tool/version".to_owned(),
            json!("\u{7}"),
            "has a tool version",
        ),
        (
            "/process/page_size".to_owned(),
            json!(5000),
            "pages of 5000 bytes",
        ),
        (
            "/process/page_size".to_owned(),
            json!(0),
            "pages of 0 bytes",
        ),
        (
            "/process/page_size".to_owned(),
            json!(1_u64 << 40),
            "a power of two",
        ),
        ("/process/threads".to_owned(), json!(0), "0 threads"),
        (
            "/process/descriptors".to_owned(),
            json!(u64::MAX),
            "descriptors",
        ),
        ("/process/handlers".to_owned(), json!(65), "65 handlers"),
        ("/process/took_s".to_owned(), json!(-1), "took"),
        (
            "/process/allowed_cpus".to_owned(),
            json!([3, 3]),
            "impossible CPUs",
        ),
        (
            "/process/allowed_cpus".to_owned(),
            json!([1_u64 << 50]),
            "impossible CPUs",
        ),
        ("/shape_version".to_owned(), json!(99), "has version 99"),
        (
            "/mappings/0/content".to_owned(),
            json!("\u{1b}[31m"),
            "no shape of a process",
        ),
        ("/mappings".to_owned(), json!(3), "no shape of a process"),
    ];
    for (path, value, expected) in wrong {
        let message = said(&path, value.clone());
        assert!(message.contains(expected), "{path} {value}: {message}");
        assert!(!message.contains(char::is_control), "{path}: {message:?}");
    }
}

#[test]
fn any_kind_of_page_of_its_own_makes_an_anon_vma() {
    for kept in ["own", "swapped", "huge", "huge_zero", "guards"] {
        let mut shape = full();
        let heap = &mut shape.mappings[0];
        for (kind, runs) in [
            ("own", &mut heap.own),
            ("swapped", &mut heap.swapped),
            ("huge", &mut heap.huge),
            ("huge_zero", &mut heap.huge_zero),
            ("guards", &mut heap.guards),
        ] {
            if kind != kept {
                runs.clear();
            }
        }
        check(&shape).unwrap_or_else(|error| panic!("{kept}: {error}"));
        let heap = &mut shape.mappings[0];
        (heap.own, heap.swapped, heap.huge) = (Vec::new(), Vec::new(), Vec::new());
        (heap.huge_zero, heap.guards) = (Vec::new(), Vec::new());
        assert!(check(&shape).is_err(), "without {kept}");
    }
}

#[test]
fn what_is_no_shape_is_told_from_what_is_broken() {
    let whole = to_json(&full()).unwrap();
    let cut = parsed(&whole[..whole.len() / 2]).unwrap_err();
    assert!(matches!(cut, ShapeFileError::Broken(_)), "{cut}");
    let result = parsed(br#"{"schema_version": 1, "cells": []}"#).unwrap_err();
    assert!(result.to_string().contains("shape_version"), "{result}");
    assert!(matches!(
        parsed(b"").unwrap_err(),
        ShapeFileError::Broken(_)
    ));
    // Nesting is not followed forever.
    let deep = format!("{{\"shape_version\": {}", "[".repeat(1 << 20));
    assert!(parsed(deep.as_bytes()).is_err());
}

#[test]
fn a_file_without_end_is_refused() {
    let endless = std::io::repeat(b' ');
    let error = parse_shape(endless).unwrap_err();
    assert!(error.to_string().contains("larger than 256 MiB"), "{error}");
}

#[test]
fn pages_of_another_size_are_for_another_host() {
    let shape = full();
    assert!(check_page_size(&shape, 4096).is_ok());
    let error = check_page_size(&shape, 64 << 10).unwrap_err().to_string();
    assert!(
        error.contains("4 KiB") && error.contains("64 KiB"),
        "{error}"
    );
}

/// The promises once more, page by page and by other means.
fn holds(shape: &ProcessShape) -> bool {
    let mut end = 0;
    shape.mappings.iter().all(|mapping| {
        let after = mapping.first_page >= end;
        end = mapping.first_page + mapping.pages;
        let mut pages = std::collections::HashSet::new();
        let lists = [
            &mapping.own,
            &mapping.file,
            &mapping.zero,
            &mapping.swapped,
            &mapping.huge,
            &mapping.huge_zero,
            &mapping.guards,
        ];
        let once = lists.into_iter().flatten().all(|[first, count]| {
            first + count <= mapping.pages && (*first..first + count).all(|page| pages.insert(page))
        });
        let text = mapping
            .name
            .as_ref()
            .is_none_or(|name| !name.chars().any(char::is_control) && name.len() <= 16 << 10);
        after && mapping.pages > 0 && end <= 1 << 44 && once && text
    })
}

/// Numbers that have broken readers before.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(511)),
        Just(json!(512)),
        Just(json!(-1)),
        Just(json!(0.5)),
        Just(json!(1e308)),
        Just(json!(u64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(0xffff_8000_0000_0000_u64)),
        Just(json!("12")),
        Just(json!([])),
        Just(json!(null)),
        (0_u64..5000).prop_map(|small| json!(small)),
    ]
}

/// Every place in the JSON.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                places(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                places(value, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn bytes_that_were_changed_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = to_json(&full()).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match parsed(&bytes) {
            Ok(shape) => prop_assert!(holds(&shape)),
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn fields_that_were_changed_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), number()), 1..4),
    ) {
        let mut json = serde_json::to_value(full()).unwrap();
        for (place, value) in changes {
            let mut all = Vec::new();
            places(&json, "", &mut all);
            let place = &all[place.index(all.len())];
            *json.pointer_mut(place).unwrap() = value;
        }
        if let Ok(shape) = parsed(json.to_string().as_bytes()) {
            prop_assert!(holds(&shape));
            for mapping in &shape.mappings {
                let _ = fate(mapping);
            }
            copied_tables(shape.mappings.iter(), shape.process.page_size);
        }
    }

    #[test]
    fn runs_at_random_are_accepted_only_in_order(
        runs in prop::collection::vec((0_u64..40, 0_u64..12), 0..8),
        kinds in prop::collection::vec(0_usize..4, 8),
    ) {
        let mut mapping = mapping(1000, 44);
        for ((first, count), kind) in runs.into_iter().zip(kinds) {
            let list = match kind {
                0 => &mut mapping.own,
                1 => &mut mapping.file,
                2 => &mut mapping.zero,
                _ => &mut mapping.swapped,
            };
            list.push([first, count]);
        }
        mapping.anon_vma = !mapping.own.is_empty();
        let shape = shape(vec![mapping.clone()]);
        let ordered = [&mapping.own, &mapping.file, &mapping.zero, &mapping.swapped]
            .into_iter()
            .all(|list| list.iter().all(|run| run[1] > 0) && list.is_sorted());
        prop_assert_eq!(check(&shape).is_ok(), ordered && holds(&shape));
    }
}
