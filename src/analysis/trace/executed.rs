//! The programs that were executed.

use std::collections::HashMap;

use super::spread;
use crate::model::{Availability, Ending, EndingCount, ExecutedProgram, Missing};

/// An execution of a program, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// Which.
    pub program: usize,
    /// How long the process was this program until it ended, and how it did; nothing of one
    /// that goes on, or became another.
    pub ended: Option<(u64, Ending)>,
}

/// The programs, the most often executed first.
pub fn executed(executions: &[Executed]) -> Vec<ExecutedProgram> {
    let mut by_program: HashMap<usize, Vec<&Executed>> = HashMap::new();
    for execution in executions {
        by_program
            .entry(execution.program)
            .or_default()
            .push(execution);
    }
    let mut programs: Vec<ExecutedProgram> = by_program
        .into_iter()
        .map(|(program, executions)| one(program, &executions))
        .collect();
    programs.sort_by_key(|it| (std::cmp::Reverse(it.times), it.program));
    programs
}

fn one(program: usize, executions: &[&Executed]) -> ExecutedProgram {
    let ended = || executions.iter().filter_map(|execution| execution.ended);
    let mut counts: HashMap<Ending, u64> = HashMap::new();
    for (_, ending) in ended() {
        *counts.entry(ending).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut endings: Vec<EndingCount> = counts
        .map(|(ending, times)| EndingCount { ending, times })
        .collect();
    endings.sort_by_key(|it| (std::cmp::Reverse(it.times), it.ending));
    ExecutedProgram {
        program,
        times: executions.len() as u64,
        life_ns: Availability::of(spread(ended().map(|(life_ns, _)| life_ns)), || {
            Missing::not_asked("none of them ended as this program before the watching did")
        }),
        endings,
    }
}
