//! What a mapping is, and what a fork does with it: the one place that decides, for
//! the census, for page tables, likenesses and shapes, and for whatever reads a shape.
//!
//! Pure: [`listed`] is given the text of `/proc/PID/maps` or `smaps`; [`contents`] says
//! what is mapped, and [`fate`] what a fork does with the entries. How many pages a
//! mapping has is not told here.

mod content;
mod fate;
mod listed;
mod sum;

pub use content::{contents, harmless, holds_anon, is_of_file, kept_name, region_kind};
pub use fate::{Fate, copied_tables, entries_per_table, fate, fate_of};
pub use listed::{Listed, listed};
pub use sum::{MappingSum, copied};
