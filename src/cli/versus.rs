//! `--vs`: the same command once more with other options, in the same run and by turns.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command, Parser};

use super::compare;
use super::measure::{self, Delivery};
use super::plan::{PlanError, Surroundings};
use crate::analysis::compare::compare_by_turns;
use crate::cli::args::{OutputArgs, VersusArgs};
use crate::lab;
use crate::model::{ByTurns, Comparison, Plan, Stored, Tool};
use crate::report::Subject;

/// What is of the whole run, and cannot be one thing for A and another for B.
const OF_THE_RUN: [&str; 13] = [
    "vs",
    "fail_above",
    "time",
    "precision",
    "spawns",
    "seed",
    "timeout",
    "format",
    "export",
    "quiet",
    "brief",
    "section",
    "legend",
];

/// How a command makes a plan of its arguments.
pub(super) type Planner<A> = fn(&A, &Surroundings) -> Result<Plan, PlanError>;

/// Measures both, compares, prints, exports, and judges.
pub(super) fn run<A: Parser>(
    args: &A,
    versus: &VersusArgs,
    output: &OutputArgs,
    planner: Planner<A>,
) -> anyhow::Result<()> {
    let options = versus.vs.as_deref().unwrap_or_default();
    let (plans, host) = plans(args, options, planner)?;
    let delivery = Delivery::ready(Subject::Comparison, output)?;
    let [a, b] = &plans;
    let lab::Versus { documents, error } =
        delivery.measure([a, b], &host, |kernel, host, bar| {
            lab::run_versus(kernel, &host, [a, b], bar)
        })?;
    let comparison = documents.map(|documents| compared(documents, options, versus.fail_above));
    let comparison = comparison.transpose()?;
    let judged = comparison.as_ref().map(compare::judge);
    delivery.deliver(comparison.map(Stored::from), error)?;
    Ok(judged.transpose().map(|_| ())?)
}

fn compared(
    [a, b]: [crate::model::Document; 2],
    options: &str,
    fail_above: Option<f64>,
) -> Result<Comparison, compare::CompareError> {
    let options = options.to_owned();
    let by_turns = Box::new(ByTurns { options, a, b });
    Ok(compare_by_turns(Tool::this(), by_turns, fail_above)?)
}

/// Both plans, of which the second has what belongs to the run from the first, and what
/// they were made for.
fn plans<A: Parser>(
    args: &A,
    options: &str,
    planner: Planner<A>,
) -> anyhow::Result<([Plan; 2], Surroundings)> {
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words = words_of_b(&A::command(), &typed, options)?;
    let matches = A::command().try_get_matches_from(&typed)?;
    let host = measure::surroundings(is_typed(&matches, "cpu"))?;
    let mut a = planner(args, &host)?;
    if !is_typed(&matches, "precision") {
        // The usual one is that of totals. A ratio gains by all the time there is.
        a.stop.precision = None;
    }
    let b = A::try_parse_from(words).map_err(|error| refused(options, &said(&error)))?;
    let b = planner(&b, &host).map_err(|error| refused(options, &error.to_string()))?;
    let b = Plan {
        stop: a.stop.clone(),
        seed: a.seed,
        ..b
    };
    check(&a, &b, options)?;
    Ok(([a, b], host))
}

/// Refuses sides that cannot take turns.
fn check(a: &Plan, b: &Plan, options: &str) -> Result<(), PlanError> {
    let counts = |of: fn(&Plan) -> usize| [of(a), of(b)];
    for ([a, b], what) in [
        (counts(|plan| plan.spaces.len()), "parents"),
        (counts(|plan| plan.methods.len()), "methods"),
    ] {
        if a != b {
            let why = format!(
                "there are {a} {what} in A and {b} in B: they are paired, so name as many on \
                 both sides"
            );
            return Err(refused(options, &why));
        }
    }
    Ok(())
}

fn refused(options: &str, why: &str) -> PlanError {
    PlanError::refused(format!("--vs {options:?}: {why}"))
}

