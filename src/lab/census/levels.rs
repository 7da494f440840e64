//! The page-table tree that a set of entries needs, level by level.
//!
//! Pure arithmetic on page numbers: it reads no file, and it knows only tables
//! that hold an entry in use. The kernel keeps tables that have become empty
//! until their mapping goes (mm/memory.c, free_pgtables); they show in `VmPTE`
//! alone. Each table of each level is one page, as on x86-64, arm64 and RISC-V.

use super::pages::ENTRY_BYTES;
use crate::model::{Level, TableLevel};

/// How a page size divides addresses into levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of a page, and of a table.
    pub(super) page_size: u64,
    /// How many levels there are.
    levels: usize,
}

impl Geometry {
    /// The geometry of an address space up to `end`: as many levels as it takes to
    /// translate the highest address.
    ///
    /// A kernel with five levels has all five for low addresses too, so that `end` is
    /// what can be asked of it. `VmPTE` counts no P4D.
    pub(super) fn of(page_size: u64, end: u64) -> Self {
        let mut geometry = Self {
            page_size,
            levels: 2,
        };
        while geometry.levels < 5 && end.saturating_sub(1) >> geometry.shift(geometry.levels) > 0 {
            geometry.levels += 1;
        }
        geometry
    }

    /// Entries of a table.
    pub(super) fn capacity(self) -> u64 {
        self.page_size / ENTRY_BYTES
    }

    /// Bits of an address below the index of an entry of level `level`.
    fn shift(self, level: usize) -> u32 {
        let own_bits = u32::try_from(level).unwrap_or(u32::MAX);
        (self.page_size.ilog2() + self.capacity().ilog2().saturating_mul(own_bits)).min(63)
    }

    /// Bytes that an entry of level `level` stands for.
    pub(super) fn entry_reach(self, level: usize) -> u64 {
        1 << self.shift(level)
    }

    /// The name of level `level`, counted from the PTEs upwards: the root is
    /// always the PGD (include/linux/pgtable.h, folded levels).
    pub(super) fn name(self, level: usize) -> Level {
        const BELOW_THE_ROOT: [Level; 4] = [Level::Pte, Level::Pmd, Level::Pud, Level::P4d];
        if level + 1 >= self.levels {
            return Level::Pgd;
        }
        BELOW_THE_ROOT.get(level).copied().unwrap_or(Level::Pgd)
    }

    /// The level at which pages of that size are mapped, and none above the
    /// root: sizes in between take several entries of the level below.
    pub(super) fn leaf_level(self, page_bytes: u64) -> usize {
        let fits = |level: &usize| self.entry_reach(*level) <= page_bytes;
        (0..self.levels).rev().find(fits).unwrap_or(0)
    }
}

/// A table: its place among all tables of its level, and its entries in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// The table's number: that of its first entry, divided by the capacity.
    pub(super) number: u64,
    /// Entries in use.
    pub(super) used: u64,
}

/// The entries that map something, in ascending order on each level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entries {
    geometry: Geometry,
    /// The PTE tables.
    tables: Vec<Table>,
    /// Numbers of the entries that map a page on a higher level, by level; the
    /// first is not used.
    leaves: [Vec<u64>; 5],
}

