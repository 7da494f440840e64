//! The scripts of the study of programs, by the interpreter of this machine.
//! What is asserted holds under any load: orders of times, counts that cannot
//! be less, and that nothing is left behind. Never a time.
//!
//! A test binary of its own, since the lab makes its process a subreaper.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test an unwrap is an assertion, and one that skips says so"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forktax::lab::error::{LabError, ProgramError};
use forktax::lab::kernel::{Kernel, Script, ScriptOrder};
use forktax::lab::linux::{Linux, Stop};
use forktax::lab::path::resolve;
use forktax::model::{Document, Interpreter, LoopSystem, Missing, Placement, Plan};
use forktax::sys::process::{allowed_cpus, kill};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const SCRIPTS: [LoopSystem; 4] = [
    LoopSystem::PythonPopen,
    LoopSystem::PythonFork,
    LoopSystem::PythonPosixSpawn,
    LoopSystem::PythonPopenPreexec,
];

fn linux() -> Linux {
    Linux::new(Stop::default(), &[Placement::Free]).unwrap()
}

fn plan() -> Plan {
    let document: Document = serde_json::from_str(include_str!("data/sweep.json")).unwrap();
    let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
    Plan {
        environment: vec![format!("PATH={path}")],
        ..document.plan
    }
}

fn interpreter(asked: &str) -> Result<Interpreter, Missing> {
    match linux().interpreter(&plan(), asked) {
        Err(LabError::Interpreter(missing)) => Err(missing),
        found => Ok(found.unwrap()),
    }
}

/// An order, where there is an interpreter.
fn order(system: LoopSystem, words: &[&str]) -> Option<ScriptOrder> {
    let interpreter = match interpreter("python3") {
        Ok(found) => found.path,
        Err(missing) => {
            println!("skipped: {}", missing.reason);
            return None;
        }
    };
    Some(ScriptOrder {
        system,
        interpreter,
        iterations: 5,
        path: resolve(words[0], PATH),
        argv: words.iter().map(ToString::to_string).collect(),
        environment: vec![format!("PATH={PATH}"), "A=1".to_owned()],
        placement: Placement::Free,
    })
}

fn start(order: &ScriptOrder, timeout: Duration) -> Box<dyn Script> {
    linux().start_script(order, timeout).unwrap()
}

/// Runs an order whose loop must fail.
fn failure(order: &ScriptOrder) -> LabError {
    let mut script = start(order, Duration::from_secs(60));
    script.ready().unwrap();
    script.run(&mut || ()).unwrap_err()
}

