//! On processes that stand still: programs whose functions are known, compiled in several
//! ways, and stopped by another program.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

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
        let path = self.folder.path().join(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-x", "c", "-", "-o"]).arg(&path).args(how);
        let compiler = compiler.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut running = compiler.spawn().ok()?;
        let mut input = running.stdin.take().unwrap();
        input.write_all(source.as_bytes()).unwrap();
        drop(input);
        running.wait().unwrap().success().then_some(path)
    }

    /// The chains of all that a command and its descendants create; nothing where it may
    /// not be traced.
    fn chains(&self, command: &mut [&str]) -> Vec<Chain> {
        let mut stopper = Command::new(self.folder.path().join("stopper"));
        let stopper = stopper.args(command).stdin(Stdio::piped());
        let mut running = stopper.stdout(Stdio::piped()).spawn().unwrap();
        let chains = ask(&mut running);
        running.wait().unwrap();
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
            };
            chains.push(callers.of(pid, &registers));
            go_on.write_all(b"\n").unwrap();
        } else {
            callers.forget(pid);
        }
    }
    chains
}

fn text(chain: &Chain) -> String {
    let frames = chain.frames.iter().map(|frame| frame.to_string());
    let frames: Vec<String> = frames.collect();
    format!("{} [{:?}]", frames.join(" < "), chain.end)
}

#[test]
fn explore() {
    let bench = Bench::new().unwrap();
    let source = include_str!("tests/spawns.c");
    if let Ok(how) = std::env::var("HOW") {
        let how: Vec<&str> = how.split_whitespace().collect();
        let path = bench.compile("prog", source, &how).unwrap();
        for chain in bench.chains(&mut [path.to_str().unwrap()]) {
            println!("{}", text(&chain));
        }
    }
    if let Ok(command) = std::env::var("RUN") {
        let mut command: Vec<&str> = command.split('|').collect();
        for chain in bench.chains(&mut command) {
            println!("{}", text(&chain));
            let origin = origin(&chain.frames);
            println!(
                "   {:?}",
                [origin.library, origin.own].map(|f| f.map(|f| f.to_string()))
            );
        }
    }
}
