//! Which code a process has mapped where, by `/proc/PID/maps`, or by the kernel's records of
//! what it mapped since.

use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use crate::sys::perf::tracepoints::{FileId, Mapped};

/// Addresses outside all code that are remembered as such.
const MOST_NOWHERE: usize = 16;
const PAGE: u64 = 4096;

/// The executable mappings of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Image {
    mappings: Vec<Mapping>,
    /// Pages of addresses that were in none.
    nowhere: Vec<u64>,
    /// Whether records tell of all that is mapped since: then `/proc` is not asked again, which
    /// may know of a later program already, or of nothing.
    is_recorded: bool,
}

/// An executable mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins.
    pub(super) at: u64,
    /// The file's path, as the process sees it; absent for memory of no file, and for what
    /// the kernel itself has put there.
    pub(super) path: Option<String>,
    /// Whether the path leads to it no more.
    is_deleted: bool,
    /// What the file is, if a record has told.
    pub(super) id: Option<FileId>,
    /// Its place among the files that were opened; `Some(None)` if that failed.
    pub(super) file: Option<Option<usize>>,
}

impl Image {
    /// Reads the mappings of a process; none if it cannot be read.
    pub(super) fn of(pid: u32) -> Self {
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        Self::parse(&maps)
    }

    /// Reads a text such as `/proc/PID/maps`.
    fn parse(maps: &[u8]) -> Self {
        let lines = maps.split(|byte| *byte == b'\n');
        Self {
            mappings: lines.filter_map(Mapping::parse).collect(),
            nowhere: Vec::new(),
            is_recorded: false,
        }
    }

    /// One of a process that has mapped nothing yet, and of which records tell.
    pub(super) fn new_recorded() -> Self {
        Self {
            is_recorded: true,
            ..Self::default()
        }
    }

    /// The same image, of which records tell from now on.
    pub(super) fn recorded(self) -> Self {
        Self {
            is_recorded: true,
            ..self
        }
    }

    /// Takes in a mapping, in the place of what was there.
    pub(super) fn map(&mut self, mapped: &Mapped) {
        let (start, end) = (mapped.start, mapped.end);
        if start >= end {
            return;
        }
        let parts = std::mem::take(&mut self.mappings);
        let parts = parts.into_iter().flat_map(|old| old.without(start, end));
        self.mappings = parts.collect();
        let place = self.mappings.partition_point(|one| one.start < start);
        self.mappings.insert(place, Mapping::told(mapped));
    }

    /// The place of the mapping that holds an address.
    pub(super) fn find(&self, address: u64) -> Option<usize> {
        let behind = self.mappings.partition_point(|one| one.start <= address);
        let place = behind.checked_sub(1)?;
        (address < self.mappings[place].end).then_some(place)
    }

    pub(super) fn mapping(&self, place: usize) -> &Mapping {
        &self.mappings[place]
    }

    pub(super) fn remember_file(&mut self, place: usize, file: Option<usize>) {
        self.mappings[place].file = Some(file);
    }

