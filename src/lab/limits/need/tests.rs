use super::*;
use crate::model::LikeRegion;
use crate::vm::Shape;
use proptest::prelude::*;

const PAGE: u64 = 4096;

fn mappings(mappings: u64, pages: u64, spacing: u64, backing: Backing, huge: bool) -> Need {
    let request = SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing,
        huge,
    };
    Need::of(&request, PAGE)
}

fn malloc(count: u64, bytes: u64, pages: u64) -> Need {
    let request = SpaceRequest::Malloc {
        count,
        bytes,
        pages,
        spacing: 1,
    };
    Need::of(&request, PAGE)
}

#[test]
fn one_page_mappings_take_a_page_each_and_share_page_tables() {
    let need = mappings(1_000, 1, 1, Backing::Anon, false);
    assert_eq!(need.mappings, 1_000);
    assert_eq!(need.largest_bytes, PAGE);
    assert_eq!(need.resident_bytes, 1_000 * PAGE);
    assert_eq!(need.private_bytes, 1_000 * PAGE);
    // With a gap of a page after each, and what the start may be moved.
    assert_eq!(need.address_space_bytes, 2_000 * PAGE + (2 << 20));
    // 2,000 pages with the gaps: 4 PTE tables and one more at the edge,
    // a PMD and a PUD table with one more each; twice for the copy.
    assert_eq!(need.page_tables_bytes, 2 * 9 * PAGE);
    assert_eq!(need.kernel_bytes, 1_000 * (320 + 192 + 320 + 256));
}

#[test]
fn spread_pages_take_a_page_table_each() {
    let need = mappings(1, 1_000, 512, Backing::Anon, false);
    assert_eq!(need.private_bytes, (999 * 512 + 1) * PAGE);
    assert_eq!(need.largest_bytes, need.private_bytes);
    assert_eq!(need.address_space_bytes, 1_000 * 512 * PAGE + (2 << 20));
    assert_eq!(need.resident_bytes, 1_000 * PAGE);
    assert!(need.page_tables_bytes >= 2 * 1_000 * PAGE);
    assert!(need.page_tables_bytes <= 2 * 1_010 * PAGE);
}

#[test]
fn untouched_mappings_take_no_memory_but_the_vmas() {
    let need = mappings(10_000, 0, 1, Backing::Anon, false);
    assert_eq!((need.resident_bytes, need.page_tables_bytes), (0, 0));
    assert_eq!(need.memory_bytes(), need.kernel_bytes);
    assert_eq!(need.kernel_bytes, 10_000 * 640);
}

#[test]
fn huge_pages_are_resident_as_a_whole() {
    let need = mappings(10, 1, 1, Backing::Anon, true);
    assert_eq!(need.private_bytes, 10 * (2 << 20));
    assert_eq!(need.address_space_bytes, 21 * (2 << 20));
    assert_eq!(need.resident_bytes, 10 * (2 << 20));
    let spread = mappings(1, 4, 1024, Backing::Anon, true);
    assert_eq!(spread.private_bytes, 7 * (2 << 20));
    assert_eq!(spread.resident_bytes, 4 * (2 << 20));
}

#[test]
fn shared_mappings_have_no_anon_vma_and_are_not_private() {
    let need = mappings(100, 1, 1, Backing::Shared, false);
    assert_eq!(need.kernel_bytes, 100 * 640);
    assert_eq!(need.private_bytes, 0);
}

#[test]
fn a_file_is_resident_once_besides_its_copies() {
    let need = mappings(100, 3, 1, Backing::File, false);
    assert_eq!(need.resident_bytes, 303 * PAGE);
    assert_eq!(mappings(0, 3, 1, Backing::File, false).memory_bytes(), 0);
}

#[test]
fn a_heap_has_no_mappings_to_speak_of() {
    let need = malloc(1_000, 100_000, 0);
    assert_eq!(need.mappings, 2);
    assert_eq!(need.address_space_bytes, round_up(1_000 * 100_016, PAGE));
    assert_eq!(need.resident_bytes, 1_000 * PAGE);
    assert_eq!(malloc(1_000, 100_000, 2).resident_bytes, 3_000 * PAGE);
}

fn like(regions: Vec<LikeRegion>) -> Need {
    let of = "a process".to_owned();
    Need::of(
        &SpaceRequest::Likeness(Likeness {
            of,
            regions,
            generations: 0,
        }),
        PAGE,
    )
}

fn region(first_page: u64, pages: u64, backing: RegionKind) -> LikeRegion {
    LikeRegion {
        writable: false,
        ..LikeRegion::untouched(first_page, pages, backing)
    }
}

