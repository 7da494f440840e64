//! What was told of a watched program, event by event, to the spawns that it made.
//!
//! Events of one process come in order. Those of a child may come before the one by which its
//! parent created it, as its own first steps race with the end of its parent's call: a watcher
//! need not put them in order. A spawn of which only one end is seen is kept as that, and no other end is made up.

use std::collections::HashMap;

use crate::model::{CallName, Ending, SizeSample, Spawn};
use crate::sys::trace::event::{End, Followed, What};

/// What was read of a process while it stood still in an event; places in lists of the
/// caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sight {
    /// The program that it has executed.
    pub program: Option<usize>,
    /// From where it spawns.
    pub caller: Option<usize>,
    /// How large it is.
    pub size: Option<Size>,
}

/// How large a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes of its page tables.
    pub page_table_bytes: u64,
    /// Bytes that it has resident.
    pub resident_bytes: u64,
}

/// The course of a watched program so far.
#[derive(Debug)]
pub struct Course {
    begin_ns: u64,
    /// Every process that was seen, in the order in which it was.
    pub processes: Vec<Observed>,
    /// Every spawn, in the order of their creations.
    pub spawns: Vec<Spawn>,
    /// Threads that were created.
    pub threads: u64,
    /// Executions that failed.
    pub failed_execs: Vec<Failed>,
    /// Calls that created nothing: whose, which, the errno.
    pub failed_calls: Vec<(usize, CallName, i32)>,
    /// Processes that are there, by their numbers.
    live: HashMap<u32, usize>,
    /// Calls that have begun and not returned, by thread.
    calling: HashMap<u32, Calling>,
    /// Processes that were read while they went on: from when to when.
    looks: Vec<(u32, u64, u64)>,
}

/// A process that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its number.
    pub pid: u32,
    /// The program that it executed last; that of its parent before the first.
    pub program: usize,
    /// The spawn that created it; absent of one that was there before, or whose creation
    /// was not seen.
    pub born: Option<usize>,
    /// Whether its creation was to be seen and was not.
    pub incomplete: bool,
    /// Its executions: when, and the program.
    pub executions: Vec<(u64, usize)>,
    /// When and how it ended.
    pub ended: Option<(u64, Ending)>,
    /// Its size at some of its spawns since it executed its program.
    pub sizes: Vec<SizeSample>,
    /// Its executions that failed since the last one that did not, by their places.
    failed: Vec<usize>,
    /// Whether its first execution, and its end, are heard of late.
    pub late: bool,
    /// Whether its creation is never told any more.
    adopted: bool,
}

/// An execution that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failed {
    /// The program that was to be replaced.
    pub program: usize,
    /// The path.
    pub path: String,
    /// Why.
    pub errno: i32,
    /// Whether the process went on to execute something, as in a search along PATH.
    pub then_found: bool,
}

/// A call that has begun.
#[derive(Debug, Clone, Copy)]
struct Calling {
    at_ns: u64,
    call: CallName,
    /// The spawn that it has made.
    made: Option<usize>,
    /// Whether its end is heard of late.
    late: bool,
}

impl Course {
    /// Nothing was seen yet; times are told from this moment on.
    pub fn new(begin_ns: u64) -> Self {
        Self {
            begin_ns,
            processes: Vec::new(),
            spawns: Vec::new(),
            threads: 0,
            failed_execs: Vec::new(),
            failed_calls: Vec::new(),
            live: HashMap::new(),
            calling: HashMap::new(),
            looks: Vec::new(),
        }
    }

    /// Processes that go on.
    pub fn running(&self) -> u64 {
        let running = self.live.values();
        let running = running.filter(|at| self.processes[**at].ended.is_none());
        running.count() as u64
    }

    /// Whether a thread is in a call of which the beginning was told.
    pub fn is_calling(&self, tid: u32) -> bool {
        self.calling.contains_key(&tid)
    }

    /// Whoever watches did something else for a while: what is under way will be heard of late,
    /// and how long it took is not told.
    pub fn held_up(&mut self) {
        for calling in self.calling.values_mut() {
            calling.late = true;
        }
        for at in self.live.values() {
            self.processes[*at].late = true;
        }
    }

    /// Whoever watches has read a process that went on, from one moment to another: calls by
    /// which it creates wait for that, and how long they took is not told.
    pub fn looked_at(&mut self, pid: u32, from_ns: u64, to_ns: u64) {
        let since = |ns: u64| ns.saturating_sub(self.begin_ns);
        self.looks.push((pid, since(from_ns), since(to_ns)));
    }

    fn was_looked_at(&self, pid: u32, from_ns: u64, to_ns: u64) -> bool {
        let mut looks = self.looks.iter();
        looks.any(|(of, begin, end)| *of == pid && from_ns < *end && *begin < to_ns)
    }

