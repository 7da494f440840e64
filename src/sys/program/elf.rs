//! What of an ELF file says where a program begins: its header, its segments,
//! its relocations, and the vector that the kernel hands to the program.
//!
//! Pure: it takes bytes, and every number in them may be wrong. Fields and
//! values are those of elf(5) and include/uapi/linux/{elf,auxvec}.h.

use super::entry_code::Machine;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a segment's header.
const SEGMENT_BYTES: usize = 56;
/// Bytes of a relocation with an addend.
const RELA_BYTES: usize = 24;

/// Why a header is not one that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It does not begin as ELF files do, or ends too early.
    #[error("no ELF file")]
    NotElf,
    /// Addresses of 32 bits.
    #[error("a 32-bit program")]
    Bits32,
    /// Another machine, or another byte order.
    #[error("a program for another machine")]
    OtherMachine,
}

/// The header of a 64-bit ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the code is for.
    pub machine: Machine,
    /// Whether the file is loaded wherever there is room (ET_DYN).
    pub relocatable: bool,
    /// The address of its first instruction, before it is moved.
    pub entry: u64,
    /// Where the segments' headers lie in the file.
    pub segments_at: u64,
    /// Bytes of all segments' headers.
    pub segments_len: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// What the file is instead.
    pub fn read(bytes: &[u8]) -> Result<Self, ElfError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(ElfError::NotElf);
        };
        if !header.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        // e_ident[EI_CLASS] and e_ident[EI_DATA], then e_machine
        if header[4] != 2 {
            return Err(ElfError::Bits32);
        }
        let machine = match (header[5], half(header, 18)) {
            (1, Some(62)) => Machine::X86_64,
            (1, Some(183)) => Machine::Aarch64,
            _ => return Err(ElfError::OtherMachine),
        };
        let field = |at| word(header, at).ok_or(ElfError::NotElf);
        let count = half(header, 56).unwrap_or(0);
        Ok(Self {
            machine,
            relocatable: half(header, 16) == Some(3),
            entry: field(24)?,
            segments_at: field(32)?,
            segments_len: usize::from(count) * SEGMENT_BYTES,
        })
    }
}

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    kind: u32,
    flags: u32,
    /// Its first address, before it is moved.
    pub address: u64,
    /// Its size in memory.
    pub size: u64,
}

impl Segment {
    /// Whether it holds the dynamic section (PT_DYNAMIC).
    pub fn is_dynamic(&self) -> bool {
        self.kind == 2
    }

    /// Whether it names the loader that completes the program (PT_INTERP).
    pub fn names_interpreter(&self) -> bool {
        self.kind == 3
    }

    /// Whether it is code that is mapped and holds `address` (PT_LOAD, PF_X).
    pub fn is_code_at(&self, address: u64) -> bool {
        let mapped_code = self.kind == 1 && self.flags & 1 == 1;
        mapped_code && address.wrapping_sub(self.address) < self.size
    }
}

/// Reads the headers of segments.
pub fn segments(table: &[u8]) -> Vec<Segment> {
    let one = |bytes: &[u8; SEGMENT_BYTES]| {
        let kind_and_flags = word(bytes, 0)?.to_le_bytes();
        let [a, b, c, d, e, f, g, h] = kind_and_flags;
        Some(Segment {
            kind: u32::from_le_bytes([a, b, c, d]),
            flags: u32::from_le_bytes([e, f, g, h]),
            address: word(bytes, 16)?,
            size: word(bytes, 40)?,
        })
    };
    table.as_chunks().0.iter().filter_map(one).collect()
}

/// Where the relocations with addends lie, before they are moved, and how many
/// bytes they have (DT_RELA, DT_RELASZ), from the dynamic section.
pub fn relocations(dynamic: &[u8]) -> Option<(u64, u64)> {
    let value = |tag| pairs(dynamic).find(|pair| pair.0 == tag).map(|pair| pair.1);
    Some((value(7)?, value(8)?))
}

/// What the loader adds to the distance by which it moved the program, to put
/// the sum at `address`: the addend of the relative relocation there, if there
/// is one (R_X86_64_RELATIVE, R_AARCH64_RELATIVE).
pub fn relative_addend(machine: Machine, relocations: &[u8], address: u64) -> Option<u64> {
    let relative = match machine {
        Machine::X86_64 => 8,
        Machine::Aarch64 => 1027,
    };
    let table = relocations.as_chunks::<RELA_BYTES>().0.iter();
    table
        .filter(|rela| word(*rela, 0) == Some(address) && word(*rela, 8) == Some(relative))
        .find_map(|rela| word(rela, 16))
}

