use crate::model::*;
pub fn price_list(order: &CardOrder, trials: &[TrialResult], seed: u64) -> PriceList {
    let _ = (order, trials, seed);
    PriceList {
        terms: vec![],
        knee_bytes: None,
        grade: Availability::not_reached(),
        forecasts: vec![],
        prices: vec![],
    }
}
