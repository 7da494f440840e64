//! `--vs`, and setups: the same command once more with other options, or on a host that is
//! set to something else, in the same run and by turns.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use super::compare;
use super::measure::{self, Delivery};
use super::plan::{PlanError, Surroundings};
use super::words;
use crate::analysis::compare::compare_by_turns;
use crate::cli::args::{OutputArgs, VersusArgs};
use crate::lab;
use crate::lab::linux::Attendant;
use crate::model::{ByTurns, Comparison, Plan, Setup, Stored, Tool};
use crate::report::Subject;

/// What is of the whole run, and cannot be one thing for A and another for B.
const OF_THE_RUN: [&str; 16] = [
    "vs",
    "a_setup",
    "b_setup",
    "restore",
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

/// What names a process whose shape is the parent.
const OF_A_PROCESS: [&str; 3] = ["pid", "shape", "smaps"];

/// How a command makes a plan of its arguments.
pub(super) type Planner<'a, A> = &'a dyn Fn(&A, &Surroundings) -> anyhow::Result<Plan>;

/// Measures both, compares, prints, exports, and judges.
pub(super) fn run<A: Parser>(
    args: &A,
    versus: &VersusArgs,
    output: &OutputArgs,
    planner: Planner<'_, A>,
    attendant: Option<Attendant>,
) -> anyhow::Result<()> {
    let setups = setups(versus)?;
    let options = versus.vs.as_deref().unwrap_or_default();
    let (mut plans, host) = plans(args, options, planner)?;
    if let Some(setups) = setups {
        for (plan, setup) in plans.iter_mut().zip(setups) {
            plan.setup = Some(setup);
        }
    }
    let delivery = Delivery::ready(Subject::Comparison, output)?.attended(attendant);
    let [a, b] = &plans;
    measure::run_where_it_does(a)?;
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
    let options = masked(options);
    let by_turns = Box::new(ByTurns { options, a, b });
    Ok(compare_by_turns(Tool::this(), by_turns, fail_above)?)
}

/// What the host is set to for each side, if it is set to anything.
fn setups(versus: &VersusArgs) -> Result<Option<[Setup; 2]>, PlanError> {
    let VersusArgs {
        a_setup,
        b_setup,
        restore,
        ..
    } = versus;
    let why = match (a_setup, b_setup, restore) {
        (None, None, None) => return Ok(None),
        (Some(a), Some(b), Some(restore)) => {
            let setup = |command: &String| Setup {
                command: command.clone(),
                restore: restore.clone(),
            };
            return Ok(Some([a, b].map(setup)));
        }
        (None, None, Some(_)) => {
            "--restore: there is nothing to restore without --a-setup and --b-setup"
        }
        (Some(_), None, _) => {
            "--a-setup without --b-setup: B would be measured as A's setup left the host; give the \
             command that undoes it"
        }
        (None, Some(_), _) => {
            "--b-setup without --a-setup: A would be measured as B's setup left the host; give the \
             command that undoes it"
        }
        (Some(_), Some(_), None) => {
            "--a-setup and --b-setup: give --restore CMD too, which undoes them however the run \
             ends; --restore true if there is nothing to undo"
        }
    };
    Err(PlanError::refused(why))
}

/// Both plans, of which the second has what belongs to the run from the first, and what
/// they were made for.
fn plans<A: Parser>(
    args: &A,
    options: &str,
    planner: Planner<'_, A>,
) -> anyhow::Result<([Plan; 2], Surroundings)> {
    let typed: Vec<OsString> = words::typed().into_iter().skip(1).collect();
    let words = words_of_b(&A::command(), &typed, options)?;
    let matches = A::command().try_get_matches_from(&typed)?;
    let names_cpu =
        OF_A_PROCESS.iter().any(|id| is_typed(&matches, id)) || is_typed(&matches, "cpu");
    let host = measure::surroundings(names_cpu)?;
    let mut a = planner(args, &host)?;
    if !is_typed(&matches, "precision") {
        // The usual one is that of totals. A ratio gains by all the time there is.
        a.stop.precision = None;
    }
    let words = with_defaults_of_a(words, &A::command(), &a);
    let b = A::try_parse_from(words).map_err(|error| refused(options, &said(&error)))?;
    let b = planner(&b, &host).map_err(|error| match error.downcast::<PlanError>() {
        Ok(error) => refused(options, &error.to_string()).into(),
        Err(error) => error,
    })?;
    let b = Plan {
        stop: a.stop.clone(),
        seed: a.seed,
        spawn_timeout_ms: a.spawn_timeout_ms,
        ..b
    };
    check(&a, &b, options)?;
    Ok(([a, b], host))
}

/// Refuses sides that cannot take turns.
fn check(a: &Plan, b: &Plan, options: &str) -> Result<(), PlanError> {
    let cpus = |plan: &Plan| plan.order.replica().map(|order| order.cpus.clone());
    if cpus(a) != cpus(b) {
        let why = "the two processes may run on other CPUs each; name one with --cpu";
        return Err(refused(options, why));
    }
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
    if a.methods.len() > 1 && a.methods != b.methods {
        let why = "several methods must be the same on both sides; name one on each to set one \
                   against another";
        return Err(refused(options, why));
    }
    Ok(())
}

fn refused(options: &str, why: &str) -> PlanError {
    PlanError::refused(format!("--vs {options:?}: {why}"))
}

/// What clap has to say, in one line.
fn said(error: &clap::Error) -> String {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return "help and version are no options of a plan".to_owned();
    }
    let said = error.to_string();
    let lines = said.trim_start_matches("error: ").lines();
    // The usage comes after an empty line.
    let lines = lines.take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}

