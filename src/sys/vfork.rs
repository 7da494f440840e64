//! libc's own vfork(2), which returns twice on one stack, as no Rust function may: so the
//! child never comes back to one. As that of clone3, it makes one system call, prepared in
//! registers, and a second one to leave if the first comes back.

use std::arch::asm;
use std::io;

use super::clone3::{FAILED, LastCall};

unsafe extern "C" {
    fn vfork() -> libc::pid_t;
}

/// Creates a child with the parent suspended until it has made `call`.
///
/// # Errors
/// EAGAIN, ENOMEM.
///
/// # Safety
/// `call` must be execve with a path, argv and envp that are valid for it, or
/// exit: nothing that returns on success or writes to the shared memory.
pub(super) unsafe fn vfork_then(call: LastCall) -> io::Result<i32> {
    // SAFETY: the caller vouches for `call`.
    let result = unsafe { called(call) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// The call of libc's function and, in the child, the two system calls that follow it.
///
/// # Safety
/// As for [`vfork_then`].
#[cfg(target_arch = "x86_64")]
unsafe fn called(call: LastCall) -> i32 {
    let result: i32;
    // SAFETY: the parent sees one call by the C calling convention, on an aligned stack, as the
    // block may use it. The child runs on that stack first, until libc's vfork has come back
    // in it: whatever it writes below the block's stack pointer, its return address among it,
    // is dead to the parent, which keeps its own return address in a register over the
    // system call and writes it anew. From there on the child (eax = 0) touches registers
    // alone and never leaves the block: execve replaces it, or exit ends it. The parent is
    // suspended meanwhile, and its registers that a call preserves are its own.
    unsafe {
        asm!(
            "call {vfork}",
            "test eax, eax",
            "jnz 2f",
            "mov rax, r12",
            "mov rdi, r13",
            "mov rsi, r14",
            "mov rdx, r15",
            "syscall",
            "mov edi, {failed}",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            vfork = sym vfork,
            failed = const FAILED,
            exit = const libc::SYS_exit,
            in("r12") call.number,
            in("r13") call.arguments[0],
            in("r14") call.arguments[1],
            in("r15") call.arguments[2],
            lateout("eax") result,
            clobber_abi("C"),
        );
    }
    result
}

/// The call of libc's function and, in the child, the two system calls that follow it.
///
/// # Safety
/// As for [`vfork_then`].
#[cfg(target_arch = "aarch64")]
unsafe fn called(call: LastCall) -> i32 {
    let result: i32;
    // SAFETY: the parent sees one call by the C calling convention, on an aligned stack. The
    // return address is in a register (x30), which is the parent's own. The child (w0 = 0)
    // touches only its own registers and never leaves the block: execve replaces it, or
    // exit ends it. The parent is suspended meanwhile, and its registers that a call
    // preserves are its own.
    unsafe {
        asm!(
            "bl {vfork}",
            "cbnz w0, 2f",
            "mov x8, x20",
            "mov x0, x21",
            "mov x1, x22",
            "mov x2, x23",
            "svc #0",
            "mov x0, #{failed}",
            "mov x8, #{exit}",
            "svc #0",
            "brk #1",
            "2:",
            vfork = sym vfork,
            failed = const FAILED,
            exit = const libc::SYS_exit,
            in("x20") call.number,
            in("x21") call.arguments[0],
            in("x22") call.arguments[1],
            in("x23") call.arguments[2],
            lateout("w0") result,
            clobber_abi("C"),
        );
    }
    result
}
