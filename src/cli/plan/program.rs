//! The program that the children execute, and the environment that they do it in.

use std::path::{Path, PathBuf};

use super::PlanError;
use crate::model::Program;

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

/// The path of a program: as typed if it has a slash, else from `PATH`. What is
/// found nowhere keeps its name, and fails with it when it is tried.
fn resolve(name: &str, path: &str) -> String {
    let absolute = |file: &Path| std::path::absolute(file).ok()?.to_str().map(str::to_owned);
    if name.contains('/') {
        return absolute(Path::new(name)).unwrap_or_else(|| name.to_owned());
    }
    let candidates: Vec<PathBuf> = path
        .split(':')
        .map(|dir| Path::new(dir).join(name))
        .collect();
    let executable = candidates.iter().find(|file| is_executable(file));
    let found = executable.or_else(|| candidates.iter().find(|file| file.is_file()));
    found
        .and_then(|file| absolute(file))
        .unwrap_or_else(|| name.to_owned())
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
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
