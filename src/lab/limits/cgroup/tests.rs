//! Trees of made-up and captured files.

use super::*;
use tempfile::TempDir;

/// A root directory with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const V2_MOUNTS: &str = include_str!("../../../../tests/data/proc/mountinfo-cgroup-v2.txt");
const V1_MOUNTS: &str = include_str!("../../../../tests/data/proc/mountinfo-cgroup-v1.txt");
const V1_GROUPS: &str = include_str!("../../../../tests/data/proc/cgroup-v1.txt");

#[test]
fn v2_counts_the_tightest_of_all_ancestors() {
    let slice = "sys/fs/cgroup/user.slice";
    let scope = format!("{slice}/run-7.scope");
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", "0::/user.slice/run-7.scope\n"),
        (&format!("{scope}/memory.max"), "max\n"),
        (&format!("{scope}/memory.current"), "4096\n"),
        (&format!("{scope}/pids.max"), "1000\n"),
        (&format!("{scope}/pids.current"), "10\n"),
        (&format!("{slice}/memory.max"), "1073741824\n"),
        (&format!("{slice}/memory.current"), "805306368\n"),
        (
            &format!("{slice}/memory.stat"),
            "anon 268435456\ninactive_file 500000000\nactive_file 36870912\n",
        ),
        (&format!("{slice}/pids.max"), "512\n"),
        (&format!("{slice}/pids.current"), "500\n"),
    ]);
    let groups = Groups::read(root.path()).unwrap();
    let memory = groups.memory().unwrap();
    assert_eq!(
        memory.file,
        Path::new("/sys/fs/cgroup/user.slice/memory.max")
    );
    assert_eq!((memory.room.limit, memory.room.used), (1 << 30, 1 << 28));
    let pids = groups.pids().unwrap();
    assert_eq!(pids.file, Path::new("/sys/fs/cgroup/user.slice/pids.max"));
    assert_eq!(pids.room.left(), 12);
}

#[test]
fn v2_throttling_limits_as_well() {
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", "0::/\n"),
        ("sys/fs/cgroup/memory.max", "2000000\n"),
        ("sys/fs/cgroup/memory.high", "1000000\n"),
        ("sys/fs/cgroup/memory.current", "400000\n"),
    ]);
    let groups = Groups::read(root.path()).unwrap();
    let [max, high] = [groups.memory(), groups.memory_high()].map(Option::unwrap);
    assert_eq!(max.file, Path::new("/sys/fs/cgroup/memory.max"));
    assert_eq!(high.file, Path::new("/sys/fs/cgroup/memory.high"));
    assert_eq!((max.room.left(), high.room.left()), (1_600_000, 600_000));
}

#[test]
fn v1_finds_each_controller_at_its_own_mount() {
    let job = "sys/fs/cgroup/memory/batch/job-1";
    let root = tree(&[
        ("proc/self/mountinfo", V1_MOUNTS),
        ("proc/self/cgroup", V1_GROUPS),
        (&format!("{job}/memory.limit_in_bytes"), "536870912\n"),
        (&format!("{job}/memory.usage_in_bytes"), "104857600\n"),
        (
            &format!("{job}/memory.stat"),
            "inactive_file 7\ntotal_inactive_file 4857600\n",
        ),
        (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        ),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ("sys/fs/cgroup/pids/batch/pids.max", "64\n"),
        ("sys/fs/cgroup/pids/batch/pids.current", "60\n"),
    ]);
    let groups = Groups::read(root.path()).unwrap();
    let memory = groups.memory().unwrap();
    assert_eq!(
        memory.file,
        Path::new("/sys/fs/cgroup/memory/batch/job-1/memory.limit_in_bytes")
    );
    assert_eq!(memory.room.used, 100_000_000);
    assert_eq!(groups.pids().unwrap().room.left(), 4);
}

#[test]
fn a_container_sees_its_own_group_at_the_mount_point() {
    let mounts =
        "40 30 0:30 /docker/4f2a /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n";
    for (group, is_own) in [
        ("/docker/4f2a", true),
        ("/somewhere/else", true),
        ("/../../outside", false),
    ] {
        let root = tree(&[
            ("proc/self/mountinfo", mounts),
            ("proc/self/cgroup", &format!("4:memory:{group}\n")),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ]);
        let memory = Groups::read(root.path()).unwrap().memory();
        let left = memory.map(|memory| memory.room.left());
        assert_eq!(left, is_own.then_some(999), "{group}");
        // Of another process that group is not known to be one.
        let other = Groups::of(root.path(), &root.path().join("proc/self")).unwrap();
        assert_eq!(other.memory().is_some(), group == "/docker/4f2a", "{group}");
        assert!(
            other.are_unseen(),
            "{group}: that of docker is above all of them"
        );
    }
}

