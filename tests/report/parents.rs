//! Parents with descriptors and threads: the stored documents, and what is said of
//! parents that all have them.

use forktax::model::{ChildAction, Document, Space, SpaceRequest, SpawnMethod};
use forktax::report::Format;

use crate::build::{add, empty, mappings_space, rounded};
use crate::text;

const METHODS: [SpawnMethod; 3] = [
    SpawnMethod::Fork,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
];

/// A space with more descriptors and threads, as its census shows it.
fn more(mut space: Space, descriptors: u64, threads: u64) -> Space {
    let mut parts = vec![space.request.clone()];
    if descriptors > 0 {
        parts.push(SpaceRequest::Descriptors {
            count: descriptors,
            cloexec: true,
        });
    }
    if threads > 0 {
        parts.push(SpaceRequest::Threads { count: threads });
    }
    if parts.len() > 1 {
        space.request = SpaceRequest::Together { parts };
    }
    space.descriptors += descriptors;
    space.threads += threads;
    space.vmas += 2 * threads;
    space.anon_vmas += threads;
    space.present_ptes += 2 * threads;
    space.page_table_bytes += threads * 4_096;
    space.resident_bytes += 2 * threads * 4_096;
    space
}

/// A document whose plan says what its cells are of.
fn document(spaces: Vec<(Space, [(f64, f64); 3])>) -> Document {
    let mut document = empty(&METHODS, SpawnMethod::PosixSpawn, ChildAction::Exec);
    for (space, times) in &spaces {
        add(&mut document, space, &METHODS, times);
    }
    document.plan.spaces = spaces.into_iter().map(|(s, _)| s.request).collect();
    document
}

/// Every method pays for descriptors.
pub(crate) fn fds() -> Document {
    let at = |fds, times| (more(mappings_space(0), fds, 0), times);
    document(vec![
        at(0, [(51.6, 155.3), (31.8, 71.6), (69.1, 109.3)]),
        at(1_000, [(56.2, 236.7), (36.9, 152.3), (74.5, 190.4)]),
        at(10_000, [(102.4, 982.4), (82.4, 888.4), (121.2, 925.8)]),
    ])
}

/// Only fork pays for threads.
pub(crate) fn threads() -> Document {
    let others = [(31.8, 71.2), (69.3, 109.7)];
    let at = |threads, fork| {
        let space = more(mappings_space(0), 0, threads);
        (space, [fork, others[0], others[1]])
    };
    let mut document = document(vec![
        at(0, (52.2, 158.2)),
        at(10, (90.4, 250.6)),
        at(100, (357.1, 888.3)),
    ]);
    // Libc writes to a page of each thread in a forked child.
    for cell in &mut document.cells {
        if cell.method == SpawnMethod::Fork {
            let stacks = (cell.space.threads - 1) as f64;
            cell.minor_faults.child = cell.minor_faults.child.map(|faults| faults + stacks);
            let interval = cell.minor_faults.child_ci95;
            cell.minor_faults.child_ci95 =
                interval.map(|ends| ends.map(|end| rounded(end + stacks)));
        }
    }
    document
}

#[test]
fn what_all_parents_have_stands_in_the_header() {
    let at = |mappings, fork| {
        let space = more(mappings_space(mappings), 1_000, 1);
        (space, [fork, (37.0, 152.0), (74.0, 190.0)])
    };
    let mut document = document(vec![at(0, (56.0, 237.0)), at(1_000, (850.0, 1_690.0))]);
    let report = text(&document, Format::Table);
    let header = "each parent has 1,000 more descriptors and 1 more idle thread; an exec closes \
                  the descriptors";
    assert!(report.contains(header), "{report}");
    assert!(report.contains("one mapping"), "{report}");
    assert!(!report.contains("  fds  "), "{report}");
    document.plan.spaces = vec![SpaceRequest::Together {
        parts: vec![
            SpaceRequest::Descriptors {
                count: 1,
                cloexec: false,
            },
            SpaceRequest::Handlers { count: 20 },
        ],
    }];
    let report = text(&document, Format::Table);
    let header = "each parent has 1 more descriptor and 20 more signal handlers; an exec keeps";
    assert!(report.contains(header), "{report}");
}

#[test]
fn along_descriptors_and_threads_nothing_is_a_cost_of_a_mapping() {
    for (document, column, noun) in [
        (fds(), "fds", "descriptor"),
        (threads(), "threads", "thread"),
    ] {
        let report = text(&document, Format::Table);
        assert!(report.contains(&format!("one {noun}")), "{report}");
        assert!(!report.contains("one mapping"), "{report}");
        assert!(report.contains(column), "{report}");
        assert!(!report.contains("each parent has"), "{report}");
    }
    let report = text(&threads(), Format::Table);
    assert!(
        report.contains("none is seen to be added to vfork"),
        "{report}"
    );
}