#[test]
fn of_pages_that_are_written_to_again_those_that_there_are_are_copied() {
    let of = |regions, kind, wanted| {
        let of = "a process".to_owned();
        let space = SpaceRequest::Likeness(Likeness {
            of,
            regions,
            generations: 0,
        });
        copied(&space, kind, wanted, PAGE)
    };
    let mut heap = region(512, 2_048, RegionKind::Anon);
    heap.writable = true;
    heap.written = vec![[0, 600]];
    heap.huge = vec![[1_024, 1_024]];
    let regions = || vec![heap.clone()];
    assert_eq!(of(regions(), PageKind::Small, 100), 100 * PAGE);
    assert_eq!(of(regions(), PageKind::Small, 1_000), 600 * PAGE);
    assert_eq!(of(regions(), PageKind::Huge, 1), 512 * PAGE);
    assert_eq!(of(regions(), PageKind::Huge, 8), 1_024 * PAGE);
    let need = Need {
        copied_bytes: 7,
        ..mappings(1, 1, 1, Backing::Anon, false)
    };
    let without = mappings(1, 1, 1, Backing::Anon, false);
    assert_eq!(need.memory_bytes(), without.memory_bytes() + 7);
}

#[test]
fn a_likeness_takes_what_its_process_has() {
    let none = like(Vec::new());
    assert_eq!((none.mappings, none.address_space_bytes), (0, 0));
    let mut heap = region(512, 1_000, RegionKind::Anon);
    heap.writable = true;
    heap.written = vec![[0, 600]];
    let mut text = region(2_000, 10, RegionKind::File);
    text.read = vec![[0, 3]];
    let mut data = region(2_010, 4, RegionKind::File);
    data.written = vec![[1, 2]];
    let need = like(vec![heap, text, data, region(2_020, 7, RegionKind::Shared)]);
    assert_eq!(need.mappings, 4);
    assert_eq!(need.resident_bytes, (600 + 3 + 2 + 2) * PAGE);
    assert_eq!(need.private_bytes, 1_004 * PAGE);
    assert_eq!(need.address_space_bytes, 2_027 * PAGE + (1 << 30));
    // Tables of the pages 512 to 1111, and of 2000 to 2012; one above; two at the top.
    assert_eq!(need.page_tables_bytes, 2 * (3 + 1 + 2) * PAGE);
    assert_eq!(need.kernel_bytes, 4 * 640 + 2 * (192 + 256));
}

#[test]
fn huge_pages_are_resident_as_a_whole_and_zeros_are_there_anyway() {
    let mut heap = region(512, 2_048, RegionKind::Anon);
    heap.huge = vec![[512, 1_024]];
    heap.written = vec![[0, 3]];
    heap.read = vec![[1_600, 40]];
    let need = like(vec![heap]);
    assert_eq!(need.resident_bytes, (1_024 + 3) * PAGE);
    assert_eq!(need.private_bytes, 2_048 * PAGE);
    // Of the written pages and of the zeros; two in reserve; one above, two at the top.
    assert_eq!(need.page_tables_bytes, 2 * (2 + 2 + 1 + 2) * PAGE);
    assert_eq!(need.kernel_bytes, 640 + 192 + 256);
    let mut zeros = region(512, 8, RegionKind::Anon);
    zeros.read = vec![[0, 8]];
    let need = like(vec![zeros]);
    assert_eq!((need.resident_bytes, need.private_bytes), (0, 0));
    assert_eq!(need.page_tables_bytes, 2 * (2 + 2) * PAGE);
}

#[test]
fn what_is_no_likeness_never_fits() {
    let need = like(vec![region(u64::MAX, 2, RegionKind::Anon)]);
    assert_eq!(need.memory_bytes(), u64::MAX);
}

fn together(parts: Vec<SpaceRequest>) -> SpaceRequest {
    SpaceRequest::Together { parts }
}

#[test]
fn threads_take_stacks_and_count_as_processes() {
    let need = Need::of(&SpaceRequest::Threads { count: 100 }, PAGE);
    assert_eq!(
        (need.mappings, need.processes, need.threads()),
        (200, 105, 100)
    );
    assert_eq!(need.address_space_bytes, 100 * ((8 << 20) + PAGE));
    assert_eq!(need.private_bytes, 100 * (8 << 20));
    assert_eq!(need.page_tables_bytes, 2 * 100 * PAGE);
    assert!((100 * PAGE..1_000 * PAGE).contains(&need.resident_bytes));
    assert!(
        need.kernel_bytes > 100 * (16 << 10),
        "a stack in the kernel each"
    );
}

