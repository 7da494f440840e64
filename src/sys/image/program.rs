//! The programs that are built in: static ELF files of one segment, without
//! libc, so that their start costs what the kernel charges and nothing more.
//!
//! They are machine code in tables, one for each machine. Both are compiled for
//! the tests of either, so that no table goes unchecked; nothing here executes
//! them or asks the kernel for anything.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
#[cfg(any(test, target_arch = "x86_64"))]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as host;
#[cfg(target_arch = "x86_64")]
use x86_64 as host;

/// Leaves with status 0 at once.
pub(super) fn leaving() -> Vec<u8> {
    elf(host::MACHINE, &host::leaving())
}

/// Executes the program that its second argument names, with the arguments from the third on
/// and its own environment; leaves with status 127 if that fails.
pub(super) fn helping() -> Vec<u8> {
    elf(host::MACHINE, &host::helping())
}

/// Stamps its own beginning and end, then leaves with status 0: writes
/// CLOCK_MONOTONIC, read by its first system call, as a `struct timespec` to the
/// descriptor `fd` at `offset`, and a second reading 16 bytes further on.
///
/// The readings go where the kernel has put argc and `argv[0]`, which lie on a
/// page that exec has written: a stamp causes no page fault.
pub(super) fn stamping(fd: u32, offset: u64) -> Vec<u8> {
    elf(host::MACHINE, &host::stamping(fd, offset))
}

/// Where the segment is loaded.
const BASE: u64 = 0x40_0000;
/// What stands before the code: the file's header and two of segments.
const HEADERS: u64 = 64 + 2 * 56;

/// A static ELF file of one segment.
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u64;
    let mut elf = Vec::new();
    // e_ident: magic, 64-bit, little-endian, version 1, System V.
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend(2_u16.to_le_bytes()); // e_type: ET_EXEC
    elf.extend(machine.to_le_bytes()); // e_machine
    elf.extend(1_u32.to_le_bytes()); // e_version
    elf.extend((BASE + HEADERS).to_le_bytes()); // e_entry
    elf.extend(64_u64.to_le_bytes()); // e_phoff
    elf.extend(0_u64.to_le_bytes()); // e_shoff
    elf.extend(0_u32.to_le_bytes()); // e_flags
    for half in [64_u16, 56, 2, 64, 0, 0] {
        elf.extend(half.to_le_bytes()); // e_ehsize, e_phentsize, e_phnum, e_sh*
    }
    // PT_LOAD, readable and executable; aligned for kernels with 64 KiB pages.
    segment(&mut elf, [1, 5], [0, BASE, BASE, size, size, 0x1_0000]);
    // PT_GNU_STACK without execution: the stack of a modern program.
    segment(&mut elf, [0x6474_e551, 6], [0, 0, 0, 0, 0, 16]);
    elf.extend_from_slice(code);
    elf
}

/// Appends an Elf64_Phdr: p_type and p_flags, then the six long fields.
fn segment(elf: &mut Vec<u8>, kind_and_flags: [u32; 2], fields: [u64; 6]) {
    for word in kind_and_flags {
        elf.extend(word.to_le_bytes());
    }
    for field in fields {
        elf.extend(field.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::process::{Command, Stdio};

    use super::super::super::clock::now_ns;
    use super::super::super::shared::memory_file;
    use super::super::ExecImage;
    use super::*;

    /// An offset with something in each of its 16-bit quarters but the last,
    /// which no file reaches.
    const FAR: u64 = 0x0001_0002_0003_0008;

    /// Runs `command` with a file in memory as its stdin, which is descriptor 0
    /// and survives the exec, and checks the stamps at `offset`.
    fn assert_stamps(command: &mut Command, offset: u64) {
        let file = memory_file(c"forktax-test", false).unwrap();
        let before = now_ns();
        let status = command
            .stdin(Stdio::from(file.try_clone().unwrap()))
            .status()
            .unwrap();
        let after = now_ns();
        assert_eq!(status.code(), Some(0));
        let mut bytes = [0; 32];
        file.read_exact_at(&mut bytes, offset).unwrap();
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        let stamp = |at| word(at) * 1_000_000_000 + word(at + 8);
        let times = [before, stamp(0), stamp(16), after];
        assert!(times.is_sorted(), "{times:?}");
        assert!(
            times[1] > before && times[2] > times[1],
            "a system call lies between: {times:?}"
        );
    }

    #[test]
    fn the_stamping_program_stamps_its_beginning_and_its_end() {
        for offset in [0, 48, FAR] {
            let image = ExecImage::stamping(&[], 0, offset).unwrap();
            assert_stamps(&mut Command::new(image.path().to_str().unwrap()), offset);
        }
    }

    #[test]
    fn without_a_descriptor_it_still_leaves_with_0() {
        let image = ExecImage::stamping(&[], 0x7654_3210, 0).unwrap();
        let status = Command::new(image.path().to_str().unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0));
    }

    /// Runs one machine's programs under an emulator, where there is one.
    fn assert_emulated(
        emulator: &str,
        leaving: &[u8],
        helping: &[u8],
        stamping: impl Fn(u64) -> Vec<u8>,
    ) {
        if Command::new(emulator).arg("--version").output().is_err() {
            println!("skipped: {emulator} is not installed");
            return;
        }
        let lay_out = |program: &[u8]| ExecImage::of_bytes(program, Vec::new(), Vec::new());
        let status = |program: &[u8], arguments: &[&str]| {
            let image = lay_out(program).unwrap();
            let path = image.path().to_str().unwrap();
            let mut command = Command::new(emulator);
            command.arg(path).args(arguments).env("FOR", "7");
            command.status().unwrap().code()
        };
        assert_eq!(status(leaving, &[]), Some(0));
        let arguments = ["/bin/sh", "sh", "-c", "exit $((FOR + $#))", "sh", "a", "b"];
        assert_eq!(status(helping, &arguments), Some(9));
        assert_eq!(status(helping, &["/no/program", "x"]), Some(127));
        for offset in [0, 48, FAR] {
            let image = lay_out(&stamping(offset)).unwrap();
            let path = image.path().to_str().unwrap();
            assert_stamps(Command::new(emulator).arg(path), offset);
        }
    }

    #[test]
    fn the_code_of_either_machine_runs_under_its_emulator() {
        assert_emulated(
            "qemu-aarch64-static",
            &elf(aarch64::MACHINE, &aarch64::leaving()),
            &elf(aarch64::MACHINE, &aarch64::helping()),
            |offset| elf(aarch64::MACHINE, &aarch64::stamping(0, offset)),
        );
        assert_emulated(
            "qemu-x86_64-static",
            &elf(x86_64::MACHINE, &x86_64::leaving()),
            &elf(x86_64::MACHINE, &x86_64::helping()),
            |offset| elf(x86_64::MACHINE, &x86_64::stamping(0, offset)),
        );
    }
}
