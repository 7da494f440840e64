//! What a process is known for by what it has mapped: runtimes whose ways to start programs
//! are known, and libraries that have functions of theirs called at each fork. It is known
//! of the program, and nobody watched the process do it.

use crate::model::{ProcessFacts, ProcessShape, ShapeReservation};

/// A program of which it is known how it starts others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `libjvm.so` is mapped.
    Java,
    /// Memory begins where Go's heap does on machines of 64 bits (`src/runtime/malloc.go`,
    /// `mallocinit`), and no other of these is recognised.
    Go,
    /// CPython, by the name of its program or library: the 12 of 3.12.
    Python(u32),
    /// Node, by the name of its program.
    Node,
    /// A fork server of AFL's, in a target.
    AflForkServer,
    /// afl-fuzz, whose target is another process.
    AflFuzz,
}

/// Libraries whose functions are called before and after each fork of the process
/// (pthread_atfork(3)), or may be: jemalloc (`jemalloc.c`), gperftools (`tcmalloc.cc`), OpenSSL
/// before 3.0 where it is asked to (`OPENSSL_INIT_ATFORK`), CUDA, OpenBLAS (`memory.c`),
/// and the OpenMP of LLVM and Intel (`z_Linux_util.cpp`).
const AT_FORK: [&str; 7] = [
    "libjemalloc.so",
    "libtcmalloc",
    "libcrypto.so.1",
    "libcuda.so",
    "libopenblas",
    "libomp.so",
    "libiomp5.so",
];

/// Where the first of Go's arenas is.
const GO_HEAP: u64 = 0xc0_0000_0000;

/// The runtime of the process, if it is one that is known.
pub fn runtime(shape: &ProcessShape) -> Option<Runtime> {
    let page_size = shape.process.page_size;
    let python = || files(shape).find_map(python_of);
    let has = |wanted: &str| files(shape).any(|file| file == wanted);
    let is_go = || {
        let mut mappings = shape.mappings.iter();
        mappings.any(|mapping| mapping.first_page.checked_mul(page_size) == Some(GO_HEAP))
    };
    if is_fork_server(&shape.process) {
        Some(Runtime::AflForkServer)
    } else if shape.process.name == "afl-fuzz" || has("afl-fuzz") {
        Some(Runtime::AflFuzz)
    } else if has("libjvm.so") {
        Some(Runtime::Java)
    } else if has("node") {
        Some(Runtime::Node)
    } else if let Some(minor) = python() {
        Some(Runtime::Python(minor))
    } else {
        is_go().then_some(Runtime::Go)
    }
}

/// Whether its children go on in its own program and execute nothing.
pub fn is_fork_server(facts: &ProcessFacts) -> bool {
    let mut reservations = facts.reservations.iter();
    reservations.any(|found| *found == ShapeReservation::AflForkServer)
}

/// The files of known libraries that have handlers for forks, or may have.
pub fn fork_handlers(shape: &ProcessShape) -> Vec<&str> {
    let known = |file: &&str| AT_FORK.iter().any(|library| file.starts_with(library));
    let mut found: Vec<&str> = files(shape).filter(known).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The names of what is mapped, without their folders.
fn files(shape: &ProcessShape) -> impl Iterator<Item = &str> {
    let paths = shape.mappings.iter().filter_map(|m| m.name.as_deref());
    let paths = paths.filter(|path| path.starts_with('/'));
    // Of a file that was replaced since.
    let kept = paths.map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
    kept.filter_map(|path| path.rsplit('/').next())
}

/// "python3.12" and "libpython3.12.so.1.0" are 12.
fn python_of(file: &str) -> Option<u32> {
    let version = file.trim_start_matches("lib").strip_prefix("python3.")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::tests::{anonymous, shape};

    fn with(names: &[&str]) -> ProcessShape {
        let mappings = names.iter().enumerate().map(|(place, name)| {
            let mut mapping = anonymous(0x1000 + 16 * place as u64, 4, &[]);
            mapping.name = Some((*name).to_owned());
            mapping
        });
        shape(mappings.collect())
    }

    #[test]
    fn runtimes_are_known_by_their_files() {
        for (name, known) in [
            ("/usr/lib/jvm/lib/server/libjvm.so", Some(Runtime::Java)),
            ("/usr/bin/python3.12", Some(Runtime::Python(12))),
            (
                "/lib/libpython3.9.so.1.0 (deleted)",
                Some(Runtime::Python(9)),
            ),
            ("/usr/bin/node", Some(Runtime::Node)),
            ("/usr/local/bin/afl-fuzz", Some(Runtime::AflFuzz)),
            ("/lib/python3/foo.so", None),
            ("[anon:node]", None),
        ] {
            assert_eq!(runtime(&with(&[name])), known, "{name}");
        }
        let mut go = with(&[]);
        let first = GO_HEAP / go.process.page_size;
        go.mappings.push(anonymous(first, 1024, &[]));
        assert_eq!(runtime(&go), Some(Runtime::Go));
        let server = ShapeReservation::AflForkServer;
        go.process.reservations.push(server);
        assert_eq!(runtime(&go), Some(Runtime::AflForkServer));
    }

    #[test]
    fn libraries_with_handlers_are_named_once() {
        let shape = with(&[
            "/lib/libjemalloc.so.2",
            "/lib/libjemalloc.so.2",
            "/lib/libc.so.6",
            "/lib/libcrypto.so.1.1",
        ]);
        let both = ["libcrypto.so.1.1", "libjemalloc.so.2"];
        assert_eq!(fork_handlers(&shape), both);
    }
}