impl Entries {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            tables: Vec::new(),
            leaves: Default::default(),
        }
    }

    /// The geometry that they were made for.
    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Adds the entry of a base page. Pages come in ascending order.
    pub(super) fn add_page(&mut self, page: u64) {
        let number = page / self.geometry.capacity();
        match self.tables.last_mut() {
            Some(table) if table.number == number => table.used += 1,
            _ => self.tables.push(Table { number, used: 1 }),
        }
    }

    /// Adds the entry of a level that maps a page, at once or for each base
    /// page of it, in ascending order. True for an entry that is new.
    pub(super) fn add_leaf(&mut self, level: usize, page: u64) -> bool {
        let pages = self.geometry.entry_reach(level) / self.geometry.page_size;
        let entry = page / pages;
        let is_new = self.leaves[level].last() != Some(&entry);
        if is_new {
            self.leaves[level].push(entry);
        }
        is_new
    }

    /// Makes one entry of the level above of the last PTE table.
    pub(super) fn fold_last_table(&mut self) {
        if let Some(table) = self.tables.pop() {
            self.leaves[1].push(table.number);
        }
    }

    /// The tables of every level, those of the PTEs first.
    pub(super) fn tables(&self) -> Vec<Vec<Table>> {
        let mut levels = vec![self.tables.clone()];
        for level in 1..self.geometry.levels {
            let below = levels[level - 1].iter().map(|table| table.number);
            let mut entries: Vec<u64> = below.chain(self.leaves[level].iter().copied()).collect();
            entries.sort_unstable();
            entries.dedup();
            let number = |entry: &u64| entry / self.geometry.capacity();
            let tables = entries.chunk_by(|a, b| number(a) == number(b));
            levels.push(
                tables
                    .map(|entries| Table {
                        number: number(&entries[0]),
                        used: entries.len() as u64,
                    })
                    .collect(),
            );
        }
        levels
    }

    /// What the tables of each level add up to.
    pub(super) fn summary(&self) -> Vec<TableLevel> {
        let levels = self.tables().into_iter().enumerate();
        levels
            .map(|(level, tables)| TableLevel {
                level: self.geometry.name(level),
                tables: tables.len() as u64,
                used: tables.iter().map(|table| table.used).sum(),
                capacity: self.geometry.capacity(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SMALL: u64 = 4096;

    fn names(geometry: Geometry) -> Vec<Level> {
        let levels = 0..geometry.levels;
        levels.map(|level| geometry.name(level)).collect()
    }

    #[test]
    fn the_page_size_and_the_highest_address_make_the_levels() {
        let four = [Level::Pte, Level::Pmd, Level::Pud, Level::Pgd];
        assert_eq!(names(Geometry::of(SMALL, 0x7fff_ffff_f000)), four);
        assert_eq!(names(Geometry::of(SMALL, 0xffff_ffff_f000)), four);
        assert_eq!(names(Geometry::of(16 << 10, 0xffff_ffff_c000)), four);
        let three = [Level::Pte, Level::Pmd, Level::Pgd];
        assert_eq!(names(Geometry::of(64 << 10, 0xffff_ffff_0000)), three);
        assert_eq!(names(Geometry::of(SMALL, 0x7f_ffff_f000)), three);
        let five = names(Geometry::of(SMALL, 1 << 50));
        assert_eq!(five[3..], [Level::P4d, Level::Pgd]);
        assert_eq!(names(Geometry::of(SMALL, u64::MAX)).len(), 5);
    }

    #[test]
    fn huge_pages_have_the_level_of_their_size() {
        let geometry = Geometry::of(SMALL, 1 << 47);
        assert_eq!(geometry.capacity(), 512);
        let levels = [4 << 10, 64 << 10, 2 << 20, 32 << 20, 1 << 30];
        let levels = levels.map(|bytes| geometry.leaf_level(bytes));
        assert_eq!(levels, [0, 0, 1, 1, 2]);
        assert_eq!(Geometry::of(64 << 10, 1 << 48).leaf_level(512 << 20), 1);
    }

    #[test]
    fn a_page_in_each_of_three_tables_takes_three_tables_of_ptes() {
        let mut entries = Entries::new(Geometry::of(SMALL, 1 << 47));
        for page in [5, 6, 512, 1 << 18] {
            entries.add_page(page);
        }
        let shape = |level: &TableLevel| (level.level, level.tables, level.used);
        let summary: Vec<_> = entries.summary().iter().map(shape).collect();
        let expected = [
            (Level::Pte, 3, 4),
            (Level::Pmd, 2, 3),
            (Level::Pud, 1, 2),
            (Level::Pgd, 1, 1),
        ];
        assert_eq!(summary, expected);
    }

    #[test]
    fn a_huge_page_takes_an_entry_and_no_table_below() {
        let mut entries = Entries::new(Geometry::of(SMALL, 1 << 47));
        entries.add_page(5);
        for page in 512..1024 {
            entries.add_page(page);
        }
        entries.fold_last_table();
        assert!(entries.add_leaf(2, 1 << 18));
        assert!(!entries.add_leaf(2, (1 << 18) + 7));
        let summary = entries.summary();
        assert_eq!((summary[0].tables, summary[0].used), (1, 1));
        assert_eq!((summary[1].tables, summary[1].used), (1, 2));
        assert_eq!((summary[2].tables, summary[2].used), (1, 2));
    }

    /// Pages that lie close to each other and far apart.
    fn pages() -> impl Strategy<Value = BTreeSet<u64>> {
        let near = 0_u64..5_000;
        let far = 0_u64..(1 << 34);
        prop::collection::btree_set(prop_oneof![near, far], 0..300)
    }

    proptest! {
        #[test]
        fn levels_are_those_of_a_set_of_prefixes(pages in pages(), huge in pages(), bits in 12_u32..17) {
            let geometry = Geometry::of(1 << bits, 1 << 47);
            let own = geometry.capacity();
            // A block is mapped by one huge page or by base pages.
            let pages: BTreeSet<u64> =
                pages.into_iter().filter(|page| !huge.contains(&(page / own))).collect();
            let mut entries = Entries::new(geometry);
            pages.iter().for_each(|page| entries.add_page(*page));
            huge.iter().for_each(|entry| { entries.add_leaf(1, entry * own); });
            let mut used: BTreeSet<u64> = pages;
            for (level, found) in entries.summary().iter().enumerate() {
                let tables: BTreeSet<u64> = used.iter().map(|entry| entry / own).collect();
                prop_assert_eq!(found.tables, tables.len() as u64);
                prop_assert_eq!(found.used, used.len() as u64);
                prop_assert_eq!(found.level, geometry.name(level));
                used = tables;
                if level == 0 {
                    used.extend(&huge);
                }
            }
            prop_assert!(used.len() <= 1 || geometry.levels < 5);
        }
    }
}
