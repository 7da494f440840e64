//! Processes that lost their parent and fell to this one, a subreaper.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sys::process;

/// The children of this process that it started itself and has not waited for. Two workers
/// may be alive at once, and what one left behind is no reason to end the other.
static LEADERS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Keeps a process that was started here apart from those that were adopted.
pub(super) fn know_leader(pid: i32) {
    leaders().push(pid);
}

/// Forgets it, before it is waited for: its number may be an orphan's next.
pub(super) fn forget_leader(pid: i32) {
    leaders().retain(|leader| *leader != pid);
}

fn leaders() -> std::sync::MutexGuard<'static, Vec<i32>> {
    // A list of numbers is never half changed.
    LEADERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Kills and reaps the children that this process got by adoption: programs
/// that left their process group, as daemons do. Returns how many there were besides
/// those `known`.
pub(super) fn end_orphans(known: &[i32], patience: Duration) -> u64 {
    let begin = Instant::now();
    let mut ended = 0;
    while begin.elapsed() < patience {
        let mut adopted = children();
        adopted.retain(|pid| !leaders().contains(pid));
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
