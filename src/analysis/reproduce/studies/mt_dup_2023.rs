//! Forks in ten seconds over the number of VMAs, before and after a kernel that
//! copies the tree of VMAs as a whole.

use super::Outline;
use super::parent::{Parent, mappings};
use crate::model::{
    Availability, ChildAction, Part, PublishedFigure, PublishedUnit, Source, SpawnMethod,
};
use crate::units::thousands;

pub(super) const OUTLINE: Outline = Outline {
    compares: "fork over the number of VMAs, before and after Linux 6.8",
    methods: &[SpawnMethod::Fork],
    baseline: SpawnMethod::Fork,
    child: ChildAction::Exit,
    seconds: 45,
};

/// VMAs, then forks in ten seconds before and after.
const FIGURES: [(u64, f64, f64); 6] = [
    (21, 112_100.0, 114_558.0),
    (221, 54_227.0, 65_008.0),
    (821, 20_195.0, 28_751.0),
    (3_221, 6_017.0, 8_922.0),
    (12_821, 1_606.0, 2_436.0),
    (51_221, 393.0, 599.0),
];
/// Of them, those that the process has without any that were added.
const OWN_VMAS: u64 = 21;

pub(super) fn source() -> Source {
    Source {
        title: "fork: use __mt_dup() to duplicate maple tree in dup_mmap() (Linux 6.8)".to_owned(),
        authors: "Peng Zhang".to_owned(),
        year: 2023,
        address: "https://git.kernel.org/torvalds/c/d2406291483775ecddaee929231a39c70c08fda2"
            .to_owned(),
        setting: "UnixBench's spawn: a fork whose child exits at once, and the wait for it, \
                  counted for ten seconds"
            .to_owned(),
    }
}

pub(super) fn parents() -> Vec<Parent> {
    FIGURES.into_iter().map(parent).collect()
}

fn parent((vmas, before, after): (u64, f64, f64)) -> Parent {
    let figure = |series: &str, value| PublishedFigure {
        series: series.to_owned(),
        method: SpawnMethod::Fork,
        part: Part::Total,
        value,
        unit: PublishedUnit::SpawnsIn10S,
    };
    Parent {
        name: format!("{} VMAs", thousands(vmas)),
        vmas: Some(vmas),
        ptes: None,
        figures: vec![figure("before", before), figure("after", after)],
        space: Availability::Measured(mappings(vmas - OWN_VMAS, 0, 1)),
    }
}