/// Sizes and methods that nobody typed are A's: B's other options might have others.
fn with_defaults_of_a(mut words: Vec<OsString>, command: &Command, a: &Plan) -> Vec<OsString> {
    let has = |name: &str| {
        command
            .get_arguments()
            .any(|it| it.get_long() == Some(name))
    };
    let typed = |name: &str| {
        let mut words = words.iter().filter_map(|word| word.to_str());
        words.any(|word| word == format!("--{name}") || word.starts_with(&format!("--{name}=")))
    };
    let listed = |values: Vec<String>| values.join(",");
    let mut added = Vec::new();
    let mut others = ["mappings", "malloc"].iter().chain(&OF_A_PROCESS);
    if has("mappings") && !others.any(|name| typed(name)) {
        let mut sizes: Vec<u64> = a.spaces.iter().map(|space| space.mappings()).collect();
        sizes.dedup();
        let sizes = sizes.iter().map(ToString::to_string).collect();
        added.push(format!("--mappings={}", listed(sizes)).into());
    }
    if has("method") && !typed("method") {
        let names = a.methods.iter().map(|method| method.name().to_owned());
        added.push(format!("--method={}", listed(names.collect())).into());
    }
    words.splice(1..1, added);
    words
}

/// The options as they are kept: what the values of variables are is nobody's business.
fn masked(options: &str) -> String {
    let mut is_variable = false;
    let words = shlex::split(options)
        .unwrap_or_default()
        .into_iter()
        .map(|word| {
            let variable = if is_variable {
                Some(word.as_str())
            } else {
                word.strip_prefix("--env=")
            };
            let lead = if is_variable { "" } else { "--env=" };
            is_variable = word == "--env";
            match variable {
                Some(variable) => {
                    let name = variable.split('=').next().unwrap_or_default();
                    format!("{lead}{name}=\u{2026}")
                }
                None => word,
            }
        });
    words.collect::<Vec<String>>().join(" ")
}

