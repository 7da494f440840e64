//! The scripts. Each one only says how it spawns; what they share is put around
//! it.

use crate::model::LoopSystem;

const OPENING: &str = include_str!("../scripts/opening.py");
const LOOP: &str = include_str!("../scripts/loop.py");

/// A script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) name: &'static str,
    text: &'static str,
}

impl Source {
    /// The one of a system, if an interpreter runs it.
    pub(super) fn of(system: LoopSystem) -> Option<Self> {
        let (name, text) = match system {
            LoopSystem::PythonPopen | LoopSystem::PythonPopenLong => {
                ("popen.py", include_str!("../scripts/popen.py"))
            }
            LoopSystem::PythonFork => ("fork.py", include_str!("../scripts/fork.py")),
            LoopSystem::PythonPosixSpawn => {
                ("posix_spawn.py", include_str!("../scripts/posix_spawn.py"))
            }
            LoopSystem::PythonPopenPreexec => (
                "popen_preexec.py",
                include_str!("../scripts/popen_preexec.py"),
            ),
            _ => return None,
        };
        Some(Self { name, text })
    }

    /// What the interpreter is given.
    pub(super) fn code(&self) -> String {
        [OPENING, self.text, LOOP].join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_script_for_each_system_that_is_one() {
        for system in LoopSystem::ALL {
            let source = Source::of(system);
            assert_eq!(source.is_some(), system.is_script(), "{system:?}");
            let Some(source) = source else { continue };
            assert!(source.code().contains("def spawn():"), "{system:?}");
            assert!(source.code().find("control =") < source.code().find("def spawn"));
        }
    }
}
