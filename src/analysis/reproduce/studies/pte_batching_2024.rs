//! The fork of 1 GiB by the size of its pages, before and after a kernel that
//! copies the entries of one folio together.

use super::Outline;
use super::parent::{PTES_PER_MIB, Parent, mappings};
use crate::model::{
    Availability, Backing, ChildAction, Part, PublishedFigure, PublishedUnit, Source, SpaceRequest,
    SpawnMethod,
};

pub(super) const OUTLINE: Outline = Outline {
    compares: "fork of 1 GiB by its pages' size, before and after Linux 6.9",
    methods: &[SpawnMethod::Fork],
    baseline: SpawnMethod::Fork,
    child: ChildAction::Exit,
    seconds: 30,
};

/// Entries of 1 GiB in pages of 4 KiB, of whatever folios these are part.
const PTES: u64 = 1024 * PTES_PER_MIB;
/// Huge pages of 2 MiB in 1 GiB, and the entries that each stands for.
const HUGE_PAGES: u64 = 512;
const PTES_PER_HUGE_PAGE: u64 = 512;

pub(super) fn source() -> Source {
    Source {
        title: "mm/memory: optimize fork() with PTE-mapped THP (Linux 6.9)".to_owned(),
        authors: "David Hildenbrand".to_owned(),
        year: 2024,
        address: "https://lore.kernel.org/linux-mm/20240129124649.189745-1-david@redhat.com/"
            .to_owned(),
        setting: "the fork alone, of 1 GiB of private anonymous memory".to_owned(),
    }
}

pub(super) fn parents() -> Vec<Parent> {
    let no_folios = Availability::unavailable(
        "folios of 64 KiB are the kernel's to grant, and forktax builds none",
        None,
    );
    vec![
        Parent {
            name: "4 KiB pages".to_owned(),
            vmas: None,
            ptes: Some(PTES),
            figures: figures(14.33, 14.04),
            space: Availability::Measured(mappings(1, PTES, 1)),
        },
        Parent {
            name: "64 KiB folios".to_owned(),
            vmas: None,
            ptes: Some(PTES),
            figures: figures(14.05, 10.44),
            space: no_folios,
        },
        Parent {
            name: "2 MiB pages".to_owned(),
            vmas: None,
            ptes: None,
            figures: Vec::new(),
            space: Availability::Measured(huge()),
        },
    ]
}

/// One mapping in which the first page of each huge one is written to.
fn huge() -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings: 1,
        pages: HUGE_PAGES,
        spacing: PTES_PER_HUGE_PAGE,
        backing: Backing::Anon,
        huge: true,
    }
}

fn figures(before: f64, after: f64) -> Vec<PublishedFigure> {
    let figure = |series: &str, value| PublishedFigure {
        series: series.to_owned(),
        method: SpawnMethod::Fork,
        part: Part::Call,
        value,
        unit: PublishedUnit::Milliseconds,
    };
    vec![figure("before", before), figure("after", after)]
}
