//! The programs in the machine code of x86_64.
//!
//! A system call takes its number in rax and its arguments in rdi, rsi, rdx and
//! r10; it sets rax, destroys rcx and r11, and keeps the rest, so that what one
//! call was given still stands there for the next.

/// EM_X86_64.
pub(super) const MACHINE: u16 = 62;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

pub(super) fn leaving() -> Vec<u8> {
    let mut code = vec![
        0x31, 0xff, // xor edi, edi
        0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
    ];
    code.extend(SYSCALL);
    code
}

/// The stack begins with argc, argv and a null, and envp.
pub(super) fn helping() -> Vec<u8> {
    let mut code = vec![
        0x48, 0x8b, 0x7c, 0x24, 16, // mov rdi, [rsp + 16]
        0x48, 0x8d, 0x74, 0x24, 24, // lea rsi, [rsp + 24]
        0x48, 0x8b, 0x14, 0x24, // mov rdx, [rsp]
        0x48, 0x8d, 0x54, 0xd4, 16, // lea rdx, [rsp + rdx * 8 + 16]
        0xb8, 59, 0, 0, 0, // mov eax, 59 (execve)
    ];
    code.extend(SYSCALL);
    code.extend([0xbf, 127, 0, 0, 0]); // mov edi, 127
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend(SYSCALL);
    code
}

pub(super) fn stamping(fd: u32, offset: u64) -> Vec<u8> {
    let mut code = vec![0x48, 0x89, 0xe6]; // mov rsi, rsp
    clock_gettime(&mut code);
    code.extend([0xba, 16, 0, 0, 0]); // mov edx, 16
    code.extend([0x49, 0xba]); // movabs r10, offset
    code.extend(offset.to_le_bytes());
    pwrite64(&mut code, fd);
    clock_gettime(&mut code);
    code.extend([0x49, 0x83, 0xc2, 16]); // add r10, 16
    pwrite64(&mut code, fd);
    code.extend(leaving());
    code
}

/// clock_gettime(CLOCK_MONOTONIC, rsi).
fn clock_gettime(code: &mut Vec<u8>) {
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1 (CLOCK_MONOTONIC)
    code.extend([0xb8, 228, 0, 0, 0]); // mov eax, 228 (clock_gettime)
    code.extend(SYSCALL);
}

/// pwrite64(fd, rsi, rdx, r10).
fn pwrite64(code: &mut Vec<u8>, fd: u32) {
    code.push(0xbf); // mov edi, fd
    code.extend(fd.to_le_bytes());
    code.extend([0xb8, 18, 0, 0, 0]); // mov eax, 18 (pwrite64)
    code.extend(SYSCALL);
}
