use super::*;

/// The widest interval of so many rounds, of workers that differ by so much.
fn sought(scatter: f64, rounds: u32) -> Option<Sought> {
    Some(Sought {
        widest: Some(scatter * narrowness(f64::from(rounds))),
        fewest_rounds: 8,
    })
}

fn stop(time_s: Option<f64>, precision: Option<f64>) -> StopRule {
    StopRule {
        spawns: None,
        precision,
        time_s,
    }
}

/// All that is foretold of a run whose rounds take so long, and when it was over.
fn run(stop: &StopRule, scatter: f64, round_s: f64) -> (Vec<String>, Option<f64>) {
    let mut foresight = Foresight::new(stop, 8);
    let mut lines = Vec::new();
    for rounds in 1..2_000 {
        let took_s = f64::from(rounds) * round_s;
        let foretold = foresight.after(rounds, took_s, &|| sought(scatter, rounds));
        lines.extend(foretold.line);
        if foretold.is_out_of_reach {
            return (lines, Some(took_s));
        }
    }
    (lines, None)
}

#[test]
fn the_width_of_some_rounds_foretells_that_of_more() {
    let width = |rounds| 0.05 * narrowness(rounds);
    for rounds in [4, 8, 30] {
        let widest = width(f64::from(rounds));
        let prospect = Prospect::of(Some(widest), rounds, 2.0 * f64::from(rounds)).unwrap();
        assert!((prospect.width_after(200.0) / width(100.0) - 1.0).abs() < 1e-9);
        let needs_s = prospect.needs_s(width(100.0));
        assert!((needs_s - 200.0).abs() < 0.1, "{needs_s}");
    }
}

#[test]
fn nothing_is_foretold_of_what_is_not_known() {
    assert_eq!(Prospect::of(None, 8, 8.0), None);
    assert_eq!(Prospect::of(Some(f64::INFINITY), 8, 8.0), None);
    assert_eq!(Prospect::of(Some(0.1), 3, 8.0), None);
    let level = Prospect::of(Some(0.0), 8, 8.0).unwrap();
    assert_eq!(level.width_after(9.0), 0.0);
    assert!(level.needs_s(0.01) < 1.1);
    // Nobody waits for years.
    assert_eq!(needed_s(1e-9, 0.5, 8, 8.0), None);
    assert_eq!(needed_s(0.01, 0.5, 3, 8.0), None);
    let needed_s = needed_s(0.02, 0.04, 100, 60.0).unwrap();
    assert!((230.0..250.0).contains(&needed_s), "{needed_s}");
}

#[test]
fn one_line_says_what_a_time_gives_and_what_would_give_the_precision() {
    let (lines, ended) = run(&stop(Some(13.0), Some(0.02)), 0.05, 1.6);
    assert_eq!(ended, None);
    assert_eq!(
        lines,
        [
            "after 4 rounds: about 42 s would make the widest interval ±2 %, the 13 s that are planned about ±4.1 %"
        ]
    );
    let (lines, _) = run(&stop(Some(60.0), Some(0.02)), 0.05, 1.6);
    assert_eq!(
        lines,
        ["after 4 rounds: about 42 s will make the widest interval ±2 %"]
    );
    let (lines, _) = run(&stop(Some(20.0), None), 0.05, 2.5);
    assert_eq!(
        lines,
        [
            "after 4 rounds: the 20 s that are planned make the widest interval about ±4.2 %, four times as long half of that"
        ]
    );
}

#[test]
fn no_line_where_it_is_over_or_spawns_may_end_it() {
    assert_eq!(
        run(&stop(Some(13.0), Some(0.02)), 0.05, 3.0),
        (vec![], None)
    );
    let spawns = StopRule {
        spawns: Some(1_000),
        ..stop(Some(13.0), None)
    };
    assert_eq!(run(&spawns, 0.05, 1.6), (vec![], None));
    assert_eq!(run(&stop(None, None), 0.05, 1.6), (vec![], None));
}

#[test]
fn a_precision_alone_is_waited_for_as_long_as_some_minutes_do() {
    let alone = stop(None, Some(0.01));
    let (lines, ended) = run(&alone, 0.07, 1.6);
    // Two thousand rounds take longer than ten minutes.
    assert_eq!(
        lines,
        ["after 4 rounds: about 5 min will make the widest interval ±1 %"]
    );
    assert!(ended.is_none_or(|ended| ended > 300.0), "{ended:?}");
    let (lines, ended) = run(&alone, 0.2, 1.6);
    assert!(
        lines[0].starts_with("after 4 rounds: about 41 min would make"),
        "{lines:?}"
    );
    assert!(lines[0].contains("no more than 10 min, and ends after a minute"));
    assert!(lines[1].ends_with("the run ends here"), "{lines:?}");
    let ended = ended.unwrap();
    assert!((60.0..75.0).contains(&ended), "{ended}");
}

#[test]
fn rounds_that_take_minutes_are_not_waited_for() {
    let (lines, ended) = run(&stop(None, Some(0.01)), 0.001, 100.0);
    assert_eq!(ended, Some(200.0));
    assert_eq!(
        lines,
        [
            "after 2 rounds: about 13 min would make the widest interval ±1 %, which is too long \
             without --time: the run ends here"
        ]
    );
    // Eight that take ten minutes at the most are.
    let (lines, ended) = run(&stop(None, Some(0.01)), 0.001, 70.0);
    assert_eq!(
        lines,
        ["after 4 rounds: about 9 min will make the widest interval ±1 %"]
    );
    assert!(ended.is_none_or(|ended| ended > 560.0));
}

#[test]
fn the_share_of_a_run_that_its_precision_ends_is_that_of_the_time_it_needs() {
    let mut foresight = Foresight::new(&stop(None, Some(0.01)), 8);
    assert_eq!(foresight.share(6.0), Some(0.01));
    foresight.after(4, 4.0, &|| sought(0.01, 4));
    assert_eq!(foresight.share(4.0), Some(0.5));
    assert_eq!(foresight.share(40.0), Some(1.0));
    assert_eq!(Foresight::new(&stop(Some(9.0), None), 8).share(4.0), None);
}

#[test]
fn an_overrun_is_told_by_its_round() {
    assert_eq!(
        overrun(80.0, 2),
        "a round takes about 40 s, and there are 2 at the least: this run takes about 80 s, more \
         than --time"
    );
    assert!(overrun(40.0, 1).contains("40 s, and there is one at the least: this"));
}
