//! What of a report is shown: the verdict first, all caveats counted, and sections by name.

use std::collections::BTreeSet;

use forktax::model::{
    Availability, Caveat, HostCourse, HostState, LeftOut, Order, Purpose, Reference, SlowState,
    Stored,
};
use forktax::report::view::section_names;
use forktax::report::{Format, Legend, ReportError, Shown, Subject, render, render_shape};
use forktax::stats::Estimate;

use crate::stored::{RUNS, cells, comparisons, flat, omits, says, shapes, stored, with};

/// Every result that has a report.
fn results() -> Vec<(String, Stored)> {
    let runs = RUNS.iter();
    let runs = runs.map(|(name, document)| (name.clone(), document.clone().into()));
    let compared = comparisons().into_iter();
    let compared = compared.map(|(name, comparison)| (name, comparison.into()));
    runs.chain(compared).collect()
}

fn written(of: &Stored, format: Format, shown: &Shown) -> String {
    let bytes = render(of, format, shown).expect("every result has a report");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

fn text(of: &Stored, shown: &Shown) -> String {
    written(of, Format::Table, shown)
}

fn markdown(of: &Stored, shown: &Shown) -> String {
    written(of, Format::Markdown, shown)
}

fn only(names: &[&str]) -> Shown {
    Shown {
        sections: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Shown::default()
    }
}

/// The items of the list under a heading.
fn items<'a>(markdown: &'a str, title: &str) -> Vec<&'a str> {
    let (_, rest) = markdown
        .split_once(&format!("### {title}\n\n"))
        .unwrap_or_default();
    let rest = rest.split("\n### ").next().unwrap_or_default();
    rest.lines().filter(|line| line.starts_with("- ")).collect()
}

#[test]
fn every_report_begins_with_at_most_three_sentences_and_the_number_of_caveats() {
    for (name, of) in results() {
        let report = markdown(&of, &Shown::default());
        assert!(report.starts_with("### In short\n"), "{name}: {report}");
        let (verdict, caveats) = (items(&report, "In short"), items(&report, "Caveats").len());
        let counted: Vec<&str> = verdict
            .iter()
            .copied()
            .filter(|line| line.ends_with(" below"))
            .collect();
        match caveats {
            0 => assert!(counted.is_empty(), "{name}: {report}"),
            1 => assert_eq!(counted, ["- 1 caveat below"], "{name}"),
            more => assert_eq!(counted, [format!("- {more} caveats below")], "{name}"),
        }
        let said = verdict.len() - counted.len();
        let around = verdict
            .iter()
            .any(|line| line.contains("A and B also differ"));
        assert!(said <= 3 + usize::from(around), "{name}: {report}");
        assert!(said > 0, "{name}: {report}");
    }
}

#[test]
fn a_brief_report_is_the_verdict_and_the_caveats() {
    for (name, of) in results() {
        let brief = Shown {
            brief: true,
            ..Shown::default()
        };
        let report = text(&of, &brief);
        assert_eq!(report, text(&of, &only(&["in-short", "caveats"])), "{name}");
        assert!(report.lines().count() < 30, "{name}: {report}");
        let whole = text(&of, &Shown::default());
        for part in report.split("\n\n") {
            says(&whole, part.trim_end());
        }
    }
}

#[test]
fn a_section_is_found_by_its_name_and_looks_as_in_the_whole() {
    for (name, of) in results() {
        let whole = markdown(&of, &Shown::default());
        let names = section_names(Subject::of(&of));
        for section in names.iter().filter(|section| **section != "in-short") {
            let alone = markdown(&of, &only(&[section, "caveats"]));
            for part in alone.split("\n### ").filter(|part| !part.is_empty()) {
                says(&whole, part.trim_start_matches("### ").trim_end());
            }
        }
        let all = only(&names);
        assert_eq!(markdown(&of, &all), whole, "{name}: some block has no name");
    }
}

#[test]
fn every_name_is_that_of_a_section_in_some_report() {
    let mut unseen: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut seen = unseen.clone();
    let card = with("card", |document| {
        let Order::Card(order) = &mut document.plan.order else {
            panic!("it is no card");
        };
        order.left_out.push(LeftOut {
            purpose: Purpose::SharedMappings,
            what: "300 mappings, shared".to_owned(),
            why: "only 1 GiB of memory is free".to_owned(),
        });
        document.caveats.push(Caveat::FewRounds { rounds: 2 });
    });
    let trace = with("trace", |document| {
        document.caveats.push(Caveat::Interrupted);
    });
    let more = [("card", card), ("trace", trace)];
    let more = more.map(|(name, document)| (name.to_owned(), document.into()));
    for (_, of) in results().into_iter().chain(more) {
        let subject = Subject::of(&of);
        for name in section_names(subject) {
            let found = !markdown(&of, &only(&[name, "caveats"])).is_empty();
            let key = (format!("{subject:?}"), name);
            let set = if found { &mut seen } else { &mut unseen };
            set.insert(key);
        }
    }
    let never: Vec<_> = unseen.difference(&seen).collect();
    assert!(never.is_empty(), "{never:?}");
}

