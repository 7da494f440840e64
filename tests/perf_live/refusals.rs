//! What is refused to whom, and how it is said.

use std::process::{Command, Stdio};

use forktax::sys::perf::{PerfError, Recorder, Target};

use super::{alone, online_cpus, skip};

#[test]
fn a_refusal_names_the_level_that_would_do() {
    let _turn = alone();
    let cpus = online_cpus();
    let own = Target::Family(std::process::id());
    let every = Target::EveryProcess;
    for (recorder, level) in [
        (Recorder::modes(&cpus, 1_000), 0),
        (Recorder::chains(every, &cpus, 1_000), 0),
        (Recorder::chains(own, &cpus, 1_000), 1),
        (Recorder::stamps(every, &cpus, &[]), 0),
        (Recorder::stamps(own, &cpus, &[]), 2),
        (Recorder::faults(every, &cpus), 0),
        (Recorder::faults(own, &cpus), 1),
    ] {
        match recorder {
            Ok(recorder) => assert_eq!(recorder.target() == every, level == 0),
            Err(error) => {
                skip(&error);
                if let PerfError::NotPermitted { needed, .. } = error {
                    assert_eq!(needed, level);
                }
            }
        }
    }
}

#[test]
fn a_family_needs_no_privilege_where_everybody_may_open_events() {
    let _turn = alone();
    let level = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    let level = level.ok().and_then(|text| text.trim().parse::<i64>().ok());
    match Recorder::stamps(Target::Family(std::process::id()), &online_cpus(), &[]) {
        Ok(_) => {}
        Err(error) => {
            let by_level = matches!(error, PerfError::NotPermitted { .. });
            assert!(!by_level || level.is_none_or(|level| level > 2), "{error}");
            skip(&error);
        }
    }
}

#[test]
fn a_process_that_is_gone_is_named() {
    let _turn = alone();
    let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
    let gone = child.id();
    child.wait().unwrap();
    // The kernel would take the first for the caller and the last for every
    // process.
    for pid in [0, gone, u32::MAX] {
        match Recorder::stamps(Target::Family(pid), &online_cpus(), &[]) {
            Err(error @ PerfError::NoProcess(named)) => {
                assert_eq!(named, pid);
                assert!(error.to_string().contains(&pid.to_string()));
            }
            Err(error) => skip(&error),
            Ok(_) => panic!("nobody is process {pid}"),
        }
    }
}
