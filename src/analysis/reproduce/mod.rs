//! What was published of the cost of a spawn, and this host's answer set beside it.
//!
//! - [`studies`]: what others have published, as data;
//! - [`spaces`]: their parents beside the address spaces that stand for them here;
//! - [`loops`]: programs that spawn in a loop, compared round by round.

pub mod loops;
pub mod spaces;
pub mod studies;
