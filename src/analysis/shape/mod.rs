//! The shape of a process as a file: written small, read with suspicion, pure.
//!
//! Shapes travel between hosts, so what is read may have been made by anybody. What
//! [`parse_shape`] lets pass keeps every promise of [`check`], and nobody behind it has
//! to look again.

mod check;
mod dump;
mod file;

#[cfg(test)]
pub(crate) mod tests;

pub use check::{MappingFault, ProcessFault, RunKind, check};
pub use dump::of_smaps;
pub use file::{ShapeFileError, anonymise, check_page_size, parse_shape, to_json};
