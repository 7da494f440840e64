use super::*;
use crate::model::SpaceRequest;

fn spaces(study: StudyId, halvings: u32) -> Vec<SpaceRequest> {
    let parents = points(study).into_iter();
    parents
        .filter_map(|parent| parent.halved(halvings).space.measured().cloned())
        .collect()
}

fn figure(study: StudyId, name: &str, series: &str) -> f64 {
    let parents = points(study);
    let parent = parents.iter().find(|p| p.name == name).unwrap();
    let figure = parent.figures.iter().find(|f| f.series == series).unwrap();
    figure.per_spawn_ns()
}

#[test]
fn every_study_says_where_it_is_from_and_what_spawns() {
    for study in StudyId::ALL {
        let (source, outline) = (source(study), outline(study));
        assert!(source.address.starts_with("https://"), "{study:?}");
        assert!(study.name().ends_with(&source.year.to_string()));
        assert!(outline.methods.contains(&outline.baseline), "{study:?}");
        let able = |method: &SpawnMethod| outline.child == ChildAction::Exec || method.can_exit();
        assert!(outline.methods.iter().all(able), "{study:?}");
        let of_programs = study == StudyId::Python2014;
        assert_eq!(points(study).is_empty(), of_programs, "{study:?}");
    }
}

#[test]
fn no_two_parents_are_the_same_however_small_they_become() {
    for study in StudyId::ALL {
        for halvings in 0..=MOST_HALVINGS {
            let spaces = spaces(study, halvings);
            for (index, space) in spaces.iter().enumerate() {
                let before = &spaces[..index];
                assert!(!before.contains(space), "{study:?} {halvings}: {space:?}");
            }
        }
        let points = points(study);
        for (index, parent) in points.iter().enumerate() {
            let same = points[..index].iter().any(|p| p.name == parent.name);
            assert!(!same, "{}", parent.name);
        }
    }
}

#[test]
fn halving_shrinks_what_there_is_many_of_and_keeps_what_was_published() {
    let largest = || points(StudyId::MtDup2023).pop().unwrap();
    let halved = largest().halved(2);
    assert_eq!(halved.space.measured().unwrap().mappings(), 12_800);
    assert_eq!(
        (halved.vmas, halved.figures),
        (Some(51_221), largest().figures)
    );
    let Some(SpaceRequest::Mappings {
        pages, mappings, ..
    }) = spaces(StudyId::PosixSpawn2011, 1).pop()
    else {
        panic!("a mapping was ordered");
    };
    assert_eq!((mappings, pages), (1, 64_000));
    assert_eq!(spaces(StudyId::Hotos2019, 6)[0].mappings(), 0);
}

#[test]
fn figures_are_those_of_one_spawn() {
    let close = |ns: f64, expected: f64| (ns / expected - 1.0).abs() < 1e-3;
    let study = StudyId::PosixSpawn2011;
    assert!(close(figure(study, "500 MB", "fork+exec"), 70.98e6));
    assert!(close(figure(study, "50 MB", "posix_spawn"), 1.72e6));
    let study = StudyId::MtDup2023;
    assert!(close(figure(study, "21 VMAs", "before"), 89_206.0));
    assert!(close(figure(study, "51,221 VMAs", "after"), 16.694e6));
    let study = StudyId::PteBatching2024;
    assert!(close(figure(study, "64 KiB folios", "after"), 10.44e6));
    assert!(close(
        figure(StudyId::Hotos2019, "empty", "posix_spawn"),
        5e5
    ));
}

#[test]
fn a_published_figure_is_of_a_method_that_is_measured() {
    for study in StudyId::ALL {
        let methods = outline(study).methods;
        for figure in points(study).iter().flat_map(|parent| &parent.figures) {
            assert!(methods.contains(&figure.method), "{study:?}");
            assert!(figure.value > 0.0, "{study:?}");
        }
    }
    let curves = points(StudyId::Hotos2019);
    let of_forks = curves
        .iter()
        .flat_map(|p| &p.figures)
        .filter(|f| f.method == SpawnMethod::Fork);
    assert_eq!(of_forks.count(), 0, "a curve is no figure");
}

#[test]
fn six_programs_and_a_longer_run_of_the_first_were_published() {
    let published: Vec<LoopSystem> = LoopSystem::ALL
        .into_iter()
        .filter(|system| loops(*system).is_some())
        .collect();
    assert_eq!(published[..6], LoopSystem::ALL[..6]);
    assert_eq!(published[6..], [LoopSystem::PythonPopenLong]);
    let (short, long) = (
        loops(LoopSystem::PythonPopen),
        loops(LoopSystem::PythonPopenLong),
    );
    let per_spawn = |published: PublishedLoop| published.real_s / published.iterations as f64;
    let (short, long) = (per_spawn(short.unwrap()), per_spawn(long.unwrap()));
    assert!((short / long - 1.0).abs() < 0.02, "{short} {long}");
}

#[test]
fn prices_are_slopes_where_sizes_differ_and_quotients_where_not() {
    let price = |study, series: &str| {
        let prices = prices(study).into_iter();
        prices.filter(|p| p.series == series).collect::<Vec<_>>()
    };
    let fork = price(StudyId::PosixSpawn2011, "fork+exec");
    assert_eq!(
        (fork.len(), fork[0].per, fork[0].whole.is_none()),
        (1, Per::Pte, true)
    );
    assert!((fork[0].ns - 515.97).abs() < 0.1, "{}", fork[0].ns);
    let before = price(StudyId::MtDup2023, "before");
    assert_eq!((before.len(), before[0].per), (1, Per::Vma));
    assert!((before[0].ns - 495.2).abs() < 0.2, "{}", before[0].ns);
    let whole = price(StudyId::PteBatching2024, "after");
    assert_eq!(whole[1].whole.as_deref(), Some("64 KiB folios"));
    assert!((whole[1].ns - 39.8).abs() < 0.1, "{}", whole[1].ns);
    assert!(prices(StudyId::Hotos2019).is_empty());
    assert!(prices(StudyId::Python2014).is_empty());
}
