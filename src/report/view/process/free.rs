//! What costs a fork next to nothing though it looks big.

use super::{Rebuilt, names};
use crate::model::FreeMemory;
use crate::report::view::number::integer;
use crate::report::view::table::{Column, Entry, Table};
use crate::units::bytes;

/// Less than this does not look big.
const BIG: u64 = 64 << 20;

/// Makes the table, with the reasons below it.
pub(super) fn table(rebuilt: &Rebuilt<'_>) -> Table {
    let free: &[FreeMemory] = rebuilt.blame().map_or(&[], |blame| &blame.free);
    let reason = |free: &FreeMemory| {
        let [name, why] = names::free(free.why);
        format!("{name}: {why}")
    };
    Table {
        title: "What costs a fork next to nothing, though it looks big".to_owned(),
        columns: vec![
            Column::name("memory"),
            Column::number("mappings", ""),
            Column::number("size", ""),
        ],
        rows: free.iter().map(row).collect(),
        rules: Vec::new(),
        notes: free.iter().map(reason).collect(),
    }
}

fn row(free: &FreeMemory) -> Vec<Entry> {
    vec![
        Entry::Name(names::free(free.why)[0].to_owned()),
        Entry::exact(integer(free.mappings)),
        Entry::exact(bytes(free.bytes)),
    ]
}

/// "1.5 TiB of address space that was never touched": what is worth a word, largest
/// first, and no more than two of it.
pub(super) fn big(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let free = rebuilt.blame().map_or(&[][..], |blame| &blame.free);
    let mut big: Vec<&FreeMemory> = free.iter().filter(|free| free.bytes >= BIG).collect();
    big.sort_by_key(|free| std::cmp::Reverse(free.bytes));
    big.iter()
        .take(2)
        .map(|free| format!("{} {}", bytes(free.bytes), names::free_of(free.why)))
        .collect()
}
