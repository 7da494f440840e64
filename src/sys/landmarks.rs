//! Where a program's start begins: the addresses that it will have when it is
//! executed with address-space randomisation off.
//!
//! [`find`] starts the program under ptrace, which stops it before its first
//! instruction, reads its memory, and ends it: none of its code ever runs. The
//! addresses hold for processes that were prepared by [`fix_addresses`] and
//! have the same limit of the stack's size (mm/util.c, mmap_base). A set-user-ID
//! program is refused, since the kernel places it at random whatever was asked
//! for and whoever executes it (fs/exec.c, bprm_fill_uid, PER_CLEAR_ON_SETID).

mod trial;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::sys::program::elf::{self, AuxiliaryVector, ElfError, Header, Segment};
use crate::sys::program::entry_code::{self, Main};

use super::image::ExecImage;
use super::process;
use trial::Trial;

/// The addresses of instructions at the start of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landmarks {
    /// The first instruction: the dynamic loader's, or else the program's.
    pub first: u64,
    /// The first instruction of the program itself, if a loader runs before it.
    pub entry: Option<u64>,
    /// The function that libc is given as main, if it can be told.
    pub main: Option<u64>,
    /// Whether a dynamic loader runs before the program.
    pub is_dynamic: bool,
}

/// Starts the program once, stopped before its first instruction, with
/// randomisation off, reads where things are, and ends it.
///
/// # Errors
/// Those of execve(2); `Unsupported` for a program that is not a 64-bit one for
/// this machine, or that has the set-user-ID bit; `PermissionDenied` where ptrace(2) or personality(2) is refused,
/// or where the program may be executed but not read.
pub fn find(path: &str, argv: &[String], environment: &[String]) -> io::Result<Landmarks> {
    let image = ExecImage::of_path(path, argv, environment)?;
    let trial = Trial::start(&image)?;
    check_fixed(trial.pid())
        .and_then(|()| Mapped::open(trial.pid())?.landmarks())
        .map_err(|error| {
            let message = format!("{path}, stopped at its first instruction: {error}");
            io::Error::new(error.kind(), message)
        })
}

/// Switches address-space randomisation off for what this thread, and every
/// process that it will create, executes from now on.
///
/// # Errors
/// EPERM under a seccomp filter such as that of Docker's default profile.
pub fn fix_addresses() -> io::Result<()> {
    let persona = process::personality(None)?;
    process::personality(Some(persona | process::ADDR_NO_RANDOMIZE)).map(drop)
}

/// Whether the process has kept what [`fix_addresses`] has set.
fn check_fixed(pid: i32) -> io::Result<()> {
    let persona = std::fs::read_to_string(format!("/proc/{pid}/personality"))?;
    match u32::from_str_radix(persona.trim(), 16) {
        Ok(persona) if persona & process::ADDR_NO_RANDOMIZE != 0 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a program with the set-user-ID or set-group-ID bit or with file capabilities, which \
             the kernel places at random: take a copy of it without them",
        )),
    }
}

/// A program that stands before its first instruction.
struct Mapped {
    memory: File,
    header: Header,
    vector: AuxiliaryVector,
    segments: Vec<Segment>,
    /// By how much the kernel has moved it.
    moved: u64,
}

impl Mapped {
    fn open(pid: i32) -> io::Result<Self> {
        let in_proc = |name: &str| format!("/proc/{pid}/{name}");
        // What the kernel has mapped: of a script, the interpreter.
        let file = File::open(in_proc("exe"))?;
        let header = read_header(&file, 0)?;
        let mut table = vec![0; header.segments_len];
        file.read_exact_at(&mut table, header.segments_at)?;
        let vector = std::fs::read(in_proc("auxv"))?;
        let vector = AuxiliaryVector::read(&vector)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no AT_ENTRY in its auxv"))?;
        Ok(Self {
            memory: File::open(in_proc("mem"))?,
            moved: vector.entry.wrapping_sub(header.entry),
            segments: elf::segments(&table),
            header,
            vector,
        })
    }

    fn landmarks(&self) -> io::Result<Landmarks> {
        let entry = self.vector.entry;
        let first = match self.vector.interpreter {
            Some(base) => self.first_of_interpreter(base)?,
            None => entry,
        };
        Ok(Landmarks {
            first,
            entry: (first != entry).then_some(entry),
            main: self.main(),
            is_dynamic: self.vector.interpreter.is_some(),
        })
    }

    /// The kernel adds the load address to the entry if the interpreter may be
    /// moved (fs/binfmt_elf.c, load_elf_interp and load_elf_binary).
    fn first_of_interpreter(&self, base: u64) -> io::Result<u64> {
        let header = read_header(&self.memory, base)?;
        Ok(if header.relocatable {
            base.wrapping_add(header.entry)
        } else {
            header.entry
        })
    }

    /// main, provided that it lies in the program's own code.
    fn main(&self) -> Option<u64> {
        let code = |address| self.read(address, entry_code::WINDOW);
        let main = match entry_code::find_main(self.header.machine, self.vector.entry, code)? {
            Main::At(main) => main,
            Main::In(slot) => self.relocated(slot)?,
        };
        let unmoved = main.wrapping_sub(self.moved);
        let ours = self.segments.iter().any(|part| part.is_code_at(unmoved));
        ours.then_some(main)
    }

    /// The word that will be at `slot` once the loader has done its work, which
    /// at this point it has not begun.
    fn relocated(&self, slot: u64) -> Option<u64> {
        if !self.header.relocatable {
            let word = self.read(slot, size_of::<u64>())?;
            return Some(u64::from_le_bytes(word.try_into().ok()?));
        }
        let dynamic = self.segments.iter().find(|part| part.is_dynamic())?;
        let dynamic = self.read_moved(dynamic.address, dynamic.size)?;
        let (address, size) = elf::relocations(&dynamic)?;
        let table = self.read_moved(address, size)?;
        let slot = slot.wrapping_sub(self.moved);
        let addend = elf::relative_addend(self.header.machine, &table, slot)?;
        Some(addend.wrapping_add(self.moved))
    }

    /// Memory whose place and size the program's file says; of no absurd size.
    fn read_moved(&self, address: u64, size: u64) -> Option<Vec<u8>> {
        const LIMIT: u64 = 256 << 20;
        let size = usize::try_from(size.min(LIMIT)).ok()?;
        self.read(address.wrapping_add(self.moved), size)
    }

    /// The bytes from `address` on: up to `len`, as far as they are mapped.
    fn read(&self, address: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut there = 0;
        while there < len {
            let from = address.wrapping_add(there as u64);
            match self.memory.read_at(&mut bytes[there..], from) {
                Ok(0) | Err(_) => break,
                Ok(more) => there += more,
            }
        }
        bytes.truncate(there);
        (there > 0).then_some(bytes)
    }
}

fn read_header(file: &File, at: u64) -> io::Result<Header> {
    let mut bytes = [0; elf::HEADER_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    Header::read(&bytes).map_err(|error| {
        let message = match error {
            ElfError::Bits32 => "a 32-bit program, of which only timings can be had",
            ElfError::NotElf => "no ELF file, of which only timings can be had",
            ElfError::OtherMachine => {
                "a program for another machine, of which only timings can be had"
            }
        };
        io::Error::new(io::ErrorKind::Unsupported, message)
    })
}

#[cfg(test)]
mod tests;
