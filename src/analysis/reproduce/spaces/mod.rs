//! A study of address spaces: its parents, what a spawn from each takes here and took
//! there, and the costs of both on one scale.

mod compared;
mod layouts;
mod parents;
mod scale;
mod statements;

pub use compared::{over_published, published};
pub use parents::{Asked, Axis, Parent, Row, Study};
pub use scale::{Alone, Cost, Layout, Over, Per, costs, layout};
pub use statements::{Grown, RatioSpan, certain, grown, ratio_spans};
