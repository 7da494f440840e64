//! `explain` with programs, methods and conditions of the user's, and what it
//! refuses and leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use forktax::model::{
    Availability, Document, MissingKind, Phase, SpawnMethod, Stopped, Temperature,
};

use super::explain::{alone, explain, explanation, ledger, method, phase, phase_time, phases_sum};
use super::{assert_no_process, await_spawns, failure, forktax, kill, output, worker_of};

fn is_not_asked<T>(figure: &Availability<T>) -> bool {
    let missing = figure.missing();
    missing.is_some_and(|missing| missing.missing == MissingKind::NotAsked)
}

/// Whether breakpoints can be set here; a refusal must come with its reason.
fn has_breakpoints(document: &Document) -> bool {
    let breakpoint = &explanation(document).breakpoint;
    if let Some(missing) = breakpoint.missing() {
        assert_eq!(missing.missing, MissingKind::Unavailable, "{missing:?}");
        println!("skipped: breakpoints: {}", missing.reason);
    }
    breakpoint.measured().is_some()
}

/// Builds a program that does nothing, where there is a compiler that can.
fn compiled(dir: &Path, flags: &[&str]) -> Option<PathBuf> {
    let source = dir.join("nothing.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let program = dir.join("nothing");
    let built = Command::new("cc")
        .args(flags)
        .args(["-o".as_ref(), program.as_os_str(), source.as_os_str()])
        .stderr(Stdio::null())
        .status();
    built
        .is_ok_and(|status| status.success())
        .then_some(program)
}

#[test]
fn a_dynamic_program_has_a_loader() {
    let document = explain("--mappings 0 --spawns 40 --hz 100 -- true");
    for of in [SpawnMethod::Fork, SpawnMethod::PosixSpawn] {
        let Some(ledger) = ledger(&document, of) else {
            return;
        };
        let loader = phase_time(ledger, Phase::Loader);
        let libc = phase_time(ledger, Phase::Libc);
        // A host may link even this statically, so that is no failure.
        if has_breakpoints(&document) && !is_not_asked(loader) {
            let loader = loader.measured().unwrap().value;
            assert!(libc.measured().is_none_or(|libc| loader > libc.value));
            assert!(loader > 0.05 * ledger.total_ns.value, "{ledger:?}");
        } else {
            assert!(!loader.missing().unwrap().reason.is_empty());
        }
    }
}

#[test]
fn a_static_program_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compiled(dir.path(), &["-static"]) else {
        println!("skipped: no compiler here builds static programs");
        return;
    };
    let words = format!("--mappings 0 --spawns 20 --hz 100 -- {}", program.display());
    let document = explain(&words);
    let Some(ledger) = ledger(&document, SpawnMethod::Fork) else {
        return;
    };
    let loader = phase_time(ledger, Phase::Loader).missing().unwrap();
    if has_breakpoints(&document) {
        assert!(loader.reason.contains("no dynamic loader"), "{loader:?}");
        assert!(phase(ledger, Phase::ExecStart) > 0.0);
    }
}

#[test]
fn a_child_that_leaves_at_once_executes_nothing() {
    let document = explain("--mappings 1000 --spawns 30 --child exit --rewrite 0");
    let methods = &explanation(&document).methods;
    assert_eq!(methods.len(), 1);
    let Some(ledger) = ledger(&document, SpawnMethod::Fork) else {
        return;
    };
    for absent in [
        Phase::ExecTeardown,
        Phase::ExecStart,
        Phase::Loader,
        Phase::Libc,
        Phase::Run,
    ] {
        assert!(is_not_asked(phase_time(ledger, absent)), "{absent:?}");
    }
    // An old kernel ends its child after the teardown, a new one before it.
    let freed = [Phase::Exit, Phase::Teardown].map(|p| phase_time(ledger, p).measured());
    let freed: f64 = freed.into_iter().flatten().map(|time| time.value).sum();
    let copied = phase(ledger, Phase::Copy);
    let rest = phases_sum(ledger) - freed - copied;
    assert!(freed + copied > rest, "{ledger:?}");
    assert!(freed > 0.1 * copied, "{ledger:?}");
}

