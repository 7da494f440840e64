//! Processes that lost their parent and fell to this one, a subreaper.

use std::time::{Duration, Instant};

use crate::sys::process;

/// Kills and reaps the children that this process got by adoption: programs
/// that left their process group, as daemons do. Returns how many there were besides
/// those `known`.
pub(super) fn end_orphans(known: &[i32], patience: Duration) -> u64 {
    let begin = Instant::now();
    let mut ended = 0;
    while begin.elapsed() < patience {
        let adopted = children();
        if adopted.is_empty() {
            break;
        }
        for pid in adopted {
            let _ = process::kill(pid, libc::SIGKILL);
            let is_reaped = process::reap(pid).unwrap_or(false);
            ended += u64::from(is_reaped && !known.contains(&pid));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    ended
}

/// The children of this process's main thread, which is the one that spawns.
fn children() -> Vec<i32> {
    let pid = std::process::id();
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
