//! Shapes as a reader sees them.

use forktax::model::ProcessShape;
use forktax::report::{Format, Shown, render_shape};

use crate::stored::{omits, shapes};

/// A process of one thread, with a change.
fn with(change: impl FnOnce(&mut ProcessShape)) -> String {
    let mut shapes = shapes().into_iter();
    let (_, mut shape) = shapes
        .find(|(name, _)| name == "shape")
        .expect("it is stored");
    change(&mut shape);
    let bytes = render_shape(&shape, Format::Table, &Shown::default());
    let bytes = bytes.expect("every shape can be shown");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

#[test]
fn it_fits_a_terminal_whatever_its_size() {
    let report = with(|shape| {
        for mapping in &mut shape.mappings {
            mapping.pages = 1 << 33;
            if !mapping.own.is_empty() {
                mapping.own = vec![[0, 1 << 32]];
            }
        }
    });
    for line in report.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn an_empty_shape_is_no_reason_to_panic() {
    let report = with(|shape| {
        shape.mappings.clear();
        shape.process.page_size = 0;
        shape.process.reservations.clear();
        shape.process.taken_unix_s = 0;
    });
    assert!(
        report.contains("0 mappings") && report.contains("made up"),
        "{report}"
    );
    omits(&report, "Legend");
}

#[test]
fn a_name_does_not_steer_the_terminal() {
    let report = with(|shape| shape.process.name = "\u{1b}[31m".to_owned());
    assert!(!report.contains('\u{1b}'));
}