    /// Takes in the next event, with what was read of the process meanwhile.
    pub fn take(&mut self, event: &Followed, sight: Sight) {
        let at_ns = event.time_ns.saturating_sub(self.begin_ns);
        match &event.what {
            What::Present => {
                let at = self.process(event.pid);
                self.processes[at].incomplete = false;
                self.execute(at, None, sight.program);
            }
            What::Calling { call, .. } => {
                let calling = Calling {
                    at_ns,
                    call: *call,
                    made: None,
                    late: false,
                };
                self.calling.insert(event.tid, calling);
            }
            What::Created {
                call, flags, child, ..
            } => {
                self.create(event, at_ns, (*call, *flags), *child, sight);
            }
            What::Thread { .. } => {
                self.threads += 1;
                self.calling.remove(&event.tid);
            }
            What::Returned { child } => self.return_from_call(event, at_ns, *child),
            What::Executed => {
                let at = self.process(event.pid);
                // The thread that executes takes the number of its process.
                self.calling.remove(&event.pid);
                self.execute(at, Some(at_ns), sight.program);
            }
            What::NotExecuted { path, errno } => {
                let at = self.process(event.pid);
                let path = path
                    .as_ref()
                    .map(|path| path.to_string_lossy().into_owned());
                let program = self.processes[at].program;
                self.processes[at].failed.push(self.failed_execs.len());
                self.failed_execs.push(Failed {
                    program,
                    path: path.unwrap_or_default(),
                    errno: *errno,
                    then_found: false,
                });
            }
            What::Ended(end) => self.end(event.pid, at_ns, *end),
            What::Adopted => {
                let at = self.process(event.pid);
                self.processes[at].adopted = true;
                self.execute(at, None, sight.program);
            }
        }
    }

    /// The place of a process; one that nobody has told of is new, and its creation is
    /// still to be told.
    fn process(&mut self, pid: u32) -> usize {
        *self.live.entry(pid).or_insert_with(|| {
            self.processes.push(Observed {
                pid,
                program: 0,
                born: None,
                incomplete: true,
                executions: Vec::new(),
                ended: None,
                sizes: Vec::new(),
                failed: Vec::new(),
                late: false,
                adopted: false,
            });
            self.processes.len() - 1
        })
    }

    fn create(
        &mut self,
        event: &Followed,
        at_ns: u64,
        (call, flags): (CallName, u64),
        child: u32,
        sight: Sight,
    ) {
        let by = self.process(event.pid);
        if let Some(size) = sight.size {
            self.processes[by].sizes.push(SizeSample {
                at_ns,
                page_table_bytes: size.page_table_bytes,
                resident_bytes: size.resident_bytes,
            });
        }
        let made = self.spawns.len();
        let calling = self.calling.get_mut(&event.tid);
        let began = calling.map(|calling| {
            calling.made = Some(made);
            calling.at_ns
        });
        let program = self.processes[by].program;
        self.spawns.push(Spawn {
            at_ns: began.unwrap_or(at_ns),
            by: event.pid,
            thread: event.tid,
            program,
            caller: sight.caller,
            call,
            flags,
            child,
            call_ns: None,
            to_exec_ns: None,
            executed: None,
            life_ns: None,
            ending: None,
        });
        self.bear(made, child, program);
    }

    /// Tells the child of a spawn whose it is, and the spawn what the child did already.
    fn bear(&mut self, made: usize, child: u32, program: usize) {
        let at = self.process(child);
        let born = &mut self.processes[at];
        born.incomplete = false;
        born.born = Some(made);
        if born.executions.is_empty() {
            born.program = program;
        }
        let spawn = &mut self.spawns[made];
        if let Some((at_ns, program)) = born.executions.first() {
            spawn.to_exec_ns = Some(at_ns.saturating_sub(spawn.at_ns));
            spawn.executed = Some(*program);
        }
        if let Some((at_ns, ending)) = born.ended {
            let life_ns = at_ns.saturating_sub(spawn.at_ns);
            spawn.life_ns = Some(life_ns).filter(|_| !born.late);
            spawn.ending = Some(ending);
            // Its number is free for another.
            self.live.remove(&child);
        }
    }

    fn return_from_call(&mut self, event: &Followed, at_ns: u64, child: Result<u32, i32>) {
        let Some(calling) = self.calling.remove(&event.tid) else {
            return;
        };
        match (child, calling.made) {
            (Ok(_), Some(_))
                if calling.late || self.was_looked_at(event.pid, calling.at_ns, at_ns) => {}
            (Ok(_), Some(made)) => {
                self.spawns[made].call_ns = Some(at_ns.saturating_sub(calling.at_ns));
            }
            (Err(errno), _) => {
                let at = self.process(event.pid);
                let program = self.processes[at].program;
                self.failed_calls.push((program, calling.call, errno));
            }
            // Its child is followed by nobody (CLONE_UNTRACED).
            (Ok(_), None) => {}
        }
    }

    fn execute(&mut self, at: usize, at_ns: Option<u64>, program: Option<usize>) {
        let process = &mut self.processes[at];
        let Some(program) = program else { return };
        process.program = program;
        let Some(at_ns) = at_ns else { return };
        // What it was before has another size.
        process.sizes.clear();
        for failed in process.failed.drain(..) {
            self.failed_execs[failed].then_found = true;
        }
        process.executions.push((at_ns, program));
        if let (Some(made), [_]) = (process.born, process.executions.as_slice()) {
            let spawn = &mut self.spawns[made];
            let took_ns = at_ns.saturating_sub(spawn.at_ns);
            spawn.to_exec_ns = Some(took_ns).filter(|_| !process.late);
            spawn.executed = Some(program);
        }
    }

    fn end(&mut self, pid: u32, at_ns: u64, end: End) {
        let ending = Ending::from(end);
        let at = self.process(pid);
        let process = &mut self.processes[at];
        process.ended = Some((at_ns, ending));
        if let Some(made) = process.born {
            let spawn = &mut self.spawns[made];
            let life_ns = at_ns.saturating_sub(spawn.at_ns);
            spawn.life_ns = Some(life_ns).filter(|_| !process.late);
            spawn.ending = Some(ending);
        }
        // One whose creation is still to be told is kept for that.
        if !process.incomplete || process.adopted {
            self.live.remove(&pid);
        }
    }
}

#[cfg(test)]
mod tests;