#[test]
fn descriptors_and_handlers_take_no_address_space() {
    let files = SpaceRequest::Descriptors {
        count: 10_000,
        cloexec: true,
    };
    let need = Need::of(&files, PAGE);
    assert_eq!(
        (need.descriptors, need.handlers, need.processes),
        (10_000, 0, 5)
    );
    assert_eq!((need.mappings, need.address_space_bytes), (0, 0));
    assert!((1 << 20..8 << 20).contains(&need.memory_bytes()));
    let need = Need::of(&SpaceRequest::Handlers { count: 20 }, PAGE);
    assert_eq!(
        (need.descriptors, need.handlers, need.memory_bytes()),
        (0, 20, 0)
    );
}

#[test]
fn parts_add_up_and_the_worker_itself_counts_once() {
    let parts = vec![
        SpaceRequest::Threads { count: 10 },
        together(vec![SpaceRequest::Threads { count: 5 }]),
        SpaceRequest::Malloc {
            count: 1_000,
            bytes: 100_000,
            pages: 0,
            spacing: 1,
        },
    ];
    let need = Need::of(&together(parts), PAGE);
    assert_eq!((need.threads(), need.processes), (15, 20));
    assert_eq!(need.mappings, 2 * 15 + HEAP_VMAS);
    assert_eq!(Need::of(&together(Vec::new()), PAGE), Need::NOTHING);
}

#[test]
fn parents_at_once_need_the_memory_of_all_and_the_mappings_of_one() {
    let one = together(vec![
        SpaceRequest::Threads { count: 3 },
        SpaceRequest::Mappings {
            mappings: 100,
            pages: 2,
            spacing: 1,
            backing: Backing::Anon,
            huge: false,
        },
    ]);
    let (alone, jobs) = (one.clone(), SpaceRequest::Jobs { count: 4 });
    let (alone, all) = (
        Need::of(&alone, PAGE),
        Need::of(&together(vec![one, jobs]), PAGE),
    );
    assert_eq!(all.memory_bytes(), 4 * alone.memory_bytes());
    assert_eq!((all.mappings, all.threads()), (alone.mappings, 3));
    // Of one reference there is no more than one.
    assert_eq!(alone.all_processes(), alone.processes);
    assert_eq!(all.all_processes(), 4 * (alone.processes - 1) + 1);
}

#[test]
fn small_blocks_share_their_pages() {
    let need = malloc(1_000_000, 16, 0);
    assert_eq!(need.resident_bytes, 32_002_048);
}

#[test]
fn absurd_orders_stay_absurd() {
    let need = mappings(60_000, 1_000_000_000, 1, Backing::Anon, false);
    assert_eq!(need.resident_bytes, 60_000 * 1_000_000_000 * PAGE);
    assert_eq!(
        malloc(u64::MAX, u64::MAX, u64::MAX).memory_bytes(),
        u64::MAX
    );
}

/// What the builder reserves at once (sys::memory::Arena::find).
fn reserved(request: &SpaceRequest) -> u64 {
    let shape = Shape::of(request, PAGE).unwrap();
    let regions = shape.regions.iter();
    regions.map(|r| r.span().unwrap() + r.align).sum()
}

/// Requests of all kinds but a likeness.
fn part() -> impl Strategy<Value = SpaceRequest> {
    let backings = vec![Backing::Anon, Backing::Shared, Backing::File];
    prop_oneof![
        (
            0_u64..3_000,
            0_u64..60,
            1_u64..600,
            any::<bool>(),
            prop::sample::select(backings)
        )
            .prop_map(
                |(mappings, pages, spacing, huge, backing)| SpaceRequest::Mappings {
                    mappings,
                    pages,
                    spacing,
                    backing,
                    huge
                }
            ),
        (0_u64..100_000, any::<bool>())
            .prop_map(|(count, cloexec)| SpaceRequest::Descriptors { count, cloexec }),
        (0_u64..5_000).prop_map(|count| SpaceRequest::Threads { count }),
        (0_u64..100).prop_map(|count| SpaceRequest::Handlers { count }),
    ]
}

/// Every figure of a need.
fn figures(need: &Need) -> [u64; 9] {
    [
        need.mappings,
        need.resident_bytes,
        need.page_tables_bytes,
        need.address_space_bytes,
        need.private_bytes,
        need.kernel_bytes,
        need.processes,
        need.descriptors,
        need.handlers,
    ]
}