#[test]
fn every_method_has_a_ledger_and_its_gaps_have_reasons() {
    let document = explain("--mappings 10 --spawns 20 --method all --hz 100");
    let own = |method: &SpawnMethod| method.has_own_children();
    let explained = SpawnMethod::ALL.into_iter().filter(own);
    assert_eq!(
        explanation(&document).methods.len(),
        explained.clone().count()
    );
    for of in explained {
        let found = &method(&document, of).ledger;
        if of.is_optional() && found.missing().is_some() {
            continue; // Linux before 5.5, or a filter.
        }
        let Some(ledger) = ledger(&document, of) else {
            return;
        };
        // On a busy host three workers of two spawns are left at the least.
        assert!(ledger.spawns + ledger.incomplete >= 6, "{of:?}");
        assert!(ledger.spawns >= 3, "{of:?}: {ledger:?}");
        assert!(phase(ledger, Phase::Copy) > 0.0, "{of:?}");
        for time in &ledger.phases {
            let missing = time.ns.missing();
            let is_false = |reason: &str| reason.contains("nothing was stamped");
            assert!(
                missing.is_none_or(|m| !is_false(&m.reason)),
                "{of:?} {time:?}"
            );
        }
    }
}

#[test]
fn a_free_and_a_cold_parent_are_explained_too() {
    let free = explain("--mappings 10 --spawns 20 --cpu any --hz 100");
    let cold = explain("--mappings 10 --spawns 2 --cold --method fork --rewrite 0");
    assert!(matches!(cold.plan.temperature, Temperature::Cold { .. }));
    for document in [&free, &cold] {
        let Some(ledger) = ledger(document, SpawnMethod::Fork) else {
            return;
        };
        assert!(ledger.spawns >= 2);
        assert!(phase(ledger, Phase::Copy) > 0.0);
    }
}

#[test]
fn pictures_are_written_and_what_cannot_be_bars_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let names = ["a.folded", "a.json", "a.svg", "a.txt", "a.csv"];
    let mut command = forktax("explain --mappings 500 --spawns 40 --hz 5k --rewrite 0");
    for name in names {
        command.arg("--export").arg(file(name));
    }
    let turn = alone();
    let run = command.output().unwrap();
    drop(turn);
    let said = String::from_utf8_lossy(&run.stderr);
    let document: Document = serde_json::from_slice(&fs::read(file("a.json")).unwrap()).unwrap();
    if method(&document, SpawnMethod::Fork)
        .mechanisms
        .measured()
        .is_some()
    {
        assert!(run.status.success(), "{said}");
        let folded = fs::read_to_string(file("a.folded")).unwrap();
        assert!(!folded.is_empty());
        for line in folded.lines() {
            let (chain, count) = line.rsplit_once(' ').unwrap();
            assert!(
                !chain.is_empty() && count.parse::<u64>().unwrap() > 0,
                "{line}"
            );
        }
    } else {
        assert_eq!(run.status.code(), Some(4), "{said}");
        assert!(said.contains("a.folded"), "{said}");
        assert!(!file("a.folded").exists());
    }
    let svg = fs::read_to_string(file("a.svg")).unwrap();
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{svg}");
    assert!(svg.trim_end().ends_with("</svg>"), "{svg}");
    assert_eq!(fs::read(file("a.txt")).unwrap(), run.stdout);
    for (name, format) in [("a.txt", "table"), ("a.csv", "csv")] {
        let json = file("a.json");
        let shown = output(&format!("show {} --format {format}", json.display()));
        assert_eq!(fs::read(file(name)).unwrap(), shown.stdout, "{name}");
    }
}

