//! The mappings of a process, for another to build.

use std::path::Path;

use procfs::process::{MMPermissions, MMapPath, MemoryMap, MemoryMaps};

use super::CensusError;
use super::files::ProcessFiles;
use crate::model::{LikeRegion, Likeness, RegionKind};

/// Reads the mappings of a process.
///
/// # Errors
/// [`CensusError`].
pub fn likeness(pid: i32, name: &str) -> Result<Likeness, CensusError> {
    let directory = &Path::new("/proc").join(pid.to_string());
    let maps: MemoryMaps = ProcessFiles { directory, pid }.read("maps")?;
    Ok(Likeness {
        of: name.to_owned(),
        regions: maps.iter().map(region).collect(),
    })
}

fn region(map: &MemoryMap) -> LikeRegion {
    let page_size = procfs::page_size();
    LikeRegion {
        first_page: map.address.0 / page_size,
        pages: (map.address.1 - map.address.0) / page_size,
        backing: match &map.pathname {
            _ if map.perms.contains(MMPermissions::SHARED) => RegionKind::Shared,
            MMapPath::Path(_) => RegionKind::File,
            _ => RegionKind::Anon,
        },
        writable: map.perms.contains(MMPermissions::WRITE),
        readable: map.perms.contains(MMPermissions::READ),
        written: Vec::new(),
        read: Vec::new(),
    }
}
