//! What instructions say: whether a call stands before an address, whether a function
//! keeps a frame pointer, and where a wrapper of a system call keeps its return address.
//!
//! Pure: it takes bytes of code, which may be any. Encodings are those of Intel's SDM
//! (volume 2, CALL and table 2-2) and of the Arm ARM (C6.2).

use crate::sys::program::entry_code::Machine;

/// The most bytes before a return address that its call has.
pub(super) const LONGEST_CALL: usize = 7;
/// As much of a function's beginning as sets its frame pointer, even if it looks at the
/// stack's limit first, as Go's do.
pub(super) const BEGINNING: usize = 48;

/// The machine that this program is for, and so every process whose registers it reads.
pub(super) const fn here() -> Machine {
    if cfg!(target_arch = "aarch64") {
        Machine::Aarch64
    } else {
        Machine::X86_64
    }
}

/// Where a wrapper keeps its return address while its child uses the same stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// In the register that libc's vfork uses.
    Vfork,
    /// In one of the others that are known, at this place among them.
    Other(usize),
    /// In another one; the stack's place that it was taken from still holds it, since the
    /// child has not run yet.
    BelowStack,
}

/// Whether the bytes, which end at an address, end with a call: then somebody may return
/// to the address.
pub(super) fn follows_call(machine: Machine, before: &[u8]) -> bool {
    match machine {
        Machine::X86_64 => {
            let relative = before.len() >= 5 && before[before.len() - 5] == 0xe8;
            relative || (2..=LONGEST_CALL).any(|length| is_indirect_call(before, length))
        }
        Machine::Aarch64 => before.last_chunk().is_some_and(|word| {
            let word = u32::from_le_bytes(*word);
            // BL; BLR; BLRAA and its kin
            word >> 26 == 0b10_0101
                || word & 0xffff_fc1f == 0xd63f_0000
                || word & 0xfeff_f800 == 0xd63f_0800
        }),
    }
}

