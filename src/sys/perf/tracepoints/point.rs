//! The tracepoints that are watched, and what a record of each says.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use super::record::{Fact, Stack};
use super::tracefs::{Field, Format};
use crate::sys::events::CallName;

/// A tracepoint that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// The beginning of a call that creates.
    Calls(CallName),
    /// Its end.
    Returns(CallName),
    /// The beginning of a call that executes.
    Executes(Execution),
    /// Its end, if it fails.
    Fails(Execution),
    /// A program was executed.
    Executed,
    /// The beginning of the call by which a thread ends.
    Leaves,
    /// The same of a process.
    LeavesAll,
    /// A signal that is delivered, and for which no handler is set.
    Signalled,
    /// The end of a creation, before the new process runs.
    Created,
}

/// A call that executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    Execve,
    Execveat,
}

/// The signal at the child's end, in the flags of clone(2), of which the kernel looks at the
/// lower half (`kernel_clone_args`, kernel/fork.c).
const CLONE_FLAGS: u64 = 0xffff_ff00;

impl Point {
    /// All of them in the order in which they are to begin, those with stacks after all
    /// others: what would be half a story without another comes after it.
    pub(super) const ALL: [Self; 17] = [
        Self::Calls(CallName::Fork),
        Self::Calls(CallName::Vfork),
        Self::Calls(CallName::Clone),
        Self::Calls(CallName::Clone3),
        Self::Executes(Execution::Execve),
        Self::Executes(Execution::Execveat),
        Self::Leaves,
        Self::LeavesAll,
        Self::Signalled,
        Self::Fails(Execution::Execve),
        Self::Fails(Execution::Execveat),
        Self::Executed,
        Self::Returns(CallName::Fork),
        Self::Returns(CallName::Vfork),
        Self::Returns(CallName::Clone),
        Self::Returns(CallName::Clone3),
        Self::Created,
    ];

    /// Its folder in tracefs.
    pub(super) fn name(self) -> String {
        match self {
            Self::Calls(call) => format!("syscalls/sys_enter_{}", named(call)),
            Self::Returns(call) => format!("syscalls/sys_exit_{}", named(call)),
            Self::Executes(call) => format!("syscalls/sys_enter_{}", call.name()),
            Self::Fails(call) => format!("syscalls/sys_exit_{}", call.name()),
            Self::Executed => "sched/sched_process_exec".to_owned(),
            Self::Leaves => "syscalls/sys_enter_exit".to_owned(),
            Self::LeavesAll => "syscalls/sys_enter_exit_group".to_owned(),
            Self::Signalled => "signal/signal_deliver".to_owned(),
            Self::Created => "task/task_newtask".to_owned(),
        }
    }

    /// Whether some machines do without it: arm64 has neither fork nor vfork.
    pub(super) fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Calls(CallName::Fork | CallName::Vfork)
                | Self::Returns(CallName::Fork | CallName::Vfork)
        )
    }

    /// What of it the kernel need not write: successes of calls that fail, the child's own
    /// return from its creation, threads, and signals with handlers. That saves time and room
    /// only: the rules do without it.
    pub(super) fn filter(self) -> Option<&'static CStr> {
        match self {
            Self::Returns(_) | Self::Fails(_) => Some(c"ret != 0"),
            Self::Signalled => Some(c"sa_handler == 0"),
            // CLONE_THREAD
            Self::Created => Some(c"!(clone_flags & 65536)"),
            _ => None,
        }
    }

    /// How much of the stack is copied with it, in bytes.
    ///
    /// The functions that led to a spawn, and their caller, rarely take more than a few
    /// pages. A new program's arguments lie above their table, and below them the kernel
    /// leaves up to 8 KiB free at random (`arch_align_stack()`).
    pub(super) fn stack_bytes(self) -> u32 {
        match self {
            Self::Created => 8 << 10,
            Self::Executed => 12 << 10,
            Self::Fails(_) => 4 << 10,
            _ => 0,
        }
    }

    /// The fields that its records are read by.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Calls(CallName::Clone) | Self::Created => &["clone_flags"],
            Self::Calls(_) => &[],
            Self::Returns(_) | Self::Fails(_) => &["ret"],
            Self::Executes(_) | Self::Executed => &["filename"],
            Self::Leaves | Self::LeavesAll => &["error_code"],
            Self::Signalled => &["sig", "sa_handler"],
        }
    }
}

fn named(call: CallName) -> &'static str {
    match call {
        CallName::Fork => "fork",
        CallName::Vfork => "vfork",
        CallName::Clone => "clone",
        CallName::Clone3 => "clone3",
    }
}

