//! Builds documents of the studies of address spaces: their published figures,
//! and cells whose costs are known by construction.

use forktax::model::{
    Availability, Backing, ChildAction, Document, Part, PublishedFigure, PublishedUnit, Reproduce,
    Reproduction, Source, Space, SpaceRequest, SpawnMethod, StudyId, StudyPoint,
};

use crate::build::{self, Times};

use PublishedUnit::{Milliseconds, SecondsOf500, SpawnsIn10S};
use SpawnMethod::{Fork, PosixSpawn};

const MIB: u64 = 256;

/// The four studies, each with the name of its snapshots.
pub(crate) fn documents() -> Vec<(&'static str, Document)> {
    vec![
        ("posix-spawn-2011", posix_spawn_2011()),
        ("hotos-2019", hotos_2019()),
        ("mt-dup-2023", mt_dup_2023()),
        ("pte-batching-2024", pte_batching_2024()),
    ]
}

/// A document that reproduces a study and has no parents yet.
fn study(id: StudyId, methods: &[SpawnMethod], child: ChildAction, title: &str) -> Document {
    let mut document = build::empty(methods, methods[methods.len() - 1], child);
    document.plan.reproduce = Some(Reproduce {
        study: id,
        scale: 1.0,
        scaled_because: None,
        loops: None,
    });
    document.reproduction = Some(Reproduction {
        study: id,
        source: Source {
            title: title.to_owned(),
            authors: "A. Author".to_owned(),
            year: 2011,
            address: "https://example.org/study".to_owned(),
            setting: "a machine of that time; fork+exec and wait".to_owned(),
        },
        scale: 1.0,
        scaled_because: None,
        points: Vec::new(),
        loops: None,
    });
    document
}

fn figure(
    series: &str,
    method: SpawnMethod,
    part: Part,
    value: f64,
    unit: PublishedUnit,
) -> PublishedFigure {
    PublishedFigure {
        series: series.to_owned(),
        method,
        part,
        value,
        unit,
    }
}

fn request(mappings: u64, pages: u64, spacing: u64, huge: bool) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing: Backing::Anon,
        huge,
    }
}

/// The census of an order: page tables hold 512 entries, scattered ones fewer.
fn census(request: &SpaceRequest) -> Space {
    let SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        huge,
        ..
    } = *request
    else {
        panic!("the studies order mappings");
    };
    let all = mappings * pages;
    let ptes = if huge { 0 } else { all };
    let mut space = build::mappings_space(0);
    space.request = request.clone();
    space.mappings_requested = mappings;
    space.parent.mappings.vmas += mappings;
    space.parent.mappings.anon_vmas += if pages > 0 { mappings } else { 0 };
    space.parent.mappings.present_ptes += ptes;
    space.parent.page_table_bytes += ptes * spacing.min(512) / 512 * 4_096;
    space.parent.resident_bytes += all * 4_096;
    space.parent.huge_bytes = if huge { all * 4_096 } else { 0 };
    space
}

/// Adds a parent with its figures and, where it could be built, its cells.
fn parent(
    document: &mut Document,
    name: &str,
    sizes: [Option<u64>; 2],
    figures: Vec<PublishedFigure>,
    built: Result<(SpaceRequest, &[Times]), &str>,
) {
    let space = match built {
        Ok((request, times)) => {
            let methods = document.plan.methods.clone();
            build::add(document, &census(&request), &methods, times);
            document.plan.spaces.push(request);
            Availability::Measured(document.plan.spaces.len() - 1)
        }
        Err(reason) => Availability::unavailable(reason, Some("add memory")),
    };
    let reproduction = document.reproduction.as_mut().expect("it reproduces");
    reproduction.points.push(StudyPoint {
        name: name.to_owned(),
        space,
        vmas: sizes[0],
        ptes: sizes[1],
        figures,
    });
}

pub(crate) fn posix_spawn_2011() -> Document {
    posix_spawn_2011_at(1)
}

/// Built at one part in so many of the published sizes.
fn posix_spawn_2011_at(parts: u32) -> Document {
    let methods = [Fork, PosixSpawn];
    let mut document = study(
        StudyId::PosixSpawn2011,
        &methods,
        ChildAction::Exec,
        "posix-spawn",
    );
    for (mib, fork, spawn, time) in [
        (50, 5.77, 0.86, (410.0, 890.0)),
        (100, 10.37, 0.82, (790.0, 1_660.0)),
        (500, 35.49, 0.94, (3_800.0, 7_900.0)),
    ] {
        let figures = vec![
            figure("fork+exec", Fork, Part::Total, fork, SecondsOf500),
            figure("posix_spawn", PosixSpawn, Part::Total, spawn, SecondsOf500),
        ];
        let share = |us: f64| us / f64::from(parts);
        let times: &[Times] = &[(share(time.0), share(time.1)), (73.0, 114.0)];
        let name = format!("{mib} MB");
        let sizes = [None, Some(mib * MIB)];
        let order = request(1, mib * MIB / u64::from(parts), 1, false);
        parent(&mut document, &name, sizes, figures, Ok((order, times)));
    }
    document
}

