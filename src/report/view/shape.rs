//! The shape of a process: what it is made of, and what a fork does with that.

use super::number::{counted, integer, number, significant};
use super::table::{Block, Column, Entry, Table};
use super::{CAVEATS, IN_SHORT, LEGEND, Section};
use crate::analysis::mappings::{Fate, copied_tables, entries_per_table, fate};
use crate::model::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, ShapeMapping, ShapeReservation,
    SkipReason,
};
use crate::units::{bytes, utc};

const MEBIBYTE: f64 = 1_048_576.0;

/// In the order of the table.
const CONTENTS: [MappingContent; 10] = [
    MappingContent::Program,
    MappingContent::Library,
    MappingContent::Heap,
    MappingContent::Stack,
    MappingContent::ThreadStack,
    MappingContent::Anonymous,
    MappingContent::File,
    MappingContent::SharedMemory,
    MappingContent::Hugetlb,
    MappingContent::Kernel,
];

/// The whole report of a shape. Sections that have nothing to say are among them, empty.
pub fn shape(shape: &ProcessShape) -> Vec<Section> {
    let table = table(shape);
    let legend = Section::new(LEGEND, legend(&table));
    vec![
        Section::lines(IN_SHORT, "In short", in_short(shape)),
        Section::table("mappings", table),
        Section::lines("flags", "Flags", flags(shape)),
        Section::lines("method", "What was read", vec![process(shape)]),
        Section::lines(CAVEATS, "Caveats", reservations(&shape.process)),
        legend,
    ]
}

/// What a fork of it copies, whose most of that is, and what to do next.
fn in_short(shape: &ProcessShape) -> Vec<String> {
    let copied = Sum::of(shape, |mapping| fate(mapping) == Fate::Copied);
    let own = copied.pages(|mapping| &mapping.own);
    let copy = format!(
        "A fork of {} copies the entries of {} of its {}: {} with {} of its own.",
        shape.process.name,
        integer(copied.count()),
        counted(shape.mappings.len() as u64, "mapping"),
        counted(
            copied_tables(copied.mappings.iter().copied(), shape.process.page_size),
            "page table"
        ),
        counted(own, "page"),
    );
    let of = |content: &MappingContent| {
        let mappings = copied.mappings.iter();
        let theirs = mappings.filter(|mapping| mapping.content == *content);
        let mappings = theirs.copied().collect();
        Sum { mappings }.pages(|mapping| &mapping.own)
    };
    let most = CONTENTS.iter().max_by_key(|content| of(content));
    let most = most.filter(|content| of(content) > own / 2).map(|content| {
        format!(
            "Most of these pages, {} %, are \"{}\".",
            number(of(content) as f64 / own as f64 * 100.0, 0),
            content_in_words(*content)
        )
    });
    let next = "What such a fork costs is measured by forktax explain, and what helps by forktax \
                advise, both with the --pid or --shape of this report.";
    let sentences = [Some(copy), most, Some(next.to_owned())];
    sentences.into_iter().flatten().collect()
}

