//! On processes that stand still: programs whose functions are known, compiled in several
//! ways, and stopped by another program.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::layout::Layout;
use super::*;

/// A folder with what the C compiler made, if there is one.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder };
        let made = bench.compile("stopper", include_str!("tests/stopper.c"), &["-O1"]);
        if made.is_none() {
            println!("skipped: no C compiler");
        }
        made.map(|_| bench)
    }

    /// Compiles a program; nothing where the compiler or what it needs is not there.
    fn compile(&self, name: &str, source: &str, how: &[&str]) -> Option<PathBuf> {
        self.compile_by("cc", name, source, how)
    }

    fn compile_by(
        &self,
        compiler: &str,
        name: &str,
        source: &str,
        how: &[&str],
    ) -> Option<PathBuf> {
        let path = self.folder.path().join(name);
        let mut compiler = Command::new(compiler);
        compiler.args(["-x", "c", "-", "-o"]).arg(&path).args(how);
        let compiler = compiler.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut running = compiler.spawn().ok()?;
        let mut input = running.stdin.take().unwrap();
        input.write_all(source.as_bytes()).unwrap();
        drop(input);
        running.wait().unwrap().success().then_some(path)
    }

    fn spawns(&self, name: &str, how: &[&str]) -> Option<String> {
        let path = self.compile(name, include_str!("tests/spawns.c"), how);
        if path.is_none() {
            println!("skipped: the C compiler does not know {how:?}");
        }
        path.map(|path| path.to_str().unwrap().to_owned())
    }

    /// The chains of all that a command and its descendants create, or nothing where
    /// ptrace(2) is refused.
    fn chains(&self, command: &[&str]) -> Vec<Chain> {
        let mut stopper = Command::new(self.folder.path().join("stopper"));
        let stopper = stopper.args(command).stdin(Stdio::piped());
        let mut running = stopper.stdout(Stdio::piped()).spawn().unwrap();
        let chains = ask(&mut running);
        if !running.wait().unwrap().success() {
            println!("skipped: processes cannot be traced");
            return Vec::new();
        }
        assert!(!chains.is_empty(), "{command:?} creates processes");
        chains
    }
}

/// Answers what the stopper says until it ends.
fn ask(stopper: &mut Child) -> Vec<Chain> {
    let mut go_on = stopper.stdin.take().unwrap();
    let said = BufReader::new(stopper.stdout.take().unwrap());
    let mut callers = Callers::new();
    let mut chains = Vec::new();
    for line in said.lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let pid: u32 = words[1].parse().unwrap();
        let register = |place: usize| u64::from_str_radix(words[place], 16).unwrap();
        if words[0] == "created" {
            let registers = Registers {
                ip: register(2),
                sp: register(3),
                fp: register(4),
                lr: register(5),
                vfork: register(6),
                ..Registers::default()
            };
            let chain = callers.of(pid, &registers);
            assert_eq!(
                chain,
                by_copy(&mut callers, pid, &registers),
                "as by a copy"
            );
            chains.push(chain);
            go_on.write_all(b"\n").unwrap();
        } else {
            callers.forget(pid);
        }
    }
    chains
}

/// The same chain by a copy of the stack.
fn by_copy(callers: &mut Callers, pid: u32, registers: &Registers) -> Chain {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let base = registers.sp - 64;
    let mut bytes = vec![0; 64 << 10];
    let len = memory.read_at(&mut bytes, base).unwrap();
    let bytes = &bytes[..len];
    callers.of_stack(pid, registers, &mut Copied { base, bytes })
}

/// Functions of the program in a chain, outwards.
fn functions(chain: &Chain, program: &str) -> Vec<String> {
    let frames = chain.frames.iter();
    let own = frames.filter(|frame| frame.module.as_deref() == Some(program));
    own.map(|frame| frame.function.clone().unwrap_or_default())
        .collect()
}

/// What spawns.c does: the documented function, then its own, outwards.
const SPAWNS: [(&str, &[&str]); 11] = [
    ("fork", &["by_fork", "all"]),
    ("vfork", &["by_vfork", "all"]),
    ("posix_spawn", &["by_posix_spawn", "all"]),
    ("posix_spawnp", &["by_posix_spawnp", "all"]),
    ("system", &["by_system", "all"]),
    ("popen", &["by_popen", "all"]),
    ("clone", &["by_clone", "all"]),
    ("syscall", &["by_syscall", "all"]),
    ("vfork", &["by_vfork", "from_aligned", "all"]),
    ("posix_spawn", &["by_posix_spawn", "from_deep", "all"]),
    ("fork", &["by_fork", "on_signal", "from_handler", "all"]),
];

