//! From what was measured to what may be said of it: findings from recordings, and
//! findings from findings. Pure and seeded: nothing here measures, reads a file or
//! words more than names.
//!
//! - [`card`]: from measured parents to prices;
//! - [`compare`]: two results set side by side;
//! - [`mappings`]: what a mapping is, and what a fork does with it;
//! - [`process`]: a live process as trials, and from those to whose the cost is;
//! - [`shape`]: a process's shape as a file, read with suspicion;
//! - [`studies`]: what others have published, as data.

pub mod card;
pub mod compare;
pub mod mappings;
pub mod process;
pub mod shape;
pub mod studies;
