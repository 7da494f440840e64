//! What a child executes: paths, arguments and environment laid out before the
//! loop, and the tiny program that is built in.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::ptr;

use super::shared::memory_file;

/// A program, its `argv` and its `envp` in the form that execve(2) takes, so
/// that nothing is allocated between the call and the exec.
#[derive(Debug)]
pub struct ExecImage {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// The descriptor behind a path under /proc/self/fd.
    _file: Option<File>,
}

impl ExecImage {
    /// Lays out a program of the user's.
    ///
    /// # Errors
    /// `InvalidInput` when a string has a zero byte inside.
    pub fn of_path(path: &str, arguments: &[String], environment: &[String]) -> io::Result<Self> {
        Self::lay_out(path, arguments, environment, None)
    }

    /// Lays out the embedded program, which lives in a file in memory.
    ///
    /// # Errors
    /// Those of memfd_create(2): EACCES where `vm.memfd_noexec` is 2.
    pub fn embedded(environment: &[String]) -> io::Result<Self> {
        let mut writable = memory_file(c"forktax-program", true)?;
        writable.write_all(&program())?;
        let in_proc = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        // A file that is open for writing cannot be executed (ETXTBSY), so it
        // is opened again for reading and the writable descriptor is closed.
        let file = File::open(in_proc(&writable))?;
        drop(writable);
        let path = in_proc(&file);
        Self::lay_out(
            &path,
            &["forktax-program".to_owned()],
            environment,
            Some(file),
        )
    }

    fn lay_out(
        path: &str,
        arguments: &[String],
        environment: &[String],
        file: Option<File>,
    ) -> io::Result<Self> {
        let c_strings = |strings: &[String]| -> io::Result<Vec<CString>> {
            strings
                .iter()
                .map(|string| Ok(CString::new(string.as_str())?))
                .collect()
        };
        let pointers = |strings: &[CString]| {
            strings
                .iter()
                .map(|string| string.as_ptr())
                .chain([ptr::null()])
                .collect()
        };
        let arguments = c_strings(arguments)?;
        let environment = c_strings(environment)?;
        Ok(Self {
            path: CString::new(path)?,
            argv: pointers(&arguments),
            envp: pointers(&environment),
            arguments,
            environment,
            _file: file,
        })
    }

    /// The path that is executed.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// The arguments, `argv[0]` first.
    pub fn arguments(&self) -> &[CString] {
        &self.arguments
    }

    /// The environment, as `NAME=VALUE`.
    pub fn environment(&self) -> &[CString] {
        &self.environment
    }

    /// `argv`: null-terminated, alive as long as `self`.
    pub(super) fn argv(&self) -> *const *const libc::c_char {
        self.argv.as_ptr()
    }

    /// `envp`: null-terminated, alive as long as `self`.
    pub(super) fn envp(&self) -> *const *const libc::c_char {
        self.envp.as_ptr()
    }
}

/// `_exit(0)` in two or three instructions.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0x31, 0xff, // xor edi, edi
    0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
    0x0f, 0x05, // syscall
];
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62; // EM_X86_64

/// `_exit(0)` in two or three instructions.
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93 (exit)
    0x01, 0x00, 0x00, 0xd4, // svc #0
];
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183; // EM_AARCH64

/// The embedded program: a static ELF file of one segment, without libc, so
/// that its start costs what the kernel charges and nothing more.
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 2 * 56;
    let size = HEADERS + CODE.len() as u64;
    let mut elf = Vec::new();
    // e_ident: magic, 64-bit, little-endian, version 1, System V.
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend(2_u16.to_le_bytes()); // e_type: ET_EXEC
    elf.extend(MACHINE.to_le_bytes()); // e_machine
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
    elf.extend_from_slice(CODE);
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
    use std::process::Command;

    use super::*;

    #[test]
    fn the_embedded_program_runs_and_exits_with_0() {
        let image = ExecImage::embedded(&[]).unwrap();
        let status = Command::new(image.path().to_str().unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0));
    }

    #[test]
    fn a_zero_byte_is_refused() {
        assert!(ExecImage::of_path("/bin/a\0b", &[], &[]).is_err());
    }
}