#[test]
fn a_picture_that_this_build_cannot_draw_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("a.flame.svg");
    let begin = Instant::now();
    if !cfg!(feature = "flamegraph") {
        let said = failure(&format!("explain --export {}", picture.display()), 4);
        assert!(said.contains("--features flamegraph"), "{said}");
    }
    let picture = dir.path().join("a.svg");
    let said = failure(&format!("sweep --export {}", picture.display()), 4);
    assert!(said.contains("explain"), "{said}");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "it measured first"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn bad_orders_and_programs_have_a_status_of_their_own() {
    for (words, named) in [
        ("explain --hz 0", "--hz 0"),
        ("explain --hz 1M", "--hz"),
        ("explain --mappings 1,2", "1,2"),
        ("explain --mappings 100M", "vm.max_map_count"),
        ("explain --method spoon", "spoon"),
        ("explain --child exit --method std", "std"),
    ] {
        let said = failure(words, 2);
        assert!(said.contains(named), "{words}: {said}");
    }
    let said = failure("explain -- /no/such/program", 3);
    assert!(said.contains("/no/such/program"), "{said}");
    let crash = forktax("explain -- sh -c").arg("kill -SEGV $$").output();
    let crash = crash.unwrap();
    assert_eq!(crash.status.code(), Some(3));
    let said = String::from_utf8_lossy(&crash.stderr);
    assert!(said.contains("SIGSEGV"), "{said}");
}

/// Spawns after which the first worker of an endless run is through.
const FIRST_WORKER: u64 = 600;

#[test]
fn a_signal_ends_an_explanation_and_keeps_what_there_is() {
    // Each comes while another pass is at work.
    for (signal, status, spawns) in [("INT", 130, 600), ("TERM", 143, 1_000), ("HUP", 129, 1_600)] {
        let _turn = alone();
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("partial.json");
        let mut child = begin_endless(dir.path(), &export);
        await_spawns(dir.path(), spawns);
        kill(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(status), "SIG{signal}");
        assert_no_process(&dir.path().display().to_string());
        let document: Document = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
        assert_eq!(document.run.stopped, Stopped::Interrupted);
        assert!(document.findings.cells().iter().any(|cell| cell.spawns > 0));
        let ledger = &method(&document, SpawnMethod::Fork).ledger;
        assert!(ledger.missing().is_none_or(|m| !m.reason.is_empty()));
    }
}

#[test]
fn a_signal_before_there_is_a_time_leaves_no_file() {
    let _turn = alone();
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("none.json");
    let mut child = begin_endless(dir.path(), &export);
    await_spawns(dir.path(), 5);
    kill("INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_no_process(&dir.path().display().to_string());
    // A busy host may let the first worker end before the signal comes.
    if let Ok(bytes) = fs::read(&export) {
        let document: Document = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document.run.stopped, Stopped::Interrupted);
    }
}

#[test]
fn a_killed_worker_of_an_explanation_is_reported() {
    let _turn = alone();
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("partial.json");
    let mut child = begin_endless(dir.path(), &export);
    await_spawns(dir.path(), FIRST_WORKER);
    let killed = (0..1_000).any(|_| {
        let Some(pid) = worker_of(child.id()) else {
            return false;
        };
        let status = Command::new("kill").args(["-KILL", &pid]).status();
        status.unwrap().success()
    });
    assert!(killed, "no worker was found");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let document: Document = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
    assert!(matches!(&document.run.stopped, Stopped::Failed(why) if why.contains("SIGKILL")));
    assert_no_process(&dir.path().display().to_string());
}

/// Starts an explanation that would go on for an hour, with a program whose
/// path is in `dir` and which leaves a trace of each spawn there.
fn begin_endless(dir: &Path, export: &Path) -> Child {
    let text = format!("echo >> {}", dir.join("trace").display());
    let mark = format!("MARK={}", dir.display());
    forktax("explain -q --mappings 20 --method fork --time 60m --env")
        .arg(mark)
        .arg("--export")
        .arg(export)
        .args(["--", "sh", "-c", &text])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
