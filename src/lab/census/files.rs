//! The files of a process, opened and read, with a refusal that names them.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use procfs::process::Status;
use procfs::{FromRead, ProcError};

use super::CensusError;
use super::pages::{ENTRY_BYTES, EntrySource};
use super::refused::{hidden, is_hidden, remedy};
use crate::analysis::mappings::{Listed, listed};
use crate::sys::pagemap::{first_used, is_unsupported};

/// Linux's error number for a process that is no more (`ESRCH`).
pub(in crate::lab) const NO_SUCH_PROCESS: i32 = 3;

/// The files in a directory such as `/proc/PID`.
pub(in crate::lab) struct ProcessFiles {
    pub(in crate::lab) directory: PathBuf,
    pub(in crate::lab) pid: i32,
}

impl ProcessFiles {
    /// Those of a living process.
    pub(in crate::lab) fn of(pid: i32) -> Self {
        let directory = Path::new("/proc").join(pid.to_string());
        Self { directory, pid }
    }

    /// Those of this process.
    pub(in crate::lab) fn own() -> Self {
        Self::of(std::process::id().cast_signed())
    }

    /// Those of a process that a directory was made for.
    #[cfg(test)]
    pub(in crate::lab) fn below(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            pid: 7,
        }
    }

    /// Reads and parses one.
    pub(in crate::lab) fn read<T: FromRead>(&self, name: &str) -> Result<T, CensusError> {
        let file = File::open(self.directory.join(name)).map_err(ProcError::from);
        file.and_then(T::from_read)
            .map_err(|error| refuse(self.pid, self.directory.join(name), error))
    }

    /// The text of one, if it is to be had.
    pub(in crate::lab) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.join(name)).ok()
    }

    /// Its mappings as `maps` or `smaps` lists them.
    pub(in crate::lab) fn listed(&self, name: &str) -> Result<Vec<Listed>, CensusError> {
        // The kernel gives out one page of `smaps` a read, however much is asked for.
        const BUFFER: usize = 64 << 10;
        let path = self.directory.join(name);
        let read =
            File::open(&path).and_then(|file| listed(BufReader::with_capacity(BUFFER, file)));
        read.map_err(|error| refuse(self.pid, path, error.into()))
    }

    /// What its status says.
    pub(in crate::lab) fn standing(&self) -> Result<Standing, CensusError> {
        let status: Status = self.read("status")?;
        let pid = self.pid;
        let kib = status.vmpte.ok_or(CensusError::NoAddressSpace { pid })?;
        Ok(Standing {
            page_table_bytes: kib << 10,
            threads: status.threads,
            pinned_bytes: status.vmpin.unwrap_or(0) << 10,
        })
    }

    /// How many descriptors it has open.
    pub(in crate::lab) fn descriptors(&self) -> Result<u64, CensusError> {
        let path = self.directory.join("fd");
        match std::fs::read_dir(&path) {
            Ok(entries) => Ok(entries.count() as u64),
            Err(error) => Err(refuse(self.pid, path, error.into())),
        }
    }

    /// Opens its pagemap.
    pub(in crate::lab) fn pagemap(&self) -> Result<Pagemap, CensusError> {
        let path = self.directory.join("pagemap");
        match File::open(&path) {
            Ok(file) => Ok(Pagemap {
                file,
                path,
                pid: self.pid,
            }),
            Err(error) => Err(refuse(self.pid, path, error.into())),
        }
    }
}

/// What the status of a process says of it.
pub(in crate::lab) struct Standing {
    /// `VmPTE`, in bytes.
    pub(in crate::lab) page_table_bytes: u64,
    /// Its threads.
    pub(in crate::lab) threads: u64,
    /// `VmPin`, in bytes.
    pub(in crate::lab) pinned_bytes: u64,
}

/// An open pagemap.
pub(in crate::lab) struct Pagemap {
    file: File,
    path: PathBuf,
    pid: i32,
}

impl Pagemap {
    /// Fills the bytes with the entries from a page onwards.
    pub(in crate::lab) fn entries(&self, first_page: u64, bytes: &mut [u8]) -> io::Result<()> {
        let offset = first_page.saturating_mul(ENTRY_BYTES);
        self.file.read_exact_at(bytes, offset)
    }

    /// The file itself, for what else can be asked of it.
    pub(in crate::lab) fn file(&self) -> &File {
        &self.file
    }

    /// What a failed reading means.
    pub(in crate::lab) fn refuse(&self, error: io::Error) -> CensusError {
        refuse(self.pid, self.path.clone(), gone_if_short(error))
    }
}

impl EntrySource for &Pagemap {
    fn read(&mut self, first_page: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.entries(first_page, bytes)
    }

    fn next_used(&mut self, from: u64, end: u64) -> io::Result<Option<u64>> {
        let page_size = procfs::page_size();
        let address = |page: u64| page.saturating_mul(page_size);
        match first_used(&self.file, address(from), address(end)) {
            Ok(found) => Ok(found.map(|start| start / page_size)),
            Err(error) if is_unsupported(&error) => Ok(Some(from)),
            Err(error) => Err(error),
        }
    }
}

/// `pagemap` ends early only when the address space is no more.
pub(in crate::lab) fn gone_if_short(error: io::Error) -> ProcError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        io::Error::from_raw_os_error(NO_SUCH_PROCESS).into()
    } else {
        error.into()
    }
}

pub(in crate::lab) fn refuse(pid: i32, file: PathBuf, error: ProcError) -> CensusError {
    match error {
        ProcError::PermissionDenied(_) => {
            let remedy = remedy(pid);
            CensusError::NotPermitted { file, remedy }
        }
        // The file is missing because its process is, or for the kernel's lack of it.
        ProcError::NotFound(_) if !file.parent().is_some_and(Path::exists) => {
            match is_hidden(pid) {
                true => CensusError::NotPermitted {
                    file,
                    remedy: hidden(pid),
                },
                false => CensusError::Gone { pid },
            }
        }
        ProcError::Io(error, _) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => {
            CensusError::Gone { pid }
        }
        source => CensusError::Unreadable { file, source },
    }
}