#[test]
fn caveats_that_are_not_shown_are_counted_still() {
    let of = stored("sweep").into();
    let report = text(&of, &only(&["time"]));
    assert!(report.starts_with("Time of one spawn\n"), "{report}");
    says(
        &report,
        "\n\n3 caveats not shown here: add --section caveats\n",
    );
    let report = text(&of, &only(&["in-short"]));
    assert!(report.starts_with("In short\n"), "{report}");
    says(
        &report,
        "\n3 caveats not shown here: add --section caveats\n",
    );
    let report = text(&of, &only(&["caveats"]));
    assert!(report.starts_with("Caveats\n"), "{report}");
    omits(&report, "not shown here");
}

#[test]
fn an_unknown_section_is_answered_with_those_that_there_are() {
    let refused = |of: &Stored, name| render(of, Format::Table, &only(&[name])).unwrap_err();
    let error = refused(&stored("sweep").into(), "ledger").to_string();
    assert_eq!(
        error,
        "a sweep has no section \"ledger\": there are in-short, time, counts, beyond, further, \
         method, caveats, run, slow, legend"
    );
    for (name, of) in results() {
        let error = refused(&of, "no-such");
        assert!(matches!(error, ReportError::NoSection { .. }), "{name}");
        for known in section_names(Subject::of(&of)) {
            says(&error.to_string(), known);
        }
    }
}

#[test]
fn the_legend_is_shown_when_it_is_wanted_and_fits_the_tables() {
    let of = stored("sweep").into();
    let with = |legend, names: &[&str]| {
        let shown = Shown {
            legend,
            ..only(names)
        };
        text(&of, &shown)
    };
    says(&with(Legend::Auto, &[]), "\nColumns\n");
    says(&with(Legend::Always, &[]), "\nColumns\n");
    omits(&with(Legend::Never, &[]), "\nColumns\n");
    omits(&with(Legend::Never, &["time", "legend"]), "\nColumns\n");
    omits(&with(Legend::Auto, &["time"]), "\nColumns\n");
    let time = with(Legend::Always, &["time"]);
    says(&time, "\nColumns\n");
    says(&time, "\ncall ");
    omits(&time, "counting slowdown");
    says(&with(Legend::Auto, &["legend"]), "counting slowdown");
}

#[test]
fn what_has_no_sections_is_shown_as_a_whole() {
    let of = stored("sweep").into();
    for format in [Format::Csv, Format::Json] {
        for shown in [
            only(&["time"]),
            Shown {
                brief: true,
                ..Shown::default()
            },
            Shown {
                legend: Legend::Never,
                ..Shown::default()
            },
        ] {
            let error = render(&of, format, &shown).unwrap_err();
            assert!(matches!(error, ReportError::Whole { .. }), "{error}");
        }
    }
}

#[test]
fn a_shape_has_its_verdict_and_its_sections_too() {
    for (name, shape) in shapes() {
        let shown = |shown: &Shown| {
            let bytes = render_shape(&shape, Format::Table, shown).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let whole = shown(&Shown::default());
        assert!(whole.starts_with("In short\nA fork of "), "{name}: {whole}");
        says(&whole, &shown(&only(&["mappings", "caveats"])));
        assert_eq!(whole, shown(&only(&section_names(Subject::Shape))));
        assert!(render_shape(&shape, Format::Table, &only(&["time"])).is_err());
    }
}

/// The figures are those that are stored; the slow workers are shown where they are asked for.
#[test]
fn what_a_slow_host_did_is_told_and_shown_on_demand() {
    let slow = SlowState {
        share_of_time: 0.31,
        share_of_visits: 0.25,
        spells: 4,
        slowdown: Estimate {
            value: 1.8,
            ci95: [1.6, 2.0],
        },
    };
    let document = with("sweep", |document| {
        document.run.reference = Availability::Measured(Reference {
            mappings: 300,
            readings: Vec::new(),
            ended_by: None,
            host: Some(HostCourse::Spells(slow)),
        });
        for cell in cells(&mut document.findings) {
            let last = cell.samples.last_mut().unwrap();
            last.host = HostState::Slow;
            last.total_ns.iter_mut().for_each(|ns| *ns *= 2);
        }
    });
    let document: Stored = document.into();
    says(
        &flat(&text(&document, &Shown::default())),
        "the host was slow for 31.0 % of the time, in 4 spells: 1.80 times as slow (1.60 to 2.00)",
    );
    omits(
        &text(&document, &Shown::default()),
        "Spawns while the host was slow or busy",
    );
    let slow = text(&document, &only(&["slow"]));
    says(&slow, "Spawns while the host was slow or busy");
    says(&slow, "2.00 ±");
    says(&slow, "1 of 8 workers");
    let explained = text(
        &document,
        &Shown {
            legend: Legend::Always,
            ..only(&["slow"])
        },
    );
    says(
        &explained,
        "the total of the other workers, which figures leave out",
    );
}
