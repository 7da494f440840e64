//! Whether a fork holds up another thread of the parent.

use super::Explained;
use crate::model::{SpawnMethod, ThreadWaits};

/// A fork that holds up another thread for longer than another method does.
#[derive(Debug)]
pub struct HeldUp<'a> {
    /// What was measured beside forks.
    pub fork: &'a ThreadWaits,
    /// Those that hold it up less.
    pub less: Vec<(SpawnMethod, &'a ThreadWaits)>,
}

/// Where both a fault and a mapping are seen to wait longer beside forks.
pub fn held_up<'a>(explained: &Explained<'a>) -> Option<HeldUp<'a>> {
    let methods = explained.explanation.methods.iter();
    let found = methods.filter_map(|method| Some((method.method, method.waits.measured()?)));
    let found: Vec<(SpawnMethod, &ThreadWaits)> = found.collect();
    let (_, fork) = *found
        .iter()
        .find(|(method, _)| *method == SpawnMethod::Fork)?;
    let is_less = |other: &ThreadWaits| {
        fork.fault_ns.exceeds(&other.fault_ns) && fork.mapping_ns.exceeds(&other.mapping_ns)
    };
    let less = found.into_iter().filter(|(_, waits)| is_less(waits));
    let less: Vec<(SpawnMethod, &ThreadWaits)> = less.collect();
    (!less.is_empty()).then_some(HeldUp { fork, less })
}