impl Execution {
    fn name(self) -> &'static str {
        match self {
            Self::Execve => "execve",
            Self::Execveat => "execveat",
        }
    }
}

/// Reads the records of a tracepoint.
#[derive(Debug)]
pub(super) struct Reader {
    point: Point,
    fields: Vec<Field>,
}

impl Reader {
    /// One for the format that the kernel has; nothing if a field is missing in it.
    pub(super) fn new(point: Point, format: &Format) -> Option<Self> {
        let fields = point.fields().iter().map(|name| format.field(name));
        Some(Self {
            point,
            fields: fields.collect::<Option<_>>()?,
        })
    }

    /// What a record says, with the stack that came with it.
    pub(super) fn fact(&self, record: &[u8], stack: Option<Box<Stack>>) -> Option<Fact> {
        let number = |place: usize| self.fields.get(place)?.number(record);
        let small = |place| i32::try_from(number(place)?).ok();
        Some(match self.point {
            Point::Calls(call) => Fact::Calls {
                call,
                flags: match call {
                    CallName::Fork | CallName::Vfork => Some(0),
                    CallName::Clone => Some(number(0)?.cast_unsigned() & CLONE_FLAGS),
                    CallName::Clone3 => None,
                },
            },
            Point::Returns(_) => Fact::Returns(number(0)?),
            Point::Executes(_) => Fact::Executes {
                path_at: number(0)?.cast_unsigned(),
            },
            Point::Fails(_) => Fact::NotExecuted {
                errno: i32::try_from(number(0)?.checked_neg()?).ok()?,
                from: stack,
            },
            Point::Executed => Fact::Executed {
                path: OsStr::from_bytes(self.fields.first()?.text(record)?).to_owned(),
                stack,
            },
            // The lower half of a word that the caller has filled as it liked.
            Point::Leaves | Point::LeavesAll => Fact::Leaves {
                status: i32::try_from(number(0)? & 0xff).ok()?,
                all: self.point == Point::LeavesAll,
            },
            Point::Signalled => {
                (number(1)? == 0).then_some(())?;
                Fact::Signalled(small(0)?)
            }
            Point::Created => Fact::Created {
                flags: number(0)?.cast_unsigned(),
                from: stack,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(point: Point, fields: &str) -> Reader {
        let format = Format::parse(&format!("ID: 7\n{fields}")).unwrap();
        Reader::new(point, &format).unwrap()
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let mut names = Point::ALL.map(Point::name);
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(names.contains(&"syscalls/sys_exit_execveat".to_owned()));
    }

    #[test]
    fn the_flags_of_clone_are_told_without_the_signal() {
        let fields = "field:unsigned long clone_flags; offset:16; size:8; signed:0;";
        let calls = reader(Point::Calls(CallName::Clone), fields);
        let fact = calls.fact(&words(&[0, 0, 0xffff_ffff_0120_0011]), None);
        let expected = Fact::Calls {
            call: CallName::Clone,
            flags: Some(0x0120_0000),
        };
        assert_eq!(fact, Some(expected));
        assert_eq!(calls.fact(&words(&[0, 0]), None), None, "a record cut off");
    }

    #[test]
    fn returns_failures_ends_and_signals_are_numbers() {
        let ret = "field:long ret; offset:16; size:8; signed:1;";
        let record = words(&[0, 0, (-2_i64).cast_unsigned()]);
        let returns = reader(Point::Returns(CallName::Clone3), ret);
        assert_eq!(returns.fact(&record, None), Some(Fact::Returns(-2)));
        let fails = reader(Point::Fails(Execution::Execve), ret);
        let expected = Fact::NotExecuted {
            errno: libc::ENOENT,
            from: None,
        };
        assert_eq!(fails.fact(&record, None), Some(expected));
        let code = "field:int error_code; offset:16; size:8; signed:0;";
        let leaves = reader(Point::LeavesAll, code);
        let expected = Fact::Leaves {
            status: 254,
            all: true,
        };
        assert_eq!(leaves.fact(&record, None), Some(expected));
        let signal = "field:int sig; offset:8; size:4; signed:1;\n\
                      field:unsigned long sa_handler; offset:16; size:8; signed:0;";
        let signalled = reader(Point::Signalled, signal);
        let fact = |handler| signalled.fact(&words(&[0, 11, handler]), None);
        assert_eq!(fact(0), Some(Fact::Signalled(11)));
        assert_eq!(fact(1), None, "it is ignored or handled");
    }

    #[test]
    fn a_format_without_a_field_is_none_to_read_by() {
        let format = Format::parse("ID: 7\n").unwrap();
        assert!(Reader::new(Point::Created, &format).is_none());
        assert!(Reader::new(Point::Calls(CallName::Vfork), &format).is_some());
    }
}
