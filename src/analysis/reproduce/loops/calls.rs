//! What system calls that create processes do with the parent's memory.
//!
//! Bits are those of `include/uapi/linux/sched.h` of Linux 6.18.

use crate::model::{CallName, ObservedCall};

const VM: u64 = 0x100;
const VFORK: u64 = 0x4000;

/// What becomes of the parent's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It is copied.
    Copied,
    /// The child borrows it until it executes, and the parent waits.
    Borrowed,
    /// One or the other, from call to call, or neither.
    Mixed,
}

/// What all of the calls do with it; `None` without a call.
pub fn memory(calls: &[ObservedCall]) -> Option<Memory> {
    let of = |call: &ObservedCall| match call.name {
        CallName::Fork => Memory::Copied,
        CallName::Vfork => Memory::Borrowed,
        CallName::Clone | CallName::Clone3 => match call.flags & (VM | VFORK) {
            flags if flags == VM | VFORK => Memory::Borrowed,
            flags if flags & VM == 0 => Memory::Copied,
            _ => Memory::Mixed,
        },
    };
    let mut kinds = calls.iter().map(of);
    let first = kinds.next()?;
    let same = kinds.all(|kind| kind == first);
    Some(if same { first } else { Memory::Mixed })
}

/// The same calls with the same flags, however often.
pub fn alike(ours: &[ObservedCall], theirs: &[ObservedCall]) -> bool {
    let kinds = |calls: &[ObservedCall]| {
        let mut kinds: Vec<(CallName, u64)> = calls.iter().map(|c| (c.name, c.flags)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    !ours.is_empty() && kinds(ours) == kinds(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: CallName, flags: u64) -> ObservedCall {
        ObservedCall {
            name,
            flags,
            seen: 3,
        }
    }

    #[test]
    fn what_becomes_of_memory_is_told_from_the_flags() {
        let vfork = call(CallName::Vfork, 0);
        let lent = call(CallName::Clone3, 0x1_0000_4100);
        let copied = call(CallName::Clone, 0x120_0000);
        assert_eq!(memory(&[vfork, lent]), Some(Memory::Borrowed));
        assert_eq!(
            memory(&[copied, call(CallName::Fork, 0)]),
            Some(Memory::Copied)
        );
        assert_eq!(memory(&[copied, vfork]), Some(Memory::Mixed));
        assert_eq!(
            memory(&[call(CallName::Clone, VM)]),
            Some(Memory::Mixed),
            "a thread's"
        );
        assert_eq!(memory(&[]), None);
        assert!(alike(&[vfork], &[ObservedCall { seen: 9, ..vfork }]));
        assert!(!alike(&[vfork], &[lent]) && !alike(&[], &[]));
    }
}
