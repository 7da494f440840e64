//! The shape of a process: what it is made of, and what a fork does with that.

use super::footnotes::Footnotes;
use super::grid::Grid;
use super::number::{counted, integer, number, significant};
use super::process::{around, content, has, recognised, refusals, reservation};
use super::table::{Column, Entry, Table};
use super::{CAVEATS, IN_SHORT, Section, closing};
use crate::analysis::mappings::{MappingSum, copied, entries_per_table};
use crate::model::{MappingFlag, ProcessFacts, ProcessShape, ShapeMapping};
use crate::units::{bytes, utc};

const MEBIBYTE: f64 = 1_048_576.0;

/// The whole report of a shape. Sections that have nothing to say are among them, empty.
pub fn shape(shape: &ProcessShape) -> Vec<Section> {
    let reservations = shape.process.reservations.iter();
    let reservations = reservations.map(|found| reservation(*found).to_owned());
    let caveats = reservations.chain(around(&shape.process));
    let mut sections = vec![
        Section::lines(IN_SHORT, "In short", in_short(shape)),
        Section::table("mappings", table(shape)),
        Section::lines("flags", "Flags", flags(shape)),
        Section::lines("method", "What was read", vec![process(shape)]),
        Section::lines(CAVEATS, "Caveats", caveats.collect()),
    ];
    sections.push(closing::legend(None, &sections));
    sections
}

/// What a fork of it copies, whose most of that is, and what to do next.
fn in_short(shape: &ProcessShape) -> Vec<String> {
    let page_size = shape.process.page_size;
    let copied = copied(&shape.mappings);
    let sum = MappingSum::of(&copied, page_size);
    let copy = format!(
        "A fork of {} copies the entries of {} of its {}: {} with {} of its own.",
        shape.process.name,
        integer(sum.count),
        counted(shape.mappings.len() as u64, "mapping"),
        counted(sum.tables, "page table"),
        counted(sum.own, "page"),
    );
    let contents = MappingSum::by_content(copied, page_size);
    let most = contents.iter().find(|(_, of)| of.own > sum.own / 2);
    let most = most.map(|(kind, of)| {
        format!(
            "Most of these pages, {} %, are \"{}\".",
            number(of.own as f64 / sum.own as f64 * 100.0, 0),
            content(*kind)[1]
        )
    });
    let next = "What such a fork costs is measured by forktax explain, and what helps by forktax \
                advise, both with the --pid or --shape of this report.";
    let mut sentences = refusals::sentences(&shape.process);
    sentences.extend([Some(copy), most].into_iter().flatten());
    sentences.extend(recognised(shape));
    sentences.push(next.to_owned());
    sentences
}

/// Who it is, and what it has beside its mappings.
fn process(shape: &ProcessShape) -> String {
    let facts = &shape.process;
    let pid = facts.pid.map_or(String::new(), |pid| format!(" ({pid})"));
    let cpus = match facts.allowed_cpus.len() as u64 {
        0 => String::new(),
        count => format!(", {} that it may run on", counted(count, "CPU")),
    };
    if facts.is_of_dump() {
        return format!(
            "a dump of smaps of {}, with pages of {} KiB: {}, {} resident",
            facts.name,
            facts.page_size >> 10,
            counted(shape.mappings.len() as u64, "mapping"),
            bytes(facts.resident_bytes)
        );
    }
    format!(
        "{}{pid} on Linux {}, with pages of {} KiB: {}{cpus}; {} resident, {} of page tables; {}",
        facts.name,
        facts.kernel,
        facts.page_size >> 10,
        has(shape),
        bytes(facts.resident_bytes),
        bytes(facts.page_table_bytes),
        taken(facts)
    )
}

fn taken(facts: &ProcessFacts) -> String {
    match facts.taken_unix_s {
        0 => "made up".to_owned(),
        when => format!("read in {} s on {}", significant(facts.took_s), utc(when)),
    }
}

/// What is mapped, by content and in all.
fn table(shape: &ProcessShape) -> Table {
    let page_size = shape.process.page_size;
    let contents = MappingSum::by_content(&shape.mappings, page_size);
    let mut rows: Vec<(&str, MappingSum)> = contents
        .into_iter()
        .map(|(kind, sum)| (content(kind)[1], sum))
        .collect();
    let sum = Some(rows.len()).filter(|rows| *rows > 1);
    if sum.is_some() {
        let all: Vec<&ShapeMapping> = shape.mappings.iter().collect();
        rows.push(("all", MappingSum::of(&all, page_size)));
    }
    let mut grid = Grid::new()
        .column(Column::name("content"), |row: &(&str, MappingSum)| row.0)
        .column(Column::number("count", ""), |row| row.1.count)
        .column(Column::number("mapped", "(MiB)"), |row| {
            let mapped = row.1.mapped_bytes as f64 / MEBIBYTE;
            Entry::exact(number(mapped, usize::from(mapped < 999.95)))
        });
    let all = MappingSum::of(&shape.mappings.iter().collect::<Vec<_>>(), page_size);
    let seen = |(column, count, always): (Column, Count, bool)| {
        (always || count(&all) > 0).then_some((column, count))
    };
    for (column, count) in counts(page_size).into_iter().filter_map(seen) {
        grid = grid.column(column, move |row| {
            Some(count(&row.1)).filter(|count| *count > 0)
        });
    }
    grid.column(
        Column::name("at a fork").explained(
            "whether the child's page tables are filled, or its faults find the pages again",
        ),
        |row| at_a_fork(&row.1),
    )
    .table("Mappings and their pages", rows, &mut Footnotes::default())
    .ruled(sum)
}

