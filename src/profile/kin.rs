//! Records of all threads of a host to what those who are watched did. Pure.
//!
//! Records come in order of time. Who belongs to a watched program is known by whoever
//! created it, and by what was there when the watching began. A creation is told when the
//! kernel has finished it, by the call that its creator is in: without that call, as of a
//! 32-bit program, or one whose record was lost, the child is told as one whose creation was
//! not seen, and nothing is made up for it.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;

use crate::model::CallName;
use crate::sys::perf::tracepoints::{Fact, Mapped, Record, Stack};
use crate::sys::trace::event::{End, Followed, What};

/// What is told next.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Somebody who is watched did something, and what is known beside it.
    Happened(Followed, Known),
    /// A process has mapped code.
    Mapped(u32, Mapped),
    /// Nothing of what a process had mapped is there any more.
    Renewed(u32),
}

/// What came with an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// The stack of who created a process.
    Stack(Box<Stack>),
    /// The program that was executed.
    Program(Box<Program>),
}

/// A program that was executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Its file: of a script, its interpreter's. Absent if the record was lost.
    pub file: Option<Mapped>,
    /// The path that was given.
    pub path: OsString,
    /// Its arguments, beginning with its name, as far as they were copied.
    pub arguments: Vec<Vec<u8>>,
}

/// Who is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that are named, and whomever they create.
    Tree,
    /// All but this process.
    Host {
        /// The one.
        except: u32,
    },
}

/// The processes that are watched.
#[derive(Debug)]
pub struct Kin {
    scope: Scope,
    members: HashMap<u32, Member>,
    /// What is known of threads that are in a call.
    threads: HashMap<u32, Thread>,
    /// Until when processes may do something that were there already and are not known.
    looked_ns: u64,
    lost: u64,
}

/// A process that is watched.
#[derive(Debug, Default)]
struct Member {
    threads: HashSet<u32>,
    /// Whether it was told of: not of the kernel's own threads, nor of a command that has not
    /// been executed yet.
    is_told: bool,
    /// The file of the program that it is about to become, once that was told.
    becomes: Option<Option<Mapped>>,
    /// How all of it ends.
    ends: Option<End>,
    /// The status of its first thread, which is its own if nobody ends all of it.
    left_with: Option<i32>,
}

/// What is known of a thread.
#[derive(Debug, Default)]
struct Thread {
    /// The call by which it creates something, and its flags.
    call: Option<(CallName, Option<u64>)>,
    /// The process whose creation is not complete yet.
    bears: Option<u32>,
    /// The process that it has created.
    child: Option<u32>,
    /// Where the path of what it is to execute stands.
    path_at: Option<u64>,
}

/// The errors of a call that is begun anew after a signal (ERESTARTSYS to
/// ERESTART_RESTARTBLOCK, include/linux/errno.h): its caller never sees them.
const ANEW: RangeInclusive<i64> = 512..=516;