pub(crate) fn hotos_2019() -> Document {
    let methods = [Fork, PosixSpawn];
    let mut document = study(
        StudyId::Hotos2019,
        &methods,
        ChildAction::Exec,
        "A fork() in the road",
    );
    for (name, mib, spacing, time) in [
        ("0 MiB", 0, 1, (40.0, 160.0)),
        ("50 MiB", 50, 1, (425.0, 880.0)),
        ("100 MiB", 100, 1, (810.0, 1_620.0)),
        ("200 MiB", 200, 1, (1_580.0, 3_080.0)),
        ("50 MiB, scattered", 50, 64, (1_900.0, 3_600.0)),
        ("100 MiB, scattered", 100, 64, (3_760.0, 7_050.0)),
        ("200 MiB, scattered", 200, 64, (7_480.0, 13_900.0)),
    ] {
        let published = vec![figure(
            "posix_spawn",
            PosixSpawn,
            Part::Total,
            0.5,
            Milliseconds,
        )];
        let times: &[Times] = &[time, (73.0, 114.0)];
        let order = request(u64::from(mib > 0), mib * MIB, spacing, false);
        let sizes = [None, Some(mib * MIB)];
        parent(&mut document, name, sizes, published, Ok((order, times)));
    }
    document
}

pub(crate) fn mt_dup_2023() -> Document {
    let mut document = study(
        StudyId::MtDup2023,
        &[Fork],
        ChildAction::Exit,
        "Introduce __mt_dup() to improve the performance of fork()",
    );
    for (vmas, before, after, time) in [
        (21, 112_100.0, 114_558.0, (39.0, 82.0)),
        (221, 54_227.0, 65_008.0, (190.0, 350.0)),
        (821, 20_195.0, 28_751.0, (660.0, 1_280.0)),
        (3_221, 6_017.0, 8_922.0, (2_600.0, 5_000.0)),
        (12_821, 1_606.0, 2_436.0, (10_400.0, 19_900.0)),
        (51_221, 393.0, 599.0, (42_000.0, 79_000.0)),
    ] {
        let published = vec![
            figure("before", Fork, Part::Total, before, SpawnsIn10S),
            figure("after", Fork, Part::Total, after, SpawnsIn10S),
        ];
        let times: &[Times] = &[time];
        let name = format!("{} VMAs", thousands(vmas));
        let order = request(vmas - 21, 0, 1, false);
        let sizes = [Some(vmas), None];
        parent(&mut document, &name, sizes, published, Ok((order, times)));
    }
    document
}

fn thousands(count: u64) -> String {
    match (count / 1_000, count % 1_000) {
        (0, rest) => rest.to_string(),
        (whole, rest) => format!("{whole},{rest:03}"),
    }
}

pub(crate) fn pte_batching_2024() -> Document {
    let mut document = study(
        StudyId::PteBatching2024,
        &[Fork],
        ChildAction::Exit,
        "mm/memory: optimize fork() with PTE-mapped THP",
    );
    let pages = 1_024 * MIB;
    let two = |before, after| {
        vec![
            figure("before", Fork, Part::Call, before, Milliseconds),
            figure("after", Fork, Part::Call, after, Milliseconds),
        ]
    };
    let small: &[Times] = &[(8_100.0, 15_800.0)];
    let huge: &[Times] = &[(61.0, 118.0)];
    let sizes = [None, Some(pages)];
    let order = request(1, pages, 1, false);
    parent(
        &mut document,
        "4 KiB pages",
        sizes,
        two(14.33, 14.04),
        Ok((order, small)),
    );
    let reason = "the kernel has no folios of 64 KiB";
    parent(
        &mut document,
        "64 KiB folios",
        sizes,
        two(14.05, 10.44),
        Err(reason),
    );
    let order = request(1, pages, 1, true);
    parent(
        &mut document,
        "2 MiB pages",
        [None; 2],
        Vec::new(),
        Ok((order, huge)),
    );
    document
}

/// Built at a quarter, for want of memory.
pub(crate) fn scaled() -> Document {
    let mut document = posix_spawn_2011_at(4);
    let reproduction = reproduction(&mut document);
    reproduction.scale = 0.25;
    reproduction.scaled_because = Some("only 1.2 GiB of memory are free".to_owned());
    document
}

pub(crate) fn reproduction(document: &mut Document) -> &mut Reproduction {
    document.reproduction.as_mut().expect("it reproduces")
}
