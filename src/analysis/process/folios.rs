//! Pages of files whose entries a fork copies, and the folios that they lie in.

use super::TOLERATED;
use crate::analysis::replica::counts::copies_entries;
use crate::model::ProcessShape;

/// Entries of files' pages that a fork copies, each number 0 where it is too small to matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileEntries {
    /// Together with others of one large folio, where workers have small ones.
    pub in_folios: u64,
    /// Of which it is not known whether they are.
    pub unseen: u64,
}

impl FileEntries {
    /// Those of a process.
    pub fn of(shape: &ProcessShape) -> Self {
        // A stored shape may have been forged: no sum may overflow.
        let pages = |runs: &[[u64; 2]]| {
            let counts = runs.iter().map(|[_, count]| *count);
            counts.fold(0, u64::saturating_add)
        };
        let (mut found, mut all) = (Self::default(), 0.0);
        for mapping in shape.mappings.iter().filter(|m| copies_entries(m)) {
            let (sum, entries) = match mapping.file_in_folios {
                Some(entries) => (&mut found.in_folios, entries),
                None => (&mut found.unseen, pages(&mapping.file)),
            };
            *sum = sum.saturating_add(entries);
            let lists = mapping.entries();
            all += lists.map(|runs| pages(runs) as f64).iter().sum::<f64>();
        }
        let that_matter = |entries: u64| match entries as f64 > TOLERATED * all {
            true => entries,
            false => 0,
        };
        Self {
            in_folios: that_matter(found.in_folios),
            unseen: that_matter(found.unseen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::tests::{HIGH, anonymous, library, shape};
    use crate::model::ShapeMapping;

    #[test]
    fn entries_of_files_matter_where_they_are_copied_and_many() {
        let of = |own: &[[u64; 2]], small: u64, file_in_folios| {
            let file = ShapeMapping {
                file_in_folios,
                ..library(HIGH, own, &[[1, 90]], "/usr/lib/libdata.so.1")
            };
            let heap = anonymous(HIGH + 0x1_000, 0x10_000, &[[0, small]]);
            FileEntries::of(&shape(vec![file, heap]))
        };
        let own = [[0, 1]];
        assert_eq!(of(&own, 100, Some(80)).in_folios, 80);
        assert_eq!(of(&own, 100, Some(80)).unseen, 0);
        assert_eq!(of(&own, 100, None).unseen, 90);
        for found in [
            of(&own, 100, Some(0)),
            // Without a page of its own no entry of the mapping is copied.
            of(&[], 100, None),
            of(&own, 5_000, None),
            of(&own, 5_000, Some(80)),
        ] {
            assert_eq!(found, FileEntries::default());
        }
    }
}
