use super::*;
use crate::sys::trace::event::Registers;

/// A course to which events are told by hand, a microsecond apart.
struct Told {
    course: Course,
    now_ns: u64,
}

impl Told {
    /// Process 1 is there and has executed program 0.
    fn new() -> Self {
        let mut told = Self {
            course: Course::new(1_000),
            now_ns: 1_000,
        };
        told.of(1, What::Present, program(0));
        told
    }

    fn of(&mut self, pid: u32, what: What, sight: Sight) {
        let event = Followed {
            time_ns: self.now_ns,
            pid,
            tid: pid,
            what,
        };
        self.course.take(&event, sight);
        self.now_ns += 1_000;
    }

    fn created(&mut self, by: u32, call: CallName, child: u32) {
        let what = What::Created {
            call,
            flags: 0,
            child,
            registers: Registers::default(),
        };
        self.of(by, what, Sight::default());
    }

    fn plain(&mut self, pid: u32, what: What) {
        self.of(pid, what, Sight::default());
    }
}

fn program(at: usize) -> Sight {
    Sight {
        program: Some(at),
        ..Sight::default()
    }
}

#[test]
fn a_spawn_has_a_call_an_exec_and_an_end() {
    let mut told = Told::new();
    let calling = What::Calling {
        call: CallName::Vfork,
        flags: 0,
    };
    told.plain(1, calling);
    told.created(1, CallName::Vfork, 2);
    told.of(2, What::Executed, program(1));
    told.plain(1, What::Returned { child: Ok(2) });
    told.plain(2, What::Ended(End::Exit(3)));
    let [spawn] = told.course.spawns[..] else {
        panic!("{:?}", told.course.spawns)
    };
    assert_eq!(spawn.at_ns, 1_000);
    assert_eq!(spawn.call_ns, Some(3_000));
    assert_eq!(spawn.to_exec_ns, Some(2_000));
    assert_eq!(spawn.executed, Some(1));
    assert_eq!(spawn.life_ns, Some(4_000));
    assert_eq!(spawn.ending, Some(Ending::Exit(3)));
    assert_eq!(told.course.running(), 1);
}

#[test]
fn what_was_under_way_while_the_watcher_was_held_up_has_no_time() {
    let mut told = Told::new();
    let calling = || What::Calling {
        call: CallName::Fork,
        flags: 0,
    };
    told.plain(1, calling());
    told.created(1, CallName::Fork, 2);
    assert!(told.course.is_calling(1));
    told.course.held_up();
    told.of(2, What::Executed, program(1));
    told.plain(1, What::Returned { child: Ok(2) });
    told.plain(1, calling());
    told.created(1, CallName::Fork, 3);
    told.plain(1, What::Returned { child: Ok(3) });
    told.of(3, What::Executed, program(1));
    let times: Vec<_> = (told.course.spawns.iter())
        .map(|spawn| (spawn.call_ns.is_some(), spawn.to_exec_ns.is_some()))
        .collect();
    assert_eq!(times, [(false, false), (true, true)]);
    for child in [2, 3] {
        told.plain(child, What::Ended(End::Exit(0)));
    }
    let lives = told
        .course
        .spawns
        .iter()
        .map(|spawn| spawn.life_ns.is_some());
    assert_eq!(lives.collect::<Vec<_>>(), [false, true]);
    assert_eq!(told.course.spawns[0].executed, Some(1));
}

