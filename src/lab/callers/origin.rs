//! What of a chain says in a line whence a spawn came: the function of the library that the
//! program called, and the program's function that called it. Pure.

use std::sync::Arc;

use super::frame::Frame;

/// Whence a spawn came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The documented name of the function of libc that was called.
    pub called: Option<&'static str>,
    /// The outermost function of libc that is documented to create a process; without a
    /// name of it, the outermost place in libc. Of a language that makes system calls
    /// itself, the outermost function of its library.
    pub library: Option<Arc<Frame>>,
    /// Who called it: the first frame outside libc and outside Rust's and Go's libraries.
    pub own: Option<Arc<Frame>>,
}

/// Functions of libc that create processes, as they are documented.
pub(super) const PUBLIC: [&str; 14] = [
    "_Fork",
    "clone",
    "daemon",
    "fork",
    "forkpty",
    "pidfd_spawn",
    "pidfd_spawnp",
    "popen",
    "posix_spawn",
    "posix_spawnp",
    "syscall",
    "system",
    "vfork",
    "wordexp",
];

/// Functions of glibc and musl that stand between those and the system call, by which they
/// are known in a program that was linked with libc.
const INTERNAL: [&str; 11] = [
    "__clone3",
    "__clone3_internal",
    "__clone_internal",
    "__clone_internal_fallback",
    "__spawni",
    "__spawnix",
    "_IO_new_proc_open",
    "_IO_proc_open",
    "arch_fork",
    "clone3",
    "spawn_process",
];

/// What a spawn's chain says in a line.
pub fn origin(chain: &[Arc<Frame>]) -> Origin {
    // A program that has libc as a library of its own may give its functions any names.
    let shared = chain.first().is_some_and(in_libc);
    let of_libc = |frame: &Arc<Frame>| {
        if shared {
            in_libc(frame)
        } else {
            public_name(frame).is_some() || function(frame).is_some_and(is_internal)
        }
    };
    let inner = chain.iter().take_while(|frame| of_libc(frame)).count();
    let (libc, rest) = chain.split_at(inner);
    let beyond = rest.iter().position(|frame| !is_language(frame));
    let (language, outer) = rest.split_at(beyond.unwrap_or(0));
    let mut outwards = libc.iter().rev();
    let documented = outwards.find_map(|frame| Some((frame, public_name(frame)?)));
    let library = documented.map(|(frame, _)| frame);
    let library = library.or(libc.last()).or(language.last());
    Origin {
        called: documented.map(|(_, name)| name),
        library: library.cloned(),
        own: outer.first().cloned(),
    }
}

fn function(frame: &Arc<Frame>) -> Option<&str> {
    frame.function.as_deref()
}

/// The documented name that a function has, which may have others inside libc, or which
/// it does the work of.
fn public_name(frame: &Arc<Frame>) -> Option<&'static str> {
    let name = function(frame)?;
    let inner = |name: &str| {
        let name = name.strip_prefix("__libc_").or(name.strip_prefix("__"))?;
        PUBLIC.iter().find(|public| **public == name).copied()
    };
    let same = PUBLIC.iter().find(|public| **public == name).copied();
    let other = match name {
        "_IO_popen" | "_IO_new_popen" => Some("popen"),
        "do_system" => Some("system"),
        _ => None,
    };
    same.or(other).or_else(|| inner(name))
}

fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

fn in_libc(frame: &Arc<Frame>) -> bool {
    frame.module.as_deref().is_some_and(is_libc)
}

/// Whether a file of this name is libc, or what old ones were split into.
pub(super) fn is_libc(module: &str) -> bool {
    let names = [
        "libc.so",
        "libc-2.",
        "libpthread",
        "libutil",
        "ld-musl",
        "libc.musl",
        "ld-linux",
    ];
    names.iter().any(|name| module.starts_with(name))
}

