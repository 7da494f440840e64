//! The code of files: each is opened once, its tables are read when they are first asked
//! for, and what was found out of a place is kept.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use object::read::ReadCache;

use crate::sys::perf::tracepoints::FileId;
use crate::sys::program::entry_code::Machine;

use super::frame::Frame;
use super::image::Mapping;
use super::layout::{Layout, Part};
use super::machine::{self, BEGINNING, LONGEST_CALL};
use super::origin::{PUBLIC, is_libc};
use super::rule::{Rule, Unwinding};
use super::symbols::{self, Named};
use super::walk::Site;

/// Files that are kept open. A build executes more, but few of them spawn.
const MOST_FILES: usize = 200;
/// The most bytes of a table that is read: those of the largest browsers are smaller.
const LARGEST_TABLE: u64 = 256 << 20;
/// The most bytes of a function that hands its arguments on.
const LONGEST_HANDING: usize = 512;
/// The most bytes of a function's name.
const LONGEST_NAME: usize = 4096;

/// The files whose code was met.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: HashMap<Identity, usize>,
    /// The same by what records say of a file, whose processes may all be gone.
    recorded: HashMap<FileId, usize>,
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
        // What was read of a file holds as long as nobody has written to it.
        match (self.opened(pid, mapping), mapping.id) {
            (Some(place), Some(id)) => {
                self.recorded.insert(id, place);
                Some(place)
            }
            (None, Some(id)) => self.recorded.get(&id).copied(),
            (opened, None) => opened,
        }
    }

    fn opened(&mut self, pid: u32, mapping: &Mapping) -> Option<usize> {
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
    /// Of libc, the documented functions that create processes, and their sizes.
    documented: Option<Vec<(Named, u64)>>,
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
            documented: None,
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
        let unwinding = self.unwinding(machine);
        let said = unwinding.and_then(|unwinding| unwinding.at(inside));
        let before = self.code_before(address, LONGEST_CALL);
        let after = self.code_from(address, 2).filter(|_| !returned);
        let kept = before.as_deref().zip(after.as_deref());
        let kept = kept.and_then(|(before, after)| machine::kept(machine, before, after));
        let named = self.named(inside, kept.is_some()).or_else(|| {
            let start = said.as_ref()?.start;
            self.handed_on(machine, start)
        });
        let (rule, is_signal) = match said {
            Some(said) => (said.rule, said.is_signal),
            None => (self.by_beginning(machine, named.as_ref()), false),
        };
        Site {
            frame: Arc::new(frame(self.path.as_deref(), named, address)),
            rule,
            is_signal,
            kept,
            follows_call: before.map(|before| machine::follows_call(machine, &before)),
        }
    }

    /// The rule of a function without unwind information.
    fn by_beginning(&self, machine: Machine, named: Option<&Named>) -> Rule {
        let beginning = named.and_then(|named| self.code_from(named.start, BEGINNING));
        match beginning.is_some_and(|code| machine::keeps_frame_pointer(machine, &code)) {
            true => Rule::FramePointer,
            false => Rule::Unknown,
        }
    }

    /// The function at an address. A wrapper of vfork makes the call next to its beginning,
    /// so that the symbol before it is its own, even where not all are there.
    fn named(&mut self, address: u64, is_wrapper: bool) -> Option<Named> {
        let layout = self.layout.as_ref()?;
        let table = layout.symbols?;
        let symbols = self.symbols.get_or_insert_with(|| {
            let symbols = read(&self.file, table.symbols);
            symbols.unwrap_or_default()
        });
        let name = |place: u32| name_at(&self.file, table.names, u64::from(place));
        let by_next = table.is_complete || is_wrapper;
        symbols::find(symbols, &layout.text, address, by_next, name)
    }

    /// The name of a part of libc that has none itself: that of the documented function
    /// which hands its arguments on to it. So system() is seen, whose work a function does
    /// that is not exported (sysdeps/posix/system.c of glibc, do_system).
    fn handed_on(&mut self, machine: Machine, start: u64) -> Option<Named> {
        let table = self.layout.as_ref()?.symbols?;
        let path = self.path.as_deref()?;
        is_libc(file_name(path)).then_some(())?;
        let documented = self.documented.get_or_insert_with(|| {
            let names = read(&self.file, table.names).unwrap_or_default();
            let name = |place: u32| {
                let name = names.get(usize::try_from(place).ok()?..)?;
                let end = name.iter().position(|byte| *byte == 0)?;
                Some(name[..end].to_vec())
            };
            let symbols = self.symbols.as_deref().unwrap_or_default();
            symbols::of_names(symbols, &PUBLIC, name)
        });
        let documented = documented.clone();
        let hands_on = |(named, size): &(Named, u64)| {
            let most = usize::try_from(*size).unwrap_or(0).min(LONGEST_HANDING);
            let code = self.code_from(named.start, most);
            code.is_some_and(|code| machine::jumps_to(machine, named.start, &code, start))
        };
        let mut found = documented.into_iter().filter(hands_on);
        let (named, _) = found.next()?;
        // Of a part that serves several functions nobody knows which was called.
        let is_only = found.all(|(other, _)| other.name == named.name);
        is_only.then_some(Named { start, ..named })
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
    let module = path.map(file_name);
    let start = named.as_ref().map_or(0, |named| named.start);
    Frame {
        module: module.map(str::to_owned),
        path: path.map(str::to_owned),
        function: named.map(|named| named.name),
        offset: address - start,
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
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
    let len = file.read_at(&mut name, names.at + place).ok()?;
    name.truncate(len);
    let end = name.iter().position(|byte| *byte == 0)?;
    name.truncate(end);
    Some(name)
}
