//! Parents that everybody can picture, for what a fork of them is foretold to cost.

use super::Charged;
use crate::model::{Counts, Term};

const MIB: u64 = 1 << 20;
const HUGE: &str = "64 MiB in huge pages";

/// A parent by its definition.
pub struct Shape {
    /// What it is called.
    pub name: &'static str,
    /// What a fork of it finds.
    pub counts: Counts,
}

/// The sizes of this machine's page tables.
#[derive(Clone, Copy)]
struct Paging {
    page: u64,
    /// Entries of one page table.
    entries: u64,
}

/// The shapes, each added to the empty worker.
pub(super) fn all(charged: &Charged<'_>, empty: Counts) -> Vec<Shape> {
    const LEAST_PAGE: u64 = 4_096;
    let page = charged.document.host.page_size.max(LEAST_PAGE);
    let paging = Paging {
        page,
        entries: page / 8,
    };
    let shape = |name, added| Shape {
        name,
        counts: empty.and(added),
    };
    let untouched = Counts {
        vmas: 10_000,
        ..Counts::default()
    };
    let mut shapes = vec![
        shape("an empty worker", Counts::default()),
        shape("1,000 mappings of a page", paging.mappings(1_000)),
        shape("10,000 untouched mappings", untouched),
        shape("64 MiB in small pages", paging.small(64 * MIB)),
        shape(HUGE, paging.huge(64 * MIB)),
        shape("1 GiB in small pages", paging.small(1_024 * MIB)),
    ];
    shapes.retain(|shape| is_within(charged, &empty, &shape.counts));
    // Huge pages of large base pages are larger than that.
    if paging.huge(64 * MIB).huge_entries == 0 {
        shapes.retain(|shape| shape.name != HUGE);
    }
    shapes
}

/// Whether the prices reach so far: no more of anything than twice what was measured,
/// and nothing that no parent had.
fn is_within(charged: &Charged<'_>, empty: &Counts, shape: &Counts) -> bool {
    Term::ALL.iter().all(|term| {
        let counts = charged.fitted();
        let counts = counts.filter_map(|tried| Some(term.count(tried.counts()?)));
        let most = counts.max().unwrap_or(0);
        let count = term.count(shape);
        count == term.count(empty) || (count <= most.saturating_mul(2) && most > term.count(empty))
    })
}

impl Paging {
    /// Mappings of a page each, with a gap of a page behind it.
    fn mappings(self, count: u64) -> Counts {
        Counts {
            vmas: count,
            anon_vmas: count,
            ptes: count,
            tables: (2 * count).div_ceil(self.entries),
            ..Counts::default()
        }
    }

    /// One mapping of so many bytes, all of them written to.
    fn small(self, bytes: u64) -> Counts {
        let ptes = bytes / self.page;
        Counts {
            vmas: 1,
            anon_vmas: 1,
            ptes,
            tables: ptes.div_ceil(self.entries),
            ..Counts::default()
        }
    }

    /// The same in huge pages.
    fn huge(self, bytes: u64) -> Counts {
        Counts {
            vmas: 1,
            anon_vmas: 1,
            huge_entries: bytes / (self.page * self.entries),
            ..Counts::default()
        }
    }
}
