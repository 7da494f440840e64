//! What programs, callers, ends and errors are called.

use crate::model::{CallName, Caller, CodePlace, Ending, SpawnPath, Trace};
use crate::report::view::calls;
use crate::units::{errno_words, harmless, signal_name};

/// The most characters of a name in a table.
const LONGEST: usize = 60;
/// The same of a file beside a function.
const LONGEST_FILE: usize = 32;

/// A program by its place.
pub(in crate::report) fn program(trace: &Trace, at: usize) -> String {
    let found = trace.programs.get(at);
    found.map_or_else(
        || "unknown".to_owned(),
        |program| harmless(&program.name, LONGEST),
    )
}

/// From where was spawned: the library's function, and the program's own that called it.
pub(in crate::report) fn caller(trace: &Trace, at: Option<usize>) -> String {
    match at.and_then(|at| trace.callers.get(at)) {
        Some(caller) => in_words(caller),
        None => "not told".to_owned(),
    }
}

/// The library's function that a way is by, or the bare system call.
pub(super) fn way(trace: &Trace, path: &SpawnPath) -> String {
    let caller = path.caller.and_then(|at| trace.callers.get(at));
    let library = caller.and_then(|caller| caller.library.as_ref());
    match library {
        Some(place) => match &place.function {
            Some(function) => harmless(function, LONGEST),
            None => code(place),
        },
        None => format!("{}(2)", calls::name(path.call)),
    }
}

/// The program's own function that called it.
pub(super) fn own(trace: &Trace, at: Option<usize>) -> String {
    let caller = at.and_then(|at| trace.callers.get(at));
    match caller.map(|caller| (&caller.own, caller.chain.last(), &caller.ends)) {
        Some((Some(own), ..)) => code(own),
        // As far as it was followed.
        Some((None, Some(last), Some(why))) => {
            format!("not told beyond {}: {}", code(last), harmless(why, LONGEST))
        }
        Some((None, Some(last), None)) => code(last),
        Some((None, None, _)) | None => "not told".to_owned(),
    }
}

fn in_words(caller: &Caller) -> String {
    let of = |place: &Option<CodePlace>| place.as_ref().map(code);
    match (of(&caller.library), of(&caller.own)) {
        (Some(library), Some(own)) => format!("{library} ← {own}"),
        (Some(library), None) => library,
        (None, Some(own)) => format!("system call ← {own}"),
        (None, None) => match caller.chain.first() {
            Some(place) => format!("system call ← {}", code(place)),
            None => "not told".to_owned(),
        },
    }
}

/// `posix_spawn (libc.so.6)`; without a symbol `libc.so.6+0x1234`.
fn code(place: &CodePlace) -> String {
    let module = match place.module.as_str() {
        "" => "no file".to_owned(),
        module => harmless(module, LONGEST_FILE),
    };
    match &place.function {
        Some(function) => format!("{} ({module})", harmless(function, LONGEST)),
        None => format!("{module}+{:#x}", place.offset),
    }
}

/// `clone(VM|VFORK)`.
pub(in crate::report) fn call(name: CallName, flags: u64) -> String {
    calls::worded(name, flags)
}

/// "exit 1", "SIGKILL (9)".
pub(in crate::report) fn ending(ending: Ending) -> String {
    match ending {
        Ending::Exit(status) => format!("exit {status}"),
        Ending::Signal(signal) => signal_name(signal),
        Ending::Unseen => "unseen".to_owned(),
    }
}

/// "No such file or directory".
pub(in crate::report) fn error(errno: i32) -> String {
    errno_words(errno)
}