/// Whether these chains are those of spawns.c, compiled with its symbols.
fn assert_spawns(chains: &[Chain], program: &str) {
    // Two more: the one that creates a thread, and what that does.
    assert_eq!(chains.len(), SPAWNS.len() + 2);
    for (chain, (documented, own)) in chains.iter().zip(SPAWNS) {
        let origin = origin(&chain.frames);
        assert_eq!(origin.called, Some(documented), "{chain:?}");
        assert_eq!(
            origin.own.unwrap().function.as_deref(),
            own.first().copied()
        );
        let found = functions(chain, program);
        let mut found = found.iter().map(String::as_str);
        for function in own {
            assert!(
                found.any(|found| found == *function),
                "{function} in {chain:?}"
            );
        }
        assert!(matches!(chain.end, End::Outermost | End::Cut), "{chain:?}");
    }
    let [.., creator, thread] = chains else {
        unreachable!()
    };
    assert!(functions(creator, program).contains(&"from_thread".to_owned()));
    let of_thread = functions(thread, program).join(" ");
    assert!(of_thread.contains("by_vfork in_thread"), "{of_thread}");
    assert_eq!(thread.end, End::Outermost);
}

#[test]
fn each_way_to_spawn_is_told_with_the_function_that_went_it() {
    let Some(bench) = Bench::new() else { return };
    let ways: [&[&str]; 6] = [
        &["-O2", "-fomit-frame-pointer"],
        &["-O2", "-no-pie"],
        &["-O0", "-fno-omit-frame-pointer"],
        &["-O2", "-fomit-frame-pointer", "-static"],
        &["-O1", "-static-pie"],
        &["-O2", "-Wl,--no-eh-frame-hdr"],
    ];
    for how in ways {
        let Some(path) = bench.spawns("spawns", how) else {
            continue;
        };
        let chains = bench.chains(&[&path]);
        if chains.is_empty() {
            return;
        }
        assert_spawns(&chains, "spawns");
    }
}

#[test]
fn a_stripped_program_is_told_by_addresses_that_are_those_of_its_functions() {
    let Some(bench) = Bench::new() else { return };
    let how = ["-O2", "-no-pie", "-fomit-frame-pointer"];
    let (Some(whole), Some(bare)) = (
        bench.spawns("whole", &how),
        bench.spawns("bare", &[&how[..], &["-s"]].concat()),
    ) else {
        return;
    };
    let (with, without) = (bench.chains(&[&whole]), bench.chains(&[&bare]));
    assert_eq!(with.len(), without.len());
    let layout = Layout::read(std::fs::read(&whole).unwrap().as_slice());
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with.frames.len(), without.frames.len());
        let mut starts = HashMap::new();
        for (with, without) in with.frames.iter().zip(&without.frames) {
            if without.module.as_deref() != Some("bare") {
                assert_eq!(with, without);
                continue;
            }
            assert_eq!(without.function, None);
            let start = without.offset - with.offset;
            let text = &layout.as_ref().unwrap().text;
            assert!(
                text.iter().any(|part| part.holds(start)),
                "{with} {without}"
            );
            let known = starts.insert(with.function.clone(), start);
            assert!(known.is_none_or(|known| known == start));
        }
    }
}

