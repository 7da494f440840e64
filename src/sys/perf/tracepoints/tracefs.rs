//! The file system that tells which tracepoints a kernel has, where it is mounted. Nothing is
//! mounted here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::TracepointError;

/// Where it usually is (Documentation/trace/ftrace.rst).
const USUAL: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The folder of the tracepoints.
#[derive(Debug)]
pub(super) struct Tracefs {
    events: PathBuf,
}

/// What there is to know of a tracepoint to open it and to read its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// Its number, with which its records begin.
    pub(super) id: u16,
    fields: Vec<(String, Field)>,
}

/// Where in a record a field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    offset: usize,
    size: usize,
}

impl Tracefs {
    /// Looks for it.
    ///
    /// # Errors
    /// That it is mounted nowhere, or may not be read.
    pub(super) fn find() -> Result<Self, TracepointError> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let usual = USUAL.iter().map(PathBuf::from);
        let mut refused = None;
        for folder in usual.chain(mounted(&mounts)) {
            let events = folder.join("events");
            match fs::read_dir(&events) {
                Ok(_) => return Ok(Self { events }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    refused.get_or_insert(unreadable(&events, &error));
                }
            }
        }
        Err(refused.unwrap_or(TracepointError::NoTracefs))
    }

    /// The format of the tracepoint of this name, such as `task/task_newtask`.
    ///
    /// # Errors
    /// That there is none, or that it may not be read.
    pub(super) fn format(&self, name: &str) -> Result<Format, TracepointError> {
        let file = self.events.join(name).join("format");
        let text = fs::read_to_string(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TracepointError::Unknown(name.to_owned()),
            _ => unreadable(&file, &error),
        })?;
        Format::parse(&text).ok_or_else(|| TracepointError::Unknown(name.to_owned()))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> TracepointError {
    TracepointError::Unreadable {
        path: path.display().to_string(),
        errno: error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// Where it is mounted by a table such as `/proc/self/mounts`, also as a folder of debugfs.
fn mounted(mounts: &str) -> impl Iterator<Item = PathBuf> + '_ {
    mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (folder, kind) = (words.nth(1)?, words.next()?);
        match kind {
            "tracefs" => Some(PathBuf::from(folder)),
            "debugfs" => Some(Path::new(folder).join("tracing")),
            _ => None,
        }
    })
}

impl Format {
    /// Reads a text such as that of `events/task/task_newtask/format`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID:"))?;
        let fields = text.lines().filter_map(field);
        Some(Self {
            id: id.trim().parse().ok()?,
            fields: fields.collect(),
        })
    }

    /// The field of this name.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        let mut fields = self.fields.iter();
        fields.find_map(|(its, field)| (its == name).then_some(*field))
    }
}

/// A line such as `field:unsigned long clone_flags; offset:16; size:8; signed:0;`.
fn field(line: &str) -> Option<(String, Field)> {
    let mut parts = line.trim().split(';').map(str::trim);
    let declared = parts.next()?.strip_prefix("field:")?;
    let name = declared.rsplit([' ', '*']).next()?;
    let name = name.split('[').next()?;
    let mut number = |label: &str| parts.next()?.strip_prefix(label)?.parse().ok();
    let field = Field {
        offset: number("offset:")?,
        size: number("size:")?,
    };
    Some((name.to_owned(), field))
}

impl Field {
    /// The number in a record, with its sign where the field has less than 64 bits.
    pub(super) fn number(self, record: &[u8]) -> Option<i64> {
        let bytes = record.get(self.offset..self.offset.checked_add(self.size)?)?;
        Some(match self.size {
            2 => i16::from_ne_bytes(*bytes.first_chunk()?).into(),
            4 => i32::from_ne_bytes(*bytes.first_chunk()?).into(),
            8 => i64::from_ne_bytes(*bytes.first_chunk()?),
            _ => return None,
        })
    }

    /// The text that the field says the place of (`__data_loc`): its length in the upper half,
    /// where it begins in the lower.
    pub(super) fn text(self, record: &[u8]) -> Option<&[u8]> {
        let [a, b, c, d] = u32::try_from(self.number(record)? & 0xffff_ffff)
            .ok()?
            .to_le_bytes();
        let begin = usize::from(u16::from_le_bytes([a, b]));
        let len = usize::from(u16::from_le_bytes([c, d]));
        let text = record.get(begin..begin.checked_add(len)?)?;
        text.split(|byte| *byte == 0).next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEWTASK: &str = "name: task_newtask
ID: 205
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;
\tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;
\tfield:u64 clone_flags;\toffset:32;\tsize:8;\tsigned:0;
\tfield:__data_loc char[] filename;\toffset:40;\tsize:4;\tsigned:0;
\tfield:const char *const * argv;\toffset:24;\tsize:8;\tsigned:0;

print fmt: \"pid=%d comm=%s clone_flags=%llx\", REC->pid, REC->comm, REC->clone_flags
";

    #[test]
    fn fields_are_found_by_their_names_wherever_a_kernel_has_put_them() {
        let format = Format::parse(NEWTASK).unwrap();
        assert_eq!(format.id, 205);
        let place = |name| format.field(name).map(|field| (field.offset, field.size));
        assert_eq!(place("clone_flags"), Some((32, 8)));
        assert_eq!(place("comm"), Some((12, 16)));
        assert_eq!(place("argv"), Some((24, 8)));
        assert_eq!(place("filename"), Some((40, 4)));
        assert_eq!(place("flags"), None);
    }

    #[test]
    fn numbers_and_texts_are_read_where_a_record_has_them() {
        let format = Format::parse(NEWTASK).unwrap();
        let mut record = vec![0; 44];
        record[8..12].copy_from_slice(&(-3_i32).to_ne_bytes());
        record[32..40].copy_from_slice(&0x4100_u64.to_ne_bytes());
        record[40..44].copy_from_slice(&(8_u32 << 16 | 44).to_ne_bytes());
        record.extend(b"/bin/sh\0");
        let field = |name| format.field(name).unwrap();
        assert_eq!(field("pid").number(&record), Some(-3));
        assert_eq!(field("clone_flags").number(&record), Some(0x4100));
        assert_eq!(field("filename").text(&record), Some(&b"/bin/sh"[..]));
        assert_eq!(field("filename").text(&record[..46]), None);
        assert_eq!(field("clone_flags").number(&record[..33]), None);
    }

    #[test]
    fn it_is_found_among_the_mounts() {
        let mounts = "proc /proc proc rw 0 0\nnone /t tracefs rw 0 0\nd /d debugfs rw 0 0\n";
        let found: Vec<PathBuf> = mounted(mounts).collect();
        assert_eq!(found, [Path::new("/t"), Path::new("/d/tracing")]);
    }

    proptest! {
        #[test]
        fn any_format_and_record_are_read_without_a_panic(
            text in "(ID:|field:|[a-z ;:*0-9]|\n){0,20}",
            record in proptest::collection::vec(any::<u8>(), 0..60),
            offset in any::<usize>(),
        ) {
            Format::parse(&text);
            for size in [2, 4, 8, usize::MAX] {
                let field = Field { offset, size };
                field.number(&record);
                field.text(&record);
            }
        }
    }
}
