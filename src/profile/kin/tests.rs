//! On made-up records.

use super::*;
use crate::sys::perf::tracepoints::FileId;
use crate::sys::trace::event::Registers;

const ROOT: u32 = 100;

/// Takes records one after the other, at growing times.
struct Course {
    kin: Kin,
    time_ns: u64,
    told: Vec<Told>,
}

impl Course {
    /// One with this process, which has one thread.
    fn of(scope: Scope) -> Self {
        let mut kin = Kin::new(scope);
        kin.present(ROOT, &[ROOT]);
        kin.all_named(10);
        Self {
            kin,
            time_ns: 10,
            told: Vec::new(),
        }
    }

    fn tree() -> Self {
        Self::of(Scope::Tree)
    }

    fn does(&mut self, (pid, tid): (u32, u32), fact: Fact) {
        self.time_ns += 1;
        let record = Record {
            time_ns: self.time_ns,
            pid,
            tid,
            fact,
        };
        self.kin.take(record, &mut self.told);
    }

    fn first(&mut self, pid: u32, fact: Fact) {
        self.does((pid, pid), fact);
    }

    /// What was told since the last time: who, and what.
    fn told(&mut self) -> Vec<(u32, What)> {
        let told = std::mem::take(&mut self.told);
        let told = told.into_iter().filter_map(|told| match told {
            Told::Happened(followed, _) => Some((followed.pid, followed.what)),
            Told::Mapped(..) | Told::Renewed(_) => None,
        });
        told.collect()
    }

    /// A whole creation by a call, and what it tells.
    fn create(&mut self, by: u32, call: CallName, flags: u64, child: u32) {
        let known = (call != CallName::Clone3).then_some(flags);
        self.first(by, Fact::Calls { call, flags: known });
        self.first(by, bears(child, child));
        self.first(by, created(flags));
        self.first(by, Fact::Returns(child.into()));
    }
}

fn bears(pid: u32, tid: u32) -> Fact {
    Fact::Bears { pid, tid }
}

fn created(flags: u64) -> Fact {
    let stack = Stack {
        registers: REGISTERS,
        bytes: Vec::new(),
    };
    let from = Some(Box::new(stack));
    Fact::Created { flags, from }
}

const REGISTERS: Registers = Registers {
    ip: 1,
    sp: 2,
    fp: 3,
    lr: 4,
    vfork: 5,
    others: [0; 2],
};

fn spawn(call: CallName, flags: u64, child: u32) -> What {
    What::Created {
        call,
        flags,
        child,
        registers: REGISTERS,
    }
}

fn calling(call: CallName, flags: u64) -> What {
    What::Calling { call, flags }
}

const CALLS: Fact = Fact::Calls {
    call: CallName::Fork,
    flags: Some(0),
};

fn exit(status: i32) -> Fact {
    Fact::Leaves { status, all: true }
}

#[test]
fn a_creation_is_told_by_its_call_with_the_child_s_own_number() {
    let mut course = Course::tree();
    let flags = 0x4100;
    course.create(ROOT, CallName::Clone3, flags, 7);
    let ok = What::Returned { child: Ok(7) };
    let expected = [
        (ROOT, calling(CallName::Clone3, 0)),
        (ROOT, spawn(CallName::Clone3, flags, 7)),
        (ROOT, ok),
    ];
    assert_eq!(course.told(), expected);
    // The kernel's flags of vfork(2) are nothing that the caller gave.
    course.create(ROOT, CallName::Vfork, flags, 8);
    assert_eq!(course.told()[1], (ROOT, spawn(CallName::Vfork, 0, 8)));
    // Inside a PID namespace the call returns another number.
    course.first(7, CALLS);
    course.first(7, bears(9, 9));
    course.first(7, created(0));
    course.first(7, Fact::Returns(2));
    assert_eq!(course.told()[2], (7, What::Returned { child: Ok(9) }));
}

#[test]
fn strangers_and_who_is_outside_of_the_namespace_are_no_kin() {
    let mut course = Course::tree();
    course.create(50, CallName::Fork, 0, 51);
    course.create(0, CallName::Fork, 0, 0);
    course.first(51, Fact::Renews);
    course.first(51, exit(0));
    course.first(51, Fact::Ended);
    assert_eq!(course.told(), []);
    assert!(!course.kin.is_over());
    course.first(ROOT, Fact::Ended);
    assert!(course.kin.is_over());
}

#[test]
fn a_thread_is_no_process_and_the_last_one_ends_it() {
    let mut course = Course::tree();
    course.first(ROOT, CALLS);
    course.first(ROOT, bears(ROOT, 101));
    course.first(ROOT, created(libc::CLONE_THREAD.cast_unsigned().into()));
    course.told();
    course.first(
        ROOT,
        Fact::Leaves {
            status: 4,
            all: false,
        },
    );
    course.first(ROOT, Fact::Ended);
    course.does(
        (ROOT, 101),
        Fact::Leaves {
            status: 9,
            all: false,
        },
    );
    assert_eq!(course.told(), []);
    course.does((ROOT, 101), Fact::Ended);
    let end = What::Ended(End::Exit(4));
    assert_eq!(course.told(), [(ROOT, end)], "the first thread's status");
}

