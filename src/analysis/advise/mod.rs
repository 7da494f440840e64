//! What can be done about the cost of a process's forks: remedies as changes of its
//! blueprint, what came of each, and which are worth trying together.

mod design;
mod outcome;
mod remedies;
#[cfg(test)]
mod tests;

pub use design::Design;
pub use outcome::{Chosen, choose, remedies};