proptest! {
    #[test]
    fn the_arena_that_is_reserved_is_counted(
        mappings in 0_u64..70_000, pages in 0_u64..600, spacing in 1_u64..600, huge: bool,
        backing in prop::sample::select(vec![Backing::Anon, Backing::Shared, Backing::File]),
    ) {
        let request = SpaceRequest::Mappings { mappings, pages, spacing, backing, huge };
        let need = Need::of(&request, PAGE);
        prop_assert_eq!(need.address_space_bytes, reserved(&request));
    }

    #[test]
    fn what_a_shape_has_is_needed(parts in prop::collection::vec(part(), 0..5)) {
        let request = together(parts.clone());
        let (need, shape) = (Need::of(&request, PAGE), Shape::of(&request, PAGE).unwrap());
        prop_assert_eq!(need.mappings, shape.mappings() + shape.threads * THREAD_MAPPINGS);
        prop_assert_eq!(need.descriptors, shape.descriptors.count());
        prop_assert_eq!((need.threads(), need.handlers), (shape.threads, shape.handlers));
        prop_assert!(need.resident_bytes >= (shape.present_pages() + shape.threads) * PAGE);
        let stacks = shape.threads * THREAD_STACK_BYTES;
        prop_assert!(need.address_space_bytes >= reserved(&request) + stacks);
        // A part never needs more than the whole.
        for part in &parts {
            let both = figures(&Need::of(part, PAGE)).into_iter().zip(figures(&need));
            prop_assert!(both.clone().all(|(part, whole)| part <= whole), "{part:?}");
        }
    }

    #[test]
    fn absurd_parts_stay_absurd(count: u64, cloexec: bool) {
        let all = [
            SpaceRequest::Threads { count },
            SpaceRequest::Descriptors { count, cloexec },
            SpaceRequest::Handlers { count },
        ];
        let twice = together([all.clone(), all].concat());
        let need = Need::of(&twice, PAGE);
        prop_assert_eq!(need.descriptors, count.saturating_mul(2));
        prop_assert_eq!(need.handlers, count.saturating_mul(2));
        prop_assert!(need.processes >= count.saturating_mul(2).saturating_sub(PROCESSES));
        prop_assert!(need.private_bytes >= count);
    }

    #[test]
    fn a_need_never_panics_and_never_wraps(
        count: u64, pages: u64, spacing: u64, huge: bool, bytes: u64,
    ) {
        let need = mappings(count, pages, spacing, Backing::Anon, huge);
        let floor = u128::from(count) * u128::from(pages.min(1)) * u128::from(PAGE);
        prop_assert!(u128::from(need.resident_bytes) >= floor.min(u128::from(u64::MAX)));
        prop_assert!(need.memory_bytes() >= need.resident_bytes);
        let heap = malloc(count, bytes, pages);
        prop_assert!(heap.address_space_bytes >= heap.resident_bytes);
    }

    #[test]
    fn more_mappings_never_need_less(count in 0_u64..100_000, pages in 0_u64..2_000) {
        let few = mappings(count, pages, 3, Backing::Anon, false);
        let more = mappings(count + 1, pages, 3, Backing::Anon, false);
        prop_assert!(more.memory_bytes() > few.memory_bytes());
        prop_assert!(more.address_space_bytes > few.address_space_bytes);
    }
}

#[test]
fn ancestors_take_processes_and_a_link_to_each_for_each_mapping_that_they_hand_down() {
    let with = |generations| {
        let mapping = LikeRegion {
            written: vec![[0, 100]],
            generations,
            ..region(0x7_f000_0000, 100, RegionKind::Anon)
        };
        let likeness = Likeness {
            of: "a process".to_owned(),
            regions: vec![mapping],
            generations,
        };
        Need::of(&SpaceRequest::Likeness(likeness), PAGE)
    };
    let (none, ten) = (with(0), with(10));
    assert_eq!(ten.processes, none.processes + 10);
    assert_eq!(ten.descriptors, none.descriptors + 1);
    assert_eq!(ten.resident_bytes, none.resident_bytes);
    let more = ten.kernel_bytes - none.kernel_bytes;
    let structures = 10 * (TASK_BYTES + VMA_BYTES + ANON_VMA_BYTES);
    assert!((structures + 60 * LINK_BYTES..structures + 90 * LINK_BYTES).contains(&more));
    let tables = ten.page_tables_bytes - none.page_tables_bytes;
    assert!((10 * PAGE..=30 * PAGE).contains(&tables), "{tables}");
    assert_eq!(with(1 << 40).processes, none.processes + 64);
}
