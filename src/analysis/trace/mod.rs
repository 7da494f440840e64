//! What follows from the spawns of a watched program: ways, programs, spawners, offences.
//!
//! All of it counts what was seen, and estimates nothing.

mod checks;
mod executed;
mod paths;
mod savings;
mod spawners;
mod spread;
#[cfg(test)]
mod tests;

pub use checks::{Found, offences};
pub use executed::{Executed, executed};
pub use paths::paths;
pub use savings::{MATTERS, MOST_LOOKS, Parents, Saved, saved, savings};
pub use spawners::{Sized, spawners};
pub use spread::spread;
