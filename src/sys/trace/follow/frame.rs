//! What a thread's registers tell of the system call that it is in.
//!
//! The layouts are those of `struct user_regs_struct` and `user_regs_struct32`
//! (arch/x86/include/asm/user_64.h and user_32.h), `struct user_pt_regs` of arm64, and
//! `compat_gpr_get` (arch/arm64/kernel/ptrace.c) for the 32-bit programs there. Which of them
//! the kernel has written is told by how much it is.

use std::io;

use crate::sys::trace::call::{self, AARCH64, ARM, Creation, I386, X86_64};
use crate::sys::trace::event::Registers;
use crate::sys::trace::tracee::{RegisterSet, Tracee};

/// The last errors of the kernel's own, of a call that is begun anew after a signal
/// (ERESTARTSYS to ERESTART_RESTARTBLOCK, include/linux/errno.h): its caller never sees them.
const ANEW: std::ops::RangeInclusive<i64> = 512..=516;
/// The highest errno (MAX_ERRNO, include/linux/err.h).
const HIGHEST: i64 = 4095;

/// A thread in a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    machine: u32,
    number: u64,
    arguments: [u64; 6],
    returned: i64,
    /// Where it called from; zeros of a 32-bit program.
    pub(super) registers: Registers,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It returned this number.
    Returned(i64),
    /// It returned this errno.
    Failed(i32),
    /// Not yet: a signal comes first, and then it is begun anew.
    Anew,
}

