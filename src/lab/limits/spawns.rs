//! The limits that the spawns of another process count against, and the CPU time that they
//! may have, as `/proc` and its control groups tell them.
//!
//! What cannot be read, and what the kernel exempts the process from, is no limit here.
//! Nothing is changed, and the process is not disturbed: none of these files takes a lock
//! of its memory.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::{Limits, Status};
use procfs::{FromRead, LoadAverage, Meminfo};

use super::Room;
use super::cgroup::{CgroupRoom, Groups, number, shown};
use super::read::{commit, finite, is_exempt, is_initial, memory, one_mapping, threads_of_user};
use crate::model::{CpuQuota, Missing, SpawnLimit, SpawnLimitKind, Surroundings};

/// The bit of `CAP_SYS_ADMIN`, whose holders in the initial user namespace may commit what
/// is kept for root.
const ADMIN: u64 = 1 << 21;
/// Numbers of processes that are not given again (kernel/pid.c, `RESERVED_PIDS`).
const RESERVED_NUMBERS: u64 = 300;
/// The kernel keeps what is committed in parts for each CPU, and where it never overcommits
/// looks at the sum without those that are smaller than this share of memory together, or
/// than so many pages each, and than two for each CPU (mm/mm_init.c, `mm_compute_batch`).
const UNTOLD_SHARE: u64 = 256;
const UNTOLD_PAGES: u64 = 32;
/// The initial PID namespace (include/linux/proc_ns.h, `PROC_PID_INIT_INO`).
const INITIAL_NUMBERS: &str = "pid:[4026531836]";

/// What one fork of a process takes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) struct CopyNeed {
    /// Of the mappings that it copies and the kernel accounts for: the largest, and all, in
    /// bytes. None where their flags were not read.
    pub(in crate::lab) accounted: Option<[u64; 2]>,
    /// Page tables and structures of the child, in bytes.
    pub(in crate::lab) kernel_bytes: u64,
}

/// What surrounds the process with this directory, below a root directory.
pub(in crate::lab) fn surroundings(
    root: &Path,
    process: &Path,
    status: &Status,
    need: &CopyNeed,
) -> Surroundings {
    let groups = Groups::of(root, process);
    let quotas = groups.as_ref().map(Groups::cpu_quotas).unwrap_or_default();
    let quotas: Vec<CpuQuota> = quotas.into_iter().map(|(quota, _)| quota).collect();
    let own = Limits::from_file(process.join("limits")).ok();
    Surroundings {
        limits: limits_of(root, process, groups.as_ref(), status, need),
        open_files: own.and_then(|own| finite(own.max_open_files.soft_limit)),
        throttled_by: most_spent(&quotas)
            .filter(|quota| Some(*quota) != quotas.first())
            .cloned(),
        cpu_quota: quotas.into_iter().next(),
        ..Surroundings::default()
    }
}

/// The quota that was spent in the largest share of its periods, the first of equal ones.
pub(in crate::lab) fn most_spent(quotas: &[CpuQuota]) -> Option<&CpuQuota> {
    let spent = |quota: &CpuQuota| quota.spent_share().unwrap_or(0.0);
    let more = |a, b| if spent(b) > spent(a) { b } else { a };
    quotas.iter().reduce(more)
}

/// Whether a control group of the process with this directory, below a root directory, is
/// not to be seen from here, or that is not known.
pub(in crate::lab) fn has_unseen_groups(root: &Path, process: &Path) -> bool {
    // A kernel without control groups has no such file.
    let has_some = || process.join("cgroup").exists();
    Groups::of(root, process).map_or_else(has_some, |groups| groups.are_unseen())
}

/// Whether these CPU quotas, the tightest of which is the first, leave time for two threads
/// that never sleep: with less the kernel has both wait.
pub(in crate::lab) fn room_for_two(quotas: &[(CpuQuota, PathBuf)]) -> Result<(), Missing> {
    match quotas.first() {
        Some((quota, _)) if quota.cpus() < 2.0 => Err(Missing::unavailable(
            "another thread of the parent takes a CPU of its own, and the control group may use \
             less than two",
            quota
                .file
                .as_ref()
                .map(|file| format!("raise {file}"))
                .as_deref(),
        )),
        _ => Ok(()),
    }
}

/// The CPU quotas of this process's control groups, and the files that count their periods.
pub(in crate::lab) fn own_quotas() -> Vec<(CpuQuota, PathBuf)> {
    let groups = Groups::read(Path::new("/"));
    let quotas = groups.map(|groups| groups.cpu_quotas()).unwrap_or_default();
    let with_file = |(quota, directory): (_, PathBuf)| (quota, directory.join("cpu.stat"));
    quotas.into_iter().map(with_file).collect()
}

