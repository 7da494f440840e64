//! Ticks of whole CPUs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use forktax::profile::modes::{ModeTicks, split};
use forktax::sys::perf::Recorder;

use super::{alone, in_order, online_cpus, skip};

/// The ticks of a shell that runs a script, and of the shell's descendants.
fn ticks_of(script: &str) -> Option<ModeTicks> {
    let _turn = alone();
    let mut sampler = match Recorder::modes(&online_cpus(), 2_000) {
        Ok(sampler) => sampler,
        Err(error) => {
            skip(&error);
            return None;
        }
    };
    sampler.start().unwrap();
    let mut child = shell(script);
    let pid = child.id();
    let mut events = Vec::new();
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
        events.extend(sampler.drain());
    }
    sampler.stop().unwrap();
    events.extend(sampler.drain());
    assert!(in_order(&events));
    split(&events, pid, &[(0, u64::MAX, 0)]).ticks.pop()
}

fn shell(script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_busy_loop_ticks_in_user_mode() {
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let Some(ticks) = ticks_of(script) else {
        return;
    };
    assert!(ticks.user >= 20, "{ticks:?}");
    assert!(ticks.user > 3 * ticks.kernel, "{ticks:?}");
}

#[test]
fn a_descendant_that_reads_zeroes_ticks_in_kernel_mode() {
    // The last command keeps the shell from executing dd in its own place.
    let script = "dd if=/dev/zero of=/dev/null bs=1M count=3000; true";
    let Some(ticks) = ticks_of(script) else {
        return;
    };
    assert!(ticks.kernel >= 20, "{ticks:?}");
    assert!(ticks.kernel > 3 * ticks.user, "{ticks:?}");
}

#[test]
fn a_frequency_beyond_the_kernel_s_limit_is_stepped_down() {
    let _turn = alone();
    match Recorder::modes(&online_cpus()[..1], u64::MAX) {
        Ok(sampler) => assert!(sampler.hz() < u64::MAX && sampler.hz() > 0),
        Err(error) => skip(&error),
    }
}