    /// Forgets which files were opened.
    pub(super) fn forget_files(&mut self) {
        for mapping in &mut self.mappings {
            mapping.file = None;
        }
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// Whether reading the mappings again may tell of an address that is in none of them.
    /// Where a walk goes astray, it asks for the same addresses again and again.
    pub(super) fn may_have_grown(&self, address: u64) -> bool {
        !self.is_recorded
            && self.nowhere.len() < MOST_NOWHERE
            && !self.nowhere.contains(&(address / PAGE))
    }

    /// Takes over new mappings, of which one should hold an address.
    pub(super) fn renew(&mut self, mut newer: Self, address: u64) {
        newer.nowhere = std::mem::take(&mut self.nowhere);
        if newer.find(address).is_none() {
            newer.nowhere.push(address / PAGE);
        }
        *self = newer;
    }
}

impl Mapping {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = text()?.split_once('-')?;
        (text()?.as_bytes().get(2) == Some(&b'x')).then_some(())?;
        let at = hex(text()?)?;
        let (_device, _inode) = (text()?, text()?);
        let path = fields.next().unwrap_or_default().trim_ascii_start();
        // A line's end is the one character that is escaped (fs/seq_file.c, seq_path).
        let path = String::from_utf8_lossy(path).replace("\\012", "\n");
        let (path, is_deleted) = match path.strip_suffix(" (deleted)") {
            Some(path) => (path.to_owned(), true),
            None => (path, false),
        };
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            at,
            path: path.starts_with('/').then_some(path),
            is_deleted,
            id: None,
            file: None,
        })
    }

    fn told(mapped: &Mapped) -> Self {
        let (name, is_deleted) = match mapped.name.strip_suffix(" (deleted)") {
            Some(name) => (name, true),
            None => (mapped.name.as_str(), false),
        };
        // With two slashes the kernel names what has no path (perf_event_mmap_event(),
        // kernel/events/core.c).
        let is_path = name.starts_with('/') && !name.starts_with("//");
        Self {
            start: mapped.start,
            end: mapped.end,
            at: mapped.at,
            path: is_path.then(|| name.to_owned()),
            is_deleted,
            id: Some(mapped.file),
            file: None,
        }
    }

    /// What is left of it outside of some addresses.
    fn without(self, start: u64, end: u64) -> impl Iterator<Item = Self> {
        let below = Self {
            end: self.end.min(start),
            ..self.clone()
        };
        let above_start = self.start.max(end);
        let above = Self {
            at: self.at.wrapping_add(above_start - self.start),
            start: above_start,
            ..self
        };
        let parts = [below, above].into_iter();
        parts.filter(|part| part.start < part.end)
    }

    /// Opens the file. What is mapped itself is shown to privileged readers only; its path
    /// leads to it in the process's own mount namespace.
    pub(super) fn open(&self, pid: u32) -> Option<File> {
        let path = self.path.as_ref()?;
        // Somebody may have put a pipe at the path since.
        let open = |path: String| {
            let mut options = OpenOptions::new();
            let options = options.read(true).custom_flags(libc::O_NONBLOCK);
            options.open(path).ok()
        };
        let (start, end) = (self.start, self.end);
        let mapped = open(format!("/proc/{pid}/map_files/{start:x}-{end:x}"));
        let by_path = || match self.is_deleted {
            false => open(format!("/proc/{pid}/root{path}")).or_else(|| open(path.clone())),
            true => None,
        };
        let file = mapped.or_else(by_path)?;
        let metadata = file.metadata().ok()?;
        let is_it = metadata.is_file() && self.id.is_none_or(|id| is_of(&metadata, id));
        is_it.then_some(file)
    }
}

