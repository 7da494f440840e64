//! The program that the children execute, and the environment that they do it in.

use std::env::VarError;

use super::PlanError;
use crate::lab::path::resolve;
use crate::model::{ChildAction, Program};

/// Where programs are looked up when there is no PATH, as in execvp(3).
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the variable PATH comes to.
pub(in crate::cli) fn search_path(variable: Result<String, VarError>) -> Result<String, PlanError> {
    match variable {
        Ok(path) => Ok(path),
        Err(VarError::NotPresent) => Ok(DEFAULT_PATH.to_owned()),
        Err(VarError::NotUnicode(path)) => Err(PlanError::refused(format!(
            "PATH is not UTF-8, and a result tells it as text: leave {path:?} out of it"
        ))),
    }
}

/// The same, for children that may execute none.
pub(super) fn of_child(
    child: ChildAction,
    words: &[String],
    path: &str,
) -> Result<Program, PlanError> {
    match words.first() {
        Some(name) if child == ChildAction::Exit => Err(PlanError::refused(format!(
            "{name}: the children leave at once (--child exit, the default for a fork server of \
             AFL's) and execute nothing; leave out {name}, or give --child exec"
        ))),
        _ => program(words, path),
    }
}

/// The program of these words; the embedded one if there are none.
pub(super) fn program(words: &[String], path: &str) -> Result<Program, PlanError> {
    let Some(name) = words.first() else {
        return Ok(Program::Embedded);
    };
    if words.iter().any(|word| word.contains('\0')) {
        return Err(PlanError::refused(format!(
            "{name:?}: a zero byte cannot be in an argument"
        )));
    }
    Ok(Program::Path {
        path: resolve(name, path),
        argv: words.to_vec(),
    })
}

/// The children's variables. One that is given again replaces the first, so
/// that all methods hand the same environment on.
pub(super) fn environment(path: &str, given: &[String]) -> Vec<String> {
    let mut variables = vec![format!("PATH={path}"), "LC_ALL=C".to_owned()];
    for variable in given {
        let name = |variable: &str| variable.split('=').next().map(str::to_owned);
        variables.retain(|other| name(other) != name(variable));
        variables.push(variable.clone());
    }
    variables
}
