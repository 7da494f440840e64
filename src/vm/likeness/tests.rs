//! Layouts of made-up processes, and refusals of what is none.

use proptest::prelude::*;

use super::*;

const PAGE: u64 = 4096;
/// Pages that a page table reaches, and the table above it.
const TABLE: u64 = 512;
const UPPER: u64 = TABLE * TABLE;
/// A place such as the kernel gives to libraries.
const HIGH: u64 = 0x7f00_0000_0000 >> 12;

fn anon(first_page: u64, pages: u64) -> LikeRegion {
    LikeRegion::untouched(first_page, pages, RegionKind::Anon)
}

fn placed(regions: &[LikeRegion]) -> Result<PlacedLikeness, LikenessError> {
    let of = "a process".to_owned();
    let regions = regions.to_vec();
    PlacedLikeness::of(
        &Likeness {
            of,
            regions,
            generations: 0,
        },
        PAGE,
    )
}

fn fault(regions: &[LikeRegion]) -> (usize, RegionFault) {
    let error = placed(regions).unwrap_err();
    (error.number, error.fault)
}

#[test]
fn a_process_without_mappings_takes_nothing() {
    let placed = placed(&[]).unwrap();
    assert_eq!((placed.span, placed.file_len, placed.tables), (0, 0, 0));
}

#[test]
fn near_mappings_keep_their_distance_and_far_ones_lose_it() {
    let low = 0x5500_0000_0000 >> 12;
    let placed = placed(&[anon(low + 7, 2), anon(low + 100, 3), anon(HIGH + 5, 1)]).unwrap();
    let offsets: Vec<u64> = placed.mappings.iter().map(|m| m.offset / PAGE).collect();
    assert_eq!(offsets, [7, 100, UPPER + 5]);
    assert_eq!((placed.span, placed.align), ((UPPER + 6) * PAGE, 1 << 30));
}

#[test]
fn a_lost_gap_never_makes_two_mappings_touch() {
    let placed = placed(&[anon(UPPER - 1, 1), anon(9 * UPPER, 1)]).unwrap();
    let [a, b] = &placed.mappings[..] else {
        panic!()
    };
    assert_eq!((a.offset / PAGE, b.offset / PAGE), (UPPER - 1, 2 * UPPER));
    assert!(!b.marked);
}

#[test]
fn touching_mappings_that_the_kernel_would_merge_are_marked_in_turn() {
    let mut regions: Vec<LikeRegion> = (0..4).map(|i| anon(HIGH + i, 1)).collect();
    regions[3].writable = false;
    regions.push(LikeRegion::untouched(HIGH + 4, 1, RegionKind::File));
    regions.push(LikeRegion::untouched(HIGH + 5, 2, RegionKind::File));
    regions.push(LikeRegion::untouched(HIGH + 7, 1, RegionKind::Shared));
    let placed = placed(&regions).unwrap();
    let marked: Vec<bool> = placed.mappings.iter().map(|m| m.marked).collect();
    assert_eq!(marked, [false, true, false, false, false, false, false]);
    let in_file: Vec<u64> = placed.mappings[4..]
        .iter()
        .map(|m| m.file_offset / PAGE)
        .collect();
    assert_eq!(in_file, [0, 2, 5]);
    assert_eq!(placed.file_len, 7 * PAGE);
}

#[test]
fn what_will_be_there_is_counted() {
    let mut heap = anon(HIGH, 3 * TABLE);
    heap.written = vec![[0, 2], [TABLE - 1, 2]];
    let mut text = LikeRegion::untouched(HIGH + 3 * TABLE, 10, RegionKind::File);
    text.writable = false;
    text.read = vec![[0, 4]];
    text.written = vec![[4, 1]];
    let placed = placed(&[heap, text, anon(HIGH + UPPER, 1)]).unwrap();
    assert_eq!(placed.present_pages(), 9);
    assert_eq!(placed.anon_mappings(), 2);
    assert_eq!(placed.rewritable_pages(), 4);
    assert_eq!(
        placed.tables,
        3 + 1,
        "two tables of the heap, one of the text, one above"
    );
}

#[test]
fn a_stack_of_arm64_lies_above_47_bits() {
    let low = anon(HIGH, 1);
    for stack in [(1 << 36) - 4, (1 << 40) - 4] {
        let placed = placed(&[low.clone(), anon(stack, 4)]).unwrap();
        assert_eq!(placed.mappings[1].len, 4 * PAGE);
        assert!(placed.span <= 2 << 30, "the gap shrinks: {}", placed.span);
    }
}

