//! What control groups leave to a process: memory, pids and CPU time, of its own
//! group and of every group above it, in versions 1 and 2.
//!
//! A group that cannot be read limits nothing here: a container often sees only
//! its own. Nothing is ever written. Documentation: the kernel's
//! admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, cgroup-v1/pids.rst and
//! scheduler/sched-bwc.rst.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::ProcessCGroups;
use procfs::process::{MountInfo, MountInfos};

use super::Room;
use crate::analysis::mappings::harmless;
use crate::model::CpuQuota;
use crate::sys::cgroup::{below, unescaped};

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
    v2: &[Files {
        limit: "memory.max",
        used: "memory.current",
        reclaimable: ["inactive_file", "active_file"],
    }],
    v1: &[Files {
        limit: "memory.limit_in_bytes",
        used: "memory.usage_in_bytes",
        reclaimable: ["total_inactive_file", "total_active_file"],
    }],
};

/// Beyond it the kernel refuses nothing, and has tasks wait while it takes memory back.
const MEMORY_HIGH: Resource = Resource {
    controller: "memory",
    v2: &[Files {
        limit: "memory.high",
        used: "memory.current",
        reclaimable: ["inactive_file", "active_file"],
    }],
    v1: &[],
};

/// The initial namespace of control groups (include/linux/proc_ns.h,
/// `PROC_CGROUP_INIT_INO`): from all others groups above their own are not to be seen.
const INITIAL: &str = "cgroup:[4026531835]";

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

/// The groups of a process, as found below a root directory.
pub(super) struct Groups {
    root: PathBuf,
    groups: ProcessCGroups,
    mounts: MountInfos,
    /// Whether they are this process's own.
    own: bool,
    /// Whether this process sees groups up to the root of their tree.
    sees_root: bool,
}