/// Signals that end nobody for whom no handler is set (SIG_KERNEL_IGNORE_MASK and
/// SIG_KERNEL_STOP_MASK, include/linux/signal.h).
const HARMLESS: [i32; 8] = [
    libc::SIGCONT,
    libc::SIGCHLD,
    libc::SIGWINCH,
    libc::SIGURG,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

impl Kin {
    /// Nobody is watched yet.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            members: HashMap::new(),
            threads: HashMap::new(),
            looked_ns: 0,
            lost: 0,
        }
    }

    /// A process that was there with these threads when one looked, after the recording had
    /// begun.
    pub fn present(&mut self, pid: u32, threads: &[u32]) {
        self.insert(pid, threads, true);
    }

    /// The same of one that is to be told of once it executes a program: the command, and
    /// threads of the kernel.
    pub fn silent(&mut self, pid: u32, threads: &[u32]) {
        self.insert(pid, threads, false);
    }

    fn insert(&mut self, pid: u32, threads: &[u32], is_told: bool) {
        let member = Member {
            threads: threads.iter().copied().collect(),
            is_told,
            ..Member::default()
        };
        self.members.insert(pid, member);
    }

    /// All who were there are named: who is met for the first time after this moment was
    /// created unseen.
    pub fn all_named(&mut self, now_ns: u64) {
        self.looked_ns = now_ns;
    }

    /// Whether nobody of a tree is left.
    pub fn is_over(&self) -> bool {
        self.scope == Scope::Tree && self.members.is_empty()
    }

    /// Forgets who is gone though no record of that was seen.
    pub fn forget_gone(&mut self, now_ns: u64, exists: impl Fn(u32) -> bool, told: &mut Vec<Told>) {
        let all = self.members.keys().copied();
        let gone: Vec<u32> = all.filter(|pid| !exists(*pid)).collect();
        for pid in gone {
            self.replace(pid, now_ns, told);
        }
    }

    /// How many records were lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the next record, and tells what is to be made of it.
    pub fn take(&mut self, record: Record, told: &mut Vec<Told>) {
        let by = By::of(&record);
        let By { pid, tid, .. } = by;
        match record.fact {
            Fact::Lost(count) => self.lost = self.lost.saturating_add(count),
            Fact::Ended => self.ended(by, told),
            _ if !self.is_watched(by, told) => {}
            Fact::Bears { pid, tid } => self.bears(by, (pid, tid), told),
            Fact::Renews => self.renews(by, told),
            Fact::Maps(mapped) => self.maps(pid, mapped, told),
            Fact::Executed { path, stack } => {
                let arguments = stack.map(|stack| stack.arguments());
                let program = Program {
                    file: None,
                    path,
                    arguments: arguments.unwrap_or_default(),
                };
                self.executed(by, program, told);
            }
            Fact::Leaves { status, all: true } => self.ends(pid, End::Exit(status)),
            Fact::Leaves { status, all: false } if pid == tid => {
                if let Some(member) = self.members.get_mut(&pid) {
                    member.left_with = Some(status);
                }
            }
            Fact::Leaves { .. } => {}
            Fact::Signalled(signal) if HARMLESS.contains(&signal) => {}
            Fact::Signalled(signal) => self.ends(pid, End::Signal(signal)),
            _ if !self.members.get(&pid).is_some_and(|it| it.is_told) => {}
            fact => self.calls(by, fact, told),
        }
    }

    /// Somebody of whom was told is in a call.
    fn calls(&mut self, by: By, fact: Fact, told: &mut Vec<Told>) {
        match fact {
            Fact::Calls { call, flags } => {
                let thread = self.threads.entry(by.tid).or_default();
                // What is left of another call is one of which records were lost.
                thread.child = None;
                if let Some(child) = thread.bears.take() {
                    by.created(None, child, None, told);
                }
                thread.call = Some((call, flags));
                let flags = flags.unwrap_or(0);
                by.did(What::Calling { call, flags }, Known::Nothing, told);
            }
            Fact::Created { flags, from } => self.created(by, flags, from, told),
            Fact::Returns(returned) => self.returned(by, returned, told),
            Fact::Executes { path_at } => {
                self.threads.entry(by.tid).or_default().path_at = Some(path_at);
            }
            Fact::NotExecuted { errno, .. } if ANEW.contains(&errno.into()) => {}
            Fact::NotExecuted { errno, from } => {
                let path_at = self.threads.entry(by.tid).or_default().path_at.take();
                let path = path_at.and_then(|at| Some(from.as_ref()?.text(at)?.to_vec()));
                let path = path.map(|path| OsStr::from_bytes(&path).to_owned());
                by.did(What::NotExecuted { path, errno }, Known::Nothing, told);
            }
            _ => {}
        }
    }

    /// Whether it is the record of somebody who is watched. On a host, who is not known was
    /// either there before one had looked around, or created unseen.
    fn is_watched(&mut self, by: By, told: &mut Vec<Told>) -> bool {
        let pid = by.pid;
        let Scope::Host { except } = self.scope else {
            return self.members.contains_key(&pid);
        };
        if pid == 0 || pid == except {
            return false;
        }
        if !self.members.contains_key(&pid) {
            self.insert(pid, &[by.tid], true);
            let what = match by.time_ns <= self.looked_ns {
                true => What::Present,
                false => What::Adopted,
            };
            by.did(what, Known::Nothing, told);
        }
        true
    }

    /// There is a new thread.
    fn bears(&mut self, by: By, (pid, tid): (u32, u32), told: &mut Vec<Told>) {
        let Some(creator) = self.members.get_mut(&by.pid) else {
            return;
        };
        let is_told = creator.is_told;
        if pid == by.pid {
            creator.threads.insert(tid);
            if is_told {
                by.did(What::Thread { tid }, Known::Nothing, told);
            }
            return;
        }
        let was_there = by.time_ns <= self.looked_ns && self.members.contains_key(&pid);
        if !was_there {
            self.replace(pid, by.time_ns, told);
            self.insert(pid, &[tid], is_told);
        }
        if is_told {
            self.threads.entry(by.tid).or_default().bears = Some(pid);
        }
    }

    /// Whoever had the number of a new process is gone, even if its end was lost.
    fn replace(&mut self, pid: u32, time_ns: u64, told: &mut Vec<Told>) {
        if self.members.remove(&pid).is_some_and(|it| it.is_told) {
            let first = By {
                time_ns,
                pid,
                tid: pid,
            };
            first.did(What::Ended(End::Unseen), Known::Nothing, told);
        }
    }

    /// The kernel has finished a creation.
    fn created(&mut self, by: By, flags: u64, from: Option<Box<Stack>>, told: &mut Vec<Told>) {
        const THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;
        let thread = self.threads.entry(by.tid).or_default();
        if flags & THREAD != 0 {
            return;
        }
        if let Some(child) = thread.bears.take() {
            thread.child = Some(child);
            let call = thread.call.map(|(call, _)| (call, flags));
            by.created(call, child, from, told);
        }
    }

    /// A call that creates has ended.
    fn returned(&mut self, by: By, returned: i64, told: &mut Vec<Told>) {
        let Some(thread) = self.threads.get_mut(&by.tid) else {
            return;
        };
        // The end of the creation itself was lost: where the call has told the flags, only the
        // caller is not known.
        if let Some(child) = thread.bears.take() {
            thread.child = Some(child);
            let call = thread.call.and_then(|(call, flags)| Some((call, flags?)));
            by.created(call, child, None, told);
        }
        let errno = returned.checked_neg().unwrap_or(0);
        // A child returns 0 from the call that created it.
        if thread.call.is_none() || returned == 0 || ANEW.contains(&errno) {
            return;
        }
        thread.call = None;
        let child = thread.child.take();
        let child = match (child, i32::try_from(errno)) {
            (_, Ok(errno @ 1..)) => Err(errno),
            (Some(child), _) => Ok(child),
            // Its number in the caller's namespace, which nothing else is known by.
            (None, _) => Ok(u32::try_from(returned).unwrap_or(0)),
        };
        by.did(What::Returned { child }, Known::Nothing, told);
    }

    /// A process is about to become another program.
    fn renews(&mut self, by: By, told: &mut Vec<Told>) {
        if let Some(member) = self.members.get_mut(&by.pid) {
            *member = Member {
                threads: HashSet::from([by.tid]),
                is_told: member.is_told,
                becomes: Some(None),
                ..Member::default()
            };
            told.push(Told::Renewed(by.pid));
        }
    }

    fn maps(&mut self, pid: u32, mapped: Mapped, told: &mut Vec<Told>) {
        // The program's own file is mapped first (load_elf_binary(), fs/binfmt_elf.c).
        let becomes = self
            .members
            .get_mut(&pid)
            .and_then(|it| it.becomes.as_mut());
        if let Some(first @ None) = becomes
            && mapped.name.starts_with('/')
        {
            *first = Some(mapped.clone());
        }
        told.push(Told::Mapped(pid, mapped));
    }

    fn executed(&mut self, by: By, program: Program, told: &mut Vec<Told>) {
        let Some(member) = self.members.get_mut(&by.pid) else {
            return;
        };
        let file = member.becomes.take().flatten();
        let known = Known::Program(Box::new(Program { file, ..program }));
        if !std::mem::replace(&mut member.is_told, true) {
            by.did(What::Present, known.clone(), told);
        }
        by.did(What::Executed, known, told);
    }

    /// All of a process is to end. What comes first decides: the other threads are then
    /// killed.
    fn ends(&mut self, pid: u32, end: End) {
        if let Some(member) = self.members.get_mut(&pid) {
            member.ends.get_or_insert(end);
        }
    }

    fn ended(&mut self, by: By, told: &mut Vec<Told>) {
        self.threads.remove(&by.tid);
        let Some(member) = self.members.get_mut(&by.pid) else {
            return;
        };
        member.threads.remove(&by.tid);
        if !member.threads.is_empty() {
            return;
        }
        let end = member.ends.or(member.left_with.map(End::Exit));
        let is_told = member.is_told;
        self.members.remove(&by.pid);
        if is_told {
            let what = What::Ended(end.unwrap_or(End::Unseen));
            by.did(what, Known::Nothing, told);
        }
    }
}

