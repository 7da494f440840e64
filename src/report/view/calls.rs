//! System calls that create processes, in words.
//!
//! Names and bits are those of `include/uapi/linux/sched.h` of Linux 6.18.

use crate::model::{CallName, ObservedCall};
use crate::report::view::number::integer;

/// The flags by name, without their `CLONE_`.
const FLAGS: [(u64, &str); 26] = [
    (0x80, "NEWTIME"),
    (0x100, "VM"),
    (0x200, "FS"),
    (0x400, "FILES"),
    (0x800, "SIGHAND"),
    (0x1000, "PIDFD"),
    (0x2000, "PTRACE"),
    (0x4000, "VFORK"),
    (0x8000, "PARENT"),
    (0x1_0000, "THREAD"),
    (0x2_0000, "NEWNS"),
    (0x4_0000, "SYSVSEM"),
    (0x8_0000, "SETTLS"),
    (0x10_0000, "PARENT_SETTID"),
    (0x20_0000, "CHILD_CLEARTID"),
    (0x40_0000, "DETACHED"),
    (0x80_0000, "UNTRACED"),
    (0x100_0000, "CHILD_SETTID"),
    (0x200_0000, "NEWCGROUP"),
    (0x400_0000, "NEWUTS"),
    (0x800_0000, "NEWIPC"),
    (0x1000_0000, "NEWUSER"),
    (0x2000_0000, "NEWPID"),
    (0x4000_0000, "NEWNET"),
    (0x1_0000_0000, "CLEAR_SIGHAND"),
    (0x2_0000_0000, "INTO_CGROUP"),
];

/// More characters of flags than this may have to be broken.
const LONG: usize = 45;

/// All calls: `vfork()`, or with their numbers where they differ.
pub(super) fn listed(calls: &[ObservedCall]) -> String {
    match calls {
        [call] => worded(call.name, call.flags),
        _ => calls
            .iter()
            .map(|call| format!("{} {} x", worded(call.name, call.flags), integer(call.seen)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Its name.
pub(super) fn name(name: CallName) -> &'static str {
    match name {
        CallName::Fork => "fork",
        CallName::Vfork => "vfork",
        CallName::Clone => "clone",
        CallName::Clone3 => "clone3",
    }
}

/// `clone(VM|VFORK)`; bits without a name are hexadecimal.
pub(super) fn worded(name: CallName, flags: u64) -> String {
    let name = self::name(name);
    let mut rest = flags;
    let mut words = Vec::new();
    for (bit, word) in FLAGS {
        if rest & bit != 0 {
            words.push(word.to_owned());
            rest &= !bit;
        }
    }
    // It is above CLONE_NEWNET and fits into no signed 32 bits.
    if rest & (1 << 31) != 0 {
        words.push("IO".to_owned());
        rest &= !(1 << 31);
    }
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    // A table breaks lists after commas, and no names of a line's length.
    let length: usize = words.iter().map(|word| word.len() + 1).sum();
    let separator = if length > LONG { ", " } else { "|" };
    format!("{name}({})", words.join(separator))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(name: CallName, flags: u64) -> ObservedCall {
        ObservedCall {
            name,
            flags,
            seen: 3,
        }
    }

    #[test]
    fn flags_have_their_names() {
        for (name, flags, words) in [
            (CallName::Vfork, 0, "vfork()"),
            (CallName::Clone, 0x4100, "clone(VM|VFORK)"),
            (
                CallName::Clone,
                0x120_0000,
                "clone(CHILD_CLEARTID|CHILD_SETTID)",
            ),
            (
                CallName::Clone3,
                0x1_0000_4100,
                "clone3(VM|VFORK|CLEAR_SIGHAND)",
            ),
            (CallName::Clone3, 1 << 40, "clone3(0x10000000000)"),
            (CallName::Clone, 0x8000_0001, "clone(IO|0x1)"),
        ] {
            assert_eq!(listed(&[call(name, flags)]), words);
        }
    }

    proptest! {
        #[test]
        fn no_bit_is_lost(flags in any::<u64>()) {
            let words = worded(CallName::Clone3, flags);
            let (_, words) = words.split_once('(').unwrap();
            let bits = words.trim_end_matches(')').split(['|', ',']).map(str::trim);
            let bits = bits.filter(|word| !word.is_empty());
            let sum: u64 = bits
                .map(|word| match word.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
                    None if word == "IO" => 1 << 31,
                    None => FLAGS.iter().find(|(_, name)| *name == word).unwrap().0,
                })
                .fold(0, |sum, bit| sum | bit);
            prop_assert_eq!(sum, flags);
        }
    }
}