#[test]
fn what_ends_a_process_first_is_its_end() {
    let mut course = Course::tree();
    let mut ends = |child, facts: &[Fact]| {
        course.create(ROOT, CallName::Fork, 0, child);
        course.first(child, CALLS);
        course.first(child, bears(child, 1000 + child));
        for fact in facts {
            course.does((child, 1000 + child), fact.clone());
        }
        course.does((child, 1000 + child), Fact::Ended);
        course.first(child, Fact::Ended);
        let told = course.told();
        let (_, what) = told.last().unwrap();
        what.clone()
    };
    let killed = Fact::Signalled(libc::SIGKILL);
    let ended = |end| What::Ended(end);
    assert_eq!(ends(1, &[exit(3), killed.clone()]), ended(End::Exit(3)));
    let segv = Fact::Signalled(libc::SIGSEGV);
    let signalled = ended(End::Signal(libc::SIGSEGV));
    assert_eq!(ends(2, &[segv, killed]), signalled);
    let harmless = Fact::Signalled(libc::SIGTSTP);
    assert_eq!(ends(3, &[harmless]), ended(End::Unseen));
}

#[test]
fn an_execution_leaves_one_thread_and_tells_file_path_and_arguments() {
    let mut course = Course::tree();
    course.first(ROOT, bears(ROOT, 101));
    // Another thread executes: it kills the first and takes its number.
    course.first(ROOT, Fact::Signalled(libc::SIGKILL));
    course.first(ROOT, Fact::Ended);
    course.told();
    course.first(ROOT, Fact::Renews);
    let mapped = |name: &str, start| Mapped {
        start,
        end: start + 1,
        at: 0,
        name: name.to_owned(),
        file: FileId::default(),
    };
    for (name, start) in [("[vdso]", 1), ("/bin/dash", 2), ("/lib/ld.so", 3)] {
        course.first(ROOT, Fact::Maps(mapped(name, start)));
    }
    let path = OsString::from("/tmp/script");
    let stack = None;
    course.first(ROOT, Fact::Executed { path, stack });
    let told = std::mem::take(&mut course.told);
    assert_eq!(told.len(), 5);
    assert_eq!(told[0], Told::Renewed(ROOT));
    let program = Program {
        file: Some(mapped("/bin/dash", 2)),
        path: "/tmp/script".into(),
        arguments: Vec::new(),
    };
    let Told::Happened(followed, known) = &told[4] else {
        panic!("{told:?}")
    };
    assert_eq!(followed.what, What::Executed);
    assert_eq!(*known, Known::Program(Box::new(program)));
    course.first(ROOT, exit(0));
    course.first(ROOT, Fact::Ended);
    assert_eq!(course.told(), [(ROOT, What::Ended(End::Exit(0)))]);
}

#[test]
fn a_command_is_told_of_once_it_is_executed() {
    let mut kin = Kin::new(Scope::Tree);
    kin.silent(ROOT, &[ROOT]);
    let mut course = Course {
        kin,
        ..Course::tree()
    };
    course.first(ROOT, Fact::Executes { path_at: 8 });
    course.first(ROOT, Fact::Renews);
    let path = OsString::from("/bin/x");
    course.first(ROOT, Fact::Executed { path, stack: None });
    let expected = [(ROOT, What::Present), (ROOT, What::Executed)];
    assert_eq!(course.told(), expected);
}

#[test]
fn an_execution_that_fails_has_its_path_only_if_the_stack_holds_it() {
    let mut course = Course::tree();
    let registers = Registers {
        sp: 0x1000,
        ..Registers::default()
    };
    let stack = Stack {
        registers,
        bytes: b"....../bin/no\0...".to_vec(),
    };
    for (path_at, path) in [(0x1006, Some(OsString::from("/bin/no"))), (0x5000, None)] {
        course.first(ROOT, Fact::Executes { path_at });
        let errno = libc::ENOENT;
        let from = Some(Box::new(stack.clone()));
        course.first(ROOT, Fact::NotExecuted { errno, from });
        let expected = What::NotExecuted { path, errno };
        assert_eq!(course.told(), [(ROOT, expected)]);
    }
    course.first(
        ROOT,
        Fact::NotExecuted {
            errno: 513,
            from: None,
        },
    );
    assert_eq!(course.told(), [], "it is begun anew");
}

