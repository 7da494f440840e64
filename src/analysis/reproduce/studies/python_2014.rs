//! Six programs that spawn `gzip -h` in a loop, in Python and in C.

use super::Outline;
use crate::model::{ChildAction, LoopSystem, Program, PublishedLoop, Source, SpawnMethod};

pub(super) const OUTLINE: Outline = Outline {
    compares: "programs that spawn in a loop, in Python and in C",
    methods: &[SpawnMethod::Fork, SpawnMethod::PosixSpawnUsevfork],
    baseline: SpawnMethod::Fork,
    child: ChildAction::Exec,
    seconds: 120,
};

/// What interprets the study's scripts: a name for PATH.
pub(super) const INTERPRETER: &str = "python3";

/// What the study's children execute.
pub(super) fn program() -> Program {
    let path = "/bin/gzip".to_owned();
    Program::Path {
        argv: vec![path.clone(), "-h".to_owned()],
        path,
    }
}

/// Iterations of the published loops, and of the longer one.
const ITERATIONS: u64 = 1_000;
const LONG_ITERATIONS: u64 = 10_000;

pub(super) fn source() -> Source {
    Source {
        title: "Faster fuzzing with Python".to_owned(),
        authors: "MWR Labs (Nils)".to_owned(),
        year: 2014,
        address: "https://labs.mwrinfosecurity.com/blog/faster-fuzzing-with-python/".to_owned(),
        setting: "time(1) of programs that run gzip -h 1,000 times; machine and kernel are not \
                  stated"
            .to_owned(),
    }
}

/// Seconds of real, user and sys time, as printed.
pub(super) fn published(system: LoopSystem) -> Option<PublishedLoop> {
    let (iterations, [real_s, user_s, sys_s]) = match system {
        LoopSystem::PythonPopen => (ITERATIONS, [2.466, 0.452, 2.424]),
        LoopSystem::CFork => (ITERATIONS, [1.115, 0.072, 1.048]),
        LoopSystem::PythonFork => (ITERATIONS, [2.203, 0.271, 2.061]),
        LoopSystem::CForkMalloc => (ITERATIONS, [1.962, 0.078, 1.914]),
        LoopSystem::PythonPosixSpawn => (ITERATIONS, [1.133, 0.267, 0.912]),
        LoopSystem::CPosixSpawn => (ITERATIONS, [0.918, 0.067, 0.856]),
        LoopSystem::PythonPopenLong => (LONG_ITERATIONS, [24.361, 3.893, 24.462]),
        LoopSystem::PythonPopenPreexec
        | LoopSystem::CForkLikePython
        | LoopSystem::CPosixSpawnPlain
        | LoopSystem::CPosixSpawnFloor => return None,
    };
    Some(PublishedLoop {
        iterations,
        real_s,
        user_s,
        sys_s,
    })
}
