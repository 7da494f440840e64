//! Page faults of a child, by address, and its mappings.

use std::hint::black_box;
use std::process::Command;

use forktax::sys::events::{Mode, SampleEvent};
use forktax::sys::memory::page_size;
use forktax::sys::perf::Recorder;

use super::watched::{shell, targets, watch};
use super::{online_cpus, skip};

const PAGES: usize = 200;
const IN_CHILD: &str = "FORKTAX_TEST_TOUCHES";

/// No test of its own: what the watched child does.
#[test]
fn child_that_touches_fresh_pages() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    // More than malloc takes from its heap, less than a huge page.
    let mut block = vec![0_u8; PAGES * page_size()];
    for page in block.chunks_mut(page_size()) {
        page[0] = 1;
    }
    println!("touched {}", black_box(&block).as_ptr().addr());
}

/// A shell that becomes the child once it is watched: by then the test's own
/// thread must not exist yet, or it would be none of the family.
fn toucher() -> Command {
    let arguments = "--exact faults::child_that_touches_fresh_pages --nocapture";
    let mut command = shell(&format!("exec \"$TESTS\" {arguments}"));
    command
        .env("TESTS", std::env::current_exe().unwrap())
        .env(IN_CHILD, "1");
    command
}

fn check_faults(which: usize) {
    let open = |pid| Recorder::faults(targets(pid)[which], &online_cpus());
    let watched = match watch(toucher(), open) {
        Ok(watched) => watched,
        Err(error) => return skip(&error),
    };
    let begin: u64 = watched
        .stdout
        .lines()
        .find_map(|line| line.split_once("touched ")?.1.parse().ok())
        .unwrap();
    let mut pages: Vec<u64> = watched
        .events
        .iter()
        .filter_map(|event| match *event {
            SampleEvent::Fault {
                pid, address, mode, ..
            } if pid == watched.pid && mode == Mode::User => Some(address / page_size() as u64),
            _ => None,
        })
        .collect();
    pages.sort_unstable();
    pages.dedup();
    let first = begin / page_size() as u64;
    let touched = first..=first + PAGES as u64;
    let hits = pages.iter().filter(|page| touched.contains(page)).count();
    assert!(hits >= PAGES, "{hits} of {PAGES} pages faulted");
    let exit =
        |event: &SampleEvent| matches!(event, SampleEvent::Exit { pid, .. } if *pid == watched.pid);
    assert!(watched.events.iter().any(exit));
}

#[test]
fn every_process_s_faults_have_their_address() {
    check_faults(0);
}

#[test]
fn a_family_s_faults_have_their_address() {
    check_faults(1);
}

/// The last mapping that was recorded of this address since the exec: whether
/// it has a file, is shared, may be written to.
fn recorded(events: &[SampleEvent], pid: u32, address: u64) -> Option<[bool; 3]> {
    let executed = |event: &SampleEvent| matches!(event, SampleEvent::Exec { pid: which, .. } if *which == pid);
    let exec = events.iter().rposition(executed).unwrap();
    events[exec..].iter().rev().find_map(|event| match *event {
        SampleEvent::Map {
            pid: which,
            start,
            end,
            file,
            shared,
            writable,
            ..
        } if which == pid && (start..end).contains(&address) => Some([file, shared, writable]),
        _ => None,
    })
}

fn check_mappings(which: usize) {
    let open = |pid| Recorder::faults(targets(pid)[which], &online_cpus());
    let watched = match watch(shell("exec cat /proc/self/maps"), open) {
        Ok(watched) => watched,
        Err(error) => return skip(&error),
    };
    let mut compared = 0;
    for line in watched.stdout.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = fields.get(5).copied().unwrap_or_default();
        if name == "[vsyscall]" {
            // It is the kernel's, at one address for all.
            continue;
        }
        let start = u64::from_str_radix(line.split_once('-').unwrap().0, 16).unwrap();
        let is_anonymous = ["", "[heap]", "[stack]"].contains(&name);
        let expected = [
            !is_anonymous,
            fields[1].ends_with('s'),
            fields[1].contains('w'),
        ];
        let found = recorded(&watched.events, watched.pid, start);
        assert_eq!(found, Some(expected), "{line}");
        compared += 1;
    }
    // Text, constants, heap, stack and vdso at the least.
    assert!(compared >= 5, "{}", watched.stdout);
}

#[test]
fn every_process_s_mappings_are_those_that_it_has() {
    check_mappings(0);
}

#[test]
fn a_family_s_mappings_are_those_that_it_has() {
    check_mappings(1);
}
