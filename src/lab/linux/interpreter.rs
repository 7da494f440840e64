//! The interpreter behind a path or a name: wrappers choose one, and would be
//! measured if they were started in its place.

mod answer;

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use self::answer::Answer;
use super::Stop;
use super::family::{Family, fate, floods};
use crate::lab::error::LabError;
use crate::lab::path::{SYSTEM_PATH, resolve};
use crate::lab::preflight::not_started;
use crate::model::{Interpreter, Missing, Order, Plan};
use crate::sys::process::{kill_with_parent, still_runs};
use crate::sys::shared::memory_file;

const QUESTION: &str = include_str!("scripts/interpreter.py");
const INSTALL: &str = "install python3, or give --python PATH";
const ANOTHER: &str = "give another one with --python PATH";
/// Wrappers of wrappers that are followed.
const MOST_WRAPPERS: usize = 4;
/// What a version manager may take to choose a version.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// Finds it by asking it, and by asking its answer again.
pub(super) fn find(plan: &Plan, asked: &str, stop: &Stop) -> Result<Interpreter, LabError> {
    // Whoever asked to stop is not told that an interpreter is missing.
    let refused = |why: String, remedy| match stop.check() {
        Err(stopped) => stopped,
        Ok(()) => LabError::Interpreter(Missing::unavailable(named(asked, why), Some(remedy))),
    };
    let missing = |why: String| refused(why, ANOTHER);
    let variables = plan.environment.iter();
    let planned: Vec<(&str, &str)> = variables
        .filter_map(|variable| variable.split_once('='))
        .collect();
    let path = planned.iter().find(|(name, _)| *name == "PATH");
    let (path, place) = match is_own(plan) {
        true => (SYSTEM_PATH, SYSTEM_PATH),
        false => (path.map_or("", |(_, path)| path), "PATH"),
    };
    let found = resolve(asked, path);
    if !found.contains('/') {
        return Err(refused(format!("not found in {place}"), INSTALL));
    }
    if Path::new(&found).is_dir() {
        return Err(missing("is a directory".to_owned()));
    }
    // A wrapper chooses by variables of the user's own, which are no part of
    // what is measured: the answer must do without them.
    let mut wrapper = Command::new(&found);
    wrapper.envs(planned.iter().copied());
    let mut answer = ask(wrapper, &found, stop).map_err(missing)?;
    for _ in 0..MOST_WRAPPERS {
        let program = answer.program();
        let mut command = Command::new(program);
        command.env_clear().envs(planned.iter().copied());
        let again = ask(command, program, stop).map_err(missing)?;
        if again.program() == program {
            return Ok(Interpreter {
                asked: asked.to_owned(),
                path: program.to_owned(),
                version: again.version(),
            });
        }
        answer = again;
    }
    Err(missing("a wrapper of a wrapper without end".to_owned()))
}

/// Whether nobody has named the interpreter.
fn is_own(plan: &Plan) -> bool {
    let Order::Reproduce(order) = &plan.order else {
        return false;
    };
    order
        .loops
        .as_ref()
        .is_some_and(|loops| loops.own_interpreter)
}

/// A reason that names what was asked for; a path may be in it already.
fn named(asked: &str, why: String) -> String {
    if asked.contains('/') && why.contains(asked) {
        why
    } else {
        format!("{asked}: {why}")
    }
}

fn ask(mut command: Command, program: &str, stop: &Stop) -> Result<Answer, String> {
    let file = || memory_file(c"forktax-answer", false).map_err(|error| error.to_string());
    let (mut answer, mut said) = (file()?, file()?);
    let share = |file: &File| file.try_clone().map_err(|error| error.to_string());
    command
        .args(["-c", QUESTION])
        .stdin(Stdio::null())
        .stdout(share(&answer)?)
        .stderr(share(&said)?)
        .process_group(0);
    let child = kill_with_parent(&mut command)
        .spawn()
        .map_err(|error| not_started(program, &error).to_string())?;
    let status = await_end(Family::of(&child), stop, [&answer, &said])?;
    if !status.success() {
        let said = text(&mut said);
        let reason = said.lines().rfind(|line| !line.trim().is_empty());
        let reason = reason.map_or(String::new(), |line| format!(": {}", line.trim()));
        return Err(format!("{program} {}{reason}", fate(status)));
    }
    let answer: Answer = text(&mut answer).parse().map_err(|error| {
        format!("{program} does not answer as an interpreter of Python does: {error}")
    })?;
    answer.check().map_err(|why| format!("{program} {why}"))?;
    Ok(answer)
}

fn await_end(mut family: Family, stop: &Stop, written: [&File; 2]) -> Result<ExitStatus, String> {
    let begin = Instant::now();
    while still_runs(family.pid().cast_signed()).unwrap_or(false) {
        stop.check().map_err(|error| error.to_string())?;
        if written.into_iter().any(floods) {
            return Err("it writes without end and was killed".to_owned());
        }
        if begin.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!("still running after {seconds} s and was killed"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(family.end())
}

/// What was written; nothing, if it cannot be read.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_or(String::new(), |_| {
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