/// The tasks of this program, which are there for as long as it looks: its own process, and
/// those above it that it is started by and that are it as well.
struct OwnTasks {
    count: u64,
    ruid: Option<u32>,
    groups: Option<Groups>,
}

impl OwnTasks {
    fn of(root: &Path) -> Self {
        let proc = root.join("proc");
        let own = Status::from_file(proc.join("self/status")).ok();
        let program = fs::read_link(proc.join("self/exe")).ok();
        let mut count = own.as_ref().map_or(0, |own| own.threads);
        let mut above = own.as_ref().map(|own| own.ppid);
        while let Some(parent) = above.take() {
            let parent = proc.join(parent.to_string());
            if program.is_none() || fs::read_link(parent.join("exe")).ok() != program {
                break;
            }
            let Ok(status) = Status::from_file(parent.join("status")) else {
                break;
            };
            count += status.threads;
            above = Some(status.ppid);
        }
        Self {
            count,
            ruid: own.map(|own| own.ruid),
            groups: Groups::read(root),
        }
    }

    /// What is used of a limit by others, if these tasks are among the used.
    fn without(&self, room: Room, are_among: bool) -> Room {
        let own = if are_among { self.count } else { 0 };
        Room {
            used: room.used.saturating_sub(own),
            ..room
        }
    }
}

fn limits_of(
    root: &Path,
    process: &Path,
    groups: Option<&Groups>,
    status: &Status,
    need: &CopyNeed,
) -> Vec<SpawnLimit> {
    let proc = root.join("proc");
    let ours = OwnTasks::of(root);
    let of_group = |kind, asked, room: Option<CgroupRoom>| {
        let CgroupRoom { room, file } = room?;
        Some(SpawnLimit {
            file: Some(shown(&file)),
            ..limit(kind, room, asked)
        })
    };
    let charged = memory(&proc).and_then(|all| charge(&all, root, process, status, need));
    let tasks = groups.and_then(Groups::pids).map(|found| {
        let directory = found.file.parent();
        let are_below = |own: &Groups| directory.is_some_and(|it| own.are_below(it));
        let room = ours.without(found.room, ours.groups.as_ref().is_some_and(are_below));
        CgroupRoom { room, ..found }
    });
    let (kernel, max, high) = (need.kernel_bytes, Groups::memory, Groups::memory_high);
    let of_user = of_user(&proc, process, status);
    let of_user = of_user.map(|room| ours.without(room, ours.ruid == Some(status.ruid)));
    let of_host = |kind, most: Option<u64>| {
        let room = Room {
            limit: most?,
            used: tasks_of_host(&proc)?,
        };
        Some(limit(kind, ours.without(room, true), 1))
    };
    let most = |name: &str| number(&proc.join("sys/kernel").join(name));
    // Others have numbers of their own, and since Linux 6.14 a most of their own.
    let is_initial = |one: &Path| {
        let namespace = fs::read_link(one.join("ns/pid"));
        namespace.is_ok_and(|namespace| namespace == Path::new(INITIAL_NUMBERS))
    };
    let are_all_seen = is_initial(process) && is_initial(&proc.join("self"));
    let numbers = most("pid_max").filter(|_| are_all_seen);
    let numbers = numbers.map(|most| most.saturating_sub(RESERVED_NUMBERS));
    let found = [
        charged,
        of_group(SpawnLimitKind::Memory, kernel, groups.and_then(max)),
        of_group(SpawnLimitKind::MemoryHigh, kernel, groups.and_then(high)),
        of_group(SpawnLimitKind::GroupTasks, 1, tasks),
        of_user.map(|room| limit(SpawnLimitKind::UserTasks, room, 1)),
        of_host(SpawnLimitKind::HostTasks, most("threads-max")),
        of_host(SpawnLimitKind::ProcessNumbers, numbers),
    ];
    found.into_iter().flatten().collect()
}

fn limit(kind: SpawnLimitKind, room: Room, asked: u64) -> SpawnLimit {
    SpawnLimit {
        kind,
        limit: room.limit,
        used: room.used,
        asked,
        uncertain: 0,
        file: None,
    }
}

