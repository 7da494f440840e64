//! The moments of a spawn, seen from outside.

use forktax::sys::events::SampleEvent;
use forktax::sys::image::ExecImage;
use forktax::sys::perf::{PerfError, Recorder, Target};

use super::watched::{Watched, shell, targets, watch};
use super::{alone, online_cpus, skip};

/// Where the embedded program begins: behind an ELF header and two program
/// headers in a segment at 4 MiB.
const ENTRY: u64 = 0x40_0000 + 64 + 2 * 56;

const SPAWNS: usize = 8;

/// A shell's spawns of the embedded program, with `landmarks` watched.
fn spawns(which: usize, landmarks: &[u64]) -> Result<Watched, PerfError> {
    let image = ExecImage::embedded(&[]).unwrap();
    let program = image.path().to_str().unwrap();
    // The last command keeps the shell from executing the program in its own
    // place.
    let script = format!("for i in 1 2 3 4 5 6 7 8; do {program}; done; true");
    watch(shell(&script), |pid| {
        Recorder::stamps(targets(pid)[which], &online_cpus(), landmarks)
    })
}

/// The children of a watched shell, in order.
fn children(watched: &Watched) -> Vec<u32> {
    let child = |event: &SampleEvent| match *event {
        SampleEvent::Fork { pid, ppid, .. } if ppid == watched.pid => Some(pid),
        _ => None,
    };
    watched.events.iter().filter_map(child).collect()
}

/// When the one such event of a process was; there must be exactly one.
fn time_of(events: &[SampleEvent], which: impl Fn(&SampleEvent) -> bool) -> u64 {
    let times: Vec<u64> = events
        .iter()
        .filter(|event| which(event))
        .filter_map(SampleEvent::time_ns)
        .collect();
    assert_eq!(times.len(), 1, "{times:?}");
    times[0]
}

/// The times at which a process got a CPU, and those at which it left one.
fn switches(events: &[SampleEvent], process: u32) -> [Vec<u64>; 2] {
    [true, false].map(|way| {
        let time = |event: &SampleEvent| match *event {
            SampleEvent::Switch {
                time_ns, pid, into, ..
            } if pid == process && into == way => Some(time_ns),
            _ => None,
        };
        events.iter().filter_map(time).collect()
    })
}

fn check_order(watched: &Watched) {
    let events = &watched.events;
    let children = children(watched);
    assert_eq!(children.len(), SPAWNS, "{events:?}");
    for child in children {
        let fork = time_of(
            events,
            |event| matches!(event, SampleEvent::Fork { pid, .. } if *pid == child),
        );
        let exec = time_of(
            events,
            |event| matches!(event, SampleEvent::Exec { pid, .. } if *pid == child),
        );
        let exit = time_of(
            events,
            |event| matches!(event, SampleEvent::Exit { pid, .. } if *pid == child),
        );
        assert!(fork < exec && exec < exit, "{fork} {exec} {exit}");
        let [into, _] = switches(events, child);
        assert!(
            into.first()
                .is_some_and(|&first| fork < first && first < exec)
        );
    }
    let [into, out] = switches(events, watched.pid);
    assert!(
        into.len() >= SPAWNS && out.len() >= SPAWNS,
        "it waits for each"
    );
    let own =
        |event: &SampleEvent| matches!(event, SampleEvent::Exit { pid, .. } if *pid == watched.pid);
    assert!(events.iter().any(own), "the shell's own end");
}

#[test]
fn every_process_s_spawns_are_fork_exec_exit() {
    match spawns(0, &[]) {
        Ok(watched) => {
            check_order(&watched);
            // Only CPU-wide events outlive the exit of a process.
            for child in children(&watched) {
                let [_, out] = switches(&watched.events, child);
                assert!(!out.is_empty(), "{child} never left its CPU");
            }
        }
        Err(error) => skip(&error),
    }
}

#[test]
fn a_family_s_spawns_are_fork_exec_exit() {
    match spawns(1, &[]) {
        Ok(watched) => check_order(&watched),
        Err(error) => skip(&error),
    }
}

/// One landmark at the program's entry and one where it never comes to.
fn check_landmarks(which: usize) {
    let never = 0x7fff_0000;
    let watched = match spawns(which, &[never, ENTRY]) {
        Ok(watched) => watched,
        Err(error @ (PerfError::NoLandmarks | PerfError::NoLandmarkLeft)) => {
            return println!("skipped: {error}; {}", error.remedy());
        }
        Err(error) => return skip(&error),
    };
    check_order(&watched);
    let events = &watched.events;
    for child in children(&watched) {
        let hit = time_of(
            events,
            |event| matches!(event, SampleEvent::Landmark { pid, .. } if *pid == child),
        );
        let exec = time_of(
            events,
            |event| matches!(event, SampleEvent::Exec { pid, .. } if *pid == child),
        );
        let exit = time_of(
            events,
            |event| matches!(event, SampleEvent::Exit { pid, .. } if *pid == child),
        );
        assert!(exec < hit && hit < exit, "{exec} {hit} {exit}");
    }
    let first = |event: &SampleEvent| matches!(event, SampleEvent::Landmark { index: 0, .. });
    assert!(!events.iter().any(first), "nobody comes there");
}

#[test]
fn every_process_comes_to_a_landmark_once() {
    check_landmarks(0);
}

#[test]
fn a_family_comes_to_a_landmark_once_in_each_child() {
    check_landmarks(1);
}

#[test]
fn landmarks_that_cannot_be_are_refused_as_such() {
    let _turn = alone();
    let own = Target::Family(std::process::id());
    let cpus = online_cpus();
    let kernel_half = 0xffff_ffff_8100_0000;
    match Recorder::stamps(own, &cpus, &[kernel_half]) {
        Err(error @ PerfError::LandmarkAddress(address)) => {
            assert_eq!(address, kernel_half);
            assert!(error.to_string().contains("0xffffffff81000000"));
        }
        Err(error @ (PerfError::NoLandmarks | PerfError::NoLandmarkLeft)) => {
            println!("skipped: {error}; {}", error.remedy());
        }
        Err(error) => skip(&error),
        Ok(_) => panic!("the kernel's code is no program's"),
    }
    let five = Recorder::stamps(own, &cpus, &[ENTRY; 5]);
    assert_eq!(five.err(), Some(PerfError::NoLandmarkLeft));
}
