//! Where in its code a process stands that is in a system call: the chain of functions that
//! led there, by the unwind information and the symbols of its files.
//!
//! The process must stand still while it is looked at, and is read only: its registers are
//! given, the rest is `/proc/PID/{maps,mem}` and the files that it has mapped, of which
//! headers and tables are read when they are first needed and kept. Or it is told of by
//! records: what it has mapped ([`Callers::keep`], [`Callers::map`]), and a copy of its stack;
//! then it need not be there any more. A chain says why it
//! ended and contains no guess: code without unwind information is passed only where the
//! function keeps a frame pointer, and a name is given only where a symbol covers the
//! address. Files and memory are foreign: any content is survived.
//!
//! It must not be asked between a measurement's clock readings. It knows nothing of spawns
//! but how libc's wrappers make the system call; [`origin()`] makes a line of a chain.

mod code;
mod frame;
mod image;
mod layout;
mod machine;
mod origin;
mod rule;
mod stack;
mod symbols;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use crate::sys::perf::tracepoints::Mapped;
use crate::sys::trace::event::Registers;

pub use frame::{Chain, End, Frame, MOST};
pub use origin::{Origin, origin};
pub use stack::{Copied, Memory};

use code::Files;
use image::Image;
use rule::Rule;
use stack::Standing;
use walk::{Place, Places};

/// Tells callers, and keeps what it learned of files and processes.
#[derive(Debug, Default)]
pub struct Callers {
    files: Files,
    images: HashMap<u32, Arc<Image>>,
}

impl Callers {
    /// One that knows of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frames of a process, or of a thread by its number, that stands still in a system
    /// call, from there outwards; at most [`MOST`].
    pub fn of(&mut self, pid: u32, registers: &Registers) -> Chain {
        match Standing::open(pid) {
            Ok(mut memory) => self.of_stack(pid, registers, &mut memory),
            Err(_) => Chain {
                frames: Vec::new(),
                end: End::Unreadable,
            },
        }
    }

    /// The same by what a stack held, such as a [`Copied`] one. The process may go on
    /// meanwhile, but what it had mapped must still be there, or be recorded.
    pub fn of_stack(&mut self, pid: u32, registers: &Registers, memory: &mut impl Memory) -> Chain {
        if self.files.are_too_many() {
            self.forget_files();
        }
        let image = self.images.entry(pid);
        let mut process = Process {
            pid,
            image: image.or_insert_with(|| Arc::new(Image::of(pid))),
            files: &mut self.files,
        };
        walk::walk(machine::here(), registers, &mut process, memory)
    }

    /// Forgets all files, and the mappings that can be read again.
    fn forget_files(&mut self) {
        self.files = Files::default();
        self.images.retain(|_, image| {
            Arc::make_mut(image).forget_files();
            image.is_recorded()
        });
    }

    /// Records tell from now on of what the process maps: it is read now what it has.
    pub fn keep(&mut self, pid: u32) {
        let image = Image::of(pid).recorded();
        self.images.insert(pid, Arc::new(image));
    }

    /// It was recorded that a process is about to execute another program, and has nothing
    /// mapped.
    pub fn renew(&mut self, pid: u32) {
        self.images.insert(pid, Arc::new(Image::new_recorded()));
    }

    /// It was recorded that a process has mapped code.
    pub fn map(&mut self, pid: u32, mapped: &Mapped) {
        if let Some(image) = self.images.get_mut(&pid) {
            Arc::make_mut(image).map(mapped);
        }
    }

    /// The process executed another program, or ended: what it had mapped is gone.
    pub fn forget(&mut self, pid: u32) {
        self.images.remove(&pid);
    }

    /// The parent created a child, which has the same mappings until it executes something.
    pub fn inherit(&mut self, parent: u32, child: u32) {
        if let Some(image) = self.images.get(&parent) {
            self.images.insert(child, image.clone());
        }
    }
}

/// A process and the files of its code.
struct Process<'a> {
    pid: u32,
    image: &'a mut Arc<Image>,
    files: &'a mut Files,
}

impl Process<'_> {
    /// The place of the mapping that holds an address, which may have come since the
    /// mappings were read.
    fn find(&mut self, address: u64) -> Option<usize> {
        let found = self.image.find(address);
        if found.is_some() || !self.image.may_have_grown(address) {
            return found;
        }
        let newer = Image::of(self.pid);
        let image = Arc::make_mut(self.image);
        image.renew(newer, address);
        image.find(address)
    }

    fn file(&mut self, place: usize) -> Option<usize> {
        let mapping = self.image.mapping(place);
        if let Some(file) = mapping.file {
            return file;
        }
        let file = self.files.of(self.pid, mapping);
        Arc::make_mut(self.image).remember_file(place, file);
        file
    }
}

impl Places for Process<'_> {
    fn at(&mut self, address: u64, returned: bool) -> Place {
        // Of a call that never returns, only the instruction before need be mapped.
        let Some(place) = self.find(address.wrapping_sub(u64::from(returned))) else {
            return Place::Nowhere;
        };
        if self.image.mapping(place).path.is_none() {
            return Place::NoFile;
        }
        let file = self.file(place);
        let mapping = self.image.mapping(place);
        let at = (address - mapping.start).wrapping_add(mapping.at);
        Place::Code(match file {
            Some(file) => self.files.get(file).site(at, returned),
            None => Arc::new(code::bare(mapping.path.as_deref(), at, Rule::Unread)),
        })
    }
}

#[cfg(test)]
mod tests;