/// Takes a count from a sum.
type Count = fn(&MappingSum) -> u64;

/// What is counted of mappings and their pages, and whether its column is there also where
/// nothing has any; 0 is a blank.
fn counts(page_size: u64) -> [(Column, Count, bool); 10] {
    let entries = entries_per_table(page_size);
    let huge = bytes(page_size.saturating_mul(entries));
    let entries = integer(entries);
    let head = |name: &str, legend: &str| Column::number(name, "").explained(legend);
    [
        (
            head(
                "anon_vma",
                "mappings that have a page of their own, for which a fork sets up an anon_vma",
            ),
            |sum| sum.anon_vmas,
            true,
        ),
        (
            head(
                "own",
                "pages that are the process's own: a fork copies their entries and \
                 write-protects them",
            ),
            |sum| sum.own,
            true,
        ),
        (
            head(
                "pinned",
                "of those that are its own, pages that are pinned: a fork copies their contents",
            ),
            |sum| sum.pinned,
            false,
        ),
        (
            head("file", "pages of files and of shared memory"),
            |sum| sum.file,
            true,
        ),
        (
            head(
                "zero",
                "entries of the kernel's page of zeros, which untouched memory has after it was \
                 read",
            ),
            |sum| sum.zero,
            true,
        ),
        (
            head("swapped", "pages that are swapped out"),
            |sum| sum.swapped,
            true,
        ),
        (
            head(
                "guards",
                "markers in the place of pages (MADV_GUARD_INSTALL): a fork copies their entries",
            ),
            |sum| sum.guards,
            false,
        ),
        (
            head(
                "huge",
                &format!("huge pages of {huge}; one entry stands for each"),
            ),
            |sum| sum.huge,
            true,
        ),
        (
            head(
                "huge zero",
                &format!(
                    "entries of the kernel's huge page of zeros, each for {huge} that were read \
                     and never written to: a fork copies them, and they take no memory"
                ),
            ),
            |sum| sum.huge_zero,
            false,
        ),
        (
            head(
                "tables",
                &format!(
                    "page tables of {entries} entries that hold entries which a fork copies; \
                     neighbours share some"
                ),
            ),
            |sum| sum.tables,
            true,
        ),
    ]
}

/// What becomes of these mappings at a fork, in two or three words.
fn at_a_fork(sum: &MappingSum) -> String {
    if sum.copied == sum.count {
        "copied".to_owned()
    } else if sum.copied > 0 {
        format!("{} copied", integer(sum.copied))
    } else if sum.left_out == sum.count {
        "left out".to_owned()
    } else {
        "not copied".to_owned()
    }
}

fn flags(shape: &ProcessShape) -> Vec<String> {
    let line = |(flag, sum): (MappingFlag, MappingSum)| {
        format!(
            "{} of {}: {}",
            counted(sum.count, "mapping"),
            bytes(sum.mapped_bytes),
            flag_in_words(flag)
        )
    };
    let flags = MappingSum::by_flag(&shape.mappings, shape.process.page_size);
    flags.into_iter().map(line).collect()
}

fn flag_in_words(flag: MappingFlag) -> &'static str {
    match flag {
        MappingFlag::DontFork => "left out of forks (MADV_DONTFORK)",
        MappingFlag::WipeOnFork => "empty in a child (MADV_WIPEONFORK)",
        MappingFlag::Locked => "kept in memory (mlock(2)), which a child does not inherit",
        MappingFlag::Mergeable => "to be merged with equal pages (MADV_MERGEABLE)",
        MappingFlag::Userfault => "watched by userfaultfd(2)",
        MappingFlag::UserfaultWrites => "watched by userfaultfd(2) for writes",
        MappingFlag::UserfaultForks => {
            "watched by userfaultfd(2) beyond forks (UFFD_FEATURE_EVENT_FORK): these wait for the \
             reader, and copy the entries where writes are watched"
        }
        MappingFlag::HugeAdvised => "huge pages are asked for (MADV_HUGEPAGE)",
        MappingFlag::HugeForbidden => "huge pages are forbidden (MADV_NOHUGEPAGE)",
        MappingFlag::PageFrames => "mapped by page frame number; a fork copies the entries always",
        MappingFlag::NotReserved => "not charged as committed memory (MAP_NORESERVE)",
    }
}
