//! Studies that are measured again, in short.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use forktax::model::{Answer, Document, Findings, Loop, LoopSystem, Looped};

use super::{failure, output};

fn reproduced(words: &str) -> Document {
    let output = output(&format!("reproduce --format json --seed 1 {words}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn answer(document: &Document) -> &Answer {
    match &document.findings {
        Findings::Reproduction(reproduction) => &reproduction.answer,
        other => panic!("{other:?} reproduces nothing"),
    }
}

fn rows(document: &Document) -> &[Loop] {
    match answer(document) {
        Answer::Programs(loops) => &loops.rows,
        Answer::Spaces { .. } => panic!("it is a study of address spaces"),
    }
}

fn row(document: &Document, system: LoopSystem) -> Option<&Looped> {
    let mut rows = rows(document).iter();
    let row = rows.find(|row| row.system == system).unwrap();
    row.here.measured()
}

fn script(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_programs_of_the_article_run() {
    let document = reproduced("python-2014 --iterations 30 --repeats 3 -- true");
    assert_eq!(document.run.rounds, 3);
    let found = |system| row(&document, system).unwrap();
    let parent = |system| *found(system).parent.measured().unwrap();
    let (plain, malloc) = (parent(LoopSystem::CFork), parent(LoopSystem::CForkMalloc));
    assert_eq!(
        plain.mappings.vmas, malloc.mappings.vmas,
        "blocks from malloc are no mappings"
    );
    // A page of each block, and 47 page tables' worth of distance.
    assert!(malloc.mappings.present_ptes > plain.mappings.present_ptes + 800);
    assert!(malloc.page_table_bytes > plain.page_table_bytes + 20 * 4_096);
    // Three instructions start and end faster than a program of libc's.
    let best = |system| found(system).runs.iter().map(|run| run.loop_ns).min();
    assert!(best(LoopSystem::CPosixSpawnFloor) < best(LoopSystem::CPosixSpawnPlain));
    let faults = |system| found(system).minor_faults.measured().unwrap().value;
    assert!(faults(LoopSystem::CPosixSpawnFloor) < faults(LoopSystem::CPosixSpawn));
    let Some(python) = row(&document, LoopSystem::PythonFork) else {
        return println!("skipped: no python3");
    };
    let own = python.parent.measured().unwrap();
    // What a fork copies of it; of their files' pages a worker may have more.
    assert!(own.mappings.vmas > plain.mappings.vmas && own.mappings.ptes > plain.mappings.ptes);
    assert!(python.start_s.value > 0.0);
    if let Some(like) = row(&document, LoopSystem::CForkLikePython) {
        let like = like.parent.measured().unwrap();
        let python = python.parent.measured().unwrap();
        let pairs = [
            [like.mappings.vmas, python.mappings.vmas, 10],
            [like.mappings.ptes, python.mappings.ptes, 260],
        ];
        for [built, wanted, off] in pairs {
            assert!(built.abs_diff(wanted) <= off + wanted / 20, "{pairs:?}");
        }
    }
}

#[test]
fn what_is_named_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let flood = script(
        dir.path(),
        "flood",
        "while :; do echo flooding the memory; done",
    );
    let said = failure(
        &format!("reproduce python-2014 --python {flood} -- true"),
        2,
    );
    assert!(said.contains("writes without end"), "{said}");
    let path = dir.path().to_str().unwrap();
    let said = failure(&format!("reproduce python-2014 --python {path} -- true"), 2);
    assert!(said.contains(&format!("{path}: is a directory")), "{said}");
    let said = failure("reproduce python-2014 --python not -- true", 2);
    assert!(said.contains("not: not found in PATH"), "{said}");
    let said = failure("reproduce python-2014 -- /nowhere/program", 3);
    assert!(said.contains("/nowhere/program: not found"), "{said}");
}

#[test]
fn a_row_that_fails_is_the_status_and_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    // It fails at its fortieth start, and at no other.
    let log = dir.path().join("starts").to_str().unwrap().to_owned();
    let text = format!("echo >>{log}\n[ $(wc -l <{log}) -ne 40 ]");
    let own = script(dir.path(), "own", &text);
    let words = format!("reproduce python-2014 --format json --iterations 4 --repeats 2 -- {own}");
    let output = output(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("status 1"), "{said}");
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    let lost = rows(&document).iter().filter(|row| {
        let missing = row.failed.as_ref().or(row.here.missing());
        missing.is_some_and(|missing| missing.reason.contains("status 1"))
    });
    assert_eq!(lost.count(), 1);
}

#[test]
fn a_study_of_address_spaces_has_its_published_figures_beside_those_of_here() {
    let document = reproduced("mt-dup-2023 --time 1s");
    let Answer::Spaces { points, .. } = answer(&document) else {
        panic!("it is a study of address spaces");
    };
    assert_eq!(points.len(), 6);
    assert!(points.iter().all(|point| point.figures.len() == 2));
    assert_eq!(document.findings.cells().len(), document.plan.spaces.len());
    let total = |place: usize| {
        document.findings.cells()[place]
            .total_ns
            .measured()
            .unwrap()
            .median
            .value
    };
    assert!(total(5) > 5.0 * total(0), "VMAs cost time");
}
