//! The code of files: each is opened once, its tables are read when they are first asked
//! for, and what was found out of a place is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use object::read::ReadCache;

use crate::sys::program::entry_code::Machine;

use super::frame::Frame;
use super::image::Mapping;
use super::layout::{Layout, Part};
use super::machine::{self, BEGINNING, LONGEST_CALL};
use super::rule::{Rule, Unwinding};
use super::symbols::{self, Named};
use super::walk::Site;

/// Files that are kept open. A build executes more, but few of them spawn.
const MOST_FILES: usize = 200;
/// The most bytes of a table that is read: those of the largest browsers are smaller.
const LARGEST_TABLE: u64 = 256 << 20;
/// The most bytes of a function's name.
const LONGEST_NAME: usize = 4096;

/// The files whose code was met.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: HashMap<Identity, usize>,
    files: Vec<Code>,
}

/// What tells whether a file is the one that was read.
type Identity = (u64, u64, i64, i64, u64);

impl Files {
    /// Whether there are so many that all should be forgotten.
    pub(super) fn are_too_many(&self) -> bool {
        self.files.len() >= MOST_FILES
    }

    /// The place of the file that is mapped; nothing if it cannot be opened.
    pub(super) fn of(&mut self, pid: u32, mapping: &Mapping) -> Option<usize> {
        let file = mapping.open(pid)?;
        let metadata = file.metadata().ok()?;
        let identity = (
            metadata.dev(),
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.size(),
        );
        if let Some(known) = self.known.get(&identity) {
            return Some(*known);
        }
        let place = self.files.len();
        self.files.push(Code::new(file, mapping.path.clone()));
        self.known.insert(identity, place);
        Some(place)
    }

    pub(super) fn get(&mut self, place: usize) -> &mut Code {
        &mut self.files[place]
    }
}

/// A file with code.
#[derive(Debug)]
pub(super) struct Code {
    file: File,
    path: Option<String>,
    /// Absent if it is no ELF file for a machine that is known.
    layout: Option<Layout>,
    unwinding: Option<Option<Unwinding>>,
    symbols: Option<Vec<u8>>,
    sites: HashMap<(u64, bool), Arc<Site>>,
}

impl Code {
    fn new(file: File, path: Option<String>) -> Self {
        let layout = Layout::read(&ReadCache::new(&file));
        Self {
            layout: layout.filter(|layout| layout.machine == machine::here()),
            file,
            path,
            unwinding: None,
            symbols: None,
            sites: HashMap::new(),
        }
    }

    /// What is known of the code at a place of the file. One that is `returned` to belongs
    /// to the instruction before it.
    pub(super) fn site(&mut self, at: u64, returned: bool) -> Arc<Site> {
        if let Some(site) = self.sites.get(&(at, returned)) {
            return site.clone();
        }
        let site = Arc::new(self.look_at(at, returned));
        self.sites.insert((at, returned), site.clone());
        site
    }

    fn look_at(&mut self, at: u64, returned: bool) -> Site {
        let there = self.layout.as_ref();
        let there = there.and_then(|layout| Some((layout.machine, layout.address_of(at)?)));
        let Some((machine, address)) = there else {
            return bare(self.path.as_deref(), at, Rule::Unknown);
        };
        let inside = address.wrapping_sub(u64::from(returned));
        let named = self.named(inside);
        let told = self.unwinding(machine);
        let told = told.and_then(|unwinding| unwinding.rule_at(inside));
        let (rule, is_signal) = told.unwrap_or_else(|| {
            let start = named.as_ref().map(|named| named.start);
            let beginning = start.and_then(|start| self.code_from(start, BEGINNING));
            let keeps = beginning.is_some_and(|code| machine::keeps_frame_pointer(machine, &code));
            let rule = if keeps {
                Rule::FramePointer
            } else {
                Rule::Unknown
            };
            (rule, false)
        });
        let before = self.code_before(address, LONGEST_CALL);
        let after = self.code_from(address, 2).filter(|_| !returned);
        let kept = before.as_deref().zip(after.as_deref());
        Site {
            frame: Arc::new(frame(self.path.as_deref(), named, address)),
            rule,
            is_signal,
            kept: kept.and_then(|(before, after)| machine::kept(machine, before, after)),
            follows_call: before.map(|before| machine::follows_call(machine, &before)),
        }
    }

    fn named(&mut self, address: u64) -> Option<Named> {
        let layout = self.layout.as_ref()?;
        let table = layout.symbols?;
        let symbols = self.symbols.get_or_insert_with(|| {
            let symbols = read(&self.file, table.symbols);
            symbols.unwrap_or_default()
        });
        let name = |place: u32| name_at(&self.file, table.names, u64::from(place));
        symbols::find(symbols, &layout.text, address, name)
    }

    fn unwinding(&mut self, machine: Machine) -> Option<&Unwinding> {
        let (file, layout) = (&self.file, self.layout.as_ref()?);
        let unwinding = self.unwinding.get_or_insert_with(|| {
            let with_address = |part: Part| Some((part.address, read(file, part)?));
            let entries = with_address(layout.unwinding?)?;
            let index = layout.index.and_then(with_address).unwrap_or_default();
            Some(Unwinding::new(machine, entries, index))
        });
        unwinding.as_ref()
    }

    /// Up to so many bytes of code from an address on.
    fn code_from(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        let (at, there) = self.layout.as_ref()?.place_of(address)?;
        let len = usize::try_from(there).unwrap_or(most).min(most);
        bytes(&self.file, at, len)
    }

    /// Up to so many bytes of code that end at an address.
    fn code_before(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        let layout = self.layout.as_ref()?;
        (1..=most).rev().find_map(|len| {
            let first = address.checked_sub(len as u64)?;
            let (at, there) = layout.place_of(first)?;
            (there >= len as u64).then_some(())?;
            bytes(&self.file, at, len)
        })
    }
}

/// What is known of code in a file that tells nothing of it.
pub(super) fn bare(path: Option<&str>, at: u64, rule: Rule) -> Site {
    Site {
        frame: Arc::new(frame(path, None, at)),
        rule,
        follows_call: None,
        is_signal: false,
        kept: None,
    }
}

fn frame(path: Option<&str>, named: Option<Named>, address: u64) -> Frame {
    let module = path.map(|path| path.rsplit('/').next().unwrap_or(path));
    let start = named.as_ref().map_or(0, |named| named.start);
    Frame {
        module: module.map(str::to_owned),
        path: path.map(str::to_owned),
        function: named.map(|named| named.name),
        offset: address - start,
    }
}

fn read(file: &File, part: Part) -> Option<Vec<u8>> {
    (part.len <= LARGEST_TABLE).then_some(())?;
    bytes(file, part.at, usize::try_from(part.len).ok()?)
}

fn bytes(file: &File, at: u64, len: usize) -> Option<Vec<u8>> {
    // A header may promise more than there is: that much room is not even asked for.
    let there = file.metadata().ok()?.len();
    (at.checked_add(len as u64)? <= there).then_some(())?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// A name out of a table of names, which ends with a zero byte.
fn name_at(file: &File, names: Part, place: u64) -> Option<Vec<u8>> {
    let rest = names.len.checked_sub(place)?;
    let longest = usize::try_from(rest).ok()?.min(LONGEST_NAME);
    let mut name = vec![0; longest];
    let len = read_some(file, &mut name, names.at + place).ok()?;
    name.truncate(len);
    let end = name.iter().position(|byte| *byte == 0)?;
    name.truncate(end);
    Some(name)
}

fn read_some(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(bytes, at)
}
