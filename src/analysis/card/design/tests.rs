//! The design, on hosts with and without room for it.

use super::*;

/// That of pages of 16 KiB.
const TABLE: u64 = 2_048;

fn design(quick: bool, seed: u64, most: u64) -> (Vec<Trial>, Vec<LeftOut>) {
    let fits = |space: &SpaceRequest| match space.mappings() > most {
        true => Err("too many mappings".to_owned()),
        false => Ok(()),
    };
    let program = |name: &str| Program::Path {
        path: format!("/bin/{name}"),
        argv: vec![name.to_owned()],
    };
    let design = Design {
        quick,
        seed,
        table: TABLE,
        fits: &fits,
        static_program: Availability::Measured(program("static")),
        dynamic_program: Availability::unavailable("none was found", Some("name one")),
    };
    design.trials()
}

fn fitted(trials: &[Trial]) -> Vec<&Trial> {
    trials.iter().filter(|t| t.purpose.is_fitted()).collect()
}

#[test]
fn the_axes_reach_from_nothing_to_the_largest() {
    let (trials, _) = design(false, 1, u64::MAX);
    let fitted = fitted(&trials);
    assert!(fitted.len() >= 25, "{}", fitted.len());
    let mappings = fitted.iter().map(|trial| trial.space.mappings());
    assert_eq!(mappings.clone().min(), Some(0));
    assert_eq!(mappings.max(), Some(50_000));
    let is = |trial: &&&Trial, wanted: u64| match trial.space {
        SpaceRequest::Mappings { pages, .. } => pages == wanted,
        _ => false,
    };
    assert!(fitted.iter().any(|trial| is(&trial, 500_000)));
    let validation = trials.iter().filter(|t| t.purpose == Purpose::Validation);
    assert_eq!(validation.count(), 8);
}

#[test]
fn scattered_and_huge_pages_lie_a_page_table_apart() {
    let (trials, _) = design(false, 1, u64::MAX);
    for (purpose, sizes) in [
        (Purpose::ScatteredPages, 4),
        (Purpose::ScatteredMappings, 4),
        (Purpose::HugePages, 3),
    ] {
        let of = trials.iter().filter(|trial| trial.purpose == purpose);
        let spacings: Vec<u64> = of
            .filter_map(|trial| match trial.space {
                SpaceRequest::Mappings { spacing, .. } => Some(spacing),
                _ => None,
            })
            .collect();
        assert_eq!(spacings, vec![TABLE; sizes], "{purpose:?}");
    }
}

#[test]
fn a_quick_design_is_smaller_and_can_still_be_fitted() {
    let (quick, _) = design(true, 1, u64::MAX);
    let (whole, _) = design(false, 1, u64::MAX);
    assert!(quick.len() < whole.len());
    assert!(fitted(&quick).len() >= 20);
    assert!(quick.iter().all(|trial| trial.space.mappings() <= 10_000));
}

#[test]
fn what_is_drawn_by_chance_has_a_quarter_of_the_size_in_a_quick_design() {
    let largest = |quick: bool| {
        let sizes = (0..40).flat_map(|seed| {
            let (trials, _) = design(quick, seed, u64::MAX);
            let drawn = trials.into_iter().filter(|t| t.purpose == Purpose::Chance);
            drawn
                .map(|trial| trial.space.mappings())
                .collect::<Vec<_>>()
        });
        sizes.max().unwrap()
    };
    // Both kinds of mapping at their largest, and three single ones.
    let (quick, whole) = (largest(true), largest(false));
    assert!((2_000..=5_000 + 2_500 + 3).contains(&quick), "{quick}");
    assert!((8_000..=20_000 + 10_000 + 3).contains(&whole), "{whole}");
}

#[test]
fn chance_is_the_seed_s() {
    assert_eq!(design(false, 7, u64::MAX), design(false, 7, u64::MAX));
    assert_ne!(design(false, 7, u64::MAX), design(false, 8, u64::MAX));
}

#[test]
fn what_does_not_fit_is_told() {
    let (trials, left_out) = design(false, 1, 10_000);
    assert!(trials.iter().all(|trial| trial.space.mappings() <= 10_000));
    let whats: Vec<&str> = left_out.iter().map(|l| l.what.as_str()).collect();
    assert!(whats.contains(&"50,000 mappings, untouched"), "{whats:?}");
    let program = left_out.last().unwrap();
    assert_eq!(program.purpose, Purpose::DynamicProgram);
    assert_eq!(program.why, "none was found; name one");
}

#[test]
fn added_variables_have_the_bytes_that_were_asked_for() {
    let plan = ["A=b".to_owned()];
    let variables = Variables {
        count: 1_000,
        bytes: 16,
    };
    let all = environment(&plan, variables);
    assert_eq!((all.len(), all[0].as_str()), (1_001, "A=b"));
    assert!(all[1..].iter().all(|variable| variable.len() == 15));
    let names = all.iter().filter_map(|variable| variable.split('=').next());
    let distinct: std::collections::BTreeSet<&str> = names.collect();
    assert_eq!(distinct.len(), 1_001);
}

#[test]
fn sizes_by_chance_stay_within_their_bounds() {
    let mut rng = Rng::with_seed(3);
    let drawn: Vec<u64> = (0..1_000)
        .map(|_| log_uniform(&mut rng, 10, 1_000))
        .collect();
    assert!(drawn.iter().all(|size| (10..=1_000).contains(size)));
    let small = drawn.iter().filter(|size| **size < 100).count();
    assert!(
        (400..600).contains(&small),
        "half of them below the middle: {small}"
    );
    assert_eq!(log_uniform(&mut rng, 7, 3), 7);
}
