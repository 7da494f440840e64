//! Landmarks of programs that are there, and of some that a compiler makes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

fn find_in(path: &str) -> io::Result<Landmarks> {
    find(path, &[path.to_owned()], &["A=B".to_owned()])
}

/// Whether the kernel lets us; where it does not, checks that it is said.
fn permitted() -> bool {
    match find_in("/bin/true") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("skipped: {error}");
            assert!(error.to_string().contains("allow it there"), "{error}");
            false
        }
        _ => true,
    }
}

#[test]
fn the_same_addresses_are_found_again() {
    if !permitted() {
        return;
    }
    for path in ["/bin/true", "/bin/sh"] {
        let found = find_in(path).unwrap();
        assert_eq!(found, find_in(path).unwrap());
        assert_eq!(found.is_dynamic, found.entry.is_some());
        assert!(found.first > 0xffff && found.main != Some(found.first));
    }
}

#[test]
fn the_embedded_program_begins_after_its_headers() {
    if !permitted() {
        return;
    }
    let image = ExecImage::embedded(&[]).unwrap();
    let expected = Landmarks {
        first: 0x40_0000 + 64 + 2 * 56,
        entry: None,
        main: None,
        is_dynamic: false,
    };
    let found = find_in(image.path().to_str().unwrap()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn no_code_runs_and_no_child_stays() {
    if !permitted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let touch = format!("echo > {}", trace.display());
    let arguments = ["sh", "-c", &touch].map(str::to_owned);
    // In a thread of its own, whose children are nobody else's.
    let thread = std::thread::spawn(move || {
        find("/bin/sh", &arguments, &[]).unwrap();
        let task = std::fs::read_link("/proc/thread-self").unwrap();
        let children = Path::new("/proc").join(task).join("children");
        std::fs::read_to_string(children)
    });
    match thread.join().unwrap() {
        Ok(children) => assert_eq!(children, ""),
        Err(error) => println!("not looked for children: {error}"),
    }
    assert!(!trace.exists());
}

#[test]
fn a_script_begins_where_its_interpreter_does() {
    if !permitted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script = written(&directory, "script", b"#!/bin/sh\nexit 1\n");
    assert_eq!(find_in(&script).unwrap(), find_in("/bin/sh").unwrap());
}

#[test]
fn what_cannot_be_executed_is_told() {
    if !permitted() {
        return;
    }
    let errno = |path: &str| find_in(path).unwrap_err().raw_os_error();
    assert_eq!(errno("/no/such/program"), Some(libc::ENOENT));
    assert_eq!(errno("/etc/passwd"), Some(libc::EACCES));
    let directory = tempfile::tempdir().unwrap();
    let empty = written(&directory, "empty", b"");
    assert_eq!(errno(&empty), Some(libc::ENOEXEC));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_32_bit_program_is_refused() {
    if !permitted() {
        return;
    }
    // Elf32_Ehdr (ET_EXEC, EM_386), one Elf32_Phdr (PT_LOAD), int3.
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    for word in [1_u32, 0x804_8054, 52, 0, 0] {
        elf.extend(word.to_le_bytes());
    }
    for half in [52_u16, 32, 1, 40, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for word in [1_u32, 0, 0x804_8000, 0x804_8000, 85, 85, 5, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.push(0xcc);
    let directory = tempfile::tempdir().unwrap();
    let program = written(&directory, "program", &elf);
    let error = find_in(&program).unwrap_err();
    if error.raw_os_error() == Some(libc::ENOEXEC) {
        println!("skipped: this kernel does not run 32-bit programs");
        return;
    }
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("a 32-bit program"), "{error}");
}

fn written(directory: &tempfile::TempDir, name: &str, contents: &[u8]) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, contents).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn fixed_addresses_are_inherited_by_what_is_executed() {
    // In a thread of its own, since the setting is a thread's.
    let thread = std::thread::spawn(|| {
        fix_addresses()?;
        Command::new("cat").arg("/proc/self/personality").output()
    });
    match thread.join().unwrap() {
        Ok(output) => {
            let text = String::from_utf8(output.stdout).unwrap();
            let persona = u32::from_str_radix(text.trim(), 16).unwrap();
            assert_eq!(
                persona & process::ADDR_NO_RANDOMIZE,
                process::ADDR_NO_RANDOMIZE
            );
        }
        Err(error) => {
            println!("skipped: personality(2) is refused");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
    }
}

#[test]
fn a_set_user_id_program_is_refused() {
    if !permitted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = written(&directory, "program", &std::fs::read("/bin/true").unwrap());
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    match find_in(&program) {
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}"),
        // On a file system that is mounted with nosuid the bit means nothing.
        Ok(found) => assert!(found.is_dynamic == found.entry.is_some()),
    }
}

#[test]
fn a_process_that_is_placed_at_random_is_told() {
    // This one: the flag is set in threads of their own only.
    let pid = std::process::id().cast_signed();
    let persona = std::fs::read_to_string("/proc/self/personality").unwrap();
    if persona.trim() != "00000000" {
        println!("skipped: this process has the personality {persona}");
        return;
    }
    let error = check_fixed(pid).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}

/// Prints the address of its own main, and nothing else of it matters.
const SOURCE: &[u8] = b"#include <stdio.h>\n\
    int main(void) { printf(\"%lx\\n\", (unsigned long)main); return 0; }\n";

/// Builds the source; `None`, after saying so, where the compiler cannot.
fn built(directory: &tempfile::TempDir, flags: &[&str]) -> Option<PathBuf> {
    let source = directory.path().join("main.c");
    std::fs::write(&source, SOURCE).unwrap();
    let program = directory.path().join("program");
    let output = Command::new("cc")
        .arg("-o")
        .args([&program, &source])
        .args(flags)
        .output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    println!("skipped: cc {flags:?} does not build programs here");
    None
}

#[test]
fn main_is_where_the_program_itself_says_that_it_is() {
    if !permitted() {
        return;
    }
    let kinds: [(&[&str], bool); 5] = [
        (&["-fPIE", "-pie"], true),
        (&["-fPIE", "-pie", "-Wl,--no-relax"], true),
        (&["-no-pie", "-fno-pie"], true),
        (&["-static"], false),
        (&["-static-pie", "-fPIE"], false),
    ];
    for (flags, is_dynamic) in kinds {
        let directory = tempfile::tempdir().unwrap();
        let Some(program) = built(&directory, flags) else {
            continue;
        };
        let found = find_in(program.to_str().unwrap()).unwrap();
        assert_eq!(found.is_dynamic, is_dynamic, "{flags:?}");
        let said = std::thread::spawn(move || {
            fix_addresses().unwrap();
            Command::new(program).output().unwrap().stdout
        });
        let said = String::from_utf8(said.join().unwrap()).unwrap();
        let said = u64::from_str_radix(said.trim(), 16).unwrap();
        match found.main {
            // On aarch64 libc may be given a jump to main in its place.
            Some(main) if cfg!(target_arch = "aarch64") && main != said => {}
            Some(main) => assert_eq!(main, said, "{flags:?}"),
            // glibc's own start is known; only its address may be out of reach,
            // behind relocations of a newer kind.
            None => assert!(
                cfg!(not(all(target_arch = "x86_64", target_env = "gnu")))
                    || flags.contains(&"-Wl,--no-relax"),
                "{flags:?}"
            ),
        }
    }
}
