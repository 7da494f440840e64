//! Kernel call chains of a child.

use forktax::sys::events::{Mode, SampleEvent};
use forktax::sys::perf::Recorder;

use super::watched::{Watched, shell, targets, watch};
use super::{online_cpus, skip};

/// A shell that is busy in both modes.
const BUSY: &str = "dd if=/dev/zero of=/dev/null bs=1M count=2000; \
                    i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";

/// The chains of the shell and of its children, with the mode of each.
fn chains(watched: &Watched) -> Vec<(Mode, &[u64])> {
    let mut family = vec![watched.pid];
    let mut chains = Vec::new();
    for event in &watched.events {
        match event {
            SampleEvent::Fork { pid, ppid, .. } if family.contains(ppid) => family.push(*pid),
            SampleEvent::Chain {
                pid, mode, frames, ..
            } if family.contains(pid) => chains.push((*mode, frames.as_slice())),
            _ => {}
        }
    }
    chains
}

fn check_chains(which: usize) {
    let open = |pid| Recorder::chains(targets(pid)[which], &online_cpus(), 2_000);
    let watched = match watch(shell(BUSY), open) {
        Ok(watched) => watched,
        Err(error) => return skip(&error),
    };
    let chains = chains(&watched);
    let of_mode = |wanted: Mode| chains.iter().filter(move |(mode, _)| *mode == wanted);
    let (kernel, user) = (of_mode(Mode::Kernel).count(), of_mode(Mode::User).count());
    assert!(kernel >= 20 && user >= 20, "{kernel} {user}");
    for (_, frames) in of_mode(Mode::User) {
        assert!(frames.is_empty(), "{frames:x?}");
    }
    for (_, frames) in of_mode(Mode::Kernel) {
        assert!(frames.iter().all(|&frame| frame >= 1 << 63), "{frames:x?}");
        assert!(
            frames.iter().all(|&frame| frame < u64::MAX - 4095),
            "{frames:x?}"
        );
    }
    // A read of zeroes is deeper than its leaf in every kernel.
    let deep = of_mode(Mode::Kernel)
        .filter(|(_, frames)| frames.len() >= 3)
        .count();
    assert!(2 * deep > kernel, "{deep} of {kernel}");
}

#[test]
fn every_process_s_chains_are_the_kernel_s() {
    check_chains(0);
}

#[test]
fn a_family_s_chains_are_the_kernel_s() {
    check_chains(1);
}