impl Frame {
    /// That of a thread that stands still.
    pub(super) fn of(tracee: Tracee) -> io::Result<Self> {
        let set = tracee.registers()?;
        Self::read(&set, cfg!(target_arch = "x86_64")).ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Makes out registers of this program's machine, or of its 32-bit ancestor.
    fn read(set: &RegisterSet, is_x86: bool) -> Option<Self> {
        match (is_x86, set.bytes) {
            (true, 216) => Some(x86_64(&set.words)),
            (true, 68) => Some(i386(set)),
            (false, 272) => Some(aarch64(&set.words)),
            (false, 72) => Some(arm(set)),
            _ => None,
        }
    }

    /// What the call is to create, if it is one that creates processes.
    pub(super) fn creation(&self) -> Option<Creation> {
        call::creation(self.machine, self.number, self.arguments)
    }

    /// The address of the path that the call is to execute, if it is one that executes.
    pub(super) fn executes(&self) -> Option<u64> {
        match (self.machine, self.number) {
            (X86_64, 59) | (AARCH64, 221) => Some(self.arguments[0]),
            (X86_64, 322) | (AARCH64, 281) => Some(self.arguments[1]),
            _ => None,
        }
    }

    /// How the call ended, where it has.
    pub(super) fn outcome(&self) -> Outcome {
        let errno = self.returned.checked_neg().unwrap_or(0);
        match i32::try_from(errno) {
            _ if ANEW.contains(&errno) => Outcome::Anew,
            Ok(errno @ 1..) if i64::from(errno) <= HIGHEST => Outcome::Failed(errno),
            _ => Outcome::Returned(self.returned),
        }
    }
}

fn x86_64(words: &[u64]) -> Frame {
    Frame {
        machine: X86_64,
        number: words[15],
        arguments: [
            words[14], words[13], words[12], words[7], words[9], words[8],
        ],
        returned: words[10].cast_signed(),
        registers: Registers {
            ip: words[16],
            sp: words[19],
            fp: words[4],
            lr: 0,
            vfork: words[14],
            others: [words[12], words[3]],
        },
    }
}

fn i386(set: &RegisterSet) -> Frame {
    let at = |index| half(set, index);
    Frame {
        machine: I386,
        number: at(11),
        arguments: [at(0), at(1), at(2), at(3), at(4), at(5)],
        returned: signed_half(at(6)),
        registers: Registers::default(),
    }
}

fn aarch64(words: &[u64]) -> Frame {
    Frame {
        machine: AARCH64,
        number: words[8],
        arguments: [words[0], words[1], words[2], words[3], words[4], words[5]],
        returned: words[0].cast_signed(),
        registers: Registers {
            ip: words[32],
            sp: words[31],
            fp: words[29],
            lr: words[30],
            vfork: words[30],
            others: [0; 2],
        },
    }
}

fn arm(set: &RegisterSet) -> Frame {
    let at = |index| half(set, index);
    Frame {
        machine: ARM,
        number: at(7),
        arguments: [at(0), at(1), at(2), at(3), at(4), at(5)],
        returned: signed_half(at(0)),
        registers: Registers::default(),
    }
}

/// A register of a 32-bit program: two of them lie in one word, the first in its lower half,
/// as both machines store it.
fn half(set: &RegisterSet, index: usize) -> u64 {
    set.words[index / 2] >> (index % 2 * 32) & 0xffff_ffff
}

fn signed_half(half: u64) -> i64 {
    let bits = u32::try_from(half).unwrap_or(0);
    bits.cast_signed().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::trace::call::Flags;
    use crate::sys::trace::event::CallName;

    /// Registers that hold their own number, in so many bytes, but these.
    fn set(bytes: usize, other: &[(usize, u64)]) -> RegisterSet {
        let mut words = [0; 34];
        for (index, word) in words.iter_mut().enumerate() {
            *word = index as u64;
        }
        for (index, value) in other {
            words[*index] = *value;
        }
        RegisterSet { words, bytes }
    }

    fn halves(bytes: usize, other: &[(usize, u32)]) -> RegisterSet {
        let mut set = set(bytes, &[]);
        set.words = [0; 34];
        for (index, value) in other {
            set.words[index / 2] |= u64::from(*value) << (index % 2 * 32);
        }
        set
    }

    #[test]
    fn each_machine_has_its_layout() {
        let x86 = Frame::read(&set(216, &[(15, 435)]), true).unwrap();
        let clone3 = Creation {
            name: CallName::Clone3,
            flags: Flags::At(14),
        };
        assert_eq!(x86.creation(), Some(clone3));
        let at = |ip, sp, fp, lr, vfork, others| Registers {
            ip,
            sp,
            fp,
            lr,
            vfork,
            others,
        };
        assert_eq!(x86.registers, at(16, 19, 4, 0, 14, [12, 3]));
        let arm = Frame::read(&set(272, &[(8, 220), (0, 0x4111)]), false).unwrap();
        let clone = Creation {
            name: CallName::Clone,
            flags: Flags::Given(0x4100),
        };
        assert_eq!(arm.creation(), Some(clone));
        assert_eq!(arm.registers, at(32, 31, 29, 30, 30, [0; 2]));
        assert_eq!(Frame::read(&set(272, &[]), true), None);
        assert_eq!(Frame::read(&set(216, &[]), false), None);
    }

    #[test]
    fn of_32_bit_programs_the_call_is_known() {
        let clone = Creation {
            name: CallName::Clone,
            flags: Flags::Given(0x4100),
        };
        let x86 = halves(68, &[(11, 120), (0, 0x4111)]);
        let x86 = Frame::read(&x86, true).unwrap();
        assert_eq!(x86.creation(), Some(clone));
        let arm = halves(72, &[(7, 120), (0, 0x4111)]);
        let arm = Frame::read(&arm, false).unwrap();
        assert_eq!(arm.creation(), Some(clone));
        assert_eq!(arm.registers, Registers::default());
    }

    #[test]
    fn what_executes_has_a_path() {
        let of = |number| Frame::read(&set(216, &[(15, number)]), true).unwrap();
        assert_eq!(of(59).executes(), Some(14));
        assert_eq!(of(322).executes(), Some(13));
        assert_eq!((of(57).executes(), of(59).creation()), (None, None));
    }

    #[test]
    fn a_call_ends_with_a_number_an_errno_or_anew() {
        let outcome = |returned: i64| {
            let set = set(216, &[(10, returned.cast_unsigned())]);
            Frame::read(&set, true).unwrap().outcome()
        };
        assert_eq!(outcome(4711), Outcome::Returned(4711));
        assert_eq!(outcome(0), Outcome::Returned(0));
        assert_eq!(outcome(-11), Outcome::Failed(libc::EAGAIN));
        assert_eq!(outcome(-513), Outcome::Anew);
        assert_eq!(outcome(i64::MIN), Outcome::Returned(i64::MIN));
    }
}
