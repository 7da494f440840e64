//! The ladder adds up, and so do the groups.

use super::*;
use crate::analysis::replica::tests::{
    HIGH, PAGE, TABLE, anonymous, nothing, regions, server, shape, trial,
};
use crate::analysis::replica::{Blueprint, scaled};
use crate::model::{
    Blame, FreeReason, ProcessRole, ProcessShape, ProcessTrial, Rung, ShapeMapping, ShapeScale,
    SpaceRequest, SpawnMethod,
};
use crate::vm::Shape;

fn design(blueprint: &Blueprint) -> Design {
    Design::of(blueprint, &[SpawnMethod::Fork, SpawnMethod::PosixSpawn])
}

/// What a fork takes in a world where all has a price.
fn took(request: &SpaceRequest) -> [u64; 2] {
    let of = Shape::of(request, PAGE).unwrap();
    let placed = of.likeness.unwrap();
    let mut total = 100_000 + 50 * (of.descriptors.count() + 1_000 * of.threads);
    let mut next_table = 0;
    for (mapping, region) in placed.mappings.iter().zip(regions(request)) {
        total += 600;
        if mapping.written.is_empty() {
            continue;
        }
        total += 900;
        for [first, count] in [region.written, region.read].concat() {
            total += 100 * count;
            let to = (region.first_page + first + count - 1) / TABLE + 1;
            let from = ((region.first_page + first) / TABLE).max(next_table);
            total += 1_000 * to.saturating_sub(from);
            next_table = next_table.max(to);
        }
    }
    [total / 2, total]
}

fn measured(design: &Design) -> Vec<ProcessTrial> {
    let each = design.trials.iter().map(|planned| {
        let [call, total] = took(&planned.space);
        let methods: Vec<(SpawnMethod, u64, u64)> = planned
            .methods
            .iter()
            .map(|method| (*method, call, total))
            .collect();
        trial(planned.role, &methods, 0)
    });
    each.collect()
}

fn blamed(process: &ProcessShape, own: &ProcessShape, scale: &ShapeScale) -> Blame {
    let whole = Blueprint::of(process, own);
    let design = design(&Blueprint::of(&scaled(process, scale), own));
    let trials = measured(&design);
    let blame = blame(process, &whole, &design, &trials, 1);
    blame.measured().unwrap().clone()
}

#[test]
fn rungs_and_groups_add_up_to_the_fork() {
    let mut process = server();
    process.process.threads = 5;
    process.process.descriptors = 100;
    let blame = blamed(&process, &nothing(), &ShapeScale::WHOLE);
    let blueprint = Blueprint::of(&process, &nothing());
    let whole = took(&blueprint.request(&blueprint.mappings, blueprint.beside()));
    assert!((blame.fork.total_ns.value - whole[1] as f64).abs() < 2.0);
    let rungs: f64 = blame
        .rungs
        .iter()
        .map(|rung| rung.cost.total_ns.value)
        .sum();
    assert!((rungs - blame.fork.total_ns.value).abs() < 1e-6);
    let lowest: f64 = (blame.rungs.iter())
        .filter(|rung| rung.rung <= Rung::Beside)
        .map(|rung| rung.cost.total_ns.value)
        .sum();
    let groups: f64 = blame
        .groups
        .iter()
        .map(|group| group.cost.total_ns.value)
        .sum();
    assert!((lowest + groups - blame.fork.total_ns.value).abs() < 1e-6);
    let units: Vec<(Rung, u64)> = blame
        .rungs
        .iter()
        .map(|rung| (rung.rung, rung.units))
        .collect();
    // Of 1,562 copied entries one stands in each of three mappings, and one in each of
    // the two other tables of the heap; the library's and the anonymous one share theirs.
    assert_eq!(
        units,
        [
            (Rung::Empty, 1),
            (Rung::Beside, 97 + 4),
            (Rung::Mappings, 6),
            (Rung::AnonVmas, 3),
            (Rung::Tables, 2),
            (Rung::Pages, 3 * TABLE + 23 + 3 - 5),
        ]
    );
    let heap = &blame.groups[0];
    assert_eq!(
        (heap.name.as_str(), heap.mappings.ptes),
        ("[heap]", 3 * TABLE)
    );
    // Its share of each rung is what its own units cost in that world.
    let own = 600.0 + 900.0 + 3.0 * 1_000.0 + 3.0 * 512.0 * 100.0;
    assert!(
        (heap.cost.total_ns.value / own - 1.0).abs() < 0.02,
        "{heap:?}"
    );
    assert!((heap.without.unwrap().total_ns.value - own).abs() < 2.0);
}

#[test]
fn what_is_not_there_is_no_rung() {
    let process = shape(vec![anonymous(HIGH, 10, &[])]);
    let blueprint = Blueprint::of(&process, &nothing());
    let roles: Vec<ProcessRole> = design(&blueprint).trials.iter().map(|t| t.role).collect();
    assert_eq!(
        roles,
        [
            ProcessRole::Whole,
            ProcessRole::Rung(Rung::Empty),
            ProcessRole::Without(0)
        ]
    );
    let blame = blamed(&process, &nothing(), &ShapeScale::WHOLE);
    let rungs: Vec<Rung> = blame.rungs.iter().map(|rung| rung.rung).collect();
    assert_eq!(rungs, [Rung::Empty, Rung::Mappings]);
    assert_eq!(blame.free[0].why, FreeReason::Untouched);
    assert_eq!(blame.free[0].bytes, 10 * PAGE);
}