/// The words that A was typed in, with B's in the place of the options that both have.
fn words_of_b(
    command: &Command,
    typed: &[OsString],
    options: &str,
) -> Result<Vec<OsString>, PlanError> {
    let split = shlex::split(options);
    let split = split.ok_or_else(|| refused(options, "a quotation is not closed"))?;
    refuse_what_is_of_the_run(command, &split, options)?;
    let name = OsString::from(command.get_name());
    let own = [name.clone()]
        .into_iter()
        .chain(split.into_iter().map(OsString::from));
    let own = words::joined(own.collect());
    let matches = |words: Vec<OsString>| {
        let parsed = command.clone().try_get_matches_from(words);
        parsed.map_err(|error| refused(options, &said(&error)))
    };
    let (of_a, of_b) = (matches(typed.to_vec())?, matches(own)?);
    let mut words = vec![name];
    let mut last = Vec::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let from = if is_typed(&of_b, id) { &of_b } else { &of_a };
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

fn refuse_what_is_of_the_run(
    command: &Command,
    words: &[String],
    options: &str,
) -> Result<(), PlanError> {
    let own = words.iter().take_while(|word| *word != "--");
    for word in own {
        let name = word.split('=').next().unwrap_or_default();
        let is_named = |argument: &&Arg| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let short = argument.get_short().map(|short| format!("-{short}"));
            OF_THE_RUN.contains(&argument.get_id().as_str())
                && [long, short].iter().flatten().any(|known| known == name)
        };
        if let Some(argument) = command.get_arguments().find(is_named) {
            let name = argument.get_long().unwrap_or_default();
            let why = format!("--{name} is of the whole run: give it outside of --vs");
            return Err(refused(options, &why));
        }
    }
    Ok(())
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
    use crate::cli::plan::{self, tests::host};

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
            ("--fail-above 3", "--fail-above is of the whole run"),
            ("--help", "help and version"),
            ("--cloexec", "not provided: --fds"),
            ("--no-such", "unexpected argument '--no-such'"),
            ("--mappings 'x", "a quotation is not closed"),
        ] {
            let said = words("sweep", options).unwrap_err();
            assert!(said.contains(why), "{said}");
            assert!(said.starts_with("--vs "), "{said}");
        }
    }

    #[test]
    fn values_of_variables_are_not_kept() {
        let options = "--env TOKEN=secret --env=B='a b' --mappings 3 -- ls --env";
        assert_eq!(
            masked(options),
            "--env TOKEN=\u{2026} --env=B=\u{2026} --mappings 3 -- ls --env"
        );
    }

    #[test]
    fn what_nobody_typed_is_as_in_a() {
        let plan = |words: &str| {
            let args = SweepArgs::parse_from(words.split(' '));
            plan::of_sweep(&args, &host()).unwrap()
        };
        let with = |a: &str, b: &str| {
            let words = b.split(' ').map(OsString::from).collect();
            let words = with_defaults_of_a(words, &SweepArgs::command(), &plan(a));
            let words: Vec<String> = words
                .into_iter()
                .map(|it| it.into_string().unwrap())
                .collect();
            words.join(" ")
        };
        assert_eq!(
            with("sweep --mappings 5", "sweep --mappings=5 --huge"),
            "sweep --method=fork,vfork,posix_spawn --mappings=5 --huge"
        );
        assert_eq!(
            with("sweep --fds 3 --method fork", "sweep --method=vfork"),
            "sweep --mappings=0,100,1000,10000 --method=vfork"
        );
    }

    #[test]
    fn sides_are_paired_or_refused() {
        let plan = |words: &str| {
            let args = SweepArgs::parse_from(words.split(' '));
            plan::of_sweep(&args, &host()).unwrap()
        };
        let checked = |a: &str, b: &str| check(&plan(a), &plan(b), "x");
        assert!(checked("sweep --method fork", "sweep --method vfork").is_ok());
        let two = checked(
            "sweep --method fork,vfork",
            "sweep --method fork,posix_spawn",
        );
        assert!(
            two.unwrap_err()
                .to_string()
                .contains("the same on both sides")
        );
        assert!(checked("sweep --mappings 1", "sweep --mappings 1,2").is_err());
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
