//! What a process is known for by what it has mapped: runtimes whose ways to start programs
//! are known, and libraries that have functions of theirs called at each fork. It is known
//! of the program, and nobody watched the process do it.

use crate::model::{MappingContent, ProcessFacts, ProcessShape, ShapeMapping, ShapeReservation};

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
    let is = |wanted: &str| program(shape) == Some(wanted);
    let is_go = || {
        let mut mappings = shape.mappings.iter();
        mappings.any(|mapping| mapping.first_page.checked_mul(page_size) == Some(GO_HEAP))
    };
    if is_fork_server(&shape.process) {
        Some(Runtime::AflForkServer)
    } else if shape.process.name == "afl-fuzz" || is("afl-fuzz") {
        Some(Runtime::AflFuzz)
    } else if has("libjvm.so") {
        Some(Runtime::Java)
    } else if is("node") {
        Some(Runtime::Node)
    } else if let Some(minor) = python() {
        Some(Runtime::Python(minor))
    } else {
        is_go().then_some(Runtime::Go)
    }
}

/// Whether the process is of another program that has this runtime loaded: gdb has Python,
/// LibreOffice both.
pub fn is_embedded(shape: &ProcessShape, runtime: Runtime) -> bool {
    let program = program(shape).unwrap_or_default();
    match runtime {
        Runtime::Java => program != "java",
        Runtime::Python(_) => !program.starts_with("python"),
        Runtime::Go | Runtime::Node | Runtime::AflForkServer | Runtime::AflFuzz => false,
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
    shape.mappings.iter().filter_map(file)
}

/// That of its program.
fn program(shape: &ProcessShape) -> Option<&str> {
    let mut mappings = shape.mappings.iter();
    file(mappings.find(|mapping| mapping.content == MappingContent::Program)?)
}

fn file(mapping: &ShapeMapping) -> Option<&str> {
    let path = mapping.name.as_deref()?;
    let path = path.starts_with('/').then_some(path)?;
    // Of a file that was replaced since.
    let kept = path.strip_suffix(" (deleted)").unwrap_or(path);
    kept.rsplit('/').next()
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

    /// The first of these is its program.
    fn of_program(names: &[&str]) -> ProcessShape {
        let mut shape = with(names);
        shape.mappings[0].content = MappingContent::Program;
        shape
    }

    #[test]
    fn runtimes_are_known_by_their_files() {
        for (names, known, embedded) in [
            (
                &["/usr/bin/java", "/usr/lib/libjvm.so"][..],
                Some(Runtime::Java),
                false,
            ),
            (
                &["/opt/soffice.bin", "/usr/lib/libjvm.so"],
                Some(Runtime::Java),
                true,
            ),
            (&["/usr/bin/python3.12"], Some(Runtime::Python(12)), false),
            (
                &["/usr/bin/gdb", "/lib/libpython3.9.so.1.0 (deleted)"],
                Some(Runtime::Python(9)),
                true,
            ),
            (&["/usr/bin/node"], Some(Runtime::Node), false),
            (&["/bin/cp", "/srv/node"], None, false),
            (&["/usr/local/bin/afl-fuzz"], Some(Runtime::AflFuzz), false),
            (&["/lib/python3/foo.so"], None, false),
            (&["[anon:node]"], None, false),
        ] {
            let shape = of_program(names);
            assert_eq!(runtime(&shape), known, "{names:?}");
            let is_embedded = known.is_some_and(|known| is_embedded(&shape, known));
            assert_eq!(is_embedded, embedded, "{names:?}");
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
