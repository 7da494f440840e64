//! What the programs of a study are called.

use crate::model::LoopSystem;

/// Key and program. The study's own have numbers, those that test its claims letters.
fn names(system: LoopSystem) -> (&'static str, &'static str) {
    match system {
        LoopSystem::PythonPopen => ("1", "Python subprocess.Popen"),
        LoopSystem::CFork => ("2", "C fork + execl"),
        LoopSystem::PythonFork => ("3", "Python os.fork + os.execvp"),
        LoopSystem::CForkMalloc => ("4", "C 2 after 1,000 x malloc(100000)"),
        LoopSystem::PythonPosixSpawn => ("5", "Python ctypes posix_spawn 0x40"),
        LoopSystem::CPosixSpawn => ("6", "C posix_spawn 0x40"),
        LoopSystem::PythonPopenPreexec => ("7", "Python Popen with preexec_fn"),
        LoopSystem::PythonPopenLong => ("a", "Python 1 in a longer loop"),
        LoopSystem::CForkLikePython => ("b", "C 2 with the mappings of Python"),
        LoopSystem::CPosixSpawnPlain => ("c", "C 6 without the flag 0x40"),
        LoopSystem::CPosixSpawnFloor => ("d", "C 6 of three instructions"),
    }
}

/// The program as rows are called.
pub(super) fn key(system: LoopSystem) -> &'static str {
    names(system).0
}

/// The program in a few words.
pub(super) fn program(system: LoopSystem) -> &'static str {
    names(system).1
}

/// The program as a sentence calls it: "1 (Python subprocess.Popen)".
pub(super) fn prose(system: LoopSystem) -> String {
    let (key, program) = names(system);
    format!("{key} ({program})")
}