impl Groups {
    /// Reads which groups this process is in and where they are mounted.
    ///
    /// `None` on a kernel without control groups.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let own = Self::of(root, &root.join("proc/self"))?;
        Some(Self { own: true, ..own })
    }

    /// The same of the process with this directory. The kernel tells its groups as this
    /// process's namespace shows them, so that they are found at the mounts of this one.
    pub(super) fn of(root: &Path, process: &Path) -> Option<Self> {
        let namespace = fs::read_link(root.join("proc/self/ns/cgroup"));
        Some(Self {
            root: root.to_owned(),
            groups: ProcessCGroups::from_file(process.join("cgroup")).ok()?,
            mounts: MountInfos::from_file(root.join("proc/self/mountinfo")).ok()?,
            own: false,
            // A kernel without such namespaces has no link.
            sees_root: namespace.map_or(true, |own| own == Path::new(INITIAL)),
        })
    }

    /// The tightest memory limit.
    pub(super) fn memory(&self) -> Option<CgroupRoom> {
        self.tightest(&MEMORY)
    }

    /// The tightest limit beyond which tasks wait.
    pub(super) fn memory_high(&self) -> Option<CgroupRoom> {
        self.tightest(&MEMORY_HIGH)
    }

    /// The tightest limit of processes.
    pub(super) fn pids(&self) -> Option<CgroupRoom> {
        self.tightest(&PIDS)
    }

    /// The CPU quotas, the tightest first and the nearest of equal ones, and the directories
    /// of their groups.
    pub(super) fn cpu_quotas(&self) -> Vec<(CpuQuota, PathBuf)> {
        let quotas = self.directories("cpu").into_iter();
        let quotas = quotas.filter_map(|(directory, unified)| {
            let quota = self.quota(&directory, unified)?;
            Some((quota, directory))
        });
        let mut quotas: Vec<_> = quotas.collect();
        quotas.sort_by(|(a, _), (b, _)| a.cpus().total_cmp(&b.cpus()));
        quotas
    }

    /// Whether the tasks of this group's directory are those of this group and below.
    pub(super) fn are_below(&self, directory: &Path) -> bool {
        let mut directories = self.directories(PIDS.controller).into_iter();
        directories.any(|(own, _)| own == directory)
    }

    /// Whether a group that may limit the process, or one above it, is found at no mount. In
    /// version 1 a controller has a group of its own; version 2 is then told of, mounted or
    /// not.
    pub(super) fn are_unseen(&self) -> bool {
        let all = [MEMORY.controller, PIDS.controller, "cpu"];
        let named = |controller: &&str| {
            let mut groups = (&self.groups).into_iter();
            groups.any(|group| group.controllers.iter().any(|c| c == controller))
        };
        let of_version_1: Vec<&str> = all.into_iter().filter(named).collect();
        let is_seen = |controller: &str, unified: bool| {
            let mut found = self.found(controller).into_iter();
            found.any(|(mount, _, of_2)| of_2 == unified && mount.root == "/")
        };
        let are_seen = match of_version_1.as_slice() {
            [] => is_seen("", true),
            controllers => controllers
                .iter()
                .all(|controller| is_seen(controller, false)),
        };
        !(self.sees_root && are_seen)
    }

    fn tightest(&self, resource: &Resource) -> Option<CgroupRoom> {
        let directories = self.directories(resource.controller).into_iter();
        let rooms = directories.flat_map(|(directory, unified)| {
            let files = if unified { resource.v2 } else { resource.v1 };
            let room = move |file| self.room(&directory, file);
            files.iter().filter_map(room)
        });
        rooms.min_by_key(|found| found.room.left())
    }

    /// The directories of the group that a controller has the process in and of every group
    /// above it, up to the mount point, and whether they are of version 2.
    fn directories(&self, controller: &str) -> Vec<(PathBuf, bool)> {
        let found = self.found(controller).into_iter();
        let climbed = found.flat_map(|(mount, below, unified)| {
            let point = PathBuf::from(unescaped(&mount.mount_point.to_string_lossy()));
            let ancestors: Vec<PathBuf> = below.ancestors().map(|it| point.join(it)).collect();
            ancestors.into_iter().map(move |it| (it, unified))
        });
        climbed.collect()
    }

    /// The mounts that show the group of a controller, its path below each, and whether they
    /// are of version 2.
    fn found(&self, controller: &str) -> Vec<(&MountInfo, PathBuf, bool)> {
        let mut found = Vec::new();
        for group in &self.groups {
            let unified = group.hierarchy == 0 && group.controllers.is_empty();
            if !unified && !group.controllers.iter().any(|c| c == controller) {
                continue;
            }
            for mount in &self.mounts {
                let is_its = match unified {
                    true => mount.fs_type == "cgroup2",
                    false => {
                        mount.fs_type == "cgroup" && mount.super_options.contains_key(controller)
                    }
                };
                let below = self.below(mount, &group.pathname).filter(|_| is_its);
                found.extend(below.map(|below| (mount, below, unified)));
            }
        }
        found
    }

    /// Where a group lies below a mount's own, which may be one from somewhere downwards.
    fn below(&self, mount: &MountInfo, group: &str) -> Option<PathBuf> {
        if let Some(below) = below(group, &mount.root) {
            return Some(below.to_owned());
        }
        // Of a group elsewhere the mount's own is one of this process's groups, and none of
        // another's; of one outside of the namespace ("/..") it is nobody's.
        (self.own && !group.starts_with("/..")).then(PathBuf::new)
    }

    fn quota(&self, directory: &Path, unified: bool) -> Option<CpuQuota> {
        let read = |name: &str| fs::read_to_string(self.real(&directory.join(name))).ok();
        let (name, text) = match unified {
            true => ("cpu.max", read("cpu.max")?),
            false => {
                let of = |name| Some(read(name)?.trim().to_owned());
                let both = [of("cpu.cfs_quota_us")?, of("cpu.cfs_period_us")?];
                ("cpu.cfs_quota_us", both.join(" "))
            }
        };
        // Without a quota there is "max" in its place, or in version 1 "-1".
        let (quota, period) = text.trim().split_once(' ')?;
        let [quota_us, period_us] = [quota.parse().ok()?, period.parse().ok()?];
        let counted = read("cpu.stat").map(|stat| periods(&stat));
        let [periods, throttled_periods] = counted.unwrap_or_default();
        (period_us > 0).then(|| CpuQuota {
            quota_us,
            period_us,
            file: Some(shown(&directory.join(name))),
            periods,
            throttled_periods,
        })
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

/// A path as it is told: names of groups are any bytes.
pub(super) fn shown(path: &Path) -> String {
    /// The kernel's limit for a path, and for what is no UTF-8 in it.
    const LONGEST: usize = 4096 * 3;
    harmless(&path.to_string_lossy(), LONGEST)
}

/// The number in a file; `None` for "max", as for a file that is not there.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The periods of a `cpu.stat`, and those of them in which the quota was spent.
pub(in crate::lab) fn periods(stat: &str) -> [u64; 2] {
    ["nr_periods ", "nr_throttled "].map(|name| {
        let count = stat.lines().find_map(|line| line.strip_prefix(name));
        count
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    })
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
mod tests;