#[test]
fn a_call_during_which_its_process_was_read_has_no_time() {
    let mut told = Told::new();
    let calling = || What::Calling {
        call: CallName::Fork,
        flags: 0,
    };
    told.course.looked_at(1, 2_500, 3_500);
    told.course.looked_at(9, 0, 100_000);
    for child in [2, 3] {
        told.plain(1, calling());
        told.created(1, CallName::Fork, child);
        told.plain(1, What::Returned { child: Ok(child) });
    }
    let timed = told
        .course
        .spawns
        .iter()
        .map(|spawn| spawn.call_ns.is_some());
    assert_eq!(timed.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_number_of_an_adopted_process_is_free_once_it_has_ended() {
    let mut told = Told::new();
    told.of(2, What::Adopted, program(0));
    told.of(2, What::Executed, program(1));
    told.plain(2, What::Ended(End::Exit(3)));
    told.created(1, CallName::Fork, 2);
    let spawn = &told.course.spawns[0];
    assert_eq!((spawn.ending, spawn.executed), (None, None));
    told.plain(2, What::Ended(End::Exit(7)));
    assert_eq!(told.course.spawns[0].ending, Some(Ending::Exit(7)));
}

#[test]
fn what_a_child_did_before_its_creation_was_told_is_its_own() {
    let mut told = Told::new();
    told.of(2, What::Executed, program(1));
    told.plain(2, What::Ended(End::Signal(9)));
    assert!(told.course.processes[1].incomplete);
    told.created(1, CallName::Clone, 2);
    let [spawn] = told.course.spawns[..] else {
        panic!("{:?}", told.course.spawns)
    };
    assert_eq!((spawn.to_exec_ns, spawn.executed), (Some(0), Some(1)));
    assert_eq!(spawn.ending, Some(Ending::Signal(9)));
    assert!(!told.course.processes[1].incomplete);
    assert_eq!(told.course.running(), 1);
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let mut told = Told::new();
    for status in [0, 1] {
        told.created(1, CallName::Fork, 7);
        told.plain(7, What::Ended(End::Exit(status)));
    }
    let endings: Vec<_> = told
        .course
        .spawns
        .iter()
        .map(|spawn| spawn.ending)
        .collect();
    assert_eq!(endings, [Some(Ending::Exit(0)), Some(Ending::Exit(1))]);
    assert_eq!(told.course.processes.len(), 3);
}

#[test]
fn children_are_what_their_parent_was_until_they_execute() {
    let mut told = Told::new();
    told.of(1, What::Executed, program(4));
    told.created(1, CallName::Fork, 2);
    told.created(2, CallName::Fork, 3);
    told.of(2, What::Executed, program(5));
    told.of(2, What::Executed, program(6));
    assert_eq!(told.course.spawns[1].program, 4);
    assert_eq!(told.course.spawns[0].executed, Some(5), "the first of them");
    assert_eq!(told.course.processes[1].program, 6);
    assert_eq!(told.course.running(), 3);
}

#[test]
fn failures_and_threads_are_no_spawns() {
    let mut told = Told::new();
    let calling = || What::Calling {
        call: CallName::Clone3,
        flags: 0,
    };
    told.plain(1, calling());
    told.plain(1, What::Returned { child: Err(11) });
    told.plain(1, calling());
    told.plain(1, What::Thread { tid: 5 });
    told.plain(1, What::Returned { child: Ok(5) });
    let path = Some("/bin/nothing".into());
    told.plain(1, What::NotExecuted { path, errno: 2 });
    assert!(told.course.spawns.is_empty());
    assert_eq!(told.course.threads, 1);
    assert_eq!(told.course.failed_calls, [(0, CallName::Clone3, 11)]);
    let mut failed = Failed {
        program: 0,
        path: "/bin/nothing".to_owned(),
        errno: 2,
        then_found: false,
    };
    assert_eq!(told.course.failed_execs, [failed.clone()]);
    told.of(1, What::Executed, program(3));
    failed.then_found = true;
    assert_eq!(told.course.failed_execs, [failed]);
}

#[test]
fn a_process_that_was_never_told_of_is_incomplete_also_where_it_was_adopted() {
    let mut told = Told::new();
    told.plain(9, What::Ended(End::Exit(0)));
    told.of(8, What::Adopted, program(2));
    told.plain(8, What::Ended(End::Exit(0)));
    let incomplete = told.course.processes.iter().filter(|it| it.incomplete);
    assert_eq!(incomplete.count(), 2);
    assert_eq!(told.course.running(), 1);
}
