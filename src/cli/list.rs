//! `forktax reproduce --list`: the studies that there are.

use super::output;
use crate::analysis::reproduce::studies::{self, Per, Price};
use crate::model::{Availability, LoopSystem, StudyId};
use crate::report::view::{Block, Column, Entry, Table};

/// Prints the list.
pub(super) fn run() -> anyhow::Result<()> {
    Ok(output::print_blocks(&blocks())?)
}

fn blocks() -> [Block; 3] {
    [
        Block::Table(studies_table()),
        Block::Table(prices_table()),
        Block::Lines {
            title: "Sources".to_owned(),
            lines: StudyId::ALL.into_iter().map(source).collect(),
        },
    ]
}

fn studies_table() -> Table {
    let row = |study: StudyId| {
        let outline = studies::outline(study);
        vec![
            Entry::Name(study.name().to_owned()),
            Entry::Name(outline.compares.to_owned()),
            Entry::exact(size(study)),
            Entry::exact(about(outline.seconds)),
        ]
    };
    Table {
        title: "Studies that forktax reproduce measures again".to_owned(),
        columns: vec![
            Column::name("study"),
            Column::name("compares"),
            Column::number("built", "here"),
            Column::number("takes", "about"),
        ],
        rows: StudyId::ALL.into_iter().map(row).collect(),
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

/// What is run: programs, or of the published parents those that are built.
fn size(study: StudyId) -> String {
    let points = studies::points(study);
    if points.is_empty() {
        return format!("{} programs", LoopSystem::ALL.len());
    }
    let built = points
        .iter()
        .filter(|parent| matches!(parent.space, Availability::Measured(_)));
    format!("{} of {}", built.count(), points.len())
}

fn about(seconds: u64) -> String {
    if seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

fn prices_table() -> Table {
    let row = |(study, price): (StudyId, Price)| {
        let (unit, figure) = match price.per {
            Per::Pte => ("PTE", format!("{:.1} ns", price.ns)),
            Per::Vma => ("VMA", format!("{:.3} us", price.ns / 1e3)),
        };
        let line = match &price.whole {
            Some(parent) => format!("{}, {parent} *", price.series),
            None => price.series,
        };
        vec![
            Entry::Name(study.name().to_owned()),
            Entry::Name(line),
            Entry::exact(figure),
            Entry::Name(unit.to_owned()),
        ]
    };
    let of_study = |study| {
        let prices = studies::prices(study).into_iter();
        prices.map(move |price| (study, price))
    };
    Table {
        title: "What follows from the published figures alone".to_owned(),
        columns: vec![
            Column::name("study"),
            Column::name("line"),
            Column::number("published", ""),
            Column::name("a"),
        ],
        rows: StudyId::ALL
            .into_iter()
            .flat_map(of_study)
            .map(row)
            .collect(),
        rules: Vec::new(),
        notes: vec![
            "A slope between the smallest and the largest parent: all that grows with the \
             parent, the child's end included where that was timed."
                .to_owned(),
            "* No smaller parent was published: the whole time over all entries, so at most \
             that much."
                .to_owned(),
        ],
    }
}

fn source(study: StudyId) -> String {
    let source = studies::source(study);
    format!(
        "{}: {}. {}, {}. {}",
        study.name(),
        source.authors,
        source.title,
        source.year,
        source.address
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_study_is_listed_with_what_follows_from_its_figures() {
        let text = String::from_utf8(crate::report::text(&blocks(), 100).unwrap()).unwrap();
        for study in StudyId::ALL {
            assert!(text.contains(study.name()), "{text}");
        }
        assert!(text.contains("516.0 ns"), "{text}");
        assert!(text.contains("5 of 10"), "{text}");
        let whole = text.lines().any(|line| line.contains("programs  2 min"));
        assert!(whole, "one row a study: {text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
}
