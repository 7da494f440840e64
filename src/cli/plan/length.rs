//! How long a plan takes, as it is said before anything is measured.

use super::reproduce::{ITERATIONS, REPEATS};
use crate::analysis::reproduce::studies;
use crate::lab::{LONGEST_S, least_rounds};
use crate::model::{LoopOrder, Order, Plan, StudyId};
use crate::units::{about_seconds as seconds, thousands};

/// What a worker takes whose loop is as short as can be: its start, its inflation, and
/// the fewest spawns. The middle of a card's on a host of two CPUs.
const WORKER_S: f64 = 0.12;

/// What the programs of a round take besides their iterations.
const PROGRAMS_S: f64 = 1.0;

/// One line on it.
pub(in crate::cli) fn length(plan: &Plan) -> String {
    let stop = &plan.stop;
    let least_s = f64::from(least_rounds(&plan.order)) * round_s(&plan.order);
    let how_long = match (stop.time_s, stop.spawns) {
        (Some(time_s), _) if time_s < least_s => format!(
            "about {}, whatever --time says, as fewer than {} rounds tell nothing",
            seconds(least_s),
            least_rounds(&plan.order)
        ),
        (Some(time_s), None) if stop.precision.is_none() => format!("about {}", seconds(time_s)),
        (Some(time_s), _) => format!("at most about {}", seconds(time_s)),
        (None, Some(spawns)) => format!(
            "as long as {} spawns of each method from each parent take",
            thousands(spawns)
        ),
        (None, None) => match loops(&plan.order) {
            Some(order) => format!(
                "about {}",
                seconds(f64::from(order.repeats) * round_s(&plan.order))
            ),
            None => format!(
                "as long as the precision takes, but at most about {}",
                seconds(LONGEST_S)
            ),
        },
    };
    format!("{how_long}; Ctrl-C prints what there is by then")
}

/// What a round takes at the least. A few workers take next to nothing.
fn round_s(order: &Order) -> f64 {
    match order {
        Order::Card(card) => WORKER_S * card.trials.len() as f64,
        order => loops(order).map_or(0.0, |loops| {
            let of_iteration = studies::outline(StudyId::Python2014).seconds as f64
                / (ITERATIONS * REPEATS) as f64;
            PROGRAMS_S + loops.iterations as f64 * of_iteration
        }),
    }
}

fn loops(order: &Order) -> Option<&LoopOrder> {
    match order {
        Order::Reproduce(order) => order.loops.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::tests::host;
    use super::super::{of_card, of_reproduce, of_sweep};
    use super::*;
    use crate::cli::args::{CardArgs, ReproduceArgs, SweepArgs};

    const THEN: &str = "; Ctrl-C prints what there is by then";

    fn of(words: &str) -> String {
        let arguments = words.split(' ');
        let plan = match words.split(' ').next() {
            Some("card") => of_card(&CardArgs::parse_from(arguments), &host()),
            Some("reproduce") => of_reproduce(&ReproduceArgs::parse_from(arguments), &host()),
            _ => of_sweep(&SweepArgs::parse_from(arguments), &host()),
        };
        let said = length(&plan.unwrap());
        said.strip_suffix(THEN).expect(words).to_owned()
    }

    #[test]
    fn it_is_what_was_asked_for() {
        for (words, said) in [
            ("sweep", "at most about 13 s"),
            ("sweep --time 300ms", "at most about 0.3 s"),
            ("sweep --time 5s --spawns 9", "at most about 5 s"),
            ("sweep --time 5s --precision 1%", "at most about 5 s"),
            (
                "sweep --precision 1%",
                "as long as the precision takes, but at most about 10 min",
            ),
            (
                "sweep --spawns 1k",
                "as long as 1,000 spawns of each method from each parent take",
            ),
            (
                "sweep --spawns 9 --precision 1%",
                "as long as 9 spawns of each method from each parent take",
            ),
            ("card", "about 2 min"),
            ("card --time 5m", "about 5 min"),
            ("reproduce python-2014", "about 2 min"),
            ("reproduce python-2014 --time 1m", "about 60 s"),
        ] {
            assert_eq!(of(words), said, "{words}");
        }
    }

    #[test]
    fn what_is_shorter_than_the_fewest_rounds_is_not_promised() {
        for words in ["card --quick --time 2s", "reproduce python-2014 --time 2s"] {
            let said = of(words);
            assert!(
                said.contains("whatever --time says, as fewer than 2"),
                "{said}"
            );
        }
        assert!(of("card --quick --time 2s").starts_with("about 1"));
    }
}