/// What the kernel tells a program about itself (`/proc/PID/auxv`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuxiliaryVector {
    /// Its first instruction (AT_ENTRY).
    pub entry: u64,
    /// Where its interpreter is loaded (AT_BASE), if it has one.
    pub interpreter: Option<u64>,
}

impl AuxiliaryVector {
    /// Reads the vector; `None` if it has no entry.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value = |kind| pairs(bytes).find(|pair| pair.0 == kind).map(|pair| pair.1);
        Some(Self {
            entry: value(9)?,
            interpreter: value(7).filter(|base| *base != 0),
        })
    }
}

/// Pairs of words up to the one whose first is zero (AT_NULL, DT_NULL).
fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let pairs = bytes.as_chunks::<16>().0.iter();
    pairs
        .filter_map(|pair| Some((word(pair, 0)?, word(pair, 8)?)))
        .take_while(|pair| pair.0 != 0)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*half))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The header of Debian 12's gzip.
    fn gzip() -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        bytes.extend(words(&[0x3df0, 64, 0x1_7cf0]));
        bytes.extend(b"\0\0\0\0\x40\0\x38\0\x0b\0\x40\0\x1c\0\x1b\0");
        bytes
    }

    #[test]
    fn a_header_says_where_the_program_begins() {
        let header = Header::read(&gzip()).unwrap();
        let expected = Header {
            machine: Machine::X86_64,
            relocatable: true,
            entry: 0x3df0,
            segments_at: 64,
            segments_len: 11 * 56,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn what_is_no_such_header_is_told_apart() {
        let with = |at: usize, byte| {
            let mut bytes = gzip();
            bytes[at] = byte;
            Header::read(&bytes).unwrap_err()
        };
        assert_eq!(with(1, b'M'), ElfError::NotElf);
        assert_eq!(with(4, 1), ElfError::Bits32);
        assert_eq!(with(5, 2), ElfError::OtherMachine);
        assert_eq!(with(18, 243), ElfError::OtherMachine);
        assert_eq!(Header::read(&gzip()[..63]), Err(ElfError::NotElf));
    }

    #[test]
    fn code_is_a_mapped_segment_that_may_be_executed() {
        let segment = |kind, flags: u64| {
            let table = words(&[kind | flags << 32, 0, 0x1000, 0x1000, 9, 0x20, 8]);
            segments(&table)[0]
        };
        let code = segment(1, 5);
        assert!(code.is_code_at(0x1000) && code.is_code_at(0x101f));
        assert!(!code.is_code_at(0x0fff) && !code.is_code_at(0x1020));
        assert!(!segment(1, 6).is_code_at(0x1000));
        assert!(!segment(4, 5).is_code_at(0x1000));
        assert!(segment(2, 6).is_dynamic() && !code.is_dynamic());
    }

    #[test]
    fn a_word_is_relocated_by_its_own_relative_relocation() {
        let dynamic = words(&[1, 77, 7, 0x480, 8, 72, 0, 0, 8, 1]);
        assert_eq!(relocations(&dynamic), Some((0x480, 72)));
        assert_eq!(relocations(&dynamic[..32]), None);
        let table = words(&[0xfd8, 8, 1, 0xfe0, 8, 2, 0xfe8, 6, 3]);
        let addend = |address| relative_addend(Machine::X86_64, &table, address);
        assert_eq!(addend(0xfe0), Some(2));
        assert_eq!(addend(0xfe8), None, "a symbol's");
        assert_eq!(addend(0xff0), None);
    }

    #[test]
    fn the_vector_ends_at_its_null() {
        let vector = words(&[6, 4096, 7, 0, 9, 0x40_0000, 0, 0, 7, 5]);
        let read = AuxiliaryVector::read(&vector).unwrap();
        assert_eq!((read.entry, read.interpreter), (0x40_0000, None));
        let vector = words(&[7, 0x7fff_f7fc_5000, 9, 0x5555_5555_7df0, 0, 0]);
        let read = AuxiliaryVector::read(&vector).unwrap();
        assert_eq!(read.interpreter, Some(0x7fff_f7fc_5000));
        assert_eq!(AuxiliaryVector::read(&vector[..16]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            address in any::<u64>(),
        ) {
            let _ = Header::read(&bytes);
            let elf = [b"\x7fELF\x02\x01", bytes.as_slice()].concat();
            let _ = Header::read(&elf);
            for segment in segments(&bytes) {
                segment.is_code_at(address);
            }
            relocations(&bytes);
            AuxiliaryVector::read(&bytes);
            relative_addend(Machine::Aarch64, &bytes, address);
        }
    }
}
