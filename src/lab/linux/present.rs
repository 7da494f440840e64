//! Who is there, by `/proc`: processes, their threads and their parents.

use std::collections::HashSet;
use std::fs;

/// A process that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) pid: u32,
    parent: u32,
    /// Its threads that have not ended.
    pub(super) threads: Vec<u32>,
    /// Whether it is the kernel's own.
    pub(super) is_kernel: bool,
}

/// All processes that have a thread which lives.
pub(super) fn all() -> Vec<Present> {
    numbers("/proc").filter_map(process).collect()
}

/// A process and everybody below it; nobody if it is not there.
pub(super) fn tree(all: &[Present], root: u32) -> Vec<Present> {
    let mut within = HashSet::from([root]);
    // Numbers are given again, so that a child may have a lower one than its parent.
    loop {
        let before = within.len();
        let below = all.iter().filter(|it| within.contains(&it.parent));
        let below: Vec<u32> = below.map(|it| it.pid).collect();
        within.extend(below);
        if within.len() == before {
            break;
        }
    }
    let members = all.iter().filter(|it| within.contains(&it.pid));
    let members: Vec<Present> = members.cloned().collect();
    match members.iter().any(|it| it.pid == root) {
        true => members,
        false => Vec::new(),
    }
}

fn numbers(directory: &str) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn process(pid: u32) -> Option<Present> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let first = Stat::parse(&stat)?;
    let lives = |tid: &u32| {
        let stat = fs::read(format!("/proc/{pid}/task/{tid}/stat"));
        stat.is_ok_and(|stat| Stat::parse(&stat).is_some_and(|it| it.lives))
    };
    let threads: Vec<u32> = numbers(&format!("/proc/{pid}/task"))
        .filter(lives)
        .collect();
    (!threads.is_empty()).then_some(Present {
        pid,
        parent: first.parent,
        threads,
        is_kernel: first.is_kernel,
    })
}

/// What is asked for of a file such as `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    lives: bool,
    parent: u32,
    is_kernel: bool,
}

impl Stat {
    fn parse(stat: &[u8]) -> Option<Self> {
        /// PF_KTHREAD (include/linux/sched.h).
        const KERNEL: u64 = 0x20_0000;
        // The name may hold anything, and ends with the last parenthesis.
        let behind = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&stat[behind + 1..]).ok()?;
        let mut words = rest.split_ascii_whitespace();
        let state = words.next()?;
        let parent = words.next()?.parse().ok()?;
        let flags: u64 = words.nth(4)?.parse().ok()?;
        Some(Self {
            lives: !["Z", "X"].contains(&state),
            parent,
            is_kernel: flags & KERNEL != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(pid: u32, parent: u32) -> Present {
        Present {
            pid,
            parent,
            threads: vec![pid],
            is_kernel: false,
        }
    }

    #[test]
    fn everybody_below_a_process_belongs_to_it() {
        let all = [(1, 0), (5, 9), (9, 1), (7, 5), (8, 1)].map(|(pid, of)| present(pid, of));
        let members = |root| -> Vec<u32> { tree(&all, root).iter().map(|it| it.pid).collect() };
        assert_eq!(members(9), [5, 9, 7]);
        assert_eq!(members(7), [7]);
        assert!(members(6).is_empty());
    }

    #[test]
    fn a_name_with_parentheses_is_passed_over() {
        let stat = b"7 (a) Z 3 (b) S 42 7 7 0 -1 2129984 0 0\n";
        let expected = Stat {
            lives: true,
            parent: 42,
            is_kernel: true,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse(b"7 (a Z 3"), None);
    }

    #[test]
    fn this_process_is_there_with_its_threads() {
        let own = std::process::id();
        let all = all();
        let found = all.iter().find(|it| it.pid == own).unwrap();
        assert!(found.threads.len() >= 2, "that of the test and the first");
        assert!(!found.is_kernel);
        assert!(tree(&all, own).contains(found));
    }
}
