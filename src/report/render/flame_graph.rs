//! Folded stacks as a flame graph. The only user of inferno, whose licence is
//! not that of the rest: it is a feature that is off unless it is asked for.

use std::io;

use inferno::flamegraph::{self, Options};

/// The flame graph; the same stacks give the same bytes.
pub(in crate::report) fn render(folded: &str) -> io::Result<Vec<u8>> {
    // inferno adds the counts up without looking (flamegraph/merge.rs, frames).
    let mut counts = folded.lines().filter_map(|line| line.rsplit(' ').next());
    let total = counts.try_fold(0_u64, |sum, count| sum.checked_add(count.parse().ok()?));
    if total.is_none() {
        return Err(io::Error::other("more samples than can be counted"));
    }
    let mut options = Options::default();
    options.title = "CPU samples of spawns, by method and side".to_owned();
    options.deterministic = true;
    let mut bytes = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
