//! A process's memory, as far as unwinding asks for it: words of its stack.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where words of a process are read.
pub trait Memory {
    /// The word at an address, if it can be read.
    fn word(&mut self, address: u64) -> Option<u64>;
}

/// A part of a stack that was copied earlier.
#[derive(Debug, Clone, Copy)]
pub struct Copied<'a> {
    /// The address of its first byte.
    pub base: u64,
    /// What was there.
    pub bytes: &'a [u8],
}

impl Memory for Copied<'_> {
    fn word(&mut self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let word = self.bytes.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }
}

/// Bytes that are read at once: the frames of a spawn rarely have more.
const WINDOW: usize = 4096;
/// As much of them as lies below the word that is asked for.
const BELOW: u64 = 128;

/// The memory of a process that stands still, read piece by piece. It is that of the
/// program that the process executes when it is opened, and so serves for one chain only.
#[derive(Debug)]
pub(super) struct Standing {
    file: File,
    base: u64,
    bytes: [u8; WINDOW],
    len: usize,
}

impl Standing {
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        Ok(Self {
            file: File::open(format!("/proc/{pid}/mem"))?,
            base: 0,
            bytes: [0; WINDOW],
            len: 0,
        })
    }

    fn seen(&self, address: u64) -> Option<u64> {
        let (base, bytes) = (self.base, &self.bytes[..self.len]);
        Copied { base, bytes }.word(address)
    }
}

impl Memory for Standing {
    fn word(&mut self, address: u64) -> Option<u64> {
        if let Some(word) = self.seen(address) {
            return Some(word);
        }
        // The page below may not be there: then from the word itself.
        [address.saturating_sub(BELOW), address]
            .into_iter()
            .find_map(|base| {
                self.base = base;
                self.len = self.file.read_at(&mut self.bytes, base).unwrap_or(0);
                self.seen(address)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gives_whole_words_of_its_own_only() {
        let bytes: Vec<u8> = (0..20).collect();
        let mut copy = Copied {
            base: 0x1000,
            bytes: &bytes,
        };
        assert_eq!(copy.word(0x1000), Some(0x0706_0504_0302_0100));
        assert_eq!(copy.word(0x100c), Some(0x1312_1110_0f0e_0d0c));
        assert_eq!(copy.word(0x100d), None);
        assert_eq!(copy.word(0xfff), None);
        assert_eq!(copy.word(u64::MAX), None);
    }

    #[test]
    fn memory_of_this_process_is_read_as_it_is() {
        let words: Vec<u64> = (0..2000).collect();
        let mut memory = Standing::open(std::process::id()).unwrap();
        let address = |at: usize| &raw const words[at] as usize as u64;
        for at in [0, 1, 1999, 5, 600, 1200] {
            assert_eq!(memory.word(address(at)), Some(words[at]));
        }
        assert_eq!(memory.word(8), None);
        assert_eq!(memory.word(u64::MAX - 7), None);
    }
}
