//! Arguments that are one of some names: what is none of them is refused with those that
//! there are, and the nearest.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command};

use crate::model::{SpawnMethod, StudyId};

/// Spawn methods that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum MethodArg {
    All,
    One(SpawnMethod),
}

/// Takes the name of a method, or all.
pub(super) fn method() -> impl TypedValueParser<Value = MethodArg> {
    let named = SpawnMethod::ALL.map(|method| (method.name(), about(method)));
    let names = named.into_iter().chain([("all", "All that can")]);
    let find = |name: &str| match name {
        "all" => Some(MethodArg::All),
        name => SpawnMethod::from_name(name).map(MethodArg::One),
    };
    one_of(
        names.map(|(name, about)| PossibleValue::new(name).help(about)),
        find,
    )
}

/// Takes the name of a study.
pub(super) fn study() -> impl TypedValueParser<Value = StudyId> {
    let names = StudyId::ALL.map(|study| PossibleValue::new(study.name()));
    one_of(names, |name| {
        StudyId::ALL.into_iter().find(|study| study.name() == name)
    })
}

/// What a method is, in a line of the help.
fn about(method: SpawnMethod) -> &'static str {
    match method {
        SpawnMethod::Fork => "fork(2), then execve(2) in the child",
        SpawnMethod::ForkPipe => "The same, and the parent waits until the exec has closed a pipe",
        SpawnMethod::Vfork => "clone(2) as vfork(2) makes it, on a stack of its own",
        SpawnMethod::VforkLibc => "libc's vfork(2) itself",
        SpawnMethod::PosixSpawn => "libc's posix_spawn(3)",
        SpawnMethod::PosixSpawnUsevfork => "The same with POSIX_SPAWN_USEVFORK",
        SpawnMethod::PosixSpawnHelper => "posix_spawn(3) of a helper that executes the program",
        SpawnMethod::Clone3Vfork => "clone3(2) as vfork, with CLONE_CLEAR_SIGHAND",
        SpawnMethod::PidfdSpawn => "glibc's pidfd_spawn (2.39), waited for by the descriptor",
        SpawnMethod::Clone3IntoCgroup => {
            "The same with CLONE_INTO_CGROUP, into the parent's own group"
        }
        SpawnMethod::Std => "Rust's std::process::Command",
        SpawnMethod::System => "libc's system(3), which has a shell between",
        SpawnMethod::ForkServer => {
            "A small process that forks in the parent's place; not to explain"
        }
    }
}

/// A parser of names, which may have spaces around them, as in a list that is quoted.
fn one_of<T: Clone + Send + Sync + 'static>(
    names: impl IntoIterator<Item = PossibleValue>,
    find: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let names = Spaced(PossibleValuesParser::new(names));
    names.map(move |name| find(&name).expect("the parser lets known names through alone"))
}

#[derive(Debug, Clone)]
struct Spaced(PossibleValuesParser);

impl TypedValueParser for Spaced {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let trimmed = value.to_str().map(|text| OsStr::new(text.trim()));
        self.0.parse_ref(command, arg, trimmed.unwrap_or(value))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::SweepArgs;

    #[test]
    fn names_are_taken_with_spaces_and_unknown_ones_are_answered() {
        let typed = SweepArgs::parse_from(["sweep", "--method", "fork, all"]);
        let both = [MethodArg::One(SpawnMethod::Fork), MethodArg::All];
        assert_eq!(typed.methods.as_deref(), Some(both.as_slice()));
        let refused = SweepArgs::try_parse_from(["sweep", "--method", "froK"]).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("'fork'") && said.contains("tip:"), "{said}");
        assert!(said.contains("posix_spawn-usevfork, "), "{said}");
    }
}
