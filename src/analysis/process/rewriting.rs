//! The hidden tax of a process: which of its pages a fork leaves write-protected, and what it
//! comes to if all of them are written to again.

use crate::analysis::explain::of_pages;
use crate::analysis::mappings::{entries_per_table, region_kind};
use crate::analysis::replica::counts::{common, copies_entries, fan_out, pages};
use crate::model::{
    MappingContent, PageKind, ProcessShape, RegionKind, Rewriting, Rewritten, ShapeMapping,
    SpawnMethod,
};
use crate::stats::Estimate;

/// Huge pages that are written to again at the least: what each takes lies among hundreds of
/// writes.
const FEWEST_HUGE: u64 = 8;

/// How many pages of each kind the process may write to again after a fork, which has
/// copied pinned ones and left them as they were; huge ones only where there are some.
pub fn rewritable(shape: &ProcessShape) -> Vec<(PageKind, u64)> {
    let is_rewritable = |mapping: &&ShapeMapping| {
        copies_entries(mapping)
            && mapping.is_writable()
            && !mapping.is_shared()
            && mapping.content != MappingContent::Hugetlb
    };
    let mappings = || shape.mappings.iter().filter(is_rewritable);
    let left = |runs: &[[u64; 2]], mapping: &ShapeMapping| {
        pages(runs) - pages(&common(runs, &mapping.pinned))
    };
    let small = mappings().map(|mapping| left(&mapping.own, mapping)).sum();
    let is_own = |mapping: &&ShapeMapping| {
        region_kind(mapping.content, mapping.is_shared()) == RegionKind::Anon
    };
    let huge = mappings().filter(is_own);
    let huge = huge
        .map(|mapping| left(&mapping.huge, mapping))
        .sum::<u64>();
    let huge = huge / fan_out(shape.process.page_size);
    let kinds = [(PageKind::Small, small), (PageKind::Huge, huge)];
    let has_some = |(kind, count): &(PageKind, u64)| *kind == PageKind::Small || *count > 0;
    kinds.into_iter().filter(has_some).collect()
}

/// How many of a kind are written to where so many pages are asked for.
pub fn sampled(kind: PageKind, wanted: u64, page_size: u64) -> u64 {
    match kind {
        PageKind::Small => wanted,
        PageKind::Huge => {
            let as_many = wanted.div_ceil(entries_per_table(page_size).max(1));
            as_many.max(FEWEST_HUGE)
        }
    }
}

/// What writing to all pages again costs after a fork.
#[derive(Debug)]
pub struct WrittenAgain<'a> {
    /// The kinds of pages that there are.
    pub kinds: Vec<(&'a Rewritten, &'a Rewriting)>,
    /// Once the child has let go of them.
    pub after: Estimate,
    /// While it still has them.
    pub held: Option<Estimate>,
    /// The methods after which no tax is seen.
    pub free: Vec<SpawnMethod>,
}

