//! One spawn, and from where it was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::CallName;

/// A spawn. What was not seen of it by the end of the run is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Spawn {
    /// When the call began, where calls are timed, else when the child was created: in
    /// nanoseconds since the beginning.
    pub at_ns: u64,
    /// The process that spawned.
    pub by: u32,
    /// Its thread that did.
    pub thread: u32,
    /// The program that it was.
    pub program: usize,
    /// From where; absent where that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<usize>,
    /// The system call.
    pub call: CallName,
    /// Its flags, without the signal at the child's end; 0 of those that take none.
    pub flags: u64,
    /// The child.
    pub child: u32,
    /// Nanoseconds until the call returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ns: Option<u64>,
    /// Nanoseconds until the child first executed a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_exec_ns: Option<u64>,
    /// That program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<usize>,
    /// Nanoseconds until the child ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_ns: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

impl Spawn {
    /// Whether the call copies the address space.
    pub fn copies(&self) -> bool {
        copies(self.call, self.flags)
    }
}

/// Whether such a call copies the address space: vfork(2) never does, and others unless
/// they have CLONE_VM.
pub(super) fn copies(call: CallName, flags: u64) -> bool {
    const CLONE_VM: u64 = 0x100;
    call != CallName::Vfork && flags & CLONE_VM == 0
}

/// How a process ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// In a way that was not seen.
    Unseen,
}

/// From where in its code a program spawned: the same wherever in these functions it did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
pub struct Caller {
    /// The function of a library that is made for spawning, such as `posix_spawn`: the
    /// outermost that was called for it; absent where the program called the kernel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<CodePlace>,
    /// What called that; absent where the chain does not reach so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<CodePlace>,
    /// The whole chain from the system call outwards, as far as it was followed, of the
    /// first such spawn.
    pub chain: Vec<CodePlace>,
    /// Why it ends where it does, unless that is the stack's own end, or far enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}

/// A place in a program's code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
pub struct CodePlace {
    /// The name of its file; empty of code that is in none.
    pub module: String,
    /// The function, where a symbol covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Its distance from the function's beginning, else its address in the file, or in memory
    /// where there is no file.
    pub offset: u64,
}

impl CodePlace {
    /// What tells it from others: the function, or the place where none is known.
    pub fn key(&self) -> (&str, Option<&str>, u64) {
        let function = self.function.as_deref();
        let offset = if function.is_some() { 0 } else { self.offset };
        (&self.module, function, offset)
    }
}