#[test]
fn what_no_process_has_is_refused() {
    let good = anon(HIGH, 4);
    for (first, pages) in [(HIGH, 0), (u64::MAX, 2), (1 << 44, 1), ((1 << 44) - 1, 2)] {
        assert_eq!(fault(&[anon(first, pages)]), (1, RegionFault::Extent));
    }
    assert_eq!(
        fault(&[good.clone(), anon(HIGH + 3, 1)]),
        (2, RegionFault::Overlap)
    );
    let runs = [
        vec![[4, 1]],
        vec![[0, 0]],
        vec![[1, u64::MAX]],
        vec![[0, 2], [1, 1]],
    ];
    for written in runs {
        let bad = LikeRegion {
            written,
            ..good.clone()
        };
        assert_eq!(
            fault(&[
                good.clone(),
                LikeRegion {
                    first_page: HIGH + 9,
                    ..bad
                }
            ]),
            (2, RegionFault::Pages)
        );
    }
    let mut both = LikeRegion::untouched(HIGH, 4, RegionKind::File);
    (both.written, both.read) = (vec![[1, 2]], vec![[2, 1]]);
    assert_eq!(fault(&[both]), (1, RegionFault::Pages));
    let written = vec![[0, 1]];
    let shared = LikeRegion::untouched(HIGH, 4, RegionKind::Shared);
    let error = placed(&[LikeRegion { written, ..shared }]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mapping 1 of a process is shared but has pages of its own: list them as read"
    );
}

#[test]
fn zeros_and_huge_pages_are_counted_as_what_they_are() {
    let mut heap = anon(HIGH + 100, 4 * TABLE);
    heap.huge = vec![[2 * TABLE - 100, TABLE], [TABLE - 100, TABLE]];
    heap.written = vec![[3, 1], [0, 2]];
    heap.read = vec![[2, 1]];
    (heap.stretch, heap.dontfork) = (3, true);
    let mut zeros = anon(HIGH + UPPER, 8);
    zeros.read = vec![[0, 8]];
    let forked = LikeRegion {
        dontfork: false,
        noreserve: false,
        ..heap.clone()
    };
    let forked = placed(&[forked, zeros.clone()]).unwrap();
    assert_eq!(forked.rewritable_pages(), 3);
    assert_eq!(forked.rewritable_huge_pages(), 2);
    let placed = placed(&[heap, zeros]).unwrap();
    let built = &placed.mappings[0];
    assert_eq!((built.stretch, built.dontfork), (3, true));
    assert_eq!(built.written, [[0, 2], [3, 1]], "ascending");
    assert_eq!(built.offset / PAGE % TABLE, 100);
    assert_eq!(placed.present_pages(), 3 + 1 + 2 * TABLE + 8);
    assert_eq!(placed.rewritable_pages(), 0, "a child lacks them");
    assert_eq!(placed.rewritable_huge_pages(), 0);
    assert_eq!((placed.anon_mappings(), placed.zero_mappings()), (1, 1));
    assert_eq!(placed.huge_pages(), 2);
    assert_eq!(
        placed.tables,
        2 + 2,
        "none below an entry that maps a huge page"
    );
}

#[test]
fn huge_pages_that_no_process_has_are_refused() {
    let with = |backing, huge: &[[u64; 2]]| LikeRegion {
        huge: huge.to_vec(),
        ..LikeRegion::untouched(HIGH + 1, 3 * TABLE, backing)
    };
    let anon = |huge: &[[u64; 2]]| fault(&[with(RegionKind::Anon, huge)]);
    let whole = [[TABLE - 1, TABLE]];
    assert!(placed(&[with(RegionKind::Anon, &whole)]).is_ok());
    assert_eq!(anon(&[[0, TABLE]]), (1, RegionFault::HugePart));
    assert_eq!(anon(&[[TABLE - 1, TABLE - 1]]), (1, RegionFault::HugePart));
    assert_eq!(anon(&[[TABLE - 1, 3 * TABLE]]), (1, RegionFault::Pages));
    let mut twice = with(RegionKind::Anon, &whole);
    twice.read = vec![[TABLE + 8, 1]];
    assert_eq!(fault(&[twice]), (1, RegionFault::Pages));
    for backing in [RegionKind::File, RegionKind::Shared] {
        assert_eq!(fault(&[with(backing, &whole)]), (1, RegionFault::HugeFile));
    }
}

