//! clone3(2) in the manner of vfork, for which libc has no function.
//!
//! The child shares the parent's memory and its stack, so it must not run any
//! compiled code: it makes one system call, prepared in registers, and a second
//! one to leave if the first comes back.

use std::arch::asm;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the child does: a system call of at most three arguments that does not
/// return when it succeeds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastCall {
    pub(super) number: libc::c_long,
    pub(super) arguments: [usize; 3],
}

/// `struct clone_args` (include/uapi/linux/sched.h).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// How much of it all kernels with clone3 take (CLONE_ARGS_SIZE_VER0), and as much of it as
/// Linux 5.7 does, which knows the last of its fields (CLONE_ARGS_SIZE_VER2).
const FIRST_VERSION: usize = 64;
const WITH_GROUP: usize = size_of::<CloneArgs>();

/// Resets all handlers of the child (Linux 5.5).
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// Puts the child into the control group of a descriptor (Linux 5.7).
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// The exit status of a child whose last call came back, as in a shell.
pub(super) const FAILED: usize = 127;

/// Creates a child with the parent suspended until it has made `call`; in the control group
/// whose folder is open, if one is.
///
/// # Errors
/// ENOSYS before Linux 5.3 and under some seccomp filters, EINVAL before 5.5; with a group
/// E2BIG or EINVAL before 5.7, EACCES for one that may not be written to, and EBUSY for one
/// that may hold no processes.
///
/// # Safety
/// `call` must be execve with a path, argv and envp that are valid for it, or
/// exit: nothing that returns on success or writes to the shared memory.
pub(super) unsafe fn vfork(call: LastCall, group: Option<BorrowedFd<'_>>) -> io::Result<i32> {
    let (into, cgroup) = match group {
        Some(folder) => (CLONE_INTO_CGROUP, folder.as_raw_fd().unsigned_abs().into()),
        None => (0, 0),
    };
    let size = match group {
        Some(_) => WITH_GROUP,
        None => FIRST_VERSION,
    };
    let shared_memory = u64::from((libc::CLONE_VM | libc::CLONE_VFORK).unsigned_abs());
    let args = CloneArgs {
        flags: shared_memory | CLONE_CLEAR_SIGHAND | into,
        cgroup,
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        ..CloneArgs::default()
    };
    // SAFETY: `args` lives through the call, and the caller vouches for `call`.
    let result = unsafe { clone3_then(&args, size, call) };
    if result < 0 {
        let errno = i32::try_from(-result).unwrap_or(libc::EINVAL);
        return Err(io::Error::from_raw_os_error(errno));
    }
    Ok(i32::try_from(result).expect("a pid fits into an i32"))
}

/// The system call and, in the child, the two that follow it.
///
/// # Safety
/// As for [`vfork`]; and `size` is no larger than the arguments are.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_then(args: &CloneArgs, size: usize, call: LastCall) -> i64 {
    let result: i64;
    // SAFETY: the parent sees one system call that clobbers rcx and r11 and
    // sets rax. The child (rax = 0) touches only its own registers, no memory
    // and no stack, and never leaves the block: execve replaces it, or exit
    // ends it. Memory is not declared as unclobbered, so the compiler writes
    // out `args` before. The parent is suspended (CLONE_VFORK) meanwhile.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rax, r8",
            "mov rdi, r9",
            "mov rsi, r10",
            "mov rdx, r12",
            "syscall",
            "mov edi, {failed}",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            failed = const FAILED,
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size,
            in("r8") call.number,
            in("r9") call.arguments[0],
            in("r10") call.arguments[1],
            in("r12") call.arguments[2],
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}

/// The system call and, in the child, the two that follow it.
///
/// # Safety
/// As for [`vfork`]; and `size` is no larger than the arguments are.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_then(args: &CloneArgs, size: usize, call: LastCall) -> i64 {
    let result: i64;
    // SAFETY: the parent sees one system call that sets x0 and keeps all other
    // registers. The child (x0 = 0) touches only its own registers, no memory
    // and no stack, and never leaves the block: execve replaces it, or exit
    // ends it. Memory is not declared as unclobbered, so the compiler writes
    // out `args` before. The parent is suspended (CLONE_VFORK) meanwhile.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x8, x4",
            "mov x0, x5",
            "mov x1, x6",
            "mov x2, x7",
            "svc #0",
            "mov x0, #{failed}",
            "mov x8, #{exit}",
            "svc #0",
            "brk #1",
            "2:",
            failed = const FAILED,
            exit = const libc::SYS_exit,
            inlateout("x0") std::ptr::from_ref(args) as i64 => result,
            in("x1") size,
            in("x8") libc::SYS_clone3,
            in("x4") call.number,
            in("x5") call.arguments[0],
            in("x6") call.arguments[1],
            in("x7") call.arguments[2],
            options(nostack),
        );
    }
    result
}
