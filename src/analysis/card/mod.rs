//! The card's arithmetic: which parents are tried, and what prices follow from
//! what they took. Pure and seeded; it measures nothing and words nothing but names.

mod charged;
mod design;
mod differences;
mod fit;
mod footprint;
mod grade;
mod prices;
mod shapes;
#[cfg(test)]
mod tests;
mod tried;
mod unpriced;

pub use charged::{Charged, Dependence};
pub use design::{Design, environment, name};
pub use fit::{Fit, forecast, forecast_instead};
pub use footprint::{FAR, Knee, footprint_bytes};
pub use grade::{error, is_believable};
pub use prices::{PriceLine, Slice, fit, lines, price_list};
pub use shapes::Shape;
pub use tried::{Compared, Tried};
pub use unpriced::unpriced;
