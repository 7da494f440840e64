//! The limits of this process, as /proc tells them.
//!
//! A worker is the same program with the same limits, so what this process uses
//! of them is what a worker begins with.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::{LimitValue, Status};
use procfs::{FromRead, Meminfo};

use super::cgroup::{Groups, number};
use super::{Limits, Room};
use crate::sys::memory::totals;

/// `vm.overcommit_memory` of a kernel that never overcommits.
const OVERCOMMIT_NEVER: u64 = 2;
/// That of a kernel that refuses what can obviously not be.
const OVERCOMMIT_GUESS: u64 = 0;
/// Bits of the capabilities that lift `RLIMIT_NPROC` (kernel/fork.c,
/// `copy_process`): `CAP_SYS_ADMIN` and `CAP_SYS_RESOURCE`.
const EXEMPTING: u64 = 1 << 21 | 1 << 24;
/// The initial user namespace (include/linux/proc_ns.h, `PROC_USER_INIT_INO`).
const INITIAL: &str = "user:[4026531837]";

impl Limits {
    /// The limits of this process.
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    /// The limits that the files below a root directory tell.
    pub(super) fn read_below(root: &Path) -> Self {
        let proc = root.join("proc");
        let status = Status::from_file(proc.join("self/status")).ok();
        let rlimits = procfs::process::Limits::from_file(proc.join("self/limits")).ok();
        let memory = memory(&proc);
        let groups = Groups::read(root);
        let used = |kibibytes: fn(&Status) -> Option<u64>| {
            status.as_ref().and_then(kibibytes).map(|kib| kib << 10)
        };
        let room = |limit: fn(&procfs::process::Limits) -> LimitValue, used: Option<u64>| {
            let limit = finite(limit(rlimits.as_ref()?))?;
            Some(Room { limit, used: used? })
        };
        let processes = status
            .as_ref()
            .filter(|status| !is_exempt(status, &proc.join("self")))
            .and_then(|status| {
                let limit = finite(rlimits.as_ref()?.max_processes.soft_limit)?;
                let used = threads_of_user(&proc, status.ruid)?;
                Some(Room { limit, used })
            });
        Self {
            max_map_count: number(&proc.join("sys/vm/max_map_count")),
            mem_available: memory.as_ref().and_then(|memory| memory.mem_available),
            open_files: room(|all| all.max_open_files.soft_limit, descriptors(&proc)),
            file_size: rlimits.as_ref().and_then(file_size),
            address_space: room(|all| all.max_address_space.soft_limit, used(|s| s.vmsize)),
            private: room(|all| all.max_data_size.soft_limit, used(|s| s.vmdata)),
            commit: memory.as_ref().and_then(|memory| commit(memory, &proc)),
            one_mapping: memory.as_ref().and_then(|all| one_mapping(all, &proc)),
            processes,
            descriptors: rlimits.as_ref().and_then(|all| {
                let limit = finite(all.max_open_files.hard_limit)?;
                let used = descriptors(&proc)?;
                Some(Room { limit, used })
            }),
            // Beyond the second the kernel throttles, which no measurement survives.
            cgroup_memory: groups
                .iter()
                .flat_map(|all| [all.memory(), all.memory_high()])
                .flatten()
                .min_by_key(|found| found.room.left()),
            cgroup_pids: groups.as_ref().and_then(Groups::pids),
        }
    }
}

/// The limit of this process's files. A worker's records are as large as its task, so that
/// they are checked when it is launched.
pub(in crate::lab) fn read_file_size() -> Option<u64> {
    let limits = procfs::process::Limits::from_file("/proc/self/limits");
    file_size(&limits.ok()?)
}

fn file_size(limits: &procfs::process::Limits) -> Option<u64> {
    finite(limits.max_file_size.soft_limit)
}

/// The descriptors of this process.
fn descriptors(proc: &Path) -> Option<u64> {
    let open = fs::read_dir(proc.join("self/fd")).ok()?;
    Some(open.count() as u64)
}

pub(super) fn finite(limit: LimitValue) -> Option<u64> {
    match limit {
        LimitValue::Unlimited => None,
        LimitValue::Value(limit) => Some(limit),
    }
}

/// What the kernel tells of memory. Another program may stand in for the file (lxcfs), with the
/// limits of a control group as the totals; the kernel itself knows its own.
pub(super) fn memory(proc: &Path) -> Option<Meminfo> {
    let file = proc.join("meminfo");
    let mut memory = Meminfo::from_file(&file).ok()?;
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    if device(&file) != device(proc)
        && let Ok([total, swap]) = totals()
    {
        (memory.mem_total, memory.swap_total) = (total, swap);
    }
    Some(memory)
}

/// The commit charge, where it is limited.
pub(super) fn commit(memory: &Meminfo, proc: &Path) -> Option<Room> {
    if overcommit(proc) != Some(OVERCOMMIT_NEVER) {
        return None;
    }
    Some(Room {
        limit: memory.commit_limit?,
        used: memory.committed_as,
    })
}

/// All memory and swap, where no mapping may be larger.
pub(super) fn one_mapping(memory: &Meminfo, proc: &Path) -> Option<u64> {
    let all = memory.mem_total.saturating_add(memory.swap_total);
    (overcommit(proc) == Some(OVERCOMMIT_GUESS)).then_some(all)
}