#[test]
fn groups_above_a_namespace_are_not_to_be_seen() {
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", "0::/\n"),
    ]);
    let unseen = || Groups::read(root.path()).unwrap().are_unseen();
    assert!(!unseen(), "a kernel without namespaces");
    let links = root.path().join("proc/self/ns");
    fs::create_dir(&links).unwrap();
    for (namespace, is_other) in [("cgroup:[4026531835]", false), ("cgroup:[7]", true)] {
        let _ = fs::remove_file(links.join("cgroup"));
        std::os::unix::fs::symlink(namespace, links.join("cgroup")).unwrap();
        assert_eq!(unseen(), is_other, "{namespace}");
    }
}

#[test]
fn names_of_groups_are_any_text() {
    let mounts = "40 30 0:30 /a\\040b /sys/fs/c\\134g ro - cgroup2 cgroup2 rw\n41 30 0:31 /x\\09 /y rw - tmpfs t rw\n";
    let root = tree(&[
        ("proc/self/mountinfo", mounts),
        ("proc/self/cgroup", "0::/a b/c:\u{1b}[2J\n"),
        ("sys/fs/c\\g/c:\u{1b}[2J/pids.max", "7\n"),
        ("sys/fs/c\\g/c:\u{1b}[2J/pids.current", "3\n"),
        ("sys/fs/c\\g/c:\u{1b}[2J/cpu.max", "50000 100000\n"),
    ]);
    let groups = Groups::read(root.path()).unwrap();
    assert_eq!(groups.pids().unwrap().room.left(), 4);
    let quotas = groups.cpu_quotas();
    assert_eq!(
        quotas[0].0.file.as_deref(),
        Some("/sys/fs/c\\g/c:?[2J/cpu.max")
    );
    assert_eq!(unescaped("/x\\09\\"), "/x\\09\\", "no octal number");
}

#[test]
fn quotas_are_found_in_either_version_the_tightest_first() {
    let (slice, scope) = (
        "sys/fs/cgroup/user.slice",
        "sys/fs/cgroup/user.slice/a.scope",
    );
    let stat = "usage_usec 7\nnr_periods 40\nnr_throttled 30\nthrottled_usec 9\n";
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", "0::/user.slice/a.scope\n"),
        (&format!("{scope}/cpu.max"), "300000 100000\n"),
        ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        (&format!("{slice}/cpu.max"), "50000 200000\n"),
        (&format!("{slice}/cpu.stat"), stat),
    ]);
    let quotas = Groups::read(root.path()).unwrap().cpu_quotas();
    let [(quota, directory), (wide, _)] = quotas.as_slice() else {
        panic!("{quotas:?}");
    };
    assert_eq!((quota.quota_us, quota.period_us), (50_000, 200_000));
    assert_eq!(quota.spent_share(), Some(0.75));
    assert_eq!(directory, Path::new("/sys/fs/cgroup/user.slice"));
    assert_eq!(wide.cpus(), 3.0);
    let (above, job) = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu/job");
    let root = tree(&[
        ("proc/self/mountinfo", V1_MOUNTS),
        ("proc/self/cgroup", "1:cpu:/job/inner\n"),
        (&format!("{above}/cpu.cfs_quota_us"), "-1\n"),
        (&format!("{above}/cpu.cfs_period_us"), "100000\n"),
        (&format!("{job}/cpu.cfs_quota_us"), "10000\n"),
        (&format!("{job}/cpu.cfs_period_us"), "100000\n"),
        (&format!("{job}/inner/cpu.cfs_quota_us"), "200000\n"),
        (&format!("{job}/inner/cpu.cfs_period_us"), "100000\n"),
    ]);
    let quotas = Groups::read(root.path()).unwrap().cpu_quotas();
    let (quota, _) = &quotas[0];
    assert_eq!(quotas.len(), 2);
    let file = "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us";
    assert_eq!(quota.file.as_deref(), Some(file));
    assert_eq!((quota.cpus(), quota.spent_share()), (0.1, None));
}

#[test]
fn what_cannot_be_read_does_not_limit() {
    assert!(Groups::read(tree(&[]).path()).is_none());
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", "0::/gone\n"),
    ]);
    let groups = Groups::read(root.path()).unwrap();
    assert_eq!(groups.memory(), None);
    assert_eq!(groups.pids(), None);
    assert_eq!(groups.cpu_quotas(), []);
    assert!(!groups.are_unseen(), "its mount is there");
    let root = tree(&[
        ("proc/self/mountinfo", V1_MOUNTS),
        ("proc/self/cgroup", "0::/gone\n"),
    ]);
    assert!(!Groups::read(root.path()).unwrap().are_unseen());
    let root = tree(&[
        ("proc/self/mountinfo", V2_MOUNTS),
        ("proc/self/cgroup", V1_GROUPS),
    ]);
    assert!(Groups::read(root.path()).unwrap().are_unseen());
}