/// What may be committed, mapping by mapping or as a whole (mm/util.c,
/// `__vm_enough_memory`). For each mapping of the child the fork asks there in its parent's
/// name (mm/mmap.c, before 6.15 kernel/fork.c, `dup_mmap`).
fn charge(
    memory: &Meminfo,
    root: &Path,
    process: &Path,
    status: &Status,
    need: &CopyNeed,
) -> Option<SpawnLimit> {
    let [largest, all] = need.accounted?;
    let proc = &root.join("proc");
    if let Some(limit_bytes) = one_mapping(memory, proc) {
        let room = Room {
            limit: limit_bytes,
            used: 0,
        };
        return Some(limit(SpawnLimitKind::LargestMapping, room, largest));
    }
    let room = commit(memory, proc)?;
    let kib = |name: &str| number(&proc.join("sys/vm").join(name)).unwrap_or(0) << 10;
    let for_root = match is_initial(process) && status.capeff & ADMIN != 0 {
        true => 0,
        false => kib("admin_reserve_kbytes"),
    };
    let size = status.vmsize.unwrap_or(0) << 10;
    let for_others = kib("user_reserve_kbytes").min(size / 32);
    let room = Room {
        limit: room.limit.saturating_sub(for_root + for_others),
        ..room
    };
    Some(SpawnLimit {
        uncertain: untold(memory, root),
        ..limit(SpawnLimitKind::Commit, room, all)
    })
}

/// What of all that is committed the kernel may not look at.
fn untold(memory: &Meminfo, root: &Path) -> u64 {
    let cpus = most_cpus(root);
    let pages = cpus.saturating_mul(UNTOLD_PAGES.max(cpus.saturating_mul(2)));
    let least = pages.saturating_mul(procfs::page_size());
    least.max(memory.mem_total / UNTOLD_SHARE)
}

/// As many CPUs as the host has, or more where their numbers have gaps.
fn most_cpus(root: &Path) -> u64 {
    let list = fs::read_to_string(root.join("sys/devices/system/cpu/present"));
    let list = list.unwrap_or_default();
    let last = list.trim().rsplit([',', '-']).next();
    let last: Option<u64> = last.and_then(|last| last.parse().ok());
    last.map_or(1, |last| last.saturating_add(1))
}

/// The tasks of its user. In another user namespace than this process's they are counted
/// there, and that is not to be seen.
fn of_user(proc: &Path, process: &Path, status: &Status) -> Option<Room> {
    let is_same = {
        let both = [process, &proc.join("self")];
        let [theirs, ours] = both.map(|one| fs::read_link(one.join("ns/user")).ok());
        match (theirs, ours) {
            (Some(theirs), Some(ours)) => theirs == ours,
            // Who may not see the link may see the map.
            _ => {
                let [theirs, ours] = both.map(|one| fs::read_to_string(one.join("uid_map")).ok());
                theirs == ours
            }
        }
    };
    if is_exempt(status, process) || !is_same {
        return None;
    }
    let limits = Limits::from_file(process.join("limits")).ok()?;
    Some(Room {
        limit: finite(limits.max_processes.soft_limit)?,
        used: threads_of_user(proc, status.ruid)?,
    })
}