/// The same, if it was measured of all kinds and a tax is seen.
pub fn written_again(rewritten: &[Rewritten]) -> Option<WrittenAgain<'_>> {
    let of = |method: SpawnMethod| rewritten.iter().filter(move |row| row.method == method);
    let kinds: Option<Vec<(&Rewritten, &Rewriting)>> = of(SpawnMethod::Fork)
        .map(|row| Some((row, row.rewriting.measured()?)))
        .collect();
    let kinds = kinds?;
    let sum = |tax: fn(&Rewriting) -> Option<Estimate>| {
        let all = kinds.iter();
        let each = all.map(|(row, found)| Some(of_pages(tax(found)?.sound()?, row.process)));
        each.reduce(|sum, one| Some(sum?.plus(one?)))?
    };
    let after = sum(|found| Some(found.tax_ns))?;
    let is_free = |method: &SpawnMethod| {
        let mut found = of(*method).map(|row| row.rewriting.measured());
        found.all(|found| found.is_some_and(|found| !found.tax_ns.is_above(0.0)))
    };
    let mut free: Vec<SpawnMethod> = rewritten.iter().map(|row| row.method).collect();
    free.sort_unstable();
    free.dedup();
    free.retain(is_free);
    Some(WrittenAgain {
        after: Some(after).filter(|after| after.is_above(0.0))?,
        held: sum(|found| found.held_ns.measured().copied()),
        kinds,
        free,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::tests::{HIGH, anonymous, shape};
    use crate::model::{Availability, MappingFlag};

    #[test]
    fn pages_are_counted_that_a_fork_write_protects() {
        let with = |change: fn(&mut ShapeMapping)| {
            let mut heap = anonymous(HIGH, 2_048, &[[3, 100]]);
            heap.huge = vec![[512, 1_024]];
            change(&mut heap);
            rewritable(&shape(vec![heap]))
        };
        let all = [(PageKind::Small, 100), (PageKind::Huge, 2)];
        assert_eq!(with(|_| ()), all);
        let none = [(PageKind::Small, 0)];
        assert_eq!(with(|heap| heap.permissions = "r--p".to_owned()), none);
        assert_eq!(with(|heap| heap.permissions = "rw-s".to_owned()), none);
        assert_eq!(with(|heap| heap.flags = vec![MappingFlag::DontFork]), none);
        assert_eq!(
            with(|heap| heap.flags = vec![MappingFlag::WipeOnFork]),
            none
        );
        assert_eq!(with(|heap| heap.content = MappingContent::Hugetlb), none);
        assert_eq!(with(|heap| heap.huge.clear()), all[..1]);
        let pinned = with(|heap| heap.pinned = vec![[53, 50], [1_024, 512]]);
        assert_eq!(pinned, [(PageKind::Small, 50), (PageKind::Huge, 1)]);
    }

    #[test]
    fn huge_pages_are_as_much_memory_and_not_too_few() {
        assert_eq!(sampled(PageKind::Small, 1_000, 4_096), 1_000);
        assert_eq!(sampled(PageKind::Huge, 1_000, 4_096), 8);
        assert_eq!(sampled(PageKind::Huge, 10_000, 4_096), 20);
    }

    fn row(of: PageKind, method: SpawnMethod, process: u64, tax: f64) -> Rewritten {
        let estimate = |value: f64| Estimate {
            value,
            ci95: [value - 10.0, value + 10.0],
        };
        Rewritten {
            of,
            method,
            process,
            rewriting: Availability::Measured(Rewriting {
                pages: 5,
                rounds: 9,
                after_ns: estimate(tax + 8.0),
                again_ns: estimate(8.0),
                tax_ns: estimate(tax),
                held_ns: match method {
                    SpawnMethod::Fork => Availability::Measured(estimate(2.0 * tax)),
                    _ => Availability::not_asked("it shares them"),
                },
            }),
        }
    }

    #[test]
    fn all_pages_are_the_sum_of_both_kinds() {
        let (small, huge) = (PageKind::Small, PageKind::Huge);
        let mut rows = vec![
            row(small, SpawnMethod::Fork, 1_000, 500.0),
            row(small, SpawnMethod::PosixSpawn, 1_000, 3.0),
            row(huge, SpawnMethod::Fork, 3, 900.0),
            row(huge, SpawnMethod::PosixSpawn, 3, -3.0),
        ];
        let found = written_again(&rows).unwrap();
        assert_eq!(
            (found.after.value, found.held.unwrap().value),
            (502_700.0, 1_005_400.0)
        );
        assert_eq!(found.after.ci95, [492_670.0, 512_730.0]);
        assert_eq!(found.free, [SpawnMethod::PosixSpawn]);
        assert_eq!(found.kinds.len(), 2);
        rows[2].rewriting = Availability::not_reached();
        assert!(
            written_again(&rows).is_none(),
            "a sum of one kind would be too low"
        );
        rows.truncate(2);
        assert!(written_again(&rows).is_some());
        assert!(written_again(&rows[1..]).is_none(), "no fork, no tax");
        assert!(written_again(&[row(small, SpawnMethod::Fork, 9, 5.0)]).is_none());
    }
}