/// Who it is, and what it has beside its mappings.
fn process(shape: &ProcessShape) -> String {
    let facts = &shape.process;
    let pid = facts.pid.map_or(String::new(), |pid| format!(" ({pid})"));
    let files = facts.descriptors.saturating_add(facts.cloexec_descriptors);
    let closed = match facts.cloexec_descriptors {
        0 => String::new(),
        count => format!(" (an exec closes {})", integer(count)),
    };
    let cpus = match facts.allowed_cpus.len() as u64 {
        0 => String::new(),
        count => format!(", {} that it may run on", counted(count, "CPU")),
    };
    format!(
        "{}{pid} on Linux {}, with pages of {} KiB: {}, {}, {}{closed}, {}{cpus}; {} resident, \
         {} of page tables; {}",
        facts.name,
        facts.kernel,
        facts.page_size >> 10,
        counted(shape.mappings.len() as u64, "mapping"),
        counted(facts.threads, "thread"),
        counted(files, "open file"),
        counted(facts.handlers, "signal handler"),
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

/// What mappings of one content add up to.
#[derive(Default)]
struct Sum<'a> {
    mappings: Vec<&'a ShapeMapping>,
}

impl<'a> Sum<'a> {
    fn of(shape: &'a ProcessShape, wanted: impl Fn(&ShapeMapping) -> bool) -> Self {
        let mappings = shape.mappings.iter();
        Self {
            mappings: mappings.filter(|mapping| wanted(mapping)).collect(),
        }
    }

    fn count(&self) -> u64 {
        self.mappings.len() as u64
    }

    fn pages(&self, runs: impl Fn(&ShapeMapping) -> &Vec<[u64; 2]>) -> u64 {
        let runs = self.mappings.iter().flat_map(|mapping| runs(mapping));
        runs.fold(0, |sum, [_, count]| sum.saturating_add(*count))
    }

    fn mapped(&self) -> u64 {
        let pages = self.mappings.iter().map(|mapping| mapping.pages);
        pages.fold(0, u64::saturating_add)
    }

    fn have(&self, fate_is: impl Fn(Fate) -> bool) -> u64 {
        let of = self.mappings.iter();
        of.filter(|mapping| fate_is(fate(mapping))).count() as u64
    }
}

fn table(shape: &ProcessShape) -> Table {
    let page_size = shape.process.page_size;
    let sums = CONTENTS.map(|content| (content, Sum::of(shape, |m| m.content == content)));
    let mut rows: Vec<Vec<Entry>> = sums
        .iter()
        .filter(|(_, sum)| sum.count() > 0)
        .map(|(content, sum)| row(content_in_words(*content), sum, page_size))
        .collect();
    let mut rules = Vec::new();
    if rows.len() > 1 {
        rules.push(rows.len());
        rows.push(row("all", &Sum::of(shape, |_| true), page_size));
    }
    Table {
        title: "Mappings and their pages".to_owned(),
        columns: columns(page_size),
        rows,
        rules,
        notes: Vec::new(),
    }
}

fn columns(page_size: u64) -> Vec<Column> {
    let entries = entries_per_table(page_size);
    vec![
        Column::name("content"),
        Column::number("count", ""),
        Column::number("mapped", "(MiB)"),
        Column::number("anon_vma", "").explained(
            "mappings that have a page of their own, for which a fork sets up an anon_vma",
        ),
        Column::number("own", "").explained(
            "pages that are the process's own: a fork copies their entries and write-protects \
             them",
        ),
        Column::number("file", "").explained("pages of files and of shared memory"),
        Column::number("zero", "").explained(
            "entries of the kernel's page of zeros, which untouched memory has after it was read",
        ),
        Column::number("swapped", "").explained("pages that are swapped out"),
        Column::number("huge", "").explained(format!(
            "huge pages of {}; one entry stands for each",
            bytes(page_size.saturating_mul(entries))
        )),
        Column::number("tables", "").explained(format!(
            "page tables of {} entries that hold entries which a fork copies; neighbours share \
             some",
            integer(entries)
        )),
        Column::name("at a fork").explained(
            "whether the child's page tables are filled, or its faults find the pages again",
        ),
    ]
}

fn row(name: &str, sum: &Sum<'_>, page_size: u64) -> Vec<Entry> {
    let whole = |count: u64| match count {
        0 => Entry::Blank,
        count => Entry::exact(integer(count)),
    };
    let mapped = sum.mapped().saturating_mul(page_size) as f64 / MEBIBYTE;
    let anon_vmas = sum.mappings.iter().filter(|mapping| mapping.anon_vma);
    let huge = sum.pages(|mapping| &mapping.huge) / entries_per_table(page_size).max(1);
    vec![
        Entry::Name(name.to_owned()),
        whole(sum.count()),
        Entry::exact(number(mapped, usize::from(mapped < 999.95))),
        whole(anon_vmas.count() as u64),
        whole(sum.pages(|mapping| &mapping.own)),
        whole(sum.pages(|mapping| &mapping.file)),
        whole(sum.pages(|mapping| &mapping.zero)),
        whole(sum.pages(|mapping| &mapping.swapped)),
        whole(huge),
        whole(copied_tables(sum.mappings.iter().copied(), page_size)),
        Entry::Name(at_a_fork(sum)),
    ]
}

/// What becomes of these mappings at a fork, in two or three words.
fn at_a_fork(sum: &Sum<'_>) -> String {
    let copied = sum.have(|fate| fate == Fate::Copied);
    if copied == sum.count() {
        "copied".to_owned()
    } else if copied > 0 {
        format!("{} copied", integer(copied))
    } else if sum.have(|fate| fate == Fate::Skipped(SkipReason::DontFork)) == sum.count() {
        "left out".to_owned()
    } else {
        "not copied".to_owned()
    }
}

fn content_in_words(content: MappingContent) -> &'static str {
    match content {
        MappingContent::Program => "program",
        MappingContent::Library => "libraries",
        MappingContent::Heap => "heap",
        MappingContent::Stack => "stack",
        MappingContent::ThreadStack => "thread stacks",
        MappingContent::Anonymous => "anonymous",
        MappingContent::File => "files",
        MappingContent::SharedMemory => "shared memory",
        MappingContent::Hugetlb => "hugetlbfs",
        MappingContent::Kernel => "kernel's own",
    }
}