/// The tasks of the host, as `copy_process` (kernel/fork.c) counts them.
fn tasks_of_host(proc: &Path) -> Option<u64> {
    let load = LoadAverage::from_file(proc.join("loadavg")).ok()?;
    Some(u64::from(load.max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    const LIMITS: &str = include_str!("../../../tests/data/proc/limits.txt");
    const MEMINFO: &str = include_str!("../../../tests/data/proc/meminfo.txt");
    const STATUS: &str = include_str!("../../../tests/data/proc/status-user.txt");
    const MOUNTS: &str = include_str!("../../../tests/data/proc/mountinfo-cgroup-v1.txt");
    const GROUPS: &str = include_str!("../../../tests/data/proc/cgroup-v1.txt");
    const INITIAL: &str = "         0          0 4294967295\n";
    const NEED: CopyNeed = CopyNeed {
        accounted: Some([1 << 30, 3 << 30]),
        kernel_bytes: 5 << 20,
    };

    /// A root directory with a user's process in groups of version 1.
    fn tree(more: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("proc/7/limits", LIMITS),
            ("proc/7/status", STATUS),
            ("proc/7/cgroup", GROUPS),
            ("proc/7/uid_map", INITIAL),
            ("proc/self/uid_map", INITIAL),
            ("proc/self/mountinfo", MOUNTS),
            ("proc/meminfo", MEMINFO),
            ("proc/loadavg", "2.17 1.32 0.57 3/103 9024\n"),
            ("proc/sys/kernel/threads-max", "192730\n"),
            ("proc/sys/kernel/pid_max", "32768\n"),
            ("proc/sys/vm/overcommit_memory", "0\n"),
            ("proc/sys/vm/admin_reserve_kbytes", "8192\n"),
            ("proc/sys/vm/user_reserve_kbytes", "131072\n"),
            ("sys/fs/cgroup/pids/batch/pids.max", "64\n"),
            ("sys/fs/cgroup/pids/batch/pids.current", "60\n"),
        ];
        for (path, text) in files.iter().chain(more) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for process in ["self", "7"] {
            let links = root.path().join("proc").join(process).join("ns");
            fs::create_dir(&links).unwrap();
            std::os::unix::fs::symlink(INITIAL_NUMBERS, links.join("pid")).unwrap();
        }
        root
    }

    fn found(root: &TempDir, need: &CopyNeed) -> Vec<SpawnLimit> {
        let process = root.path().join("proc/7");
        let status = Status::from_file(process.join("status")).unwrap();
        surroundings(root.path(), &process, &status, need).limits
    }

    fn of(kind: SpawnLimitKind, all: &[SpawnLimit]) -> Option<[u64; 3]> {
        let found = all.iter().find(|limit| limit.kind == kind)?;
        Some([found.limit, found.used, found.asked])
    }

    #[test]
    fn each_mapping_is_looked_at_by_itself_where_the_kernel_guesses() {
        let all = found(&tree(&[]), &NEED);
        let largest = of(SpawnLimitKind::LargestMapping, &all);
        assert_eq!(largest, Some([24_684_084 << 10, 0, 1 << 30]));
        assert_eq!(of(SpawnLimitKind::Commit, &all), None);
        let unknown = CopyNeed {
            accounted: None,
            ..NEED
        };
        let all = found(&tree(&[]), &unknown);
        assert_eq!(of(SpawnLimitKind::LargestMapping, &all), None);
    }

    #[test]
    fn all_mappings_are_committed_where_the_kernel_never_overcommits() {
        let never = ("proc/sys/vm/overcommit_memory", "2\n");
        // A thirty-second of its 3,060 KiB is less than what is kept for the user.
        let kept = (3_060 << 10) / 32;
        let limit = (12_342_040_u64 << 10) - kept;
        let used = 56_760 << 10;
        let all = found(&tree(&[never]), &NEED);
        let uncertain = all.iter().map(|limit| limit.uncertain).max();
        assert_eq!(uncertain, Some((24_684_084 << 10) / 256));
        let cpus = ("sys/devices/system/cpu/present", "0-3,8-511\n");
        let all = found(&tree(&[never, cpus]), &NEED);
        let uncertain = all.iter().map(|limit| limit.uncertain).max();
        assert_eq!(uncertain, Some(512 * 1_024 * procfs::page_size()));
        let commit = of(SpawnLimitKind::Commit, &all);
        assert_eq!(commit, Some([limit - (8_192 << 10), used, 3 << 30]));
        let admin = STATUS.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000200000");
        let all = found(&tree(&[never, ("proc/7/status", &admin)]), &NEED);
        let commit = of(SpawnLimitKind::Commit, &all);
        assert_eq!(commit, Some([limit, used, 3 << 30]));
        let always = ("proc/sys/vm/overcommit_memory", "1\n");
        let all = found(&tree(&[always]), &NEED);
        assert!(all.iter().all(|limit| limit.kind.counts_tasks()), "{all:?}");
    }

    #[test]
    fn tasks_are_counted_in_its_group_of_its_user_and_of_the_host() {
        let all = found(&tree(&[]), &NEED);
        assert_eq!(of(SpawnLimitKind::GroupTasks, &all), Some([64, 60, 1]));
        let file = all.iter().find_map(|limit| limit.file.as_deref());
        assert_eq!(file, Some("/sys/fs/cgroup/pids/batch/pids.max"));
        assert_eq!(of(SpawnLimitKind::UserTasks, &all), Some([400, 1, 1]));
        let host = of(SpawnLimitKind::HostTasks, &all);
        assert_eq!(host, Some([192_730, 103, 1]));
        let numbers = of(SpawnLimitKind::ProcessNumbers, &all);
        assert_eq!(numbers, Some([32_468, 103, 1]));
        let unlimited = LIMITS.replace(
            "400                  800      ",
            "unlimited            unlimited",
        );
        assert_ne!(unlimited, LIMITS);
        for more in [
            ("proc/7/uid_map", "0 100000 65536\n"),
            ("proc/7/limits", &unlimited),
        ] {
            let all = found(&tree(&[more]), &NEED);
            assert_eq!(of(SpawnLimitKind::UserTasks, &all), None, "{more:?}");
        }
    }

    #[test]
    fn tasks_of_this_program_are_not_the_processs() {
        let own = STATUS.replace("PPid:\t", "PPid:\t5");
        let parent = own.lines().find_map(|line| line.strip_prefix("PPid:\t"));
        let parent = format!("proc/{}", parent.unwrap());
        let root = tree(&[
            ("proc/self/status", &own),
            ("proc/self/cgroup", GROUPS),
            (&format!("{parent}/status"), STATUS),
            ("proc/8/status", STATUS),
        ]);
        let link = |process: &str, target| {
            let link = root.path().join(process).join("exe");
            std::os::unix::fs::symlink(target, link).unwrap();
        };
        link("proc/self", "/bin/forktax");
        link(&parent, "/bin/forktax");
        let used = |kind| of(kind, &found(&root, &NEED)).map(|[_, used, _]| used);
        assert_eq!(used(SpawnLimitKind::GroupTasks), Some(58));
        assert_eq!(used(SpawnLimitKind::HostTasks), Some(101));
        // Of its own process the kernel tells the number as well as "self".
        assert_eq!(used(SpawnLimitKind::UserTasks), Some(1));
        let elsewhere = GROUPS.replace("pids:/batch/job-1", "pids:/other");
        fs::write(root.path().join("proc/self/cgroup"), elsewhere).unwrap();
        assert_eq!(used(SpawnLimitKind::GroupTasks), Some(60));
    }

    #[test]
    fn groups_that_cannot_be_read_are_not_said_to_be_seen() {
        let root = tree(&[("proc/7/cgroup", "nonsense\n")]);
        let process = root.path().join("proc/7");
        assert!(has_unseen_groups(root.path(), &process));
        fs::remove_file(process.join("cgroup")).unwrap();
        assert!(
            !has_unseen_groups(root.path(), &process),
            "a kernel without"
        );
    }

    #[test]
    fn of_another_user_namespace_the_tasks_are_not_counted() {
        let root = tree(&[]);
        for (process, number) in [("self", 1), ("7", 2)] {
            let links = root.path().join("proc").join(process).join("ns");
            let target = format!("user:[{number}]");
            std::os::unix::fs::symlink(target, links.join("user")).unwrap();
        }
        let all = found(&root, &NEED);
        assert_eq!(
            of(SpawnLimitKind::UserTasks, &all),
            None,
            "the maps are alike"
        );
    }

    #[test]
    fn of_another_pid_namespace_the_numbers_are_not_counted() {
        for process in ["self", "7"] {
            let root = tree(&[]);
            let link = root.path().join("proc").join(process).join("ns/pid");
            fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink("pid:[4026532200]", link).unwrap();
            let all = found(&root, &NEED);
            assert_eq!(of(SpawnLimitKind::ProcessNumbers, &all), None, "{process}");
            assert!(of(SpawnLimitKind::HostTasks, &all).is_some());
        }
    }

    #[test]
    fn the_quota_that_is_spent_most_is_told_beside_the_tightest() {
        let quota = |quota_us, throttled_periods| CpuQuota {
            quota_us,
            period_us: 100_000,
            file: None,
            periods: 10,
            throttled_periods,
        };
        let both = [quota(10_000, 2), quota(400_000, 7)];
        assert_eq!(most_spent(&both), Some(&both[1]));
        let level = [quota(10_000, 0), quota(400_000, 0)];
        assert_eq!(most_spent(&level), Some(&level[0]));
        assert_eq!(most_spent(&[]), None);
    }

    #[test]
    fn the_numbers_that_descriptors_may_have_are_told() {
        let root = tree(&[]);
        let process = root.path().join("proc/7");
        let status = Status::from_file(process.join("status")).unwrap();
        let around = surroundings(root.path(), &process, &status, &NEED);
        assert_eq!(around.open_files, Some(20_000));
    }

    #[test]
    fn the_copy_is_charged_to_its_group() {
        let job = "sys/fs/cgroup/memory/batch/job-1";
        let limit = format!("{job}/memory.limit_in_bytes");
        let used = format!("{job}/memory.usage_in_bytes");
        let root = tree(&[(&limit, "6000000\n"), (&used, "1000000\n")]);
        let memory = of(SpawnLimitKind::Memory, &found(&root, &NEED));
        assert_eq!(memory, Some([6_000_000, 1_000_000, 5 << 20]));
    }

    #[test]
    fn an_empty_tree_limits_nothing() {
        let root = tempfile::tempdir().unwrap();
        let status = Status::from_read(STATUS.as_bytes()).unwrap();
        let around = surroundings(root.path(), root.path(), &status, &NEED);
        assert_eq!(around, Surroundings::default());
    }
}
