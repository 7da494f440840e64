//! The walk up a stack, from the instruction after a system call outwards.
//!
//! Pure: what is known of the code and what the memory holds is asked for. Each step is
//! doubted: a return address follows a call, and the stack's pointer only rises. Where
//! nothing says how a function keeps its caller, the walk ends instead of guessing.

use std::sync::Arc;

use crate::sys::program::entry_code::Machine;
use crate::sys::trace::event::Registers;

use super::frame::{Chain, End, Frame, MOST};
use super::machine::{Kept, unsigned};
use super::rule::{Cursor, Rule, by_frame_pointer};
use super::stack::Memory;

/// What is known of a place in the code of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) frame: Arc<Frame>,
    pub(super) rule: Rule,
    /// Whether a call stands before it; absent if the code could not be read.
    pub(super) follows_call: Option<bool>,
    /// Whether it is what signal handlers return to.
    pub(super) is_signal: bool,
    /// Whether it is a wrapper's that keeps its return address somewhere else.
    pub(super) kept: Option<Kept>,
}

/// Where an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file's code.
    Code(Arc<Site>),
    /// In code that lies in no file.
    NoFile,
    /// In no code.
    Nowhere,
}

/// What lies where in a process.
pub(super) trait Places {
    /// The place at an address. One that is `returned` to may be the first of the next
    /// function, if its call never returns: what counts is the instruction before it.
    fn at(&mut self, address: u64, returned: bool) -> Place;
}

/// The chain from the registers that a thread has in a system call.
pub(super) fn walk(
    machine: Machine,
    registers: &Registers,
    places: &mut impl Places,
    memory: &mut impl Memory,
) -> Chain {
    let mut walk = Walk {
        machine,
        at: Cursor {
            ip: registers.ip,
            sp: registers.sp,
            fp: registers.fp,
            lr: (machine == Machine::Aarch64).then(|| unsigned(machine, registers.lr)),
        },
        frames: Vec::with_capacity(MOST),
    };
    let end = walk.run(registers, places, memory);
    Chain {
        frames: walk.frames,
        end,
    }
}

struct Walk {
    machine: Machine,
    at: Cursor,
    frames: Vec<Arc<Frame>>,
}

/// A step to the caller.
struct Step {
    to: Cursor,
    /// Nothing said so, but wrappers of system calls are so.
    is_guess: bool,
}

impl Walk {
    fn run(
        &mut self,
        registers: &Registers,
        places: &mut impl Places,
        memory: &mut impl Memory,
    ) -> End {
        let mut site = match places.at(self.at.ip, false) {
            Place::Code(site) => site,
            Place::NoFile => return self.end_in_no_file(self.at.ip),
            Place::Nowhere => return End::Unreadable,
        };
        self.frames.push(site.frame.clone());
        let mut step = self.out_of_call(&site, registers, memory);
        loop {
            let Step { mut to, is_guess } = match step {
                Ok(step) => step,
                Err(end) => return end,
            };
            to.ip = unsigned(self.machine, to.ip);
            let lost = if is_guess {
                End::NoUnwinding
            } else {
                End::Astray
            };
            let is_first = self.frames.len() == 1;
            let rises = is_first || site.is_signal || to.sp > self.at.sp;
            let next = match places.at(to.ip, !site.is_signal) {
                Place::Code(next) if rises && is_entered(&site, &next, is_guess) => next,
                Place::NoFile if rises && !is_guess => return self.end_in_no_file(to.ip),
                // What is called by nobody may find zero in its caller's place.
                _ if to.ip == 0 && !is_guess => return End::Outermost,
                _ => return lost,
            };
            if self.frames.len() == MOST {
                return End::Cut;
            }
            self.frames.push(next.frame.clone());
            (self.at, site) = (to, next);
            step = self.out_of(&site, memory);
        }
    }

    /// The first step, out of the function that made the system call. Wrappers of calls
    /// that leave two processes on one stack end their unwind information before them (in
    /// glibc, sysdeps/unix/sysv/linux/x86_64/clone.S and clone3.S), since it would be
    /// wrong for the child. They have no frame of their own.
    fn out_of_call(
        &self,
        site: &Site,
        registers: &Registers,
        memory: &mut impl Memory,
    ) -> Result<Step, End> {
        let at = self.at;
        let known = |place: usize| {
            // Linux up to 5.10 tells of some on x86-64 that they are -1.
            let given = registers.others.get(place);
            given.filter(|it| ![0, u64::MAX].contains(it))
        };
        let ip = match site.kept {
            Some(Kept::Vfork) if registers.vfork != 0 => Some(registers.vfork),
            Some(Kept::Other(place)) if known(place).is_some() => known(place).copied(),
            Some(_) => at.sp.checked_sub(8).and_then(|below| memory.word(below)),
            None if matches!(site.rule, Rule::Unknown | Rule::Outermost) => {
                return self.out_of_leaf(memory);
            }
            None => return self.out_of(site, memory),
        };
        let to = Cursor {
            ip: ip.ok_or(End::Unreadable)?,
            lr: None,
            ..at
        };
        Ok(Step { to, is_guess: true })
    }

    /// Out of a function without a frame.
    fn out_of_leaf(&self, memory: &mut impl Memory) -> Result<Step, End> {
        let at = self.at;
        let (ip, sp) = match at.lr {
            Some(lr) => (Some(lr), at.sp),
            None => (memory.word(at.sp), at.sp.wrapping_add(8)),
        };
        let to = Cursor {
            ip: ip.ok_or(End::Unreadable)?,
            sp,
            fp: at.fp,
            lr: None,
        };
        Ok(Step { to, is_guess: true })
    }

    fn out_of(&self, site: &Site, memory: &mut impl Memory) -> Result<Step, End> {
        let to = match &site.rule {
            Rule::Told(row) => row.caller(self.machine, self.at, memory),
            Rule::FramePointer if self.at.fp == 0 => return Err(End::Outermost),
            Rule::FramePointer => by_frame_pointer(self.at, memory),
            Rule::Outermost => return Err(End::Outermost),
            Rule::Unknown => return Err(End::NoUnwinding),
            Rule::Unread => return Err(End::Unreadable),
        };
        let to = to.ok_or(End::Unreadable)?;
        Ok(Step {
            to,
            is_guess: false,
        })
    }

    fn end_in_no_file(&mut self, ip: u64) -> End {
        if self.frames.len() == MOST {
            return End::Cut;
        }
        self.frames.push(Arc::new(Frame {
            offset: ip,
            ..Frame::default()
        }));
        End::NoFile
    }
}

/// Whether code may have been left for `from` by a call. A signal interrupts it anywhere,
/// and its handler is entered without one.
fn is_entered(from: &Site, into: &Site, is_guess: bool) -> bool {
    match into.follows_call {
        Some(follows) => follows || from.is_signal || into.is_signal,
        None => !is_guess,
    }
}

#[cfg(test)]
#[path = "walk/tests.rs"]
mod tests;