/// Whose record it is, and of when.
#[derive(Debug, Clone, Copy)]
struct By {
    time_ns: u64,
    pid: u32,
    tid: u32,
}

impl By {
    fn of(record: &Record) -> Self {
        Self {
            time_ns: record.time_ns,
            pid: record.pid,
            tid: record.tid,
        }
    }

    fn did(self, what: What, known: Known, told: &mut Vec<Told>) {
        let followed = Followed {
            time_ns: self.time_ns,
            pid: self.pid,
            tid: self.tid,
            what,
        };
        told.push(Told::Happened(followed, known));
    }

    /// It created a process, by a call or nobody knows how.
    fn created(
        self,
        call: Option<(CallName, u64)>,
        child: u32,
        from: Option<Box<Stack>>,
        told: &mut Vec<Told>,
    ) {
        let Some((call, flags)) = call else {
            let first = Self {
                pid: child,
                tid: child,
                ..self
            };
            return first.did(What::Adopted, Known::Nothing, told);
        };
        let flags = match call {
            CallName::Fork | CallName::Vfork => 0,
            CallName::Clone | CallName::Clone3 => flags,
        };
        let registers = from.as_ref().map(|stack| stack.registers);
        let what = What::Created {
            call,
            flags,
            child,
            registers: registers.unwrap_or_default(),
        };
        self.did(what, from.map_or(Known::Nothing, Known::Stack), told);
    }
}

#[cfg(test)]
mod tests;