fn is_gone(pid: i32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

fn children(pid: u32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn every_script_runs_its_loop_and_ends() {
    for system in SCRIPTS {
        // The environment of the children is the order's and nothing else.
        let words = ["sh", "-c", "test \"$A\" = 1 && test -z \"$HOME\""];
        let Some(order) = order(system, &words) else {
            return;
        };
        let mut script = start(&order, Duration::from_secs(60));
        script.ready().unwrap();
        let census = script.census().unwrap();
        assert!(census.mappings.vmas > 20, "{system:?}: {census:?}");
        let shape = script.shape().unwrap();
        let name = &shape.process.name;
        assert!(name.contains("python"), "{system:?}: {name}");
        assert!(shape.mappings.len() as u64 > 20);
        let pid = script.pid().cast_signed();
        let done = script.run(&mut || ()).unwrap();
        let times = script.end().unwrap();
        assert!(is_gone(pid));
        // An exec alone takes more than ten.
        assert!(done.minor_faults > 10 * order.iterations, "{done:?}");
        assert!(times.life_ns[0] < done.begin_ns && done.begin_ns < done.end_ns);
        assert!(done.end_ns < times.life_ns[1]);
        let (life, took) = (
            times.life_ns[1] - times.life_ns[0],
            done.end_ns - done.begin_ns,
        );
        assert!(times.start_ns > 0 && times.start_ns + took <= life);
        assert!(times.cpu_us > 0 && times.user_us <= times.cpu_us);
    }
}

#[test]
fn a_script_runs_where_it_was_placed_and_the_lab_stays_where_it_was() {
    let words = [
        "sh",
        "-c",
        "grep -q \"^Cpus_allowed_list:.$CPU\\$\" /proc/self/status",
    ];
    let Some(mut order) = order(LoopSystem::PythonFork, &words) else {
        return;
    };
    let before = allowed_cpus().unwrap();
    let cpu = before[0];
    order.placement = Placement::Pinned(cpu);
    order.environment.push(format!("CPU={cpu}"));
    let mut script = start(&order, Duration::from_secs(60));
    assert_eq!(allowed_cpus().unwrap(), before);
    script.ready().unwrap();
    script.run(&mut || ()).unwrap();
    script.end().unwrap();
}

#[test]
fn a_program_that_fails_is_named() {
    for system in SCRIPTS {
        let Some(order) = order(system, &["sh", "-c", "exit 3"]) else {
            return;
        };
        let error = failure(&order);
        let LabError::Program(ProgramError::Failed {
            program, code: 3, ..
        }) = error
        else {
            panic!("{system:?}: {error}");
        };
        assert_eq!(program, order.path);
    }
}

#[test]
fn a_program_that_crashes_is_named_with_its_signal() {
    for system in SCRIPTS {
        let Some(order) = order(system, &["sh", "-c", "kill -SEGV $$"]) else {
            return;
        };
        let said = failure(&order).to_string();
        assert!(
            said.contains("SIGSEGV") && said.contains(&order.path),
            "{said}"
        );
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    for system in SCRIPTS {
        let Some(mut order) = order(system, &["true"]) else {
            return;
        };
        order.path = "/nowhere/program".to_owned();
        let error = failure(&order);
        assert!(matches!(error, LabError::Program(_)), "{system:?}: {error}");
        assert!(error.to_string().contains("/nowhere/program"), "{error}");
    }
}

#[test]
fn an_interpreter_that_cannot_import_says_why() {
    let Some(mut order) = order(LoopSystem::PythonPopen, &["true"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("subprocess.py"),
        "raise ImportError('broken')\n",
    )
    .unwrap();
    let path = dir.path().to_str().unwrap();
    order.environment.push(format!("PYTHONPATH={path}"));
    let mut script = start(&order, Duration::from_secs(60));
    let said = script.ready().unwrap_err().to_string();
    assert!(
        said.contains("popen.py") && said.contains("ImportError: broken"),
        "{said}"
    );
}

#[test]
fn an_interpreter_that_floods_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut order) = order(LoopSystem::PythonFork, &["true"]) else {
        return;
    };
    order.interpreter = wrapper(
        dir.path(),
        "#!/bin/sh\nwhile :; do echo flooding the memory >&2; done\n",
    );
    let mut script = start(&order, Duration::from_secs(60));
    let said = script.ready().unwrap_err().to_string();
    assert!(said.contains("writes to stderr without end"), "{said}");
}

#[test]
fn a_child_that_nobody_can_wait_for_is_no_program_that_fails() {
    let Some(mut order) = order(LoopSystem::PythonFork, &["true"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let ignores = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n";
    fs::write(dir.path().join("sitecustomize.py"), ignores).unwrap();
    let path = dir.path().to_str().unwrap();
    order.environment.push(format!("PYTHONPATH={path}"));
    let error = failure(&order);
    assert!(matches!(error, LabError::Script { .. }), "{error}");
    assert!(error.to_string().contains("ChildProcessError"), "{error}");
}

#[test]
fn who_asks_to_stop_is_not_told_that_an_interpreter_is_missing() {
    let stop = Stop::default();
    stop.0.store(15, Ordering::Relaxed);
    let linux = Linux::new(stop, &[Placement::Free]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let slow = wrapper(dir.path(), "#!/bin/sh\nsleep 60\n");
    for asked in [slow.as_str(), "no-such-python"] {
        let error = linux.interpreter(&plan(), asked).unwrap_err();
        assert!(matches!(error, LabError::Interrupted(15)), "{error}");
    }
}

#[test]
fn a_program_that_hangs_ends_the_run() {
    let Some(order) = order(LoopSystem::PythonPopen, &["sleep", "60"]) else {
        return;
    };
    // The interpreter itself starts within the time-out, or the test proves
    // nothing.
    let mut script = start(&order, Duration::from_secs(3));
    script.ready().unwrap();
    let error = script.run(&mut || ()).unwrap_err();
    let LabError::Program(ProgramError::Stalled {
        program, mappings, ..
    }) = error
    else {
        panic!("{error}");
    };
    assert_eq!(program, order.path);
    assert!(mappings > 20);
}

#[test]
fn a_script_that_is_killed_leaves_nothing_behind() {
    // It leaves its process group.
    let Some(order) = order(LoopSystem::PythonFork, &["setsid", "sleep", "60"]) else {
        return;
    };
    let mut script = start(&order, Duration::from_secs(60));
    script.ready().unwrap();
    let pid = script.pid();
    let mut seen = Vec::new();
    let mut idle = || {
        let found = children(pid);
        if seen.is_empty() && !found.is_empty() {
            seen = found;
            kill(pid.cast_signed(), libc::SIGKILL).unwrap();
        }
    };
    let said = script.run(&mut idle).unwrap_err().to_string();
    assert!(
        said.contains("SIGKILL") && said.contains("fork.py"),
        "{said}"
    );
    drop(script);
    assert!(!seen.is_empty() && is_gone(pid.cast_signed()));
    // A child in the midst of its fork is adopted only then.
    let begin = Instant::now();
    while !seen.iter().all(|child| is_gone(*child)) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{seen:?} stay");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dropped_script_is_gone() {
    let Some(order) = order(LoopSystem::PythonPopen, &["true"]) else {
        return;
    };
    let script = start(&order, Duration::from_secs(60));
    let pid = script.pid().cast_signed();
    drop(script);
    assert!(is_gone(pid));
}

/// A program of one's own that claims to be an interpreter.
fn wrapper(dir: &Path, text: &str) -> String {
    let file = dir.join("python");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_wrapper_is_seen_through() {
    let Ok(real) = interpreter("python3") else {
        println!("skipped: no python3");
        return;
    };
    let header = fs::read(&real.path).unwrap();
    assert!(
        header.starts_with(b"\x7fELF"),
        "{} is no program",
        real.path
    );
    let dir = tempfile::tempdir().unwrap();
    let asked = wrapper(
        dir.path(),
        &format!("#!/bin/sh\nexec {} \"$@\"\n", real.path),
    );
    let found = interpreter(&asked).unwrap();
    assert_eq!((&found.path, &found.version), (&real.path, &real.version));
    assert_eq!(found.asked, asked);
}

#[test]
fn what_is_no_interpreter_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = dir.path().join("nothing").to_str().unwrap().to_owned();
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mut cases = vec![
        ("no-such-python".to_owned(), "not found in PATH"),
        (nothing, "not found"),
        (plain.to_str().unwrap().to_owned(), "not executable"),
    ];
    for (name, text, named) in [
        (
            "fails",
            "echo first; echo broken >&2; exit 3",
            "status 3: broken",
        ),
        ("babbles", "echo hello", "does not answer"),
        (
            "old",
            "printf 'cpython\\n2.7.18\\n/bin/sh\\n/bin/sh\\n'",
            "Python 3 is needed",
        ),
        (
            "other",
            "printf 'pypy\\n3.10.1\\n/bin/sh\\n/bin/sh\\n'",
            "CPython",
        ),
    ] {
        let own = dir.path().join(name);
        fs::create_dir(&own).unwrap();
        cases.push((wrapper(&own, &format!("#!/bin/sh\n{text}\n")), named));
    }
    for (asked, named) in cases {
        let missing = interpreter(&asked).unwrap_err();
        assert!(missing.reason.contains(named), "{}", missing.reason);
        assert!(missing.reason.contains(&asked), "{}", missing.reason);
        assert!(missing.remedy.unwrap().contains("--python"));
    }
}
