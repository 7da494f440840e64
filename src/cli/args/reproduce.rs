//! The arguments of a study that is measured again.

use clap::Parser;

use super::{AFTER_HELP, OutputArgs, RunningArgs, VersusArgs, and, names};
use crate::model::StudyId;
use crate::units::parse_count;

/// The arguments of `forktax reproduce`.
#[derive(Debug, Parser)]
#[command(
    after_help = AFTER_HELP,
    mut_arg("precision", |arg| and(arg, "[default: 2%; not for python-2014]")),
    mut_arg("time", |arg| and(
        arg,
        "[default: what --list says; none for python-2014, which ends after its --repeats, or \
         with --precision alone]"
    )),
    mut_arg("export", |arg| and(arg, "Also .svg (the figures side by side)"))
)]
pub(in crate::cli) struct ReproduceArgs {
    /// The study
    #[arg(value_name = "STUDY", value_parser = names::study())]
    pub(in crate::cli) study: Option<StudyId>,

    /// Say which studies there are, what they published and how long they take
    #[arg(long, exclusive = true)]
    pub(in crate::cli) list: bool,

    /// Iterations of each loop; one program runs ten times as many
    /// [default: 1k; python-2014 only]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(in crate::cli) iterations: Option<u64>,

    /// Timed runs of each program, at least 2 whatever --time says
    /// [default: 7; python-2014 only]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(in crate::cli) repeats: Option<u64>,

    /// The interpreter of the Python programs: a path, or a name for PATH
    /// [default: the system's python3; python-2014 only]
    #[arg(long, value_name = "PATH|NAME")]
    pub(in crate::cli) python: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) running: RunningArgs,

    #[command(flatten)]
    pub(in crate::cli) versus: VersusArgs,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,

    /// The program that the children execute, and its arguments; its standard
    /// output goes to /dev/null [default: /bin/gzip -h for python-2014, else an
    /// embedded program of three instructions; none where the children leave at once]
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    pub(in crate::cli) program: Vec<String>,
}

/// "python-2014, ... and pte-batching-2024".
pub(in crate::cli) fn study_names() -> String {
    let names = StudyId::ALL.map(StudyId::name);
    let (last, others) = names.split_last().expect("there is at least one study");
    format!("{} and {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_study_is_known_by_its_name() {
        for study in StudyId::ALL {
            let typed = ReproduceArgs::parse_from(["reproduce", study.name()]);
            assert_eq!(typed.study, Some(study));
            let help = ReproduceArgs::command().render_long_help().to_string();
            assert!(help.contains(study.name()), "{help}");
        }
    }

    #[test]
    fn an_unknown_study_is_refused_with_those_that_there_are() {
        let error = ReproduceArgs::try_parse_from(["reproduce", "python-2015"]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("python-2014, posix-spawn-2011"), "{said}");
    }

    #[test]
    fn a_list_takes_nothing_else() {
        assert!(ReproduceArgs::try_parse_from(["reproduce", "--list"]).is_ok());
        for words in ["--list python-2014", "--list --seed 1"] {
            let words = ["reproduce"].into_iter().chain(words.split(' '));
            assert!(ReproduceArgs::try_parse_from(words).is_err());
        }
    }
}
