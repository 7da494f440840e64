//! The control group of version 2 that this process is in, as a folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Opens it.
///
/// # Errors
/// `NotFound` where no such hierarchy is mounted, or its mount does not show the group; those
/// of open(2).
pub fn own_group() -> io::Result<File> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let none = || {
        let why = "no hierarchy of version 2 is mounted that shows the group of this process";
        io::Error::new(io::ErrorKind::NotFound, why)
    };
    File::open(folder(&groups, &mounts).ok_or_else(none)?)
}

/// Its folder, by the texts of /proc/self/cgroup and /proc/self/mountinfo.
fn folder(groups: &str, mounts: &str) -> Option<PathBuf> {
    let mut groups = groups.lines();
    let group = groups.find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        // Number, parent, device, root of the mount, and where it is mounted.
        let mut fields = place.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        Some(Path::new(&unescaped(at)).join(below(group, root)?))
    })
}

/// Where a group lies below the root of a mount; none of a group elsewhere, which may be one
/// outside of this process's namespace (`..`).
#[must_use]
pub fn below<'a>(group: &'a str, root: &str) -> Option<&'a Path> {
    let below = Path::new(group).strip_prefix(unescaped(root)).ok()?;
    (!below.starts_with("..")).then_some(below)
}

/// A path of `mountinfo`, where spaces, tabs, ends of lines and backslashes are octal
/// (fs/seq_file.c, `mangle_path`).
#[must_use]
pub fn unescaped(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => whole.push(char::from(code)),
            None => whole.push('\\'),
        }
        whole.push_str(code.map_or(part, |_| &part[3..]));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_lies_below_the_mount_that_shows_it() {
        let v1 = include_str!("../../tests/data/proc/mountinfo-cgroup-v1.txt");
        let v2 = include_str!("../../tests/data/proc/mountinfo-cgroup-v2.txt");
        let at = |mounts: &str| folder("1:cpu:/x\n0::/user.slice/a\n", mounts);
        let found = at(v2).unwrap();
        assert!(found.ends_with("user.slice/a"), "{found:?}");
        let none = v1.lines().filter(|line| !line.contains("cgroup2"));
        assert_eq!(at(&none.collect::<Vec<_>>().join("\n")), None);
        let below = "30 23 0:26 /user.slice /mnt rw - cgroup2 cgroup2 rw";
        assert_eq!(at(below), Some(PathBuf::from("/mnt/a")));
        let spaced = below.replace("/mnt", "/a\\040b");
        let spaced = folder("0::/user.slice/a\n", &spaced);
        assert_eq!(spaced, Some(PathBuf::from("/a b/a")));
        let other = below.replace("/user.slice", "/system.slice");
        assert_eq!(at(&other), None);
        assert_eq!(folder("1:cpu:/x\n", v2), None);
        // A mount would lead out of itself to a group outside of the namespace.
        assert_eq!(folder("0::/../x\n", v2), None);
    }
}