/// Whether the function is one of Rust's standard library or of Go's.
fn is_language(frame: &Arc<Frame>) -> bool {
    let name = function(frame).unwrap_or_default();
    let rust = [
        "std::", "<std::", "core::", "<core::", "alloc::", "<alloc::",
    ];
    let go = [
        "syscall.",
        "os.",
        "os/exec.",
        "runtime.",
        "runtime/",
        "internal/",
    ];
    rust.iter()
        .chain(&go)
        .any(|library| name.starts_with(library))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The origin of frames as `function@module`.
    fn of(chain: &[&str]) -> Origin {
        let frame = |text: &&str| {
            let (function, module) = text.split_once('@').unwrap();
            Arc::new(Frame {
                module: Some(module.to_owned()),
                path: None,
                function: (!function.is_empty()).then(|| function.to_owned()),
                offset: 16,
            })
        };
        let frames: Vec<Arc<Frame>> = chain.iter().map(frame).collect();
        origin(&frames)
    }

    fn says(chain: &[&str], library: &str, own: &str) {
        let origin = of(chain);
        let text = |frame: Option<Arc<Frame>>| frame.map_or(String::new(), |f| f.to_string());
        let told = (text(origin.library), text(origin.own));
        assert_eq!(told, (library.to_owned(), own.to_owned()), "{chain:?}");
    }

    #[test]
    fn the_outermost_documented_function_was_called_by_the_first_frame_outside() {
        says(
            &[
                "@libc.so.6",
                "@libc.so.6",
                "posix_spawn@libc.so.6",
                "go@prog",
                "main@prog",
            ],
            "posix_spawn (libc.so.6)",
            "go (prog)",
        );
        says(
            &[
                "@libc.so.6",
                "posix_spawn@libc.so.6",
                "@libc.so.6",
                "system@libc.so.6",
                "@prog",
            ],
            "system (libc.so.6)",
            "prog+0x10",
        );
        let vfork = ["__vfork@libc.so.6", "do_fork_exec@_posixsubprocess.so"];
        says(
            &vfork,
            "__vfork (libc.so.6)",
            "do_fork_exec (_posixsubprocess.so)",
        );
    }

    #[test]
    fn without_names_libc_s_outermost_place_is_told() {
        says(
            &["@libc.so.6", "@libc.so.6", "f@prog"],
            "libc.so.6+0x10",
            "f (prog)",
        );
        says(&["@libc.so.6"], "libc.so.6+0x10", "");
        says(&[], "", "");
    }

    #[test]
    fn a_program_that_holds_libc_tells_by_names() {
        says(
            &[
                "clone3@prog",
                "__spawnix@prog",
                "posix_spawn@prog",
                "go@prog",
                "main@prog",
            ],
            "posix_spawn (prog)",
            "go (prog)",
        );
        says(&["@prog", "@prog"], "", "prog+0x10");
        let system = ["posix_spawn@prog", "do_system@prog", "go@prog"];
        says(&system, "do_system (prog)", "go (prog)");
        assert_eq!(of(&system).called, Some("system"));
        assert_eq!(of(&["__libc_fork@libc.so.6"]).called, Some("fork"));
        assert_eq!(of(&["@libc.so.6"]).called, None);
    }

    #[test]
    fn a_program_s_own_function_of_such_a_name_is_its_own() {
        says(
            &[
                "_Fork@libc.so.6",
                "fork@libc.so.6",
                "daemon@prog",
                "main@prog",
            ],
            "fork (libc.so.6)",
            "daemon (prog)",
        );
    }

    #[test]
    fn the_libraries_of_rust_and_go_are_passed_over() {
        says(
            &[
                "posix_spawnp@libc.so.6",
                "std::sys::f@prog",
                "std::process::Command::spawn@prog",
                "run@prog",
            ],
            "posix_spawnp (libc.so.6)",
            "run (prog)",
        );
        says(
            &[
                "syscall.rawVforkSyscall@prog",
                "os/exec.(*Cmd).Start@prog",
                "main.run@prog",
            ],
            "os/exec.(*Cmd).Start (prog)",
            "main.run (prog)",
        );
        let only = ["fork@libc.so.6", "std::sys::f@prog"];
        says(&only, "fork (libc.so.6)", "std::sys::f (prog)");
    }
}