fn overcommit(proc: &Path) -> Option<u64> {
    number(&proc.join("sys/vm/overcommit_memory"))
}

/// Whether the kernel lets a process exceed `RLIMIT_NPROC`: root and holders
/// of two capabilities, but only those of the initial user namespace.
pub(super) fn is_exempt(status: &Status, process: &Path) -> bool {
    is_initial(process) && (status.ruid == 0 || status.capeff & EXEMPTING != 0)
}

/// Whether this process is in the initial user namespace, where its rights reach everybody.
pub(in crate::lab) fn is_initial_namespace() -> bool {
    is_initial(Path::new("/proc/self"))
}

/// The same of the process with this directory.
pub(super) fn is_initial(process: &Path) -> bool {
    if let Ok(namespace) = fs::read_link(process.join("ns/user")) {
        return namespace == Path::new(INITIAL);
    }
    // Who may not see the link may see the map.
    fs::read_to_string(process.join("uid_map"))
        .map(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
        .unwrap_or(true)
}

/// The threads of a real user, which are what `RLIMIT_NPROC` counts.
///
/// A process that ends meanwhile is left out, as is one that is hidden from us.
pub(super) fn threads_of_user(proc: &Path, ruid: u32) -> Option<u64> {
    let processes = procfs::process::all_processes_with_root(proc).ok()?;
    let threads = processes
        .filter_map(|process| process.ok()?.status().ok())
        .filter(|status| status.ruid == ruid)
        .map(|status| status.threads)
        .sum();
    Some(threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const LIMITS: &str = include_str!("../../../tests/data/proc/limits.txt");
    const MEMINFO: &str = include_str!("../../../tests/data/proc/meminfo.txt");
    const STATUS: &str = include_str!("../../../tests/data/proc/status-user.txt");

    /// A root directory with a user's process, seen as itself and by its pid.
    fn tree(uid_map: &str, status: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("self/limits", LIMITS),
            ("self/status", status),
            ("self/uid_map", uid_map),
            ("self/fd/0", ""),
            ("self/fd/7", ""),
            ("4242/status", status),
            ("4243/status", STATUS),
            ("meminfo", MEMINFO),
            ("sys/vm/max_map_count", "65530\n"),
            ("sys/vm/overcommit_memory", "2\n"),
        ] {
            let path = root.path().join("proc").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const INITIAL: &str = "         0          0 4294967295\n";

    #[test]
    fn a_users_limits_are_read() {
        let root = tree(INITIAL, STATUS);
        let limits = Limits::read_below(root.path());
        assert_eq!(limits.max_map_count, Some(65_530));
        assert_eq!(limits.mem_available, Some(16_000_000 << 10));
        assert_eq!(
            limits.address_space,
            Some(Room {
                limit: 1 << 30,
                used: 3_060 << 10
            })
        );
        assert_eq!(limits.private, None, "it is unlimited");
        assert_eq!(
            limits.commit,
            Some(Room {
                limit: 12_342_040 << 10,
                used: 56_760 << 10
            })
        );
        assert_eq!(
            limits.processes,
            Some(Room {
                limit: 400,
                used: 2
            })
        );
        let descriptors = Room {
            limit: 20_000,
            used: 2,
        };
        assert_eq!(limits.descriptors, Some(descriptors));
        assert_eq!((limits.cgroup_memory, limits.cgroup_pids), (None, None));
    }

    #[test]
    fn memory_and_swap_limit_a_mapping_where_the_kernel_guesses() {
        let root = tree(INITIAL, STATUS);
        assert_eq!(Limits::read_below(root.path()).one_mapping, None);
        let mode = root.path().join("proc/sys/vm/overcommit_memory");
        fs::write(mode, "0\n").unwrap();
        let limits = Limits::read_below(root.path());
        assert_eq!(limits.one_mapping, Some(24_684_084 << 10));
        assert_eq!(limits.commit, None);
    }

    #[test]
    fn root_is_exempt_in_the_initial_user_namespace_only() {
        let status = STATUS.replace("Uid:\t65534\t65534\t65534\t65534", "Uid:\t0\t0\t0\t0");
        assert_ne!(status, STATUS);
        let limits = Limits::read_below(tree(INITIAL, &status).path());
        assert_eq!(limits.processes, None);
        let mapped = Limits::read_below(tree("0 100000 65536\n", &status).path());
        assert_eq!(mapped.processes.map(|room| room.used), Some(1));
    }

    #[test]
    fn a_capable_user_is_exempt() {
        let status = STATUS.replace("CapEff:\t0000000000000000", "CapEff:\t0000000001000000");
        assert_ne!(status, STATUS);
        assert_eq!(
            Limits::read_below(tree(INITIAL, &status).path()).processes,
            None
        );
    }

    #[test]
    fn an_empty_tree_limits_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Limits::read_below(root.path()), Limits::default());
    }

    #[test]
    fn this_host_tells_its_limits() {
        let limits = Limits::read();
        assert!(limits.max_map_count.is_some());
        assert!(limits.mem_available.is_some_and(|bytes| bytes > 1 << 20));
        assert!(limits.descriptors.is_some_and(|room| room.used >= 3));
    }
}
