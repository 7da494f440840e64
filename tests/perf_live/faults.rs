//! Page faults of a child, by address.

use std::hint::black_box;
use std::process::Command;

use forktax::profile::events::{Mode, SampleEvent};
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
