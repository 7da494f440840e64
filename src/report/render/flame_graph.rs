//! Folded stacks as a flame graph. The only user of inferno, whose licence is
//! not that of the rest: it is a feature that is off unless it is asked for.

use std::io;

use inferno::flamegraph::{self, Options};

/// The flame graph; the same stacks give the same bytes.
pub(in crate::report) fn render(folded: &str) -> io::Result<Vec<u8>> {
    let mut options = Options::default();
    options.title = "CPU samples of spawns, by method and side".to_owned();
    options.deterministic = true;
    let mut bytes = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
