//! The ways to spawn, and what the child does: the vocabulary of the rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to create a child process.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
pub enum SpawnMethod {
    /// `fork()`, then `execve()` in the child.
    #[serde(rename = "fork")]
    Fork,
    /// `fork()`, then `execve()` in the child, for which the parent waits: it reads from a
    /// pipe that the exec closes.
    #[serde(rename = "fork+pipe")]
    ForkPipe,
    /// `clone(CLONE_VM | CLONE_VFORK)` on a stack of its own, then `execve()`.
    #[serde(rename = "vfork")]
    Vfork,
    /// libc's `vfork()`, then `execve()`.
    #[serde(rename = "vfork-libc")]
    VforkLibc,
    /// libc's `posix_spawn()` without attributes.
    #[serde(rename = "posix_spawn")]
    PosixSpawn,
    /// libc's `posix_spawn()` with the flag `POSIX_SPAWN_USEVFORK` (0x40).
    #[serde(rename = "posix_spawn-usevfork")]
    PosixSpawnUsevfork,
    /// libc's `posix_spawn()` of a small helper, which executes the program.
    #[serde(rename = "posix_spawn+helper")]
    PosixSpawnHelper,
    /// glibc's `pidfd_spawn()`, and a wait by the descriptor that it gives.
    #[serde(rename = "pidfd_spawn")]
    PidfdSpawn,
    /// `clone3(CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND)`, then `execve()`.
    #[serde(rename = "clone3-vfork")]
    Clone3Vfork,
    /// The same with `CLONE_INTO_CGROUP`: into the control group that the parent is in.
    #[serde(rename = "clone3-into-cgroup")]
    Clone3IntoCgroup,
    /// Rust's `std::process::Command`.
    #[serde(rename = "std")]
    Std,
    /// libc's `system()`: a shell that runs the program.
    #[serde(rename = "system")]
    System,
    /// A small process, forked from the parent before it grew, forks in its place.
    #[serde(rename = "fork-server")]
    ForkServer,
}

impl SpawnMethod {
    /// Every method, in the order of the tables.
    pub const ALL: [Self; 13] = [
        Self::Fork,
        Self::ForkPipe,
        Self::Vfork,
        Self::VforkLibc,
        Self::PosixSpawn,
        Self::PosixSpawnUsevfork,
        Self::PosixSpawnHelper,
        Self::PidfdSpawn,
        Self::Clone3Vfork,
        Self::Clone3IntoCgroup,
        Self::Std,
        Self::System,
        Self::ForkServer,
    ];

    /// The name as typed on the command line and printed in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::ForkPipe => "fork+pipe",
            Self::Vfork => "vfork",
            Self::VforkLibc => "vfork-libc",
            Self::PosixSpawn => "posix_spawn",
            Self::PosixSpawnUsevfork => "posix_spawn-usevfork",
            Self::PosixSpawnHelper => "posix_spawn+helper",
            Self::PidfdSpawn => "pidfd_spawn",
            Self::Clone3Vfork => "clone3-vfork",
            Self::Clone3IntoCgroup => "clone3-into-cgroup",
            Self::Std => "std",
            Self::System => "system",
            Self::ForkServer => "fork-server",
        }
    }

    /// The method of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether the child can leave with `_exit` instead of an exec.
    pub fn can_exit(self) -> bool {
        matches!(
            self,
            Self::Fork
                | Self::Vfork
                | Self::VforkLibc
                | Self::Clone3Vfork
                | Self::Clone3IntoCgroup
                | Self::ForkServer
        )
    }

    /// Whether the child is a copy of its parent.
    pub fn copies(self) -> bool {
        matches!(self, Self::Fork | Self::ForkPipe)
    }

    /// Whether the children are the parent's own, so that the kernel books on it what
    /// they take, and whoever watches the parent sees them.
    pub fn has_own_children(self) -> bool {
        self != Self::ForkServer
    }

    /// Whether hosts may lack it: not even then does a run fail.
    pub fn is_optional(self) -> bool {
        matches!(
            self,
            Self::PosixSpawnHelper | Self::PidfdSpawn | Self::Clone3Vfork | Self::Clone3IntoCgroup
        )
    }

    /// Whether another program is executed first, which then executes the one that is wanted.
    pub fn has_program_between(self) -> bool {
        matches!(self, Self::PosixSpawnHelper | Self::System)
    }

    /// Whether its child is one of libc's or of std's making, in which their code runs.
    pub fn runs_libc(self) -> bool {
        matches!(
            self,
            Self::PosixSpawn
                | Self::PosixSpawnUsevfork
                | Self::PosixSpawnHelper
                | Self::PidfdSpawn
                | Self::Std
                | Self::System
        )
    }

    /// Whether the call gives back control before the child was waited for.
    pub fn call_is_apart(self) -> bool {
        self != Self::System
    }
}

/// What the child does once it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildAction {
    /// It executes the program.
    Exec,
    /// It leaves at once with `_exit(0)`.
    Exit,
}

/// Which descriptors a child closes before it executes or leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Closing {
    /// None.
    #[default]
    Nothing,
    /// All above the standard ones, at once: close_range(2), Linux 5.9.
    AtOnce,
    /// The same up to below this number, one by one, whether they are open or not: close(2).
    EachBelow(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_same_in_json() {
        for method in SpawnMethod::ALL {
            assert_eq!(SpawnMethod::from_name(method.name()), Some(method));
            let json = serde_json::to_string(&method).unwrap();
            assert_eq!(json, format!("\"{}\"", method.name()));
        }
        assert_eq!(SpawnMethod::from_name("spoon"), None);
    }
}
