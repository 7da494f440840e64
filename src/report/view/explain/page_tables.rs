//! The page tables: what is mapped, what a fork copies of it, and how well the
//! tables are filled, before the inflation and after it.

use crate::model::{Availability, MappingKind, Missing, PageTables, TableLevel};

use super::super::footnotes::Footnotes;
use super::super::number::{MEBIBYTE, integer, number};
use super::super::table::{Column, Entry, Table};
use super::{Explained, Section, names, tree};

/// The tables before the inflation, or why they are not known.
type Before<'a> = Result<&'a PageTables, &'a Missing>;

/// Both tables and the tree.
pub(super) fn sections(
    explained: &Explained<'_>,
    footnotes: &mut Footnotes,
    absent: &mut Footnotes,
) -> Vec<Section> {
    let explanation = explained.explanation;
    let tables = match &explanation.page_tables {
        Availability::Measured(tables) => tables,
        Availability::Missing(missing) => {
            absent.missing(missing, "page tables", None);
            return Vec::new();
        }
    };
    let before = match &explanation.page_tables_before {
        Availability::Measured(before) => Ok(before),
        Availability::Missing(missing) => Err(missing),
    };
    let mut sections = vec![
        explained.table("mapped", footnotes, |notes| kinds(tables, before, notes)),
        explained.table("page-tables", footnotes, |notes| {
            levels(tables, before, notes)
        }),
    ];
    let tree = tables.tree.as_ref();
    let tree = tree.map(|tree| Section::new("tree", tree::drawing(tree, tables)));
    sections.extend(tree);
    sections
}

/// Takes a column's figure from a kind.
type Pick = fn(&MappingKind) -> u64;

/// A column of the kinds: its head and its figure.
struct KindColumn {
    column: Column,
    figure: Pick,
    /// Whether a column follows that says what the inflation added to it.
    growth: bool,
}

fn kind_columns(tables: &PageTables) -> Vec<KindColumn> {
    let column = |column, growth, figure| KindColumn {
        column,
        figure,
        growth,
    };
    let legend = "mappings that hold anonymous pages, whose PTEs fork copies";
    let mut columns = vec![
        column(Column::number("mappings", ""), true, |kind| {
            kind.mappings.vmas
        }),
        column(
            Column::number("anon.", "VMAs").explained(legend),
            false,
            |kind| kind.mappings.anon_vmas,
        ),
        column(
            Column::number("present", "PTEs").explained("page-table entries that map a base page"),
            true,
            |kind| kind.mappings.present_ptes,
        ),
    ];
    let optional: [(&str, &str, Pick); 2] = [
        ("swapped", "PTEs", |kind| kind.mappings.swapped_ptes),
        ("huge", "entries", |kind| kind.mappings.huge_entries),
    ];
    for (header, subheader, figure) in optional {
        if tables.kinds.iter().any(|kind| figure(kind) > 0) {
            columns.push(column(Column::number(header, subheader), false, figure));
        }
    }
    columns.push(column(
        Column::number("fork", "copies").explained("entries of these mappings that a fork copies"),
        false,
        |kind| kind.copied,
    ));
    columns.push(column(
        Column::number("fork", "leaves")
            .explained("entries that it leaves out, since a fault can find the pages again"),
        false,
        |kind| kind.skipped,
    ));
    columns
}

fn kinds(tables: &PageTables, before: Before<'_>, notes: &mut Footnotes) -> Table {
    let shown = kind_columns(tables);
    let mut columns = vec![
        Column::name("kind"),
        Column::number("size", &MEBIBYTE.subheader()),
    ];
    for KindColumn { column, growth, .. } in &shown {
        columns.push(column.clone());
        if *growth {
            columns.push(Column::number("of them", "added").explained_as(
                "added",
                "by the inflation: what the worker has beyond its own zero point",
            ));
        }
    }
    columns.push(Column::list("why", ""));
    let mut rows: Vec<Vec<Entry>> = tables
        .kinds
        .iter()
        .map(|kind| {
            let same = |before: &&MappingKind| before.kind == kind.kind;
            let was = |figure: Pick| {
                let before = before.ok()?;
                Some(
                    before
                        .kinds
                        .iter()
                        .filter(same)
                        .map(figure)
                        .fold(0, u64::saturating_add),
                )
            };
            kind_row(kind, &shown, was, before.err(), notes)
        })
        .collect();
    let whole = sum(&tables.kinds);
    let was = |figure: Pick| Some(figure(&sum(&before.ok()?.kinds)));
    let rules = vec![rows.len()];
    rows.push(kind_row(&whole, &shown, was, before.err(), notes));
    Table {
        title: "What the worker maps, and what a fork copies of it".to_owned(),
        columns,
        rows,
        rules,
        notes: Vec::new(),
    }
}

