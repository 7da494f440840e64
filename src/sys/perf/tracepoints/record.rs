//! What the kernel tells of threads that create and execute, in plain types: the seam
//! between the rings and the rules that read them.

use std::ffi::OsString;

use crate::sys::events::CallName;
use crate::sys::trace::event::Registers;

/// One record. Numbers are those of the PID namespace of whoever opened the rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// Whose: the process. 0 of one that the namespace does not show, and of no process.
    pub pid: u32,
    /// Whose: the thread.
    pub tid: u32,
    /// What of it.
    pub fact: Fact,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A call that is to create something begins.
    Calls {
        /// Which.
        call: CallName,
        /// Its flags, without the signal at the child's end; those of clone3 are in memory.
        flags: Option<u64>,
    },
    /// Such a call ends, and returns this.
    Returns(i64),
    /// There is a new thread, which has not run yet; one of another process, if that is new
    /// too.
    Bears {
        /// Its process.
        pid: u32,
        /// Its own number.
        tid: u32,
    },
    /// The creation of the thread that was told last is complete.
    Created {
        /// The flags that the kernel worked by, without the signal.
        flags: u64,
        /// From where it was called; absent where a thread of the kernel itself did it.
        from: Option<Box<Stack>>,
    },
    /// A call begins that is to execute the program whose path is at this address.
    Executes {
        /// The address.
        path_at: u64,
    },
    /// That failed.
    NotExecuted {
        /// Why.
        errno: i32,
        /// The stack then.
        from: Option<Box<Stack>>,
    },
    /// All threads but this one are gone and so is what the process had mapped: it is about to
    /// become another program.
    Renews,
    /// Code was mapped.
    Maps(Mapped),
    /// It has become another program, which has not run yet.
    Executed {
        /// The path that was given.
        path: OsString,
        /// The new program's stack, with its arguments.
        stack: Option<Box<Stack>>,
    },
    /// The thread, or all of its process, is to end with this status.
    Leaves {
        /// The status.
        status: i32,
        /// Whether all of the process.
        all: bool,
    },
    /// The thread gets this signal, for which no handler is set.
    Signalled(i32),
    /// The thread has ended.
    Ended,
    /// So many records were dropped before this one, as the ring was full.
    Lost(u64),
}

/// The stack of a thread, from its top on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The registers that go with it.
    pub registers: Registers,
    /// What was there from `registers.sp` on.
    pub bytes: Vec<u8>,
}

/// A mapping of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Its first address.
    pub start: u64,
    /// The first behind it.
    pub end: u64,
    /// Where in the file it begins.
    pub at: u64,
    /// The file's path as the process sees it, or what the kernel calls memory of no file.
    pub name: String,
    /// The file.
    pub file: FileId,
}

/// What tells a file from others that had its path, or have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Major and minor number of its file system's device.
    pub device: (u32, u32),
    /// Its number there.
    pub inode: u64,
    /// Which of the files that had this number.
    pub generation: u64,
}

impl Stack {
    /// The word at an address.
    pub fn word(&self, address: u64) -> Option<u64> {
        let word = self.from(address)?.first_chunk()?;
        Some(u64::from_ne_bytes(*word))
    }

    /// The text at an address, without the byte 0 at its end.
    pub fn text(&self, address: u64) -> Option<&[u8]> {
        let bytes = self.from(address)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        Some(&bytes[..end])
    }

    fn from(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        self.bytes.get(at..)
    }

    /// The words of a program that has not run yet, as far as they are here: their number
    /// lies on the stack's top, their addresses above it (`create_elf_tables()`,
    /// fs/binfmt_elf.c).
    pub fn arguments(&self) -> Vec<Vec<u8>> {
        const WORD: u64 = size_of::<u64>() as u64;
        let top = self.registers.sp;
        let count = self.word(top).unwrap_or(0);
        let places = (1..=count).map_while(|place| top.checked_add(place.checked_mul(WORD)?));
        let words = places.map_while(|place| self.text(self.word(place)?));
        words.map(<[u8]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stack(sp: u64, words: &[u64], text: &[u8]) -> Stack {
        let words = words.iter().flat_map(|word| word.to_ne_bytes());
        Stack {
            registers: Registers {
                sp,
                ..Registers::default()
            },
            bytes: words.chain(text.iter().copied()).collect(),
        }
    }

    #[test]
    fn a_new_program_s_arguments_are_read_as_far_as_they_were_copied() {
        let text = b"sh\0-c\0true\0";
        let whole = stack(0x1000, &[3, 0x1028, 0x102b, 0x102e, 0], text);
        assert_eq!(whole.arguments(), [&b"sh"[..], b"-c", b"true"]);
        let cut = stack(0x1000, &[3, 0x1028, 0x102b, 0x9000, 0], text);
        assert_eq!(cut.arguments(), [&b"sh"[..], b"-c"]);
        let unended = stack(0x1000, &[1, 0x1018, 0], b"sh");
        assert!(unended.arguments().is_empty());
        assert!(stack(0x1000, &[], &[]).arguments().is_empty());
        assert_eq!(whole.text(0xfff), None);
    }

    proptest! {
        #[test]
        fn any_stack_is_read_without_a_panic(
            sp in any::<u64>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            address in any::<u64>(),
        ) {
            let stack = stack(sp, &[], &bytes);
            stack.arguments();
            stack.word(address);
            stack.text(address);
        }
    }
}
