use clap::Parser;

use super::super::tests::host;
use super::*;
use crate::model::{Placement, SpawnMethod};

fn plan_on(words: &str, host: &Surroundings) -> Result<Plan, PlanError> {
    let words = ["reproduce"].into_iter().chain(words.split_whitespace());
    of_reproduce(&ReproduceArgs::parse_from(words), host)
}

fn plan(words: &str) -> Result<Plan, PlanError> {
    plan_on(words, &host())
}

fn order(plan: &Plan) -> &ReproduceOrder {
    match &plan.order {
        Order::Reproduce(order) => order,
        other => panic!("{other:?} orders no study"),
    }
}

/// A host whose processes have room for so many VMAs.
fn with_vmas(limit: u64) -> Surroundings {
    Surroundings {
        fits: Box::new(move |space| {
            let asked = space.mappings();
            if asked > limit {
                Err(LimitError::Mappings { asked, limit })
            } else {
                Ok(())
            }
        }),
        ..host()
    }
}

#[test]
fn the_programs_spawn_gzip_a_thousand_times_in_seven_runs() {
    let plan = plan("python-2014").unwrap();
    let order = order(&plan);
    let loops = order.loops.as_ref().unwrap();
    assert_eq!((loops.iterations, loops.long_iterations), (1_000, 10_000));
    assert_eq!((loops.repeats, loops.interpreter.as_str()), (7, "python3"));
    assert_eq!((order.scale, &order.scaled_because), (1.0, &None));
    assert_eq!(plan.spaces, [SpaceRequest::NOTHING]);
    assert_eq!(
        plan.methods,
        [SpawnMethod::Fork, SpawnMethod::PosixSpawnUsevfork]
    );
    assert_eq!(plan.placement, Placement::Pinned(1));
    assert_eq!(plan.program, studies::own_program());
    assert!(loops.own_program && loops.own_interpreter);
}

#[test]
fn another_program_and_interpreter_take_their_place() {
    let plan = plan("python-2014 --python pypy3 --iterations 20 --repeats 2 -- sh -c true");
    let plan = plan.unwrap();
    let loops = order(&plan).loops.as_ref().unwrap();
    assert_eq!((loops.iterations, loops.long_iterations), (20, 200));
    assert_eq!((loops.repeats, loops.interpreter.as_str()), (2, "pypy3"));
    assert!(!loops.own_program && !loops.own_interpreter);
    let Program::Path { argv, .. } = plan.program else {
        panic!("a program was given");
    };
    assert_eq!(argv, ["sh", "-c", "true"]);
}

#[test]
fn a_study_of_address_spaces_brings_its_parents_methods_and_child() {
    for study in StudyId::ALL
        .into_iter()
        .filter(|s| *s != StudyId::Python2014)
    {
        let plan = plan(study.name()).unwrap();
        let outline = studies::outline(study);
        assert_eq!(plan.methods, outline.methods);
        assert_eq!(
            (plan.baseline, plan.child),
            (outline.baseline, outline.child)
        );
        assert_eq!(plan.program, Program::Embedded);
        assert_eq!(plan.stop.time_s, Some(outline.seconds as f64));
        let points = studies::study_points(order(&plan), &plan.spaces);
        let places = points.iter().filter_map(|p| p.space.measured());
        let places: Vec<usize> = places.copied().collect();
        let all: Vec<usize> = (0..plan.spaces.len()).collect();
        assert_eq!(places, all, "{study:?}");
        assert!(order(&plan).loops.is_none());
        for space in &plan.spaces {
            assert!(crate::vm::Shape::of(space, 4096).is_ok(), "{space:?}");
        }
    }
}

#[test]
fn a_host_without_room_gets_the_largest_share_that_fits() {
    let plan = plan_on("mt-dup-2023", &with_vmas(15_000)).unwrap();
    let sizes: Vec<u64> = plan.spaces.iter().map(SpaceRequest::mappings).collect();
    assert_eq!(sizes, [0, 50, 200, 800, 3_200, 12_800]);
    let order = order(&plan);
    assert_eq!(order.scale, 0.25);
    let because = order.scaled_because.as_ref().unwrap();
    assert!(because.contains("51,200 mappings"), "{because}");
    assert!(because.contains("vm.max_map_count"), "{because}");
    let points = studies::study_points(order, &plan.spaces);
    assert_eq!(points[5].space, Availability::Measured(5));
    assert_eq!(points[5].vmas, Some(51_221));
}

#[test]
fn what_does_not_fit_at_a_sixty_fourth_is_refused_with_the_limit() {
    let plan = plan_on("mt-dup-2023", &with_vmas(800)).unwrap();
    assert_eq!(order(&plan).scale, 1.0 / 64.0);
    let error = plan_on("mt-dup-2023", &with_vmas(799))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1/64") && error.contains("800 mappings"),
        "{error}"
    );
}

#[test]
fn what_does_not_belong_to_a_study_is_refused_by_name() {
    for (words, named) in [
        ("", "posix-spawn-2011"),
        ("python-2014 --time 0", "--time"),
        ("python-2014 --precision 1%", "--precision"),
        ("python-2014 --repeats 1", "--repeats 1"),
        ("python-2014 --repeats 5G", "--repeats"),
        ("python-2014 --iterations 0", "--iterations 0"),
        (
            "python-2014 --iterations 18446744073709551615",
            "--iterations",
        ),
        ("hotos-2019 --iterations 5", "--iterations: hotos-2019"),
        ("hotos-2019 --repeats 5", "--repeats: hotos-2019"),
        ("hotos-2019 --python python3", "--python: hotos-2019"),
        ("mt-dup-2023 -- true", "true"),
        ("mt-dup-2023 --time 0", "--time"),
        ("mt-dup-2023 --cpu 9", "--cpu 9"),
    ] {
        let error = plan(words).expect_err(words).to_string();
        assert!(error.contains(named), "{words}: {error}");
    }
}

#[test]
fn what_all_commands_take_is_taken() {
    let plan =
        plan("hotos-2019 --seed 5 --time 2s --precision 5% --env A=1 --cpu any -- sh").unwrap();
    assert_eq!((plan.seed, plan.stop.time_s), (5, Some(2.0)));
    assert_eq!(plan.stop.precision, Some(0.05));
    assert!(plan.environment.contains(&"A=1".to_owned()));
    assert_eq!(plan.placement, Placement::Free);
    assert!(matches!(plan.program, Program::Path { .. }));
}