#[test]
fn a_scaled_shape_is_extrapolated_to_the_whole() {
    let big = shape(vec![
        anonymous(TABLE, 64 * TABLE, &[[0, 64 * TABLE]]),
        anonymous(HIGH, 4, &[[1, 2]]),
    ]);
    let scale = ShapeScale {
        pages_divisor: 4,
        ..ShapeScale::WHOLE
    };
    let part = scaled(&big, &scale);
    let kept: u64 = part.mappings[0].own.iter().map(|run| run[1]).sum();
    assert_eq!(kept, 16 * TABLE);
    assert_eq!(part.mappings[1].own, [[1, 2]]);
    let blame = blamed(&big, &nothing(), &scale);
    let whole = took(&crate::analysis::replica::request_of(&big))[1] as f64;
    assert!(
        (blame.fork.total_ns.value / whole - 1.0).abs() < 0.02,
        "{blame:?}"
    );
    let pages = blame.rungs.iter().find(|rung| rung.rung == Rung::Pages);
    assert!((pages.unwrap().factor - 4.0).abs() < 0.01);
}

#[test]
fn nothing_leads_where_what_may_be_nothing_may_be_the_most() {
    let blame = blamed(&server(), &nothing(), &ShapeScale::WHOLE);
    assert!(!dearest_rungs(&blame).is_empty());
    let with = |low: f64, high: f64| {
        let mut blame = blame.clone();
        let last = blame.rungs.last_mut().unwrap();
        last.cost.total_ns.ci95 = [low, high];
        dearest_rungs(&blame).len()
    };
    assert_eq!(with(-1.0, 1e12), 0, "it may be more than all others");
    assert!(with(-1.0, 1.0) > 0, "it is less than the first");
    assert_eq!(with(f64::NAN, f64::NAN), 0);
}

#[test]
fn a_run_that_ended_early_blames_nobody() {
    let process = server();
    let blueprint = Blueprint::of(&process, &nothing());
    let design = design(&blueprint);
    let mut trials = measured(&design);
    trials[2].cells[0].samples.clear();
    let blame = blame(&process, &blueprint, &design, &trials, 1);
    assert!(blame.missing().is_some());
}

#[test]
fn what_looks_big_and_is_free_is_named() {
    let blame = blamed(&server(), &nothing(), &ShapeScale::WHOLE);
    let bytes = |why| {
        let mut free = blame.free.iter();
        free.find(|free| free.why == why)
            .map(|free| free.bytes / PAGE)
    };
    assert_eq!(bytes(FreeReason::Untouched), Some((1 << 20) + 77 + 50 + 27));
    assert_eq!(bytes(FreeReason::Shared), Some(400));
    assert_eq!(bytes(FreeReason::FilePages), Some(50));
    assert_eq!(bytes(FreeReason::DontFork), None);
}

#[test]
fn guards_and_huge_zeros_are_charged_and_what_is_charged_is_not_free() {
    let guarded = ShapeMapping {
        anon_vma: true,
        guards: vec![[0, 2 * TABLE]],
        ..anonymous(TABLE, 4 * TABLE, &[])
    };
    let huge = ShapeMapping {
        anon_vma: true,
        huge: vec![[0, TABLE]],
        huge_zero: vec![[TABLE, 2 * TABLE]],
        ..anonymous(HIGH, 4 * TABLE, &[])
    };
    let process = shape(vec![guarded, huge]);
    let blame = blamed(&process, &nothing(), &ShapeScale::WHOLE);
    let units: Vec<(Rung, u64)> = (blame.rungs.iter())
        .map(|rung| (rung.rung, rung.units))
        .collect();
    assert_eq!(
        units,
        [
            (Rung::Empty, 1),
            (Rung::Mappings, 2),
            (Rung::AnonVmas, 1),
            (Rung::Tables, 1),
            (Rung::HugePages, 3),
            (Rung::Pages, 2 * TABLE - 2),
        ]
    );
    let free: Vec<(FreeReason, u64)> = (blame.free.iter())
        .map(|free| (free.why, free.bytes / PAGE))
        .collect();
    assert_eq!(free, [(FreeReason::Untouched, 3 * TABLE)]);
    let blueprint = Blueprint::of(&process, &nothing());
    let built = regions(&blueprint.whole());
    assert_eq!(built[0].guards, [[0, 2 * TABLE]]);
    assert_eq!(built[1].huge_zero, [[TABLE, 2 * TABLE]]);
    assert!(built.iter().all(|region| region.written.is_empty()));
}

#[test]
fn pins_are_a_rung_of_their_own_and_a_sample_is_extrapolated() {
    let buffers = ShapeMapping {
        pinned: vec![[0, 300]],
        ..anonymous(HIGH, 400, &[[0, 400]])
    };
    let process = shape(vec![buffers]);
    let scale = ShapeScale {
        pinned_divisor: 4,
        ..ShapeScale::WHOLE
    };
    assert_eq!(scaled(&process, &scale).mappings[0].pinned, [[0, 75]]);
    let blame = blamed(&process, &nothing(), &scale);
    let last = blame.rungs.last().unwrap();
    assert_eq!((last.rung, last.units), (Rung::Pinned, 300));
    assert!((last.factor - 4.0).abs() < 1e-9, "{last:?}");
    let before = &blame.rungs[blame.rungs.len() - 2];
    assert_eq!((before.rung, before.units), (Rung::Pages, 399));
    let none = ShapeScale {
        pinned_divisor: 0,
        ..ShapeScale::WHOLE
    };
    let blame = blamed(&process, &nothing(), &none);
    assert_eq!(blame.rungs.last().unwrap().rung, Rung::Pages);
    let blueprint = Blueprint::of(&process, &nothing());
    let built = regions(&blueprint.whole());
    assert_eq!(built[0].pinned, [[0, 300]]);
    let unpinned = regions(&unpinned(&blueprint));
    assert_eq!(
        (&unpinned[0].pinned, &unpinned[0].written),
        (&vec![], &built[0].written)
    );
}