#[test]
fn guards_and_huge_zeros_have_an_anon_vma_and_take_no_memory() {
    let guarded = LikeRegion {
        guards: vec![[5, 3]],
        ..anon(HIGH, TABLE)
    };
    let zeros = LikeRegion {
        huge_zero: vec![[TABLE, 2 * TABLE]],
        ..anon(HIGH + 8 * TABLE, 4 * TABLE)
    };
    let both = placed(&[guarded.clone(), zeros.clone()]).unwrap();
    assert_eq!((both.present_pages(), both.rewritable_pages()), (0, 0));
    assert_eq!((both.anon_mappings(), both.zero_mappings()), (2, 0));
    assert_eq!((both.huge_pages(), both.huge_zeros()), (0, 2));
    // One for the guards, and one above both.
    assert_eq!(both.tables, 2);
    let of_file = LikeRegion {
        backing: RegionKind::File,
        ..guarded.clone()
    };
    assert!(placed(&[of_file]).is_ok());
    let faults = [
        LikeRegion {
            written: vec![[7, 1]],
            ..guarded
        },
        LikeRegion {
            huge_zero: vec![[TABLE, TABLE - 1]],
            ..zeros.clone()
        },
        LikeRegion {
            backing: RegionKind::File,
            ..zeros
        },
    ];
    assert_eq!(
        faults.map(|region| fault(&[region]).1),
        [
            RegionFault::Pages,
            RegionFault::HugePart,
            RegionFault::HugeFile
        ]
    );
}

#[test]
fn only_own_pages_are_pinned_in_pieces_that_the_kernel_takes() {
    const GIB: u64 = 1 << 30;
    let pages = 3 * GIB / 2 / PAGE;
    let buffers = LikeRegion {
        written: vec![[0, pages], [pages + 1, 9]],
        pinned: vec![[1, pages - 1], [pages + 3, 2]],
        ..anon(HIGH, pages + 20)
    };
    let built = placed(std::slice::from_ref(&buffers)).unwrap();
    let pins: Vec<[u64; 2]> = built.pins().collect();
    let rest = GIB / 2 - PAGE;
    assert_eq!(
        pins,
        [
            [PAGE, GIB],
            [PAGE + GIB, rest],
            [(pages + 3) * PAGE, 2 * PAGE]
        ]
    );
    assert_eq!((built.pinned_pages(), built.files()), (pages + 1, 1));
    let with = |pinned: &[[u64; 2]], writable| LikeRegion {
        pinned: pinned.to_vec(),
        writable,
        ..buffers.clone()
    };
    for (pinned, writable) in [
        (&[[0, pages + 1]][..], true),
        (&[[pages, 1]], true),
        (&[[pages + 9, 2]], true),
        (&[[0, 2], [1, 1]], true),
        (&[[0, 0]], true),
        (&[[u64::MAX, 2]], true),
        (&[[0, 1]], false),
    ] {
        assert_eq!(fault(&[with(pinned, writable)]), (1, RegionFault::Pins));
    }
}

#[test]
fn parts_of_a_file_that_touch_and_have_own_pages_share_an_anon_vma() {
    let part = |first_page, writable, written: &[[u64; 2]]| LikeRegion {
        writable,
        written: written.to_vec(),
        ..LikeRegion::untouched(first_page, 4, RegionKind::File)
    };
    let own = [[0, 1]];
    let offsets = |regions: &[LikeRegion]| {
        let placed = placed(regions).unwrap();
        let pages: Vec<u64> = placed
            .mappings
            .iter()
            .map(|m| m.file_offset / PAGE)
            .collect();
        (pages, placed.file_len / PAGE)
    };
    let relocated = part(HIGH, false, &own);
    assert_eq!(
        offsets(&[relocated.clone(), part(HIGH + 4, true, &own)]),
        (vec![0, 4], 9)
    );
    for other in [
        part(HIGH + 4, false, &own),
        part(HIGH + 4, true, &[]),
        part(HIGH + 5, true, &own),
    ] {
        assert_eq!(offsets(&[relocated.clone(), other]), (vec![0, 5], 10));
    }
}

#[test]
fn what_a_fork_leaves_out_merges_with_nothing_that_it_copies() {
    let mut regions: Vec<LikeRegion> = (0..4).map(|i| anon(HIGH + i, 1)).collect();
    (regions[1].dontfork, regions[2].dontfork) = (true, true);
    let placed = placed(&regions).unwrap();
    let marked: Vec<bool> = placed.mappings.iter().map(|m| m.marked).collect();
    assert_eq!(marked, [false, false, true, false]);
}