fn flags(shape: &ProcessShape) -> Vec<String> {
    const ALL: [MappingFlag; 9] = [
        MappingFlag::DontFork,
        MappingFlag::WipeOnFork,
        MappingFlag::Locked,
        MappingFlag::Mergeable,
        MappingFlag::Userfault,
        MappingFlag::UserfaultWrites,
        MappingFlag::HugeAdvised,
        MappingFlag::HugeForbidden,
        MappingFlag::PageFrames,
    ];
    let line = |flag| {
        let sum = Sum::of(shape, |mapping| mapping.has(flag));
        let mapped = sum.mapped().saturating_mul(shape.process.page_size);
        (sum.count() > 0).then(|| {
            format!(
                "{} of {}: {}",
                counted(sum.count(), "mapping"),
                bytes(mapped),
                flag_in_words(flag)
            )
        })
    };
    ALL.into_iter().filter_map(line).collect()
}

fn flag_in_words(flag: MappingFlag) -> &'static str {
    match flag {
        MappingFlag::DontFork => "left out of forks (MADV_DONTFORK)",
        MappingFlag::WipeOnFork => "empty in a child (MADV_WIPEONFORK)",
        MappingFlag::Locked => "kept in memory (mlock(2)), which a child does not inherit",
        MappingFlag::Mergeable => "to be merged with equal pages (MADV_MERGEABLE)",
        MappingFlag::Userfault => "watched by userfaultfd(2)",
        MappingFlag::UserfaultWrites => {
            "watched by userfaultfd(2) for writes; a fork may have to copy the entries"
        }
        MappingFlag::HugeAdvised => "huge pages are asked for (MADV_HUGEPAGE)",
        MappingFlag::HugeForbidden => "huge pages are forbidden (MADV_NOHUGEPAGE)",
        MappingFlag::PageFrames => "mapped by page frame number; a fork copies the entries always",
    }
}

fn reservations(facts: &ProcessFacts) -> Vec<String> {
    let all = facts.reservations.iter().copied();
    all.map(|reservation| in_words(reservation).to_owned())
        .collect()
}

fn in_words(reservation: ShapeReservation) -> &'static str {
    match reservation {
        ShapeReservation::ChangedWhileRead => {
            "mappings came, went or changed each time it was read, and the last reading counts; \
             read it again while it rests, or stop it meanwhile (kill -STOP)"
        }
        ShapeReservation::Seccomp => {
            "its system calls pass a seccomp filter, which makes each of its forks a little dearer \
             than one that is rebuilt from this shape"
        }
        ShapeReservation::Traced => {
            "it is traced, and each of its forks may stop for the tracer; end the tracer"
        }
        ShapeReservation::OtherControlGroup => {
            "it is in another control group than forktax, and its page tables are charged there; \
             run forktax in that group to have the like"
        }
        ShapeReservation::NoPhysicalAddresses => {
            "where its pages lie in physical memory was not to be seen; read it with CAP_SYS_ADMIN"
        }
        ShapeReservation::NoZeroPages => {
            "which pages are the kernel's page of zeros was not to be seen, and some are taken for \
             its own; Linux 6.7 and newer show them (PAGEMAP_SCAN)"
        }
        ShapeReservation::NoThreadStacks => {
            "not all stacks of threads were to be seen, and those are among the anonymous memory; \
             read it while its threads wait, with the right to trace it (as root)"
        }
        ShapeReservation::NoFlags => {
            "the flags of its mappings were left out, such as MADV_DONTFORK; read it without \
             --no-flags"
        }
    }
}

/// What the columns mean that have a figure in some row.
fn legend(table: &Table) -> Block {
    let is_used = |index: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(index));
        cells.into_iter().any(|cell| *cell != Entry::Blank)
    };
    let columns = table.columns.iter().enumerate();
    Block::Legend {
        title: "Columns".to_owned(),
        terms: columns
            .filter(|(index, _)| is_used(*index))
            .filter_map(|(_, column)| column.legend.clone())
            .collect(),
    }
}
