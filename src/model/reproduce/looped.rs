//! Programs that spawn in a loop: what each of them took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Availability, Missing, Parent};
use crate::stats::Estimate;

/// The loops of a study of programs.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Loops {
    /// The interpreter of the scripts.
    pub interpreter: Availability<Interpreter>,
    /// Why no timer samples told CPU time in user mode from that in the kernel; absent
    /// where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsampled: Option<Missing>,
    /// In the study's order, its own first, then those that test its claims.
    pub rows: Vec<Loop>,
}

/// An interpreter.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Interpreter {
    /// As it was asked for.
    pub asked: String,
    /// The program that is executed, behind all wrappers.
    pub path: String,
    /// Its version, such as 3.11.7.
    pub version: String,
}

/// A program that spawns in a loop.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LoopSystem {
    /// 1. Python: subprocess.Popen and wait.
    PythonPopen,
    /// 2. C: fork, dup2, execl, waitpid.
    CFork,
    /// 3. Python: os.fork, os.dup2, os.execvp, os.waitpid.
    PythonFork,
    /// 4. The C program of 2 after 1,000 blocks of 100,000 bytes from malloc.
    CForkMalloc,
    /// 5. Python: libc's posix_spawn by ctypes, flag 0x40 (`POSIX_SPAWN_USEVFORK`).
    PythonPosixSpawn,
    /// 6. C: the same.
    CPosixSpawn,
    /// 7. Python: subprocess.Popen with preexec_fn.
    PythonPopenPreexec,
    /// The program of 1 with ten times as many iterations.
    PythonPopenLong,
    /// The C program of 2 in an address space like that of Python's.
    CForkLikePython,
    /// The C program of 6 without the flag.
    CPosixSpawnPlain,
    /// The C program of 6, which executes a program of three instructions.
    CPosixSpawnFloor,
}

impl LoopSystem {
    /// All of them: the study's six, the seventh, and those that test claims.
    pub const ALL: [Self; 11] = [
        Self::PythonPopen,
        Self::CFork,
        Self::PythonFork,
        Self::CForkMalloc,
        Self::PythonPosixSpawn,
        Self::CPosixSpawn,
        Self::PythonPopenPreexec,
        Self::PythonPopenLong,
        Self::CForkLikePython,
        Self::CPosixSpawnPlain,
        Self::CPosixSpawnFloor,
    ];

    /// Whether the interpreter runs it.
    pub fn is_script(self) -> bool {
        matches!(
            self,
            Self::PythonPopen
                | Self::PythonFork
                | Self::PythonPosixSpawn
                | Self::PythonPopenPreexec
                | Self::PythonPopenLong
        )
    }
}

/// One row: a program, what was published of it, and what it took here.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Loop {
    /// Which program.
    pub system: LoopSystem,
    /// What was published; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedLoop>,
    /// Iterations of its loop here.
    pub iterations: u64,
    /// What it took here, or why it did not run.
    pub here: Availability<Looped>,
    /// Why it ran no more; absent unless it failed after its first timed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Missing>,
}

/// What was published of a program.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PublishedLoop {
    /// Iterations.
    pub iterations: u64,
    /// Seconds by the clock.
    pub real_s: f64,
    /// Seconds of CPU time in user mode, as time(1) said.
    pub user_s: f64,
    /// Seconds of CPU time in the kernel, as time(1) said.
    pub sys_s: f64,
}

/// What a program took here, by medians over its timed runs, which took turns at
/// random. Of a script, times are those of the whole process, as time(1) counts them;
/// of a C program, those of its loop, which a worker runs, since it starts in less than
/// one iteration.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Looped {
    /// Seconds by the clock (CLOCK_MONOTONIC).
    pub real_s: Estimate,
    /// Of it, before and after the loop; 0 of a C program.
    pub start_s: Estimate,
    /// Iterations of the loop in a second of `real_s`.
    pub per_second: Estimate,
    /// `real_s` over that of the second program, round by round.
    pub ratio: Availability<Estimate>,
    /// Seconds of CPU time, of the process and its children.
    pub cpu_s: Estimate,
    /// Of it, in user mode.
    pub user_s: Availability<Estimate>,
    /// Of it, in the kernel.
    pub sys_s: Availability<Estimate>,
    /// Who told user mode from the kernel.
    pub split: SplitSource,
    /// Minor faults of parent and child, an iteration.
    pub minor_faults: Availability<Estimate>,
    /// The parent's address space when its loop begins.
    pub parent: Availability<Parent>,
    /// The system calls that created processes, as they were seen in a run of its own.
    pub calls: Availability<Vec<ObservedCall>>,
    /// The timed runs.
    pub runs: Vec<LoopRun>,
}

/// Who tells CPU time in user mode from that in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitSource {
    /// Timer samples of a run of its own.
    Samples,
    /// The kernel's own bookkeeping, which is guesswork for children that live
    /// shorter than a tick.
    Rusage,
}

/// A system call that creates processes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CallName {
    /// fork(2).
    Fork,
    /// vfork(2).
    Vfork,
    /// clone(2).
    Clone,
    /// clone3(2).
    Clone3,
}

/// A system call that was seen to create a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ObservedCall {
    /// Its name.
    pub name: CallName,
    /// Its flags, without the signal at the child's end; 0 of those that take none.
    pub flags: u64,
    /// How often it was seen.
    pub seen: u64,
}

/// One timed run of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LoopRun {
    /// The round in which it ran.
    pub round: u32,
    /// By the clock.
    pub real_ns: u64,
    /// Of it, in the loop.
    pub loop_ns: u64,
    /// CPU time of the process and its children.
    pub cpu_us: u64,
    /// Of it in user mode, as the kernel's bookkeeping says.
    pub user_us: u64,
    /// Minor faults of the process and its children in the loop.
    pub minor_faults: u64,
}
