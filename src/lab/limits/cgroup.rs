//! What control groups leave to this process: memory and pids, of its own
//! group and of every group above it, in versions 1 and 2.
//!
//! A group that cannot be read limits nothing here: a container often sees only
//! its own. Nothing is ever written. Documentation: the kernel's
//! admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and cgroup-v1/pids.rst.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::ProcessCGroups;
use procfs::process::{MountInfo, MountInfos};

use super::Room;

/// Version 1 writes "no limit" as the largest number of whole pages.
const V1_UNLIMITED: u64 = 1 << 62;

/// What the tightest control group leaves, and where its limit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupRoom {
    /// The limit and what is used of it.
    pub room: Room,
    /// The file that holds the limit.
    pub file: PathBuf,
}

/// A limited resource: the controller, and its files in both versions.
struct Resource {
    controller: &'static str,
    v2: &'static [Files],
    v1: &'static [Files],
}

/// The files of one limit.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// Lines of `memory.stat` whose bytes the kernel takes back under pressure,
    /// so that they are used and yet to be had.
    reclaimable: [&'static str; 2],
}

const MEMORY: Resource = Resource {
    controller: "memory",
    v2: &[
        Files {
            limit: "memory.max",
            used: "memory.current",
            reclaimable: ["inactive_file", "active_file"],
        },
        // Beyond this one the kernel throttles, which no measurement survives.
        Files {
            limit: "memory.high",
            used: "memory.current",
            reclaimable: ["inactive_file", "active_file"],
        },
    ],
    v1: &[Files {
        limit: "memory.limit_in_bytes",
        used: "memory.usage_in_bytes",
        reclaimable: ["total_inactive_file", "total_active_file"],
    }],
};

const PIDS_FILES: &[Files] = &[Files {
    limit: "pids.max",
    used: "pids.current",
    reclaimable: ["", ""],
}];

const PIDS: Resource = Resource {
    controller: "pids",
    v2: PIDS_FILES,
    v1: PIDS_FILES,
};

/// The groups of this process, as found below a root directory.
pub(super) struct Groups {
    root: PathBuf,
    groups: ProcessCGroups,
    mounts: MountInfos,
}

impl Groups {
    /// Reads which groups the process is in and where they are mounted.
    ///
    /// `None` on a kernel without control groups.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let proc = root.join("proc/self");
        Some(Self {
            root: root.to_owned(),
            groups: ProcessCGroups::from_file(proc.join("cgroup")).ok()?,
            mounts: MountInfos::from_file(proc.join("mountinfo")).ok()?,
        })
    }

    /// The tightest memory limit.
    pub(super) fn memory(&self) -> Option<CgroupRoom> {
        self.tightest(&MEMORY)
    }

    /// The tightest limit of processes.
    pub(super) fn pids(&self) -> Option<CgroupRoom> {
        self.tightest(&PIDS)
    }

    fn tightest(&self, resource: &Resource) -> Option<CgroupRoom> {
        let mut rooms = Vec::new();
        for group in &self.groups {
            let unified = group.hierarchy == 0 && group.controllers.is_empty();
            let controls = group.controllers.iter().any(|c| c == resource.controller);
            if !unified && !controls {
                continue;
            }
            let files = if unified { resource.v2 } else { resource.v1 };
            let mounts = self.mounts.iter().filter(|mount| {
                if unified {
                    mount.fs_type == "cgroup2"
                } else {
                    mount.fs_type == "cgroup"
                        && mount.super_options.contains_key(resource.controller)
                }
            });
            for mount in mounts {
                self.climb(mount, &group.pathname, files, &mut rooms);
            }
        }
        rooms.into_iter().min_by_key(|found| found.room.left())
    }

    /// Collects the limits of a group and of every group above it, up to the
    /// mount point.
    fn climb(
        &self,
        mount: &MountInfo,
        group: &str,
        files: &'static [Files],
        rooms: &mut Vec<CgroupRoom>,
    ) {
        let top = &mount.mount_point;
        // A mount may show the tree from some group downwards; a group that
        // lies outside of it ("/..") is not to be seen, only the mount's own.
        let below = Path::new(group)
            .strip_prefix(&mount.root)
            .ok()
            .filter(|below| !below.starts_with(".."))
            .unwrap_or(Path::new(""));
        for ancestor in below.ancestors() {
            let directory = top.join(ancestor);
            rooms.extend(files.iter().filter_map(|file| self.room(&directory, file)));
        }
    }

    fn room(&self, directory: &Path, files: &Files) -> Option<CgroupRoom> {
        let shown = directory.join(files.limit);
        let limit = number(&self.real(&shown)).filter(|limit| *limit < V1_UNLIMITED)?;
        let used = number(&self.real(&directory.join(files.used)))?;
        let stat = fs::read_to_string(self.real(&directory.join("memory.stat")));
        let reclaimable = reclaimable(&stat.unwrap_or_default(), files.reclaimable);
        Some(CgroupRoom {
            room: Room {
                limit,
                used: used.saturating_sub(reclaimable),
            },
            file: shown,
        })
    }

    /// Where a path of the process's own view lies below our root.
    fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The number in a file; `None` for "max", as for a file that is not there.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The sum of the named lines of a `memory.stat`.
fn reclaimable(stat: &str, names: [&str; 2]) -> u64 {
    stat.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| names.contains(name))
        .filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
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

    const V2_MOUNTS: &str = include_str!("../../../tests/data/proc/mountinfo-cgroup-v2.txt");
    const V1_MOUNTS: &str = include_str!("../../../tests/data/proc/mountinfo-cgroup-v1.txt");
    const V1_GROUPS: &str = include_str!("../../../tests/data/proc/cgroup-v1.txt");

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
        let memory = Groups::read(root.path()).unwrap().memory().unwrap();
        assert_eq!(memory.file, Path::new("/sys/fs/cgroup/memory.high"));
        assert_eq!(memory.room.left(), 600_000);
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
        for group in ["/docker/4f2a", "/somewhere/else", "/../../outside"] {
            let root = tree(&[
                ("proc/self/mountinfo", mounts),
                ("proc/self/cgroup", &format!("4:memory:{group}\n")),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
            ]);
            let memory = Groups::read(root.path()).unwrap().memory().unwrap();
            assert_eq!(memory.room.left(), 999, "{group}");
        }
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
    }
}
