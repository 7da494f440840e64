//! From a shape to what is built of it.

use proptest::prelude::*;

use super::*;
use crate::analysis::replica::{Blueprint, groups, made_up, request_of, scaled};
use crate::model::{
    Backing, LeftOutReason, MappingFlag, RegionKind, ShapeScale, ShapeUnit, Watched,
};
use crate::vm::Shape;

#[test]
fn the_worker_s_own_mappings_stand_for_as_many_like_them() {
    let own = shape(vec![
        anonymous(10, 5, &[[0, 4]]),
        library(HIGH, &[], &[[0, 9]], "/bin/worker"),
        ShapeMapping {
            content: MappingContent::Kernel,
            ..mapping(HIGH + 1_000, 2, MappingContent::Kernel)
        },
    ]);
    let blueprint = Blueprint::of(&server(), &own);
    let built = regions(&blueprint.request(&blueprint.mappings, blueprint.beside()));
    // The small anonymous mapping and the library's code, not the heap.
    let places: Vec<u64> = built.iter().map(|region| region.first_page).collect();
    assert_eq!(places, [TABLE, HIGH, HIGH + TABLE, HIGH + 3_000 * TABLE]);
    assert_eq!(blueprint.stand_ins(), 2);
    assert_eq!(blueprint.units(ShapeUnit::Vmas), 6);
    assert_eq!(blueprint.units(ShapeUnit::Ptes), 3 * TABLE + 26);
}

#[test]
fn empty_entries_are_those_beside_others_in_a_page_table() {
    let groups = groups(&server().mappings, PAGE);
    let empty = |name: &str| {
        let group = groups.iter().find(|group| group.name == name).unwrap();
        group.counts.empty_entries
    };
    // 23 of the 100 pages of the library's variables are there, and 3 of 30; its code has
    // none of its own, and the heap has all.
    assert_eq!((empty("/lib/a.so"), empty("[heap]")), (77 + 27, 0));
    let far = anonymous(TABLE - 10, 10 * TABLE, &[[5, 10], [8 * TABLE, 1]]);
    let counts = super::super::counts::total(&[far], PAGE);
    // 10 pages lie in the first table, and those of two others are reached as a whole.
    assert_eq!(counts.empty_entries, 10 + 2 * TABLE - 11);
}

#[test]
fn a_large_mapping_is_nobody_s_stand_in() {
    let own = shape(vec![anonymous(10, 5, &[[0, 4]])]);
    let process = shape(vec![anonymous(TABLE, 900, &[[0, 900]])]);
    assert_eq!(Blueprint::of(&process, &own).stand_ins(), 0);
}

#[test]
fn what_no_worker_can_have_is_left_out_and_what_forks_leave_out_is_there_for_its_place() {
    let mut process = server();
    process.mappings[3].flags.push(MappingFlag::DontFork);
    process.mappings[5].content = MappingContent::Hugetlb;
    let blueprint = Blueprint::of(&process, &nothing());
    let left: Vec<(LeftOutReason, u64)> = (blueprint.left_out().iter())
        .map(|left| (left.why, left.bytes / PAGE))
        .collect();
    assert_eq!(left, [(LeftOutReason::Hugetlb, 400)]);
    let built = regions(&request_of(&process));
    assert_eq!(built.len(), 5);
    assert_eq!((built[3].dontfork, built[3].written.len()), (true, 0));
    assert_eq!(blueprint.units(ShapeUnit::Vmas), 5);
    assert_eq!(blueprint.units(ShapeUnit::Ptes), 3 * TABLE + 23);
    let groups = groups(&process.mappings, PAGE);
    assert!(groups.iter().any(|group| group.name == "left out of forks"));
}

