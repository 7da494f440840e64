//! Which system calls create processes, and with which flags: what the kernel
//! tells of a stop (struct ptrace_syscall_info), made out without a process.

use crate::sys::events::CallName;

/// A struct ptrace_syscall_info (include/uapi/linux/ptrace.h) in words: `op` and
/// `arch` share the first, the fourth is the number or the returned value.
pub(super) type Words = [u64; 11];

/// The machines whose numbers programs use here (linux/audit.h).
pub(super) const X86_64: u32 = 0xc000_003e;
pub(super) const AARCH64: u32 = 0xc000_00b7;
pub(super) const I386: u32 = 0x4000_0003;
pub(super) const ARM: u32 = 0x4000_0028;

/// Where in a system call a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before it.
    Entry {
        /// The machine whose numbers it uses (linux/audit.h).
        machine: u32,
        /// Its number.
        number: u64,
        /// What it is given.
        arguments: [u64; 6],
    },
    /// After it.
    Exit {
        /// Whether it returned a number above zero, as every creation does that
        /// succeeds.
        positive: bool,
    },
    /// In none.
    Elsewhere,
}

/// A call that is to create something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Creation {
    /// Which.
    pub(super) name: CallName,
    /// With what.
    pub(super) flags: Flags,
}

/// Where the flags of a call are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    /// These, without the signal at the child's end.
    Given(u64),
    /// In the first word of the structure at this address of the caller.
    At(u64),
}

/// Makes out what the kernel tells of a stop.
pub(super) fn decode(words: &Words) -> At {
    const ENTRY: u8 = 1;
    const EXIT: u8 = 2;
    let [head, _, _, first, rest @ ..] = words;
    let [op, _, _, _, a, b, c, d] = head.to_ne_bytes();
    match op {
        ENTRY => At::Entry {
            machine: u32::from_ne_bytes([a, b, c, d]),
            number: *first,
            arguments: [rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]],
        },
        EXIT => {
            let [is_error, ..] = rest[0].to_ne_bytes();
            let positive = is_error == 0 && first.cast_signed() > 0;
            At::Exit { positive }
        }
        _ => At::Elsewhere,
    }
}

/// The call that this is, if it is one that creates processes.
pub(super) fn creation(machine: u32, number: u64, arguments: [u64; 6]) -> Option<Creation> {
    /// The signal at the child's end, in the flags of clone(2).
    const SIGNAL: u64 = 0xff;
    let name = name(machine, number)?;
    let flags = match name {
        CallName::Fork | CallName::Vfork => Flags::Given(0),
        // The kernel looks at the lower half only (kernel/fork.c).
        CallName::Clone => Flags::Given(arguments[0] & 0xffff_ffff & !SIGNAL),
        CallName::Clone3 => Flags::At(arguments[0]),
    };
    Some(Creation { name, flags })
}

/// Whether a call with these flags creates a process and no thread of its caller.
pub(super) fn creates_process(flags: u64) -> bool {
    flags & u64::from(libc::CLONE_THREAD.cast_unsigned()) == 0
}

/// The name behind a number, on the machines that this program runs on and in
/// the 32-bit programs that these run.
fn name(machine: u32, number: u64) -> Option<CallName> {
    /// What sets the calls of the x32 interface apart from those of x86-64.
    const X32: u64 = 0x4000_0000;
    match (machine, number) {
        (X86_64, number) => match number & !X32 {
            56 => Some(CallName::Clone),
            57 => Some(CallName::Fork),
            58 => Some(CallName::Vfork),
            435 => Some(CallName::Clone3),
            _ => None,
        },
        (AARCH64, 220) | (I386 | ARM, 120) => Some(CallName::Clone),
        (I386 | ARM, 2) => Some(CallName::Fork),
        (I386 | ARM, 190) => Some(CallName::Vfork),
        (AARCH64 | I386 | ARM, 435) => Some(CallName::Clone3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(op: u8, machine: u32) -> u64 {
        let [a, b, c, d] = machine.to_ne_bytes();
        u64::from_ne_bytes([op, 0, 0, 0, a, b, c, d])
    }

    fn exit(returned: i64, is_error: u8) -> At {
        let mut words = Words::default();
        words[0] = head(2, X86_64);
        words[3] = returned.cast_unsigned();
        words[4] = u64::from_ne_bytes([is_error, 0, 0, 0, 0, 0, 0, 0]);
        decode(&words)
    }

    #[test]
    fn an_entry_has_machine_number_and_arguments() {
        let words = [head(1, AARCH64), 9, 9, 220, 1, 2, 3, 4, 5, 6, 9];
        let expected = At::Entry {
            machine: AARCH64,
            number: 220,
            arguments: [1, 2, 3, 4, 5, 6],
        };
        assert_eq!(decode(&words), expected);
    }

    #[test]
    fn a_call_succeeded_if_it_returned_a_process() {
        assert_eq!(exit(4711, 0), At::Exit { positive: true });
        assert_eq!(exit(0, 0), At::Exit { positive: false });
        assert_eq!(exit(-11, 1), At::Exit { positive: false });
        assert_eq!(decode(&[0; 11]), At::Elsewhere);
    }

    fn given(machine: u32, number: u64, flags: u64) -> Option<(CallName, Flags)> {
        let found = creation(machine, number, [flags, 0, 0, 0, 0, 0]);
        found.map(|found| (found.name, found.flags))
    }

    #[test]
    fn the_signal_is_no_flag() {
        // What glibc's fork passes: CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD.
        let fork = (CallName::Clone, Flags::Given(0x0120_0000));
        assert_eq!(given(X86_64, 56, 0x0120_0011), Some(fork));
        assert_eq!(given(AARCH64, 220, 0x0120_0011), Some(fork));
        assert_eq!(given(X86_64, 56, 0xffff_ffff_0120_0011), Some(fork));
    }

    #[test]
    fn the_flags_of_clone3_are_in_memory() {
        let there = (CallName::Clone3, Flags::At(0x7fff_0000));
        for machine in [X86_64, AARCH64] {
            assert_eq!(given(machine, 435, 0x7fff_0000), Some(there));
        }
    }

    #[test]
    fn fork_and_vfork_take_no_flags_whatever_the_registers_hold() {
        let none = Flags::Given(0);
        assert_eq!(given(X86_64, 57, 77), Some((CallName::Fork, none)));
        assert_eq!(given(X86_64, 58, 77), Some((CallName::Vfork, none)));
        assert_eq!(
            given(0x4000_0003, 190, 77),
            Some((CallName::Vfork, none)),
            "a 32-bit program"
        );
    }

    #[test]
    fn other_calls_create_nothing() {
        assert_eq!(given(X86_64, 59, 0), None);
        assert_eq!(given(X86_64, 220, 0), None, "a number of another machine");
        assert_eq!(given(AARCH64, 57, 0), None, "a number of another machine");
        assert_eq!(given(0, 56, 0), None);
    }

    #[test]
    fn a_thread_is_no_process() {
        assert!(creates_process(0x4100), "CLONE_VM | CLONE_VFORK");
        assert!(!creates_process(0x3d_0f00), "what pthread_create passes");
    }
}