#[test]
fn whose_end_was_not_recorded_is_forgotten() {
    let mut course = Course::tree();
    course.create(ROOT, CallName::Fork, 0, 7);
    course.told();
    course
        .kin
        .forget_gone(99, |pid| pid == ROOT, &mut course.told);
    assert_eq!(course.told(), [(7, What::Ended(End::Unseen))]);
    assert!(!course.kin.is_over());
}

#[test]
fn a_call_that_fails_returns_its_errno_and_one_that_is_begun_anew_nothing() {
    let mut course = Course::tree();
    course.first(ROOT, CALLS);
    course.first(ROOT, Fact::Returns(-513));
    course.told();
    course.first(ROOT, CALLS);
    course.first(ROOT, Fact::Returns(-i64::from(libc::EAGAIN)));
    let failed = What::Returned {
        child: Err(libc::EAGAIN),
    };
    let expected = [(ROOT, calling(CallName::Fork, 0)), (ROOT, failed)];
    assert_eq!(course.told(), expected);
    // A child's own return, and one whose beginning was not seen.
    course.first(ROOT, Fact::Returns(0));
    course.first(ROOT, Fact::Returns(77));
    assert_eq!(course.told(), []);
}

#[test]
fn without_a_call_a_child_is_one_whose_creation_was_not_seen() {
    let mut course = Course::tree();
    course.first(ROOT, bears(7, 7));
    course.first(ROOT, created(0));
    course.first(ROOT, Fact::Returns(7));
    assert_eq!(course.told(), [(7, What::Adopted)]);
    course.first(7, exit(1));
    course.first(7, Fact::Ended);
    assert_eq!(course.told(), [(7, What::Ended(End::Exit(1)))]);
}

#[test]
fn a_creation_whose_end_was_lost_is_told_by_its_call_if_that_had_the_flags() {
    let mut course = Course::tree();
    let lose = |course: &mut Course, call, flags, child| {
        course.first(ROOT, Fact::Calls { call, flags });
        course.first(ROOT, bears(child, child));
        course.does((0, 0), Fact::Lost(1));
        course.first(ROOT, Fact::Returns(child.into()));
        course.told()
    };
    let told = lose(&mut course, CallName::Clone, Some(0x4000), 7);
    let unknown = What::Created {
        call: CallName::Clone,
        flags: 0x4000,
        child: 7,
        registers: Registers::default(),
    };
    assert_eq!(told[1], (ROOT, unknown), "from nobody knows where");
    let told = lose(&mut course, CallName::Clone3, None, 8);
    assert_eq!(told[1], (8, What::Adopted));
    assert_eq!(course.kin.lost(), 2);
}

#[test]
fn a_number_that_is_given_again_is_that_of_another_process() {
    let mut course = Course::tree();
    course.create(ROOT, CallName::Fork, 0, 7);
    course.told();
    // The record of its end was lost.
    course.create(ROOT, CallName::Fork, 0, 7);
    let told = course.told();
    assert_eq!(told[1], (7, What::Ended(End::Unseen)));
    assert_eq!(told[2], (ROOT, spawn(CallName::Fork, 0, 7)));
}

#[test]
fn who_was_created_while_one_looked_around_is_told_once() {
    let mut kin = Kin::new(Scope::Tree);
    kin.present(ROOT, &[ROOT]);
    kin.present(7, &[7, 8]);
    kin.all_named(1000);
    let mut course = Course {
        kin,
        ..Course::tree()
    };
    course.create(ROOT, CallName::Fork, 0, 7);
    let told = course.told();
    assert_eq!(told[1], (ROOT, spawn(CallName::Fork, 0, 7)));
    assert_eq!(told.len(), 3);
    course.first(7, Fact::Ended);
    assert_eq!(course.told(), [], "its other thread lives");
}

#[test]
fn of_a_host_all_are_watched_but_one_and_kernel_threads_once_they_execute() {
    let mut course = Course::of(Scope::Host { except: 5 });
    course.kin.silent(2, &[2]);
    course.create(5, CallName::Fork, 0, 6);
    assert_eq!(course.told(), [], "its own are nobody's");
    // A thread of the kernel's starts a helper.
    course.first(2, bears(30, 30));
    course.first(
        2,
        Fact::Created {
            flags: 0x100,
            from: None,
        },
    );
    assert_eq!(course.told(), []);
    course.first(30, Fact::Renews);
    let path = OsString::from("/sbin/modprobe");
    course.first(30, Fact::Executed { path, stack: None });
    let expected = [(30, What::Present), (30, What::Executed)];
    assert_eq!(course.told(), expected);
    // Somebody of whom nothing was told.
    course.first(40, CALLS);
    assert_eq!(course.told()[0], (40, What::Adopted));
    course.time_ns = 0;
    course.first(41, CALLS);
    assert_eq!(course.told()[0], (41, What::Present), "there before");
    course.does((0, 0), CALLS);
    assert_eq!(course.told(), []);
}