/// Gap before a mapping, its length, its kind and its written pages.
fn any_region() -> impl Strategy<Value = (u64, u64, u8, u64)> {
    let gap = prop_oneof![
        Just(0),
        1..2_000_u64,
        0..5 * UPPER,
        Just(UPPER),
        0..1_u64 << 30
    ];
    let pages = prop_oneof![
        1..20_u64,
        1..2_000_u64,
        Just(TABLE),
        Just(UPPER),
        1..2 * UPPER
    ];
    (gap, pages, 0..3_u8, any::<u64>())
}

fn regions_of(shape: &[(u64, u64, u8, u64)]) -> Vec<LikeRegion> {
    let mut end = 1;
    let mut region_of = |&(gap, pages, kind, seed): &(u64, u64, u8, u64)| {
        let kinds = [RegionKind::Anon, RegionKind::File, RegionKind::Shared];
        let mut next = LikeRegion::untouched(end + gap, pages, kinds[usize::from(kind)]);
        end = next.first_page + pages;
        let run = [seed % pages, 1];
        match next.backing {
            RegionKind::Shared => next.read.push(run),
            _ => next.written.push(run),
        }
        next
    };
    shape.iter().map(&mut region_of).collect()
}

/// Pages from one mapping's last to the next one's first, in reaches.
fn apart(end: u64, next: u64, reach: u64) -> u64 {
    next / reach - (end - 1) / reach
}

proptest! {
    #[test]
    fn order_places_and_shared_tables_are_kept(
        shape in prop::collection::vec(any_region(), 1..30)
    ) {
        let regions = regions_of(&shape);
        let placed = placed(&regions).unwrap();
        prop_assert_eq!(placed.mappings.len(), regions.len());
        for (region, mapping) in regions.iter().zip(&placed.mappings) {
            prop_assert_eq!(mapping.offset / PAGE % UPPER, region.first_page % UPPER);
            prop_assert_eq!(mapping.len, region.pages * PAGE);
        }
        for (old, new) in regions.windows(2).zip(placed.mappings.windows(2)) {
            let old_end = old[0].first_page + old[0].pages;
            let (new_end, new_start) = ((new[0].offset + new[0].len) / PAGE, new[1].offset / PAGE);
            prop_assert!(new_end <= new_start);
            prop_assert_eq!(old_end == old[1].first_page, new_end == new_start);
            for reach in [TABLE, UPPER] {
                let was = apart(old_end, old[1].first_page, reach);
                let is = apart(new_end, new_start, reach);
                prop_assert_eq!(was == 0, is == 0);
                prop_assert!(is <= was);
            }
            prop_assert!(apart(new_end, new_start, UPPER) <= 2);
        }
    }

    #[test]
    fn any_numbers_are_refused_or_laid_out(
        numbers in prop::collection::vec(
            (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 1..4
        )
    ) {
        let regions: Vec<LikeRegion> = numbers.iter().map(|&(first, pages, run, count)| LikeRegion {
            written: vec![[run, count]],
            ..anon(first >> 19, pages >> 21)
        }).collect();
        if let Ok(placed) = placed(&regions) {
            prop_assert!(placed.span <= (1 << 56) + placed.align);
        }
    }
}

#[test]
fn a_mapping_has_as_many_ancestors_as_there_are_if_those_can_hand_it_down() {
    let region = |generations, written: &[[u64; 2]], dontfork| LikeRegion {
        generations,
        dontfork,
        written: written.to_vec(),
        ..anon(HIGH, 4)
    };
    let of = |most, region: LikeRegion| {
        let likeness = Likeness {
            of: "a process".to_owned(),
            regions: vec![region],
            generations: most,
        };
        let built = PlacedLikeness::of(&likeness, PAGE).unwrap();
        (
            built.generations,
            built.mappings[0].generations,
            built.files(),
        )
    };
    assert_eq!(of(5, region(3, &[[0, 1]], false)), (5, 3, 1));
    assert_eq!(of(2, region(3, &[[0, 1]], false)), (2, 2, 1));
    assert_eq!(of(2, region(3, &[], false)), (2, 0, 1));
    assert_eq!(of(2, region(3, &[[0, 1]], true)), (2, 0, 1));
    assert_eq!(of(0, region(3, &[[0, 1]], false)), (0, 0, 0));
    assert_eq!(
        of(1 << 40, region(1 << 40, &[[0, 1]], false)).0,
        MOST_GENERATIONS
    );
}
