//! Where in an ELF file its code, its unwind information and its symbols are.
//!
//! Pure but for the reader that it is given, which needs to read the headers only.
//! Anybody may have written the file: what does not add up is not there.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable};

use crate::sys::program::entry_code::Machine;

/// A part of a file, and the address that it has in memory before it is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its first byte's address.
    pub(super) address: u64,
    /// Where it lies in the file.
    pub(super) at: u64,
    /// Its bytes there.
    pub(super) len: u64,
}

impl Part {
    fn new(address: u64, range: (u64, u64)) -> Option<Self> {
        let (at, len) = range;
        at.checked_add(len)?;
        address.checked_add(len)?;
        Some(Self { address, at, len })
    }

    /// Whether it holds an address.
    pub(super) fn holds(&self, address: u64) -> bool {
        address.wrapping_sub(self.address) < self.len
    }
}

/// A table of symbols and the names that it refers to, by places in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SymbolTable {
    pub(super) symbols: Part,
    pub(super) names: Part,
    /// Whether no function is missing in it (`.symtab`).
    pub(super) is_complete: bool,
}

/// What is where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) machine: Machine,
    /// Segments that are executable.
    code: Vec<Part>,
    /// Sections that hold instructions.
    pub(super) text: Vec<Part>,
    /// `.eh_frame_hdr`
    pub(super) index: Option<Part>,
    /// `.eh_frame`
    pub(super) unwinding: Option<Part>,
    /// `.symtab`, or `.dynsym` where that was stripped.
    pub(super) symbols: Option<SymbolTable>,
}

impl Layout {
    /// Reads the headers of a file for a machine that is supported.
    pub(super) fn read<'a, R: ReadRef<'a>>(file: R) -> Option<Self> {
        let endian = LittleEndian;
        let header = FileHeader64::<LittleEndian>::parse(file).ok()?;
        let machine = match header.e_machine(endian) {
            elf::EM_X86_64 => Machine::X86_64,
            elf::EM_AARCH64 => Machine::Aarch64,
            _ => return None,
        };
        let code = header.program_headers(endian, file).ok()?.iter();
        let code = code.filter(|segment| {
            segment.p_type(endian) == elf::PT_LOAD && segment.p_flags(endian).contains(elf::PF_X)
        });
        let code = code
            .filter_map(|segment| Part::new(segment.p_vaddr(endian), segment.file_range(endian)));
        let mut layout = Self {
            machine,
            code: code.collect(),
            text: Vec::new(),
            index: None,
            unwinding: None,
            symbols: None,
        };
        // A file without sections still has code.
        if let Ok(sections) = header.sections(endian, file) {
            layout.add_sections(&sections);
        }
        Some(layout)
    }

    fn add_sections<'a, R: ReadRef<'a>>(
        &mut self,
        sections: &SectionTable<'a, FileHeader64<LittleEndian>, R>,
    ) {
        let endian = LittleEndian;
        let part = |section: &elf::SectionHeader64<LittleEndian>| {
            Part::new(section.sh_addr(endian), section.file_range(endian)?)
        };
        let named = |name: &[u8]| {
            let (_, section) = sections.section_by_name(endian, name)?;
            part(section)
        };
        self.index = named(b".eh_frame_hdr");
        self.unwinding = named(b".eh_frame");
        let instructions = sections
            .iter()
            .filter(|section| section.sh_flags(endian).contains(elf::SHF_EXECINSTR));
        self.text = instructions.filter_map(part).collect();
        let table = |kind| {
            let mut tables = sections.iter();
            let table = tables.find(|section| section.sh_type(endian) == kind)?;
            let names = sections.section(table.link(endian)).ok()?;
            Some(SymbolTable {
                symbols: part(table).filter(|part| part.len > 0)?,
                names: part(names)?,
                is_complete: kind == elf::SHT_SYMTAB,
            })
        };
        self.symbols = table(elf::SHT_SYMTAB).or_else(|| table(elf::SHT_DYNSYM));
    }

    /// The address, before it is moved, of what lies at a place of the file that is mapped
    /// as code. A mapping begins at a page, and so before the segment's first byte.
    pub(super) fn address_of(&self, at: u64) -> Option<u64> {
        const LARGEST_PAGE: u64 = 64 << 10;
        let holding = self
            .code
            .iter()
            .find(|part| at.wrapping_sub(part.at) < part.len);
        let begun = || {
            let ahead = |part: &&Part| part.at.wrapping_sub(at) < LARGEST_PAGE;
            self.code.iter().find(ahead)
        };
        let part = holding.or_else(begun)?;
        Some(at.wrapping_sub(part.at).wrapping_add(part.address))
    }

    /// Where in the file the code at an address lies, and how many bytes of code follow.
    pub(super) fn place_of(&self, address: u64) -> Option<(u64, u64)> {
        let part = self.code.iter().find(|part| part.holds(address))?;
        let into = address - part.address;
        Some((part.at + into, part.len - into))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn this_program() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn the_parts_of_this_program_are_found() {
        let layout = Layout::read(this_program().as_slice()).unwrap();
        assert_eq!(layout.machine, super::super::machine::here());
        assert!(layout.index.is_some() && layout.unwinding.is_some() && layout.symbols.is_some());
        assert!(!layout.text.is_empty());
        for text in &layout.text {
            let (at, rest) = layout.place_of(text.address).unwrap();
            assert_eq!(at, text.at);
            assert!(rest >= text.len);
            assert_eq!(layout.address_of(text.at), Some(text.address));
        }
    }

    #[test]
    fn a_place_before_a_segment_in_its_first_page_belongs_to_it() {
        let code = Part::new(0x40_1040, (0x1040, 0x900)).unwrap();
        let layout = Layout {
            machine: Machine::X86_64,
            code: vec![code],
            text: Vec::new(),
            index: None,
            unwinding: None,
            symbols: None,
        };
        assert_eq!(layout.address_of(0x1000), Some(0x40_1000));
        assert_eq!(layout.address_of(0x1050), Some(0x40_1050));
        assert_eq!(layout.address_of(0x1940), None);
        assert_eq!(layout.place_of(0x40_1050), Some((0x1050, 0x8f0)));
        assert_eq!(layout.place_of(0x40_1000), None);
    }

    #[test]
    fn what_is_no_program_has_no_layout() {
        assert_eq!(Layout::read(b"#!/bin/sh\n".as_slice()), None);
        assert_eq!(Layout::read([].as_slice()), None);
    }

    #[test]
    fn a_mutilated_file_is_read_without_a_panic() {
        let file = std::cell::RefCell::new(this_program());
        let change = proptest::collection::vec((0_usize..0x400, any::<u8>()), 1..20);
        proptest!(|(changes in change, cut in 0_usize..8192)| {
            let mut bytes = file.borrow_mut();
            let whole: Vec<u8> = bytes[..0x400].to_vec();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            let _ = Layout::read(bytes.as_slice());
            let _ = Layout::read(&bytes[..cut]);
            bytes[..0x400].copy_from_slice(&whole);
        });
    }
}
