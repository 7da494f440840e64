//! The page-table tree below one mapping, or below a run of equal mappings.
//!
//! Pure. What is drawn is what a reader of the tables asks about: the memory
//! that makes the process large, from the root down, so that it is seen how
//! scattered it lies. The tree is cut to a few tables at each place and says
//! how many it leaves out.

use std::ops::Range;

use super::levels::{Entries, Geometry, Table};
use super::mappings::Mapping;
use super::pages::Found;
use crate::model::{MappingContent, Tree, TreeNode};
use crate::units::{bytes, thousands};

/// Tables that are listed below one.
const MOST_BELOW: usize = 8;

/// Mappings that make a run: any two are evenly spaced.
const FEWEST: usize = 3;

/// The mappings to draw: of all writable mappings but the program's own and the
/// stack the one with the most present pages, the lowest if several have them.
///
/// Equal mappings that follow each other at equal distances count as one: the
/// tree of a single page among thousands would be a chain.
pub(super) fn subject(
    mappings: &[Mapping<'_>],
    found: &[Found],
    geometry: Geometry,
) -> Option<Range<usize>> {
    let pages = |run: &Range<usize>| -> u64 {
        let found = found[run.clone()].iter();
        found
            .map(|found| found.present + found.huge * geometry.capacity())
            .sum()
    };
    let mut best: Option<(u64, Range<usize>)> = None;
    let mut first = 0;
    while first < mappings.len() {
        let run = first..first + run_length(&mappings[first..]);
        first = run.end;
        let size = pages(&run);
        let larger = best.as_ref().is_none_or(|(most, _)| size > *most);
        if is_drawable(&mappings[run.start]) && size > 0 && larger {
            best = Some((size, run));
        }
    }
    best.map(|(_, run)| run)
}

fn is_drawable(mapping: &Mapping<'_>) -> bool {
    let own = [
        MappingContent::Program,
        MappingContent::Library,
        MappingContent::Stack,
        MappingContent::Kernel,
    ];
    mapping.listed.is_writable() && !own.contains(&mapping.content)
}

/// How many mappings from the first on are alike and evenly spaced.
fn run_length(mappings: &[Mapping<'_>]) -> usize {
    let pages = |mapping: &Mapping| mapping.vma.end_page - mapping.vma.first_page;
    let alike = |pair: &[Mapping<'_>]| {
        let [a, b] = pair else { return None };
        let alike = a.content == b.content && a.label() == b.label() && pages(a) == pages(b);
        alike.then(|| b.vma.first_page - a.vma.first_page)
    };
    let mut distances = mappings.windows(2).map(alike);
    let Some(distance) = distances.next().flatten() else {
        return 1;
    };
    let same = distances.take_while(|next| *next == Some(distance));
    let length = 2 + same.count();
    if length < FEWEST { 1 } else { length }
}

/// The tree of the entries that were found in these mappings.
pub(super) fn below(run: &[Mapping<'_>], entries: &Entries) -> Tree {
    let levels = entries.tables();
    let root = levels.len() - 1;
    let table = levels[root].first().copied();
    Tree {
        mapping: describe(run, entries.geometry().page_size),
        root: node(
            &levels,
            root,
            table.unwrap_or(Table { number: 0, used: 0 }),
            entries.geometry(),
        ),
    }
}

fn describe(run: &[Mapping<'_>], page_size: u64) -> String {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return String::new();
    };
    let (start, end) = (
        first.vma.first_page * page_size,
        last.vma.end_page * page_size,
    );
    let label = first.label();
    if run.len() == 1 {
        return format!("{start:x}-{end:x} {label}");
    }
    let each = (first.vma.end_page - first.vma.first_page) * page_size;
    format!(
        "{} mappings of {} between {start:x} and {end:x}, {label}",
        thousands(run.len() as u64),
        bytes(each),
    )
}

fn node(levels: &[Vec<Table>], level: usize, table: Table, geometry: Geometry) -> TreeNode {
    let below = match level.checked_sub(1) {
        Some(lower) => {
            let first = table.number * geometry.capacity();
            let tables = &levels[lower];
            let from = tables.partition_point(|below| below.number < first);
            let to = tables.partition_point(|below| below.number < first + geometry.capacity());
            &tables[from..to]
        }
        None => &[],
    };
    let listed = &below[..below.len().min(MOST_BELOW)];
    TreeNode {
        level: geometry.name(level),
        start: table
            .number
            .saturating_mul(geometry.capacity())
            .saturating_mul(geometry.entry_reach(level)),
        used: table.used,
        below: listed
            .iter()
            .map(|lower| node(levels, level - 1, *lower, geometry))
            .collect(),
        more: (below.len() - listed.len()) as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::analysis::mappings::Listed;
    use crate::lab::census::pages::Vma;
    use crate::model::Level;

    const BASE: u64 = 0x7f00_0000_0000 >> 12;

    fn geometry() -> Geometry {
        Geometry::of(4096, 1 << 47)
    }

    fn mapping(first_page: u64, pages: u64, content: MappingContent) -> Mapping<'static> {
        static LISTED: LazyLock<Listed> = LazyLock::new(|| Listed {
            permissions: "rw-p".to_owned(),
            has_figures: true,
            anonymous: 4096,
            ..Listed::default()
        });
        Mapping {
            listed: &LISTED,
            content,
            vma: Vma {
                first_page,
                end_page: first_page + pages,
                holds_anon: true,
            },
        }
    }

    fn present(counts: &[u64]) -> Vec<Found> {
        let found = |present: &u64| Found {
            present: *present,
            ..Found::default()
        };
        counts.iter().map(found).collect()
    }

    #[test]
    fn the_largest_mapping_is_drawn_unless_it_is_the_program_s_or_the_stack() {
        let mappings = [
            mapping(BASE, 50, MappingContent::Program),
            mapping(BASE + 100, 9, MappingContent::Heap),
            mapping(BASE + 200, 10, MappingContent::Anonymous),
            mapping(BASE + 300, 11, MappingContent::Anonymous),
            mapping(BASE + 400, 80, MappingContent::Stack),
        ];
        let drawn = |pages: [u64; 5]| subject(&mappings, &present(&pages), geometry());
        assert_eq!(drawn([50, 9, 7, 9, 80]), Some(1..2), "the lowest of two");
        assert_eq!(drawn([50, 0, 7, 8, 80]), Some(3..4));
        assert_eq!(drawn([50, 0, 0, 0, 80]), None);
    }

    #[test]
    fn equal_mappings_at_equal_distances_are_drawn_as_one() {
        let mut mappings = vec![
            mapping(BASE, 30, MappingContent::Heap),
            mapping(BASE + 93, 1, MappingContent::Anonymous),
        ];
        let run = (0..40).map(|i| mapping(BASE + 100 + 2 * i, 1, MappingContent::Anonymous));
        mappings.extend(run);
        mappings.push(mapping(BASE + 183, 1, MappingContent::Anonymous));
        let mut counts = vec![1; mappings.len()];
        counts[0] = 30;
        let run = subject(&mappings, &present(&counts), geometry());
        assert_eq!(run, Some(2..42));
        let two = subject(&mappings[..3], &present(&counts[..3]), geometry());
        assert_eq!(two, Some(0..1));
        assert_eq!(
            describe(&mappings[2..42], 4096),
            "40 mappings of 4 KiB between 7f0000064000 and 7f00000b3000, rw-p"
        );
        assert_eq!(
            describe(&mappings[..1], 4096),
            "7f0000000000-7f000001e000 rw-p"
        );
    }

    #[test]
    fn the_tree_lists_eight_tables_and_counts_the_others() {
        let mut entries = Entries::new(geometry());
        for table in 0..11 {
            entries.add_page(BASE + table * 512);
            entries.add_page(BASE + table * 512 + 3);
        }
        entries.add_page(BASE + (1 << 18));
        let tree = below(
            &[mapping(BASE, 1 << 19, MappingContent::Anonymous)],
            &entries,
        );
        let root = &tree.root;
        assert_eq!((root.level, root.start, root.used), (Level::Pgd, 0, 1));
        let pud = &root.below[0];
        assert_eq!((pud.level, pud.used, pud.below.len()), (Level::Pud, 2, 2));
        let [pmd, far] = &pud.below[..] else { panic!() };
        assert_eq!((pmd.used, pmd.below.len(), pmd.more), (11, 8, 3));
        assert_eq!((far.used, far.start), (1, (BASE + (1 << 18)) << 12));
        let pte = &pmd.below[1];
        assert_eq!((pte.level, pte.used, pte.more), (Level::Pte, 2, 0));
        assert_eq!(pte.start, (BASE + 512) << 12);
        assert!(pte.below.is_empty());
    }

    #[test]
    fn mappings_without_pages_have_a_root_alone() {
        let tree = below(
            &[mapping(BASE, 1, MappingContent::Heap)],
            &Entries::new(geometry()),
        );
        assert_eq!((tree.root.used, tree.root.below.len()), (0, 0));
    }
}
