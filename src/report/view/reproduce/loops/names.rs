//! What the programs of a study are called.

use crate::model::LoopSystem;

/// The study's own have numbers, those that test its claims letters.
pub(super) fn key(system: LoopSystem) -> &'static str {
    match system {
        LoopSystem::PythonPopen => "1",
        LoopSystem::CFork => "2",
        LoopSystem::PythonFork => "3",
        LoopSystem::CForkMalloc => "4",
        LoopSystem::PythonPosixSpawn => "5",
        LoopSystem::CPosixSpawn => "6",
        LoopSystem::PythonPopenPreexec => "7",
        LoopSystem::PythonPopenLong => "a",
        LoopSystem::CForkLikePython => "b",
        LoopSystem::CPosixSpawnPlain => "c",
        LoopSystem::CPosixSpawnFloor => "d",
    }
}

/// The program in a few words.
pub(super) fn program(system: LoopSystem) -> &'static str {
    match system {
        LoopSystem::PythonPopen => "Python subprocess.Popen",
        LoopSystem::CFork => "C fork + execl",
        LoopSystem::PythonFork => "Python os.fork + os.execvp",
        LoopSystem::CForkMalloc => "C 2 after 1,000 x malloc(100000)",
        LoopSystem::PythonPosixSpawn => "Python ctypes posix_spawn 0x40",
        LoopSystem::CPosixSpawn => "C posix_spawn 0x40",
        LoopSystem::PythonPopenPreexec => "Python Popen with preexec_fn",
        LoopSystem::PythonPopenLong => "Python 1 in a longer loop",
        LoopSystem::CForkLikePython => "C 2 with the mappings of Python",
        LoopSystem::CPosixSpawnPlain => "C 6 without the flag 0x40",
        LoopSystem::CPosixSpawnFloor => "C 6 of three instructions",
    }
}

/// The program as a sentence calls it: "1 (Python subprocess.Popen)".
pub(super) fn prose(system: LoopSystem) -> String {
    format!("{} ({})", key(system), program(system))
}
