//! How long a precision takes is said, and what would take too long ends.

use forktax::lab::{Progress, run, run_versus};
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{Caveat, Document, Obstacle, Plan, Stopped};

use crate::default_plan;
use crate::fake::{Fake, Fault, host, plan};

/// The lines that a user is told.
#[derive(Default)]
struct Lines(Vec<String>);

impl Progress for Lines {
    fn step(&mut self, _: &str, share: f64) {
        assert!((0.0..=1.0).contains(&share));
    }

    fn tell(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }
}

fn carry_out(fault: Fault, plan: &Plan) -> (Document, Vec<String>) {
    let mut lines = Lines::default();
    let outcome = run(&Fake::new(fault), host(), plan, &mut lines);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    (outcome.document.unwrap(), lines.0)
}

fn open(precision: f64) -> Plan {
    let mut plan = default_plan();
    plan.stop.time_s = None;
    plan.stop.precision = Some(precision);
    plan
}

fn missed(document: &Document) -> Option<(Option<f64>, Option<Obstacle>)> {
    let mut caveats = document.caveats.iter();
    caveats.find_map(|caveat| match caveat {
        Caveat::PrecisionMissed {
            needed_s, obstacle, ..
        } => Some((*needed_s, *obstacle)),
        _ => None,
    })
}

#[test]
fn what_the_planned_time_gives_is_said_once() {
    let mut plan = default_plan();
    plan.stop.time_s = Some(60.0);
    let (_, lines) = carry_out(Fault::WorkersDiffer, &plan);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with(
            "after 4 rounds: the 60 s that are planned make the widest interval about ±"
        ),
        "{lines:?}"
    );
    plan.stop.precision = Some(0.005);
    let (document, lines) = carry_out(Fault::WorkersDiffer, &plan);
    assert!(
        lines[0].contains(" would make the widest interval ±0.5 %, the 60 s"),
        "{lines:?}"
    );
    assert_eq!(document.run.stopped, Stopped::Time);
    let (needed_s, obstacle) = missed(&document).unwrap();
    assert!(needed_s.unwrap() > 60.0, "{needed_s:?}");
    assert_eq!(obstacle, None);
}

#[test]
fn a_precision_alone_ends_the_run_when_it_is_there() {
    let (document, lines) = carry_out(Fault::Nothing, &open(0.01));
    assert_eq!(document.run.stopped, Stopped::Precision);
    assert_eq!(document.run.rounds, 8);
    assert_eq!(missed(&document), None);
    assert!(
        lines[0].ends_with(" s will make the widest interval ±1 %"),
        "{lines:?}"
    );
}

#[test]
fn a_precision_that_is_out_of_reach_ends_the_run_after_a_minute() {
    let (document, lines) = carry_out(Fault::WorkersDiffer, &open(1e-4));
    assert_eq!(document.run.stopped, Stopped::OutOfReach);
    let took_s = document.run.duration_s;
    assert!((60.0..90.0).contains(&took_s), "{took_s}");
    let (_, obstacle) = missed(&document).unwrap();
    assert_eq!(obstacle, Some(Obstacle::Aim));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("ends after a minute"), "{lines:?}");
    assert!(lines[1].ends_with("the run ends here"), "{lines:?}");
}

#[test]
fn that_of_ratios_is_waited_for_as_well() {
    let mut a = plan(&[10], &[Fork, PosixSpawn]);
    a.stop.time_s = None;
    for (precision, stopped) in [(0.3, Stopped::Precision), (1e-4, Stopped::OutOfReach)] {
        a.stop.precision = Some(precision);
        let mut lines = Lines::default();
        let kernel = Fake::new(Fault::WorkersDiffer);
        let ended = run_versus(&kernel, &host(), [&a, &a], &mut lines);
        let [document, _] = ended.documents.unwrap();
        assert_eq!(document.run.stopped, stopped, "{lines:?}", lines = lines.0);
        assert_eq!(missed(&document).is_some(), stopped == Stopped::OutOfReach);
        let ends_early = stopped == Stopped::OutOfReach;
        assert_eq!(lines.0.len(), 1 + usize::from(ends_early), "{:?}", lines.0);
    }
}

#[test]
fn a_round_that_takes_longer_than_the_time_is_said_before_it_is_over() {
    let mut plan = plan(&[0, 100, 1_000, 2_000], &[Fork, Vfork]);
    plan.stop.time_s = Some(0.3);
    let (document, lines) = carry_out(Fault::Nothing, &plan);
    assert_eq!(document.run.rounds, 1);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("a round takes about 0.8 s"),
        "{lines:?}"
    );
}
