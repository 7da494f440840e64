//! Several times in short.

use crate::model::Spread;

/// All of them in short; nothing of none.
pub fn spread(times_ns: impl IntoIterator<Item = u64>) -> Option<Spread> {
    let mut times: Vec<u64> = times_ns.into_iter().collect();
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    // The smallest that this share does not exceed: one of the times themselves.
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        times[rank.clamp(1, last + 1) - 1] as f64
    };
    Some(Spread {
        count: times.len() as u64,
        median: at(50),
        p90: at(90),
        p99: at(99),
        max: times[last] as f64,
        total: times.iter().map(|time| *time as f64).sum(),
    })
}
