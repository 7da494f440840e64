//! fork+exec against posix_spawn from parents of 50 to 500 MB.

use super::Outline;
use super::parent::{PTES_PER_MIB, Parent, mappings};
use crate::model::{
    Availability, ChildAction, Part, PublishedFigure, PublishedUnit, Source, SpawnMethod,
};

pub(super) const OUTLINE: Outline = Outline {
    compares: "fork+exec and posix_spawn over the size of the parent",
    methods: &[SpawnMethod::Fork, SpawnMethod::PosixSpawnUsevfork],
    baseline: SpawnMethod::PosixSpawnUsevfork,
    child: ChildAction::Exec,
    seconds: 45,
};

/// Megabytes of resident memory, then seconds of 500 spawns with fork+exec and
/// with posix_spawn.
const FIGURES: [(u64, f64, f64); 10] = [
    (50, 5.77, 0.86),
    (100, 10.37, 0.82),
    (150, 15.72, 1.06),
    (200, 18.31, 0.99),
    (250, 19.73, 0.79),
    (300, 25.13, 1.06),
    (350, 26.70, 0.84),
    (400, 29.31, 0.79),
    (450, 31.44, 0.93),
    (500, 35.49, 0.94),
];

/// The sizes that are built.
const BUILT: [u64; 5] = [50, 100, 200, 350, 500];

pub(super) fn source() -> Source {
    Source {
        title: "posix-spawn, a Ruby library: README".to_owned(),
        authors: "Ryan Tomayko, Aman Gupta".to_owned(),
        year: 2011,
        address: "https://github.com/rtomayko/posix-spawn".to_owned(),
        setting: "posix-spawn-benchmark --graph --count 500 --mem-size 500 on x86_64-linux \
                  (Linux 2.6); posix_spawn with POSIX_SPAWN_USEVFORK"
            .to_owned(),
    }
}

pub(super) fn parents() -> Vec<Parent> {
    FIGURES.into_iter().map(parent).collect()
}

fn parent((megabytes, fork, posix_spawn): (u64, f64, f64)) -> Parent {
    let pages = megabytes * PTES_PER_MIB;
    let figure = |series: &str, method, value| PublishedFigure {
        series: series.to_owned(),
        method,
        part: Part::Total,
        value,
        unit: PublishedUnit::SecondsOf500,
    };
    Parent {
        name: format!("{megabytes} MB"),
        vmas: None,
        ptes: Some(pages),
        figures: vec![
            figure("fork+exec", SpawnMethod::Fork, fork),
            figure("posix_spawn", SpawnMethod::PosixSpawnUsevfork, posix_spawn),
        ],
        space: if BUILT.contains(&megabytes) {
            Availability::Measured(mappings(1, pages, 1))
        } else {
            Availability::not_asked("not built, to save time; the sizes beside it are")
        },
    }
}
