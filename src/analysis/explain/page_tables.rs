//! What is mapped and how its page tables are filled, beside what that was before the
//! inflation.

use crate::model::{Availability, MappingKind, PageTables, TableLevel};

/// A part of an address space that was inflated.
#[derive(Debug)]
pub struct Inflated<T> {
    /// What it is.
    pub now: T,
    /// What it was, if it was there.
    pub before: Availability<Option<T>>,
}

/// The kinds of mappings, and last all of them together.
pub fn kinds(now: &PageTables, before: &Availability<PageTables>) -> Vec<Inflated<MappingKind>> {
    let each = now.kinds.iter().map(|kind| Inflated {
        now: kind.clone(),
        before: before.map(|before| {
            let same = before.kinds.iter().filter(|was| was.kind == kind.kind);
            Some(sum(&kind.kind, same))
        }),
    });
    let all = |tables: &PageTables| sum("all", tables.kinds.iter());
    let whole = Inflated {
        now: all(now),
        before: before.map(|before| Some(all(before))),
    };
    each.chain([whole]).collect()
}

/// Several kinds together. A document may hold figures whose sum no integer does.
fn sum<'a>(name: &str, kinds: impl Iterator<Item = &'a MappingKind> + Clone) -> MappingKind {
    let of = |count: fn(&MappingKind) -> u64| kinds.clone().map(count).fold(0, u64::saturating_add);
    MappingKind {
        kind: name.to_owned(),
        mappings: kinds.clone().map(|kind| kind.mappings).sum(),
        copied: of(|kind| kind.copied),
        skipped: of(|kind| kind.skipped),
        skip_reasons: Vec::new(),
    }
}

/// The page tables by level.
pub fn levels(now: &PageTables, before: &Availability<PageTables>) -> Vec<Inflated<TableLevel>> {
    let levels = now.levels.iter().map(|level| Inflated {
        now: level.clone(),
        before: before.map(|before| {
            let mut levels = before.levels.iter();
            levels.find(|was| was.level == level.level).cloned()
        }),
    });
    levels.collect()
}

/// How full the tables of a level are, if there are any.
pub fn fill(level: &TableLevel) -> Option<f64> {
    let entries = level.tables as f64 * level.capacity as f64;
    (entries > 0.0).then(|| level.used as f64 / entries)
}
