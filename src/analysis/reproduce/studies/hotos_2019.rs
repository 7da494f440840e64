//! fork+exec against posix_spawn from parents whose dirty pages lie densely or
//! scattered.

use super::Outline;
use super::parent::{PTES_PER_MIB, Parent, mappings};
use crate::model::{
    Availability, ChildAction, Part, PublishedFigure, PublishedUnit, Source, SpaceRequest,
    SpawnMethod,
};

pub(super) const OUTLINE: Outline = Outline {
    compares: "fork+exec and posix_spawn from dense and scattered memory",
    methods: &[SpawnMethod::Fork, SpawnMethod::PosixSpawn],
    baseline: SpawnMethod::PosixSpawn,
    child: ChildAction::Exec,
    seconds: 60,
};

/// MiB of dirty pages.
const SIZES: [u64; 3] = [50, 100, 200];
/// One page in so many is dirty where they are scattered: 8 of a page table.
const SCATTER: u64 = 64;

pub(super) fn source() -> Source {
    Source {
        title: "A fork() in the road (HotOS 2019), figure 1".to_owned(),
        authors: "Baumann, Appavoo, Krieger, Roscoe".to_owned(),
        year: 2019,
        address: "https://doi.org/10.1145/3317550.3321435".to_owned(),
        setting: "the one number in print is that of posix_spawn, about 0.5 ms whatever the \
                  parent's size or layout; fork+exec grows with the size, shown as a curve alone. \
                  The sizes built here, one dirty page in 64 as the scattered layout, and the \
                  time until the child was waited for are this program's reading of what is not \
                  specified there in numbers"
            .to_owned(),
    }
}

pub(super) fn parents() -> Vec<Parent> {
    let dense = |mib: &u64| {
        let space = mappings(1, mib * PTES_PER_MIB, 1);
        parent(format!("{mib} MiB dense"), space)
    };
    let scattered = |mib: &u64| {
        let space = mappings(1, mib * PTES_PER_MIB, SCATTER);
        parent(format!("{mib} MiB scattered"), space)
    };
    let mut parents = vec![parent("empty".to_owned(), mappings(0, 0, 1))];
    parents.extend(SIZES.iter().map(dense));
    parents.extend(SIZES.iter().map(scattered));
    parents
}

fn parent(name: String, space: SpaceRequest) -> Parent {
    Parent {
        name,
        vmas: None,
        ptes: None,
        figures: vec![PublishedFigure {
            series: "posix_spawn".to_owned(),
            method: SpawnMethod::PosixSpawn,
            part: Part::Total,
            value: 0.5,
            unit: PublishedUnit::Milliseconds,
        }],
        space: Availability::Measured(space),
    }
}