fn kind_row(
    kind: &MappingKind,
    shown: &[KindColumn],
    was: impl Fn(Pick) -> Option<u64>,
    missing: Option<&Missing>,
    notes: &mut Footnotes,
) -> Vec<Entry> {
    let mut row = vec![
        Entry::Name(kind.kind.clone()),
        MEBIBYTE.bare(kind.mappings.mapped_bytes as f64),
    ];
    for KindColumn { figure, growth, .. } in shown {
        let now = figure(kind);
        row.push(Entry::exact(integer(now)));
        if *growth {
            row.push(match (was(*figure), missing) {
                (Some(was), _) => Entry::exact(change(was, now)),
                (None, Some(missing)) => notes.missing(missing, "added", None),
                (None, None) => Entry::Missing,
            });
        }
    }
    let reasons = kind.skip_reasons.iter();
    let reasons: Vec<&str> = reasons.map(|reason| names::skip_reason(*reason)).collect();
    row.push(Entry::Name(reasons.join(", ")));
    row
}

/// "+1,000", "-1" or "0".
fn change(was: u64, now: u64) -> String {
    match now.checked_sub(was) {
        Some(0) => "0".to_owned(),
        Some(more) => format!("+{}", integer(more)),
        None => format!("-{}", integer(was - now)),
    }
}

/// All kinds together. A document may hold figures whose sum no integer does.
fn sum(kinds: &[MappingKind]) -> MappingKind {
    let of = |figure: Pick| kinds.iter().map(figure).fold(0, u64::saturating_add);
    MappingKind {
        kind: "all".to_owned(),
        mappings: kinds.iter().map(|kind| kind.mappings).sum(),
        copied: of(|kind| kind.copied),
        skipped: of(|kind| kind.skipped),
        skip_reasons: Vec::new(),
    }
}

fn levels(tables: &PageTables, before: Before<'_>, notes: &mut Footnotes) -> Table {
    let columns = vec![
        Column::name("level").explained_as(
            "PTE, PMD, ...",
            "page tables by level: a PTE table maps pages, a PMD table holds PTE tables, and so on",
        ),
        Column::number("tables", ""),
        Column::number("tables", "before").explained_as("before", "the inflation"),
        Column::number("entries", "used"),
        Column::number("entries", "before"),
        Column::number("fill", "(%)").explained("entries used, of those that the tables have"),
        Column::number("fill before", "(%)"),
    ];
    let rows = tables.levels.iter().map(|level| {
        let was = before.map(|before| before.levels.iter().find(|was| was.level == level.level));
        level_row(level, was, notes)
    });
    Table {
        title: "Page tables by level".to_owned(),
        columns,
        rows: rows.collect(),
        rules: Vec::new(),
        notes: vec![beyond(tables, before)],
    }
}

fn level_row(
    level: &TableLevel,
    was: Result<Option<&TableLevel>, &Missing>,
    notes: &mut Footnotes,
) -> Vec<Entry> {
    let figures: [fn(&TableLevel) -> Entry; 3] = [
        |level| Entry::exact(integer(level.tables)),
        |level| Entry::exact(integer(level.used)),
        |level| fill(level).map_or(Entry::Blank, Entry::exact),
    ];
    let mut row = vec![Entry::Name(names::level(level.level).to_owned())];
    for figure in figures {
        row.push(figure(level));
        row.push(match was {
            Ok(Some(was)) => figure(was),
            Ok(None) => Entry::Blank,
            Err(missing) => notes.missing(missing, "before", None),
        });
    }
    row
}

/// How full the tables of a level are, in percent.
fn fill(level: &TableLevel) -> Option<String> {
    let entries = level.tables as f64 * level.capacity as f64;
    (entries > 0.0).then(|| number(level.used as f64 / entries * 100.0, 1))
}

/// What the kernel itself counts, and huge entries, which need no PTE table.
fn beyond(tables: &PageTables, before: Before<'_>) -> String {
    let kib = |bytes: u64| format!("{} KiB", integer(bytes >> 10));
    let was = before.map_or(String::new(), |before| {
        format!(", {} before", kib(before.vm_pte_bytes))
    });
    let huge = match tables.huge_entries {
        0 => "no entry maps a huge page".to_owned(),
        1 => "1 entry maps a huge page".to_owned(),
        many => format!("{} entries map a huge page", integer(many)),
    };
    format!(
        "all tables below the top (VmPTE): {}{was}; {huge}",
        kib(tables.vm_pte_bytes)
    )
}