#[test]
fn a_file_at_a_high_number_is_one_of_those_that_are_opened() {
    let mut process = server();
    process.process.descriptors = 4;
    process.process.highest_descriptor = Some(19_990);
    process.process.descriptor_slots = 32_768;
    let mut own = nothing();
    own.process.descriptors = 6;
    own.process.highest_descriptor = Some(9);
    own.process.descriptor_slots = 64;
    let beside = Blueprint::of(&process, &own).beside();
    assert_eq!((beside.descriptors, beside.highest_descriptor), (1, 19_990));
    assert_eq!(beside.descriptor_slots, 32_768);
    let request = Blueprint::of(&process, &own).whole();
    let descriptors = Shape::of(&request, PAGE).unwrap().descriptors;
    assert_eq!((descriptors.count(), descriptors.highest), (1, 19_990));
    let few = ShapeScale {
        descriptors_up_to: Some(4_000),
        ..ShapeScale::WHOLE
    };
    let beside = Blueprint::of(&scaled(&process, &few), &own).beside();
    assert_eq!(
        (beside.highest_descriptor, beside.descriptor_slots),
        (4_000, 4_001)
    );
    process.process.descriptor_slots = 1 << 32;
    let beside = Blueprint::of(&process, &own).beside();
    assert_eq!(
        beside.descriptor_slots, 65_536,
        "twice what the numbers need"
    );
    process.process.descriptors = 100;
    process.process.highest_descriptor = Some(103);
    let beside = Blueprint::of(&process, &own).beside();
    assert_eq!((beside.descriptors, beside.highest_descriptor), (94, 0));
}

#[test]
fn folios_are_of_the_size_that_most_have() {
    let of = |batch: Option<f64>| {
        let heap = ShapeMapping {
            batch,
            ..anonymous(HIGH, 100, &[[0, 100]])
        };
        regions(&request_of(&shape(vec![heap])))[0].batch
    };
    assert_eq!([None, Some(1.2), Some(2.0)].map(of), [0, 0, 2]);
    assert_eq!([15.0, 16.0, 23.0].map(|mean| of(Some(mean))), [16, 16, 32]);
    assert_eq!([200.0, 512.0].map(|mean| of(Some(mean))), [512, 512]);
}

#[test]
fn pages_become_what_a_worker_can_make_them() {
    let mut process = server();
    process.mappings[0].swapped = vec![[3 * TABLE - 1, 1]];
    process.mappings[0].own = vec![[0, 3 * TABLE - 1]];
    process.mappings[3].zero = vec![[20, 5]];
    process.mappings[3].stretch = Some(7.6);
    let built = regions(&request_of(&process));
    assert_eq!(built[0].written, [[0, 3 * TABLE]]);
    assert_eq!(
        (&built[1].written[..], &built[1].read[..]),
        (&[[2, 3]][..], &[[10, 20]][..])
    );
    assert_eq!(built[1].backing, RegionKind::File);
    assert_eq!((&built[3].read[..], built[3].stretch), (&[[20, 5]][..], 8));
    assert_eq!(
        (built[5].backing, built[5].written.len()),
        (RegionKind::Shared, 0)
    );
    assert!(Shape::of(&request_of(&process), PAGE).is_ok());
}

#[test]
fn groups_are_by_name_and_a_library_s_zeros_are_its_own() {
    let mut process = server();
    process
        .mappings
        .insert(3, anonymous(HIGH + 200, 3, &[[0, 1]]));
    process.mappings[4].first_page = HIGH + 210;
    let groups = groups(&process.mappings, PAGE);
    let names: Vec<(&str, usize)> = groups
        .iter()
        .map(|g| (g.name.as_str(), g.members.len()))
        .collect();
    assert_eq!(
        names,
        [
            ("[heap]", 1),
            ("/lib/a.so", 3),
            ("other anonymous memory", 2),
            ("shared memory", 1),
        ]
    );
    let large = shape(vec![anonymous(HIGH, 500, &[[0, 500]])]);
    let name = &crate::analysis::replica::groups(&large.mappings, PAGE)[0].name;
    assert_eq!(name, "anonymous at 7f0000000000");
}

#[test]
fn file_pages_that_no_fork_copies_can_be_left_out_first() {
    let scale = ShapeScale {
        without_file_pages: true,
        ..ShapeScale::WHOLE
    };
    let part = scaled(&server(), &scale);
    assert_eq!(
        part.mappings[1],
        server().mappings[1],
        "it has pages of its own"
    );
    assert!(part.mappings[2].file.is_empty() && part.mappings[5].file.is_empty());
}

