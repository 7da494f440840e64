//! What is left of the cost of a fork with each remedy, as a picture.

use super::remedies::tried;
use crate::model::{Missing, RemedyBaseline, RemedyOutcome, SpawnMethod};
use crate::report::view::header;
use crate::report::view::picture::Chart;
use crate::report::view::process::chart::{Raw, draw};
use crate::report::view::process::{Rebuilt, figures};

/// What a spawn takes with each remedy, beside the fork without any.
pub(super) fn chart(rebuilt: &Rebuilt<'_>) -> Result<Chart, Missing> {
    let raw = |name: &str, call: f64, total: f64| Raw {
        name: name.to_owned(),
        story: name.to_owned(),
        parts: [call, total - call],
        total,
    };
    let fork = rebuilt.whole(SpawnMethod::Fork);
    let fork = fork.and_then(|cell| {
        let call = figures::median(&cell.call_ns)?;
        Some((call.value, figures::median(&cell.total_ns)?.value))
    });
    // Another program to spawn has no bar to stand beside.
    let is_drawn = |outcome: &RemedyOutcome| outcome.against != RemedyBaseline::DynamicTarget;
    let mut bars: Vec<Raw> = tried(rebuilt)
        .filter(|(_, outcome)| is_drawn(outcome))
        .map(|(remedy, outcome)| {
            let name = remedy.kind.name();
            raw(name, outcome.call_ns.value, outcome.total_ns.value)
        })
        .collect();
    if bars.is_empty() {
        return Err(Missing::not_reached());
    }
    bars.sort_by(|a, b| b.total.total_cmp(&a.total));
    bars.extend(fork.map(|(call, total)| raw("fork as it is", call, total)));
    bars.rotate_right(usize::from(fork.is_some()));
    let lines = header::of_picture(rebuilt.document);
    draw("What a spawn takes with each remedy", lines, &bars)
}
