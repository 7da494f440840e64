//! What mappings come to.

use std::collections::BTreeMap;

use super::fate::{Fate, copied_tables, entries_per_table, fate};
use crate::model::{MappingContent, MappingFlag, ShapeMapping, SkipReason};

/// Mappings that are counted together, and their pages.
#[derive(Debug, Default)]
pub struct MappingSum {
    /// Mappings.
    pub count: u64,
    /// Address space in bytes.
    pub mapped_bytes: u64,
    /// Mappings that have a page of their own.
    pub anon_vmas: u64,
    /// The process's own pages.
    pub own: u64,
    /// Pages of files, and shared ones.
    pub file: u64,
    /// Entries of the page of zeros.
    pub zero: u64,
    /// Pages that are swapped out.
    pub swapped: u64,
    /// Huge pages.
    pub huge: u64,
    /// Entries of the huge page of zeros.
    pub huge_zero: u64,
    /// Guards.
    pub guards: u64,
    /// Pinned pages.
    pub pinned: u64,
    /// Page tables that hold entries which a fork copies.
    pub tables: u64,
    /// Mappings whose entries a fork copies.
    pub copied: u64,
    /// Mappings that a fork leaves out.
    pub left_out: u64,
}

impl MappingSum {
    /// The sum of these mappings, of pages of so many bytes.
    pub fn of(mappings: &[&ShapeMapping], page_size: u64) -> Self {
        let pages = |runs: fn(&ShapeMapping) -> &Vec<[u64; 2]>| {
            let runs = mappings.iter().flat_map(|mapping| runs(mapping));
            runs.fold(0, |sum: u64, [_, count]| sum.saturating_add(*count))
        };
        let count = |is_it: &dyn Fn(&ShapeMapping) -> bool| {
            mappings.iter().filter(|mapping| is_it(mapping)).count() as u64
        };
        let mapped = mappings.iter().map(|mapping| mapping.pages);
        let left_out = Fate::Skipped(SkipReason::DontFork);
        Self {
            count: mappings.len() as u64,
            mapped_bytes: (mapped.fold(0, u64::saturating_add)).saturating_mul(page_size),
            anon_vmas: count(&|mapping| mapping.anon_vma),
            own: pages(|mapping| &mapping.own),
            file: pages(|mapping| &mapping.file),
            zero: pages(|mapping| &mapping.zero),
            swapped: pages(|mapping| &mapping.swapped),
            huge: pages(|mapping| &mapping.huge) / entries_per_table(page_size).max(1),
            huge_zero: pages(|mapping| &mapping.huge_zero) / entries_per_table(page_size).max(1),
            guards: pages(|mapping| &mapping.guards),
            pinned: pages(|mapping| &mapping.pinned),
            tables: copied_tables(mappings.iter().copied(), page_size),
            copied: count(&|mapping| fate(mapping) == Fate::Copied),
            left_out: count(&|mapping| fate(mapping) == left_out),
        }
    }

    /// Sums by what is mapped.
    pub fn by_content<'a>(
        mappings: impl IntoIterator<Item = &'a ShapeMapping>,
        page_size: u64,
    ) -> Vec<(MappingContent, Self)> {
        Self::by(mappings, page_size, |mapping| vec![mapping.content])
    }

    /// Sums by flag; a mapping may have several.
    pub fn by_flag<'a>(
        mappings: impl IntoIterator<Item = &'a ShapeMapping>,
        page_size: u64,
    ) -> Vec<(MappingFlag, Self)> {
        Self::by(mappings, page_size, |mapping| mapping.flags.clone())
    }

    fn by<'a, K: Ord>(
        mappings: impl IntoIterator<Item = &'a ShapeMapping>,
        page_size: u64,
        keys: impl Fn(&ShapeMapping) -> Vec<K>,
    ) -> Vec<(K, Self)> {
        let mut groups: BTreeMap<K, Vec<&ShapeMapping>> = BTreeMap::new();
        for mapping in mappings {
            for key in keys(mapping) {
                groups.entry(key).or_default().push(mapping);
            }
        }
        let sum = |(key, group): (K, Vec<&ShapeMapping>)| (key, Self::of(&group, page_size));
        groups.into_iter().map(sum).collect()
    }
}

/// The mappings whose entries a fork copies.
pub fn copied(mappings: &[ShapeMapping]) -> Vec<&ShapeMapping> {
    let mappings = mappings.iter();
    mappings.filter(|m| fate(m) == Fate::Copied).collect()
}