/// CALL with an operand of a register or of memory, FF /2, in exactly so many bytes.
fn is_indirect_call(before: &[u8], length: usize) -> bool {
    let Some(call) = before.len().checked_sub(length).map(|at| &before[at..]) else {
        return false;
    };
    let (opcode, operand) = (call[0], call[1]);
    let (form, register) = (operand >> 6, operand & 7);
    let has_sib = form != 3 && register == 4;
    let base = if has_sib {
        call.get(2).map_or(0, |sib| sib & 7)
    } else {
        register
    };
    let displacement = match form {
        0 if base == 5 => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    opcode == 0xff && operand >> 3 & 7 == 2 && length == 2 + usize::from(has_sib) + displacement
}

/// Where the return address is kept, if an instruction follows the system call that puts
/// it back on the stack: `before` ends where the call returns to and `after` begins there.
/// libc's vfork does so (sysdeps/unix/sysv/linux/x86_64/vfork.S of glibc, with rdi;
/// src/process/x86_64/vfork.s of musl, with rdx), and Go's rawVforkSyscall, with r12.
pub(super) fn kept(machine: Machine, before: &[u8], after: &[u8]) -> Option<Kept> {
    if machine != Machine::X86_64 || !before.ends_with(&[0x0f, 0x05]) {
        return None;
    }
    match after {
        [0x57, ..] => Some(Kept::Vfork),
        [0x52, ..] => Some(Kept::Other(0)),
        [0x41, 0x54, ..] => Some(Kept::Other(1)),
        [0x50..=0x56, ..] | [0x41, 0x50..=0x57, ..] => Some(Kept::BelowStack),
        _ => None,
    }
}

/// Whether a function that begins so saves its caller's frame pointer beside the return
/// address, and sets its own to that place.
pub(super) fn keeps_frame_pointer(machine: Machine, beginning: &[u8]) -> bool {
    match machine {
        Machine::X86_64 => {
            // push %rbp; mov %rsp,%rbp, in both encodings
            let has = |code: [u8; 4]| beginning.windows(4).any(|window| window == code);
            has([0x55, 0x48, 0x89, 0xe5]) || has([0x55, 0x48, 0x8b, 0xec]) || saves_deep(beginning)
        }
        Machine::Aarch64 => beginning.as_chunks().0.iter().any(|word| {
            // stp x29,x30,[sp,#-N]! or [sp,#N], without N
            let word = u32::from_le_bytes(*word);
            matches!(word & 0xffc0_7fff, 0xa980_7bfd | 0xa900_7bfd)
        }),
    }
}

/// mov %rbp,N(%rsp); lea N(%rsp),%rbp, as Go has it.
fn saves_deep(beginning: &[u8]) -> bool {
    let near = beginning.windows(10).any(|window| {
        let (save, set) = window.split_at(5);
        save.starts_with(&[0x48, 0x89, 0x6c, 0x24])
            && set.starts_with(&[0x48, 0x8d, 0x6c, 0x24])
            && save[4] == set[4]
    });
    let far = beginning.windows(16).any(|window| {
        let (save, set) = window.split_at(8);
        save.starts_with(&[0x48, 0x89, 0xac, 0x24])
            && set.starts_with(&[0x48, 0x8d, 0xac, 0x24])
            && save[4..] == set[4..]
    });
    near || far
}

/// Whether code that begins at an address jumps to another: so a function ends that does
/// no more than to hand its arguments on.
pub(super) fn jumps_to(machine: Machine, address: u64, code: &[u8], target: u64) -> bool {
    let distance = |at: usize| target.wrapping_sub(address.wrapping_add(at as u64));
    match machine {
        Machine::X86_64 => code.windows(6).zip(0..).any(|(jump, at)| {
            // jmp or a conditional jump, by 32 bits from the next instruction
            let is_jump = jump[1] == 0xe9 || jump[0] == 0x0f && jump[1] >> 4 == 8;
            let by = jump.last_chunk().map(|by| i32::from_le_bytes(*by));
            is_jump && by.is_some_and(|by| i64::from(by).cast_unsigned() == distance(at + 6))
        }),
        Machine::Aarch64 => code.as_chunks().0.iter().zip(0..).any(|(word, place)| {
            // B, by words from itself
            let word = u32::from_le_bytes(*word);
            let by = i64::from((word << 6).cast_signed() >> 6) * 4;
            word >> 26 == 0b00_0101 && by.cast_unsigned() == distance(place * 4)
        }),
    }
}

/// A return address without what signs it (FEAT_PAuth): user addresses have 48 bits unless
/// a program asks for more.
pub(super) fn unsigned(machine: Machine, address: u64) -> u64 {
    match machine {
        Machine::X86_64 => address,
        Machine::Aarch64 => address & ((1 << 48) - 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const X86: Machine = Machine::X86_64;
    const ARM: Machine = Machine::Aarch64;

    #[test]
    fn a_return_address_follows_a_call_in_each_of_its_forms() {
        let calls: [&[u8]; 9] = [
            &[0xe8, 1, 2, 3, 4],
            &[0xff, 0xd0],                   // *%rax
            &[0x41, 0xff, 0xd4],             // *%r12
            &[0xff, 0x15, 1, 2, 3, 4],       // *N(%rip)
            &[0xff, 0x50, 8],                // *8(%rax)
            &[0xff, 0x90, 1, 2, 3, 4],       // *N(%rax)
            &[0xff, 0x14, 0xc1],             // *(%rcx,%rax,8)
            &[0xff, 0x54, 0x24, 8],          // *8(%rsp)
            &[0xff, 0x14, 0xc5, 1, 2, 3, 4], // *N(,%rax,8)
        ];
        for call in calls {
            let before = [&[0x90; 7], call].concat();
            assert!(follows_call(X86, &before[before.len() - 7..]), "{call:x?}");
        }
        let others: [&[u8]; 5] = [
            &[0x0f, 0x05],
            &[0xff, 0xe0], // jmp *%rax
            &[0xff, 0x15, 1, 2, 3],
            &[0x90; 7],
            &[],
        ];
        for other in others {
            assert!(!follows_call(X86, other), "{other:x?}");
        }
    }

    #[test]
    fn so_it_does_on_arm() {
        for call in [0x9400_0010_u32, 0xd63f_0200, 0xd73f_0a11] {
            assert!(follows_call(ARM, &call.to_le_bytes()), "{call:x}");
        }
        for other in [0xd400_0001_u32, 0xd61f_0200, 0x1400_0010, 0xd65f_03c0] {
            assert!(!follows_call(ARM, &other.to_le_bytes()), "{other:x}");
        }
    }

    #[test]
    fn a_wrapper_that_puts_its_return_address_back_keeps_it_in_a_register() {
        let syscall = [0xb8, 0x3a, 0, 0, 0, 0x0f, 0x05];
        assert_eq!(kept(X86, &syscall, &[0x57, 0x3d]), Some(Kept::Vfork));
        assert_eq!(kept(X86, &syscall, &[0x52]), Some(Kept::Other(0)));
        assert_eq!(kept(X86, &syscall, &[0x41, 0x54]), Some(Kept::Other(1)));
        assert_eq!(kept(X86, &syscall, &[0x53]), Some(Kept::BelowStack));
        assert_eq!(kept(X86, &syscall, &[0x48, 0x85, 0xc0]), None);
        assert_eq!(kept(X86, &[0x90, 0x90], &[0x57]), None);
        assert_eq!(kept(ARM, &syscall, &[0x57]), None);
    }

    #[test]
    fn a_function_s_beginning_tells_whether_it_keeps_a_frame_pointer() {
        let plain = [0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x41, 0x57];
        assert!(keeps_frame_pointer(X86, &plain));
        let without = [0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57, 0x55, 0x53, 0x48, 0x89];
        assert!(!keeps_frame_pointer(X86, &without));
        let go = [0x48, 0x89, 0x6c, 0x24, 0x70, 0x48, 0x8d, 0x6c, 0x24, 0x70];
        assert!(keeps_frame_pointer(X86, &go));
        let other = [0x48, 0x89, 0x6c, 0x24, 0x70, 0x48, 0x8d, 0x6c, 0x24, 0x68];
        assert!(!keeps_frame_pointer(X86, &other));
        assert!(keeps_frame_pointer(ARM, &0xa9bd_7bfd_u32.to_le_bytes()));
        assert!(!keeps_frame_pointer(ARM, &0xa9bd_53f3_u32.to_le_bytes()));
        assert_eq!(unsigned(ARM, 0x00aa_aaaa_bbbb_cccc), 0xaaaa_bbbb_cccc);
    }

    #[test]
    fn a_jump_to_an_address_is_found() {
        let code = [
            0x48, 0x85, 0xff, 0x74, 5, 0xe9, 0x10, 0xff, 0xff, 0xff, 0x90,
        ];
        assert!(jumps_to(X86, 0x1000, &code, 0x1000 + 10 - 0xf0));
        assert!(!jumps_to(X86, 0x1000, &code, 0x1000 + 11 - 0xf0));
        let conditional = [0x0f, 0x84, 0x10, 0, 0, 0];
        assert!(jumps_to(X86, 0x1000, &conditional, 0x1016));
        let call = [0x90, 0xe8, 0x10, 0, 0, 0];
        assert!(!jumps_to(X86, 0x1000, &call, 0x1016));
        let branch = [0xd503_201f_u32, 0x17ff_fffe]
            .map(u32::to_le_bytes)
            .concat();
        assert!(jumps_to(ARM, 0x1000, &branch, 0xffc));
        assert!(!jumps_to(ARM, 0x1000, &branch, 0x1000));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            for machine in [X86, ARM] {
                follows_call(machine, &bytes);
                keeps_frame_pointer(machine, &bytes);
                kept(machine, &bytes, &bytes);
                jumps_to(machine, u64::MAX, &bytes, 7);
            }
        }
    }
}