#[test]
fn without_unwind_information_a_frame_pointer_leads_on_and_nothing_else_does() {
    let Some(bench) = Bench::new() else { return };
    let none = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    let with = |more: &[&'static str]| [&none[..], more].concat();
    let kept = with(&["-O0", "-fno-omit-frame-pointer"]);
    let Some(path) = bench.spawns("kept", &kept) else {
        return;
    };
    for (chain, (_, own)) in bench.chains(&[&path]).iter().zip(SPAWNS) {
        // What a handler interrupts has no frame pointer in libc's functions between.
        let found = functions(chain, "kept");
        let led = found.iter().zip(own).take_while(|(a, b)| a == b).count();
        assert!(led == own.len() || own.contains(&"on_signal"), "{chain:?}");
    }
    let lost = with(&["-O2", "-fomit-frame-pointer"]);
    let Some(path) = bench.spawns("lost", &lost) else {
        return;
    };
    for (chain, (_, own)) in bench.chains(&[&path]).iter().zip(SPAWNS) {
        assert_eq!(functions(chain, "lost"), own[..1], "{chain:?}");
        assert_eq!(chain.end, End::NoUnwinding);
    }
}

/// musl has no unwind information, and its shared library names no function that is not
/// exported: what is told ends there, but for vfork, and no neighbour's name is taken.
#[test]
fn in_musl_a_chain_ends_where_nothing_leads_on() {
    let Some(bench) = Bench::new() else { return };
    let source = include_str!("tests/spawns.c");
    let path = bench.compile_by("musl-gcc", "spawns", source, &["-O2"]);
    let Some(path) = path else {
        println!("skipped: no musl");
        return;
    };
    let chains = bench.chains(&[path.to_str().unwrap()]);
    for (chain, (documented, own)) in chains.iter().zip(SPAWNS) {
        assert_eq!(chain.end, End::NoUnwinding, "{chain:?}");
        let found = functions(chain, "spawns");
        if documented == "vfork" {
            assert_eq!(found[..own.len()], *own, "{chain:?}");
        } else {
            assert!(found.is_empty(), "{chain:?}");
        }
        let names = chain.frames.iter().filter_map(|f| f.function.as_deref());
        let made_up: Vec<&str> = names.filter(|name| name.starts_with("mem")).collect();
        assert!(made_up.is_empty(), "{chain:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn code_that_was_made_at_run_time_ends_a_chain_as_such() {
    let Some(bench) = Bench::new() else { return };
    let path = bench.compile("made", include_str!("tests/made.c"), &["-O2"]);
    let path = path.unwrap();
    for chain in bench.chains(&[path.to_str().unwrap()]) {
        assert_eq!(functions(&chain, "made"), ["called"]);
        assert_eq!(chain.end, End::NoFile);
        let last = chain.frames.last().unwrap();
        assert_eq!((&last.module, &last.function), (&None, &None));
    }
}

#[test]
fn a_program_that_was_removed_is_read_where_that_is_permitted() {
    let Some(bench) = Bench::new() else { return };
    let Some(path) = bench.spawns("removed", &["-O2"]) else {
        return;
    };
    let chains = bench.chains(&[&path, &path]);
    let Some(first) = chains.first() else { return };
    if first.end == End::Unreadable {
        println!("skipped: /proc/PID/map_files is for privileged readers");
        let last = first.frames.last().unwrap();
        assert_eq!(last.module.as_deref(), Some("removed"));
        assert_eq!(last.function, None);
        return;
    }
    assert_spawns(&chains, "removed");
}

#[test]
fn a_process_that_executed_another_program_is_told_by_that() {
    let Some(bench) = Bench::new() else { return };
    let Some(path) = bench.spawns("other", &["-O2"]) else {
        return;
    };
    let script = format!("/bin/true; exec {path}");
    let chains = bench.chains(&["/bin/sh", "-c", &script]);
    if chains.is_empty() {
        return;
    }
    let (shell, program) = chains.split_at(1);
    assert!(functions(&shell[0], "other").is_empty());
    let own = origin(&shell[0].frames).own.unwrap();
    assert!(own.module.is_some());
    assert_spawns(program, "other");
}

#[test]
fn a_library_that_was_loaded_since_is_looked_for() {
    let Some(bench) = Bench::new() else { return };
    let spawns = "import os, subprocess\n\
                  if os.fork() == 0: os._exit(0)\n\
                  os.wait()\n\
                  subprocess.run(['/bin/true'])\n";
    let has_python = Command::new("python3").arg("--version").output();
    if !has_python.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3");
        return;
    }
    // By its own path: there are those that are started by a script.
    let code = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new("python3").args(code).output().unwrap();
    let python = String::from_utf8(output.stdout).unwrap();
    let chains = bench.chains(&[python.trim(), "-c", spawns]);
    let Some(first) = chains.first() else { return };
    assert_eq!(chains.len(), 2);
    let own = |chain: &Chain| origin(&chain.frames).own.unwrap();
    let named = |frame: &Frame, name: &str| {
        let module = frame.module.as_deref().unwrap_or_default();
        module.contains("python") || module.contains(name)
    };
    assert!(named(&own(first), "posix"), "{first:?}");
    assert!(named(&own(&chains[1]), "_posixsubprocess"), "{chains:?}");
}

#[test]
fn a_child_inherits_what_is_known_and_an_ended_process_leaves_nothing() {
    let pid = std::process::id();
    let mut callers = Callers::new();
    let here = Registers {
        ip: Callers::new as fn() -> Callers as usize as u64,
        ..Registers::default()
    };
    let chain = callers.of(pid, &here);
    let named = chain.frames[0].function.as_deref();
    assert!(
        named.is_some_and(|name| name.contains("Callers")),
        "{chain:?}"
    );
    callers.inherit(pid, 1 << 23);
    callers.inherit(1 << 24, 1 << 25);
    assert_eq!(callers.images.len(), 2);
    callers.forget(pid);
    callers.forget(1 << 23);
    assert!(callers.images.is_empty());
    let nobody = callers.of(1 << 23, &here);
    assert_eq!((nobody.frames.len(), nobody.end), (0, End::Unreadable));
}
