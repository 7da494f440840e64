//! A made-up process through all of the arithmetic: the tests of its blame and of the
//! remedies are made of it too.

mod parts;

use crate::model::{
    Availability, ChildAction, Counts, MappingContent, Parent, ProcessFacts, ProcessRole,
    ProcessShape, ProcessTrial, SHAPE_VERSION, ShapeMapping, SpaceRequest, SpawnMethod, Tool,
    TrialCell, WorkerSamples,
};

pub(in crate::analysis) const PAGE: u64 = 4096;
/// Pages that a page table reaches.
pub(in crate::analysis) const TABLE: u64 = 512;
/// A place such as the kernel gives to mappings.
pub(in crate::analysis) const HIGH: u64 = 0x7f00_0000_0000 >> 12;

pub(in crate::analysis) fn mapping(
    first_page: u64,
    pages: u64,
    content: MappingContent,
) -> ShapeMapping {
    ShapeMapping::untouched(first_page, pages, content)
}

pub(in crate::analysis) fn anonymous(
    first_page: u64,
    pages: u64,
    own: &[[u64; 2]],
) -> ShapeMapping {
    ShapeMapping {
        own: own.to_vec(),
        anon_vma: !own.is_empty(),
        ..mapping(first_page, pages, MappingContent::Anonymous)
    }
}

pub(in crate::analysis) fn library(
    first_page: u64,
    own: &[[u64; 2]],
    file: &[[u64; 2]],
    name: &str,
) -> ShapeMapping {
    ShapeMapping {
        name: Some(name.to_owned()),
        content: MappingContent::Library,
        file: file.to_vec(),
        ..anonymous(first_page, 100, own)
    }
}

pub(in crate::analysis) fn shape(mappings: Vec<ShapeMapping>) -> ProcessShape {
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "server".to_owned(),
            pid: Some(7),
            taken_unix_s: 1,
            took_s: 0.1,
            kernel: "6.18".to_owned(),
            page_size: PAGE,
            threads: 1,
            descriptors: 3,
            cloexec_descriptors: 0,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 0,
            allowed_cpus: Vec::new(),
            page_table_bytes: 0,
            resident_bytes: 0,
            pinned_bytes: 0,
            reservations: Vec::new(),
            surroundings: None,
        },
        mappings,
    }
}

/// A worker that has nothing.
pub(in crate::analysis) fn nothing() -> ProcessShape {
    shape(Vec::new())
}

/// A heap of three page tables, a library that was written to and its code, shared
/// memory, and a reservation.
pub(in crate::analysis) fn server() -> ProcessShape {
    let shared = ShapeMapping {
        permissions: "rw-s".to_owned(),
        file: vec![[0, 400]],
        ..mapping(HIGH + 3_000 * TABLE, 400, MappingContent::SharedMemory)
    };
    let heap = ShapeMapping {
        content: MappingContent::Heap,
        ..anonymous(TABLE, 3 * TABLE, &[[0, 3 * TABLE]])
    };
    shape(vec![
        heap,
        library(HIGH, &[[2, 3]], &[[10, 20]], "/lib/a.so"),
        library(HIGH + 100, &[], &[[0, 50]], "/lib/a.so"),
        anonymous(HIGH + 200, 30, &[[0, 1], [7, 2]]),
        anonymous(HIGH + TABLE, 1 << 20, &[]),
        shared,
    ])
}

pub(in crate::analysis) fn trial(
    role: ProcessRole,
    methods: &[(SpawnMethod, u64, u64)],
    resident_bytes: u64,
) -> ProcessTrial {
    let cell = |(method, call, total): &(SpawnMethod, u64, u64)| TrialCell {
        method: *method,
        call_ns: Availability::not_reached(),
        total_ns: Availability::not_reached(),
        samples: (0..4)
            .map(|round| WorkerSamples {
                round,
                visit: None,
                host: crate::model::HostState::Quiet,
                stands_in: false,
                luck: 0.0,
                idle_share: None,
                all_per_second: None,
                call_ns: vec![call + u64::from(round % 2); 5],
                total_ns: vec![total + u64::from(round % 2); 5],
            })
            .collect(),
    };
    ProcessTrial {
        role,
        child: ChildAction::Exec,
        parent: Availability::Measured(Parent {
            mappings: Counts {
                // Whatever was asked for.
                huge_entries: 1 << 20,
                ..Counts::default()
            },
            resident_bytes,
            ..Parent::default()
        }),
        cells: methods.iter().map(cell).collect(),
    }
}

pub(in crate::analysis) fn regions(request: &SpaceRequest) -> Vec<crate::model::LikeRegion> {
    match request {
        SpaceRequest::Likeness(likeness) => likeness.regions.clone(),
        SpaceRequest::Together { parts } => parts.iter().flat_map(regions).collect(),
        _ => Vec::new(),
    }
}