/// What clap has to say, in one line.
fn said(error: &clap::Error) -> String {
    let said = error.to_string();
    let line = said.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The words that A was typed in, with B's in the place of the options that both have.
fn words_of_b(
    command: &Command,
    typed: &[OsString],
    options: &str,
) -> Result<Vec<OsString>, PlanError> {
    let split = shlex::split(options);
    let split = split.ok_or_else(|| refused(options, "a quotation is not closed"))?;
    let name = OsString::from(command.get_name());
    let own = [name.clone()]
        .into_iter()
        .chain(split.into_iter().map(OsString::from));
    let matches = |words: Vec<OsString>| {
        let parsed = command.clone().try_get_matches_from(words);
        parsed.map_err(|error| refused(options, &said(&error)))
    };
    let (of_a, of_b) = (matches(typed.to_vec())?, matches(own.collect())?);
    let mut words = vec![name];
    let mut last = Vec::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let is_changed = is_typed(&of_b, id);
        if is_changed && OF_THE_RUN.contains(&id) {
            let name = argument.get_long().unwrap_or(id);
            let why = format!("--{name} is of the whole run: give it outside of --vs");
            return Err(refused(options, &why));
        }
        let from = if is_changed { &of_b } else { &of_a };
        if OF_THE_RUN.contains(&id) || !is_typed(from, id) {
            continue;
        }
        let values = from.get_raw(id).into_iter().flatten().map(OsString::from);
        match argument.get_long() {
            None if argument.is_last_set() => last.extend(values),
            None => words.extend(values),
            Some(long) if is_flag(argument.get_action()) => words.push(format!("--{long}").into()),
            Some(long) => words.extend(values.map(|value| {
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                word
            })),
        }
    }
    if !last.is_empty() {
        words.push("--".into());
        words.extend(last);
    }
    Ok(words)
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    // Help and version have no value in the matches.
    let known = matches.try_contains_id(id).unwrap_or(false);
    known && matches.value_source(id) == Some(ValueSource::CommandLine)
}

fn is_flag(action: &ArgAction) -> bool {
    !action.takes_values()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::{ReproduceArgs, SweepArgs};

    fn words(typed: &str, options: &str) -> Result<String, String> {
        words_of(&SweepArgs::command(), typed, options)
    }

    fn words_of(command: &Command, typed: &str, options: &str) -> Result<String, String> {
        let typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        let words = words_of_b(command, &typed, options);
        let words = words.map_err(|error| error.to_string())?;
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn an_option_of_both_has_the_value_of_b_alone() {
        let b = words(
            "sweep --mappings 1k,2k --cold --time 5s --vs x -- /bin/true now",
            "--mappings 3k,4k --pages=2",
        );
        let b = b.unwrap();
        assert_eq!(
            b,
            "forktax --mappings=3k --mappings=4k --pages=2 --cold -- /bin/true now"
        );
    }

    #[test]
    fn a_study_is_no_program() {
        let reproduce = ReproduceArgs::command();
        let typed = "reproduce hotos-2019 --vs x -- /bin/true now";
        let b = words_of(&reproduce, typed, "--env A=B").unwrap();
        assert!(
            b.contains(" hotos-2019") && b.ends_with(" --env=A=B -- /bin/true now"),
            "{b}"
        );
    }

    #[test]
    fn another_program_takes_the_place_of_the_first() {
        let b = words("sweep --fds 3 -- /bin/true now", "-- '/bin/my prog' later");
        assert_eq!(b.unwrap(), "forktax --fds=3 -- /bin/my prog later");
        assert_eq!(words("sweep", "").unwrap(), "forktax");
    }

    #[test]
    fn what_is_of_the_run_and_what_is_no_option_are_refused() {
        for (options, why) in [
            ("--time 3s", "--time is of the whole run"),
            ("--seed 3", "--seed is of the whole run"),
            ("--export x.json", "--export is of the whole run"),
            ("--vs '--fds 3'", "--vs is of the whole run"),
            ("-q", "--quiet is of the whole run"),
            ("--no-such", "unexpected argument '--no-such'"),
            ("--mappings 'x", "a quotation is not closed"),
        ] {
            let said = words("sweep", options).unwrap_err();
            assert!(said.contains(why), "{said}");
            assert!(said.starts_with("--vs "), "{said}");
        }
    }

    #[test]
    fn every_name_of_the_run_is_one_of_an_argument() {
        let command = SweepArgs::command();
        for name in OF_THE_RUN {
            let mut arguments = command.get_arguments();
            assert!(arguments.any(|it| it.get_id() == name), "{name}");
        }
    }
}