/// Whether a file is the one that a record names. File systems whose devices are the kernel's
/// own numbers, as those of btrfs and overlayfs, show another to stat(2) than to the record,
/// which names what lies below them up to Linux 6.17.
fn is_of(metadata: &Metadata, id: FileId) -> bool {
    let device = metadata.dev();
    let shown = (libc::major(device), libc::minor(device));
    metadata.ino() == id.inode && (shown == id.device || shown.0 == 0 || id.device.0 == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAPS: &str = "\
55d0c0a00000-55d0c0a02000 r--p 00000000 fe:00 123                        /usr/bin/my prog
55d0c0a02000-55d0c0a08000 r-xp 00002000 fe:00 123                        /usr/bin/my prog
7f0000000000-7f0000010000 rwxp 00000000 00:00 0
7f1000000000-7f1000010000 r-xp 00001000 fe:00 9                          /tmp/gone.so (deleted)
7ffd1c5e0000-7ffd1c5e2000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn only_what_is_executable_is_kept_and_the_path_is_that_of_a_file() {
        let image = Image::parse(MAPS.as_bytes());
        assert_eq!(image.mappings.len(), 5);
        let path = |address| image.mapping(image.find(address).unwrap()).path.clone();
        assert_eq!(path(0x55d0_c0a0_2000).as_deref(), Some("/usr/bin/my prog"));
        assert_eq!(path(0x7f00_0000_0000), None);
        assert_eq!(path(0x7f10_0000_ffff).as_deref(), Some("/tmp/gone.so"));
        assert_eq!(path(0x7ffd_1c5e_0000), None);
        assert_eq!(image.find(0x55d0_c0a0_1fff), None);
        assert_eq!(image.find(0x55d0_c0a0_8000), None);
        let prog = image.mapping(image.find(0x55d0_c0a0_2001).unwrap());
        assert_eq!((prog.at, prog.is_deleted), (0x2000, false));
    }

    #[test]
    fn mappings_are_read_again_for_new_addresses_and_not_for_those_known_to_be_in_none() {
        let mut image = Image::default();
        assert!(image.may_have_grown(0x7f00_0000_0000));
        image.renew(Image::parse(MAPS.as_bytes()), 0x7f00_0000_0000);
        assert!(image.find(0x7f00_0000_0000).is_some());
        image.renew(Image::parse(MAPS.as_bytes()), 0x5000);
        assert!(!image.may_have_grown(0x5008) && image.may_have_grown(0x6000));
        for page in 6..100 {
            image.renew(Image::default(), page * PAGE);
        }
        assert!(!image.may_have_grown(0x1000_0000), "not for ever");
    }

    #[test]
    fn code_of_this_process_is_opened_as_the_file_that_it_is() {
        use std::os::unix::fs::MetadataExt;

        let pid = std::process::id();
        let image = Image::of(pid);
        let here = Image::of as fn(u32) -> Image as usize as u64;
        let mapping = image.mapping(image.find(here).unwrap());
        let opened = mapping.open(pid).unwrap().metadata().unwrap();
        let own = fs::metadata("/proc/self/exe").unwrap();
        assert_eq!(opened.ino(), own.ino());
    }

    fn mapped(start: u64, end: u64, at: u64, name: &str) -> Mapped {
        Mapped {
            start,
            end,
            at,
            name: name.to_owned(),
            file: FileId::default(),
        }
    }

    #[test]
    fn what_is_recorded_takes_the_place_of_what_was_there() {
        let mut image = Image::new_recorded();
        image.map(&mapped(0x1000, 0x9000, 0, "/bin/a"));
        image.map(&mapped(0x3000, 0x5000, 0x10_000, "/lib/b.so"));
        image.map(&mapped(0x8000, 0xa000, 0, "//anon"));
        image.map(&mapped(0xb000, 0xb000, 0, "/bin/nothing"));
        let parts: Vec<(u64, u64, u64, Option<&str>)> = image
            .mappings
            .iter()
            .map(|it| (it.start, it.end, it.at, it.path.as_deref()))
            .collect();
        let expected = [
            (0x1000, 0x3000, 0, Some("/bin/a")),
            (0x3000, 0x5000, 0x10_000, Some("/lib/b.so")),
            (0x5000, 0x8000, 0x4000, Some("/bin/a")),
            (0x8000, 0xa000, 0, None),
        ];
        assert_eq!(parts, expected);
        assert!(!image.may_have_grown(0xc000), "records tell of all");
        let known = Image::parse(MAPS.as_bytes()).recorded();
        assert!(known.find(0x7f00_0000_0000).is_some() && !known.may_have_grown(0x5000));
    }

    #[test]
    fn a_file_is_opened_only_if_it_is_the_one_that_was_mapped() {
        let own = fs::metadata("/proc/self/exe").unwrap();
        let path = fs::read_link("/proc/self/exe").unwrap();
        let device = (libc::major(own.dev()), libc::minor(own.dev()));
        let open = |inode| {
            let id = FileId {
                device,
                inode,
                generation: 0,
            };
            let mapped = Mapped {
                file: id,
                ..mapped(0, 0x1000, 0, path.to_str().unwrap())
            };
            // Nobody has this number.
            Mapping::told(&mapped).open(1 << 23)
        };
        assert!(open(own.ino()).is_some());
        assert!(open(own.ino() + 1).is_none());
    }

    proptest! {
        #[test]
        fn recorded_mappings_never_overlap(
            ranges in proptest::collection::vec((0_u64..64, 0_u64..64), 0..20),
        ) {
            let mut image = Image::new_recorded();
            for (start, end) in ranges {
                image.map(&mapped(start, end, 0, "/a"));
            }
            let apart = |pair: &[Mapping]| pair[0].end <= pair[1].start;
            assert!(image.mappings.windows(2).all(apart));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            Image::parse(&text);
        }
    }
}