#[test]
fn an_order_of_a_sweep_is_a_shape_too() {
    let order = |mappings, pages, spacing, backing, huge| SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing,
        huge,
    };
    let orders = [
        order(100, 3, 1, Backing::Anon, false),
        order(10, 2, 600, Backing::Anon, false),
        order(5, 1, 1, Backing::Shared, false),
        order(4, 700, 1, Backing::Anon, true),
        order(3, 0, 1, Backing::File, false),
    ];
    for order in orders {
        let wanted = Shape::of(&order, PAGE).unwrap();
        let made = made_up(&order, PAGE, "6.18").unwrap();
        let built = Shape::of(&request_of(&made), PAGE).unwrap();
        assert_eq!(built.mappings(), wanted.mappings(), "{order:?}");
        let runs = made.mappings.iter().flat_map(|mapping| &mapping.own);
        assert!(runs.into_iter().all(|[_, count]| *count > 0), "{order:?}");
        let mut written = made.mappings.iter();
        let is_own = matches!(&order, SpaceRequest::Mappings { pages, backing, .. }
            if *pages > 0 && *backing != Backing::Shared);
        assert!(
            written.all(|mapping| mapping.anon_vma == is_own),
            "{order:?}"
        );
        if !order.asks_for_huge_pages() {
            assert_eq!(built.present_pages(), wanted.present_pages(), "{order:?}");
        }
    }
    let heap = SpaceRequest::Malloc {
        count: 1_000,
        bytes: 100_000,
        pages: 0,
        spacing: 1,
    };
    let made = made_up(&heap, PAGE, "6.18").unwrap();
    let own: u64 = made.mappings[0].own.iter().map(|run| run[1]).sum();
    assert_eq!((made.mappings.len(), own), (1, 1_000));
}

proptest! {
    #[test]
    fn no_scale_makes_anything_up(
        own in proptest::collection::vec((0_u64..400, 1_u64..1_500), 0..20),
        divisor in 1_u64..40,
        first in 0_u64..2_000,
    ) {
        let mut at = 0;
        let runs: Vec<[u64; 2]> = own.iter().map(|(gap, count)| {
            let run = [at + gap, *count];
            at = run[0] + count;
            run
        }).collect();
        let process = shape(vec![anonymous(first, at.max(1), &runs)]);
        let scale = ShapeScale { pages_divisor: divisor, ..ShapeScale::WHOLE };
        let part = scaled(&process, &scale);
        let inside = |page: u64| runs.iter().any(|[f, c]| (*f..*f + *c).contains(&page));
        let mut next = 0;
        for [f, c] in &part.mappings[0].own {
            prop_assert!(*f >= next && *c > 0);
            next = f + c;
            prop_assert!(inside(*f) && inside(f + c - 1));
        }
        prop_assert_eq!(part.mappings[0].anon_vma, !runs.is_empty());
        if divisor == 1 {
            prop_assert_eq!(&part.mappings, &process.mappings);
        }
        prop_assert!(Shape::of(&request_of(&part), PAGE).is_ok());
    }
}

#[test]
fn workers_have_the_ancestors_of_a_process_and_are_watched_where_they_can_be() {
    let own = |flags: &[MappingFlag], generations| ShapeMapping {
        flags: flags.to_vec(),
        generations,
        ..anonymous(HIGH + u64::from(generations > 0), 1, &[[0, 1]])
    };
    let flags = [
        MappingFlag::Userfault,
        MappingFlag::UserfaultWrites,
        MappingFlag::UserfaultForks,
    ];
    let mut process = shape(vec![own(&flags, 0), own(&flags[..2], 3)]);
    process.process.cloexec_descriptors = 9;
    let built = |watched| {
        let blueprint = Blueprint::of(&process, &nothing()).watched(watched);
        let mut request = blueprint.whole();
        let likeness = request.take_likeness().unwrap();
        let all = likeness.regions.iter();
        let each: Vec<_> = all.map(|it| (it.generations, it.watched)).collect();
        let files = blueprint.beside().cloexec_descriptors;
        (likeness.generations, each, files)
    };
    // The leash, and the userfaultfd.
    assert_eq!(built(false), (3, vec![(0, None), (3, None)], 8));
    let watched = vec![(0, Some(Watched::Writes)), (3, None)];
    assert_eq!(built(true), (3, watched, 7));
}
