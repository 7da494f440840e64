//! The filter that has the kernel tell of the calls that create processes and execute
//! programs, and of no others.

use crate::sys::trace::call::{AARCH64, X86_64};

/// Where the kernel tells a filter of a call (`struct seccomp_data`,
/// include/uapi/linux/seccomp.h): its number, its machine, and the lower half of its first
/// argument on machines that store that first, as both of ours do.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_JMP | BPF_JSET | BPF_K` and
/// `BPF_RET | BPF_K`.
const LOAD: u16 = 0x20;
const IS: u16 = 0x15;
const HAS: u16 = 0x45;
const ANSWER: u16 = 0x06;

/// This program's machine, its clone, and its other calls that create or execute.
const NATIVE: (u32, u32, &[u32]) = if cfg!(target_arch = "x86_64") {
    (X86_64, 56, &[57, 58, 435, 59, 322])
} else {
    (AARCH64, 220, &[435, 221, 281])
};

/// The filter. A thread's creation by clone(2) passes; clone3's flags are in memory, where a
/// filter does not see them. What a program for another machine calls passes too.
pub(super) fn program() -> Vec<libc::sock_filter> {
    let (machine, clone, others) = NATIVE;
    let thread = libc::CLONE_THREAD.cast_unsigned();
    let answer = |k| step(ANSWER, k, 0, 0);
    // Jumps go by the instructions that are left out.
    let mut program = vec![
        step(LOAD, MACHINE, 0, 0),
        step(IS, machine, 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        step(LOAD, NUMBER, 0, 0),
    ];
    for number in others {
        program.extend([step(IS, *number, 0, 1), answer(libc::SECCOMP_RET_TRACE)]);
    }
    program.extend([
        step(IS, clone, 0, 3),
        step(LOAD, FIRST_ARGUMENT, 0, 0),
        step(HAS, thread, 1, 0),
        answer(libc::SECCOMP_RET_TRACE),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
    program
}

fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers to a call.
    fn answer(machine: u32, number: u32, first: u32) -> u32 {
        let program = program();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = program[at];
            let goes_on = match step.code {
                LOAD => {
                    loaded = match step.k {
                        NUMBER => number,
                        MACHINE => machine,
                        FIRST_ARGUMENT => first,
                        other => panic!("nothing is at {other}"),
                    };
                    0
                }
                IS if loaded == step.k => step.jt,
                HAS if loaded & step.k != 0 => step.jt,
                IS | HAS => step.jf,
                _ => return step.k,
            };
            at += 1 + usize::from(goes_on);
        }
    }

    #[test]
    fn what_creates_or_executes_is_told_and_all_else_passes() {
        let (machine, clone, others) = NATIVE;
        for number in others {
            assert_eq!(answer(machine, *number, 0), libc::SECCOMP_RET_TRACE);
            assert_eq!(answer(1, *number, 0), libc::SECCOMP_RET_ALLOW);
        }
        let thread = libc::CLONE_THREAD.cast_unsigned();
        assert_eq!(answer(machine, clone, 17), libc::SECCOMP_RET_TRACE);
        assert_eq!(answer(machine, clone, thread), libc::SECCOMP_RET_ALLOW);
        for number in [0, 1, 39, 202, 500, 0x4000_0039] {
            assert_eq!(answer(machine, number, 0), libc::SECCOMP_RET_ALLOW);
        }
    }
}
