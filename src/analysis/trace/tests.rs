use super::*;
use crate::model::{
    Availability, CallName, Caller, Check, CodePlace, Ending, FailedExec, Missing, SizeSample,
    Spawn, TracedProgram,
};

/// A spawn by vfork of process 1, which is program 0.
pub(super) const VFORK: Spawn = Spawn {
    at_ns: 0,
    by: 1,
    thread: 1,
    program: 0,
    caller: None,
    call: CallName::Vfork,
    flags: 0,
    child: 2,
    call_ns: None,
    to_exec_ns: None,
    executed: None,
    life_ns: None,
    ending: None,
};
/// One as libc's fork makes it.
pub(super) const FORK: Spawn = Spawn {
    call: CallName::Clone,
    flags: 0x120_0000,
    caller: Some(0),
    ..VFORK
};

fn program(name: &str, is_shell_command: bool) -> TracedProgram {
    TracedProgram {
        name: name.to_owned(),
        path: format!("/usr/bin/{name}"),
        is_shell_command,
    }
}

fn calling(function: &str) -> Caller {
    Caller {
        library: Some(CodePlace {
            module: "libc.so.6".to_owned(),
            function: Some(function.to_owned()),
            offset: 9,
        }),
        own: None,
        chain: Vec::new(),
        ends: None,
    }
}

#[test]
fn several_times_in_short_are_some_of_them() {
    assert_eq!(spread([]), None);
    let one = spread([7]).unwrap();
    assert_eq!([one.median, one.p90, one.p99, one.max], [7.0; 4]);
    let hundred = spread((1..=100).rev()).unwrap();
    assert_eq!(
        [hundred.median, hundred.p90, hundred.p99, hundred.max],
        [50.0, 90.0, 99.0, 100.0]
    );
    assert_eq!((hundred.count, hundred.total), (100, 5_050.0));
}

#[test]
fn a_way_is_a_program_a_caller_and_a_call_with_its_flags() {
    let other_program = Spawn { program: 1, ..FORK };
    let other_caller = Spawn {
        caller: None,
        ..FORK
    };
    let spawns = [FORK, VFORK, FORK, other_program, other_caller, FORK];
    let ways = paths(&spawns, 1_000, &Availability::Measured(()));
    let told: Vec<(u64, bool)> = ways.iter().map(|way| (way.spawns, way.copies)).collect();
    assert_eq!(told[0], (3, true));
    assert_eq!(told.len(), 4);
    assert_eq!(told.iter().filter(|(_, copies)| !copies).count(), 1);
    let mut turned = spawns;
    turned.reverse();
    assert_eq!(ways, paths(&turned, 1_000, &Availability::Measured(())));
}

#[test]
fn only_calls_without_shared_memory_copy() {
    const VM: u64 = 0x100;
    const VFORK_FLAG: u64 = 0x4000;
    let copies = |call, flags| {
        Spawn {
            call,
            flags,
            ..VFORK
        }
        .copies()
    };
    assert!(!copies(CallName::Vfork, 0));
    assert!(copies(CallName::Fork, 0));
    assert!(copies(CallName::Clone, VFORK_FLAG));
    assert!(!copies(CallName::Clone3, VM | VFORK_FLAG));
}

#[test]
fn calls_that_overlap_are_stood_in_once() {
    let at = |at_ns, call_ns| Spawn {
        at_ns,
        call_ns: Some(call_ns),
        ..VFORK
    };
    let spawns = [at(0, 100), at(50, 100), at(60, 10), at(500, 100)];
    let ways = paths(&spawns, 1_000, &Availability::Measured(()));
    assert_eq!(ways[0].standing_share, Availability::Measured(0.25));
    assert_eq!(ways[0].call_ns.measured().unwrap().count, 4);
}

#[test]
fn where_calls_are_not_timed_it_is_said_why() {
    let why = Missing::not_asked("not timed");
    let ways = paths(&[VFORK], 1_000, &Availability::Missing(why.clone()));
    assert_eq!(ways[0].call_ns.missing(), Some(&why));
    assert_eq!(ways[0].standing_share.missing(), Some(&why));
}

#[test]
fn programs_have_lives_and_ends() {
    let ended = |program, life_ns, ending| Executed {
        program,
        ended: Some((life_ns, ending)),
    };
    let told = executed(&[
        ended(0, 10, Ending::Exit(0)),
        ended(1, 5, Ending::Signal(9)),
        ended(1, 7, Ending::Exit(0)),
        ended(1, 9, Ending::Exit(0)),
        Executed {
            program: 2,
            ended: None,
        },
    ]);
    let counts: Vec<(usize, u64)> = told.iter().map(|it| (it.program, it.times)).collect();
    assert_eq!(counts, [(1, 3), (0, 1), (2, 1)]);
    let endings: Vec<_> = (told[0].endings.iter())
        .map(|it| (it.ending, it.times))
        .collect();
    assert_eq!(endings, [(Ending::Exit(0), 2), (Ending::Signal(9), 1)]);
    assert_eq!(told[0].life_ns.measured().unwrap().median, 7.0);
    assert!(told[2].life_ns.missing().is_some());
}

#[test]
fn spawners_keep_the_first_and_the_last_of_many_sizes() {
    let sizes: Vec<SizeSample> = (0..1_000)
        .map(|at| SizeSample {
            at_ns: at,
            page_table_bytes: at * 4096,
            resident_bytes: 0,
        })
        .collect();
    let own = Sized {
        pid: 1,
        program: 3,
        sizes: &sizes,
    };
    let silent = Sized { pid: 9, ..own };
    let spawns = [FORK, VFORK, FORK];
    let told = spawners(&[own, silent], &spawns, &Availability::Measured(()));
    let [spawner] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((spawner.spawns, spawner.copies, spawner.program), (3, 2, 3));
    assert_eq!(spawner.sizes.len(), 64);
    assert_eq!(spawner.sizes.first(), sizes.first());
    assert_eq!(spawner.sizes.last(), sizes.last());
}

/// What a check finds: how often, by process.
fn against(check: Check, spawns: &[Spawn]) -> Vec<(Option<u32>, u64)> {
    let programs = [program("a", false), program("dash -c", true)];
    let callers = [calling("fork"), calling("system")];
    let failed = [FailedExec {
        by: 0,
        path: "/bin/x".to_owned(),
        errno: 2,
        then_found: false,
        times: 4,
    }];
    let searched = FailedExec {
        then_found: true,
        ..failed[0].clone()
    };
    let failed = [failed[0].clone(), searched];
    let found = Found {
        spawns,
        failed_execs: &failed,
        programs: &programs,
        callers: &callers,
    };
    let told = offences(&[check], &found).into_iter();
    told.map(|offence| (offence.pid, offence.times)).collect()
}

#[test]
fn a_fork_copies_and_makes_no_namespace() {
    const NEWPID: u64 = 0x2000_0000;
    let container = Spawn {
        flags: NEWPID,
        by: 5,
        ..FORK
    };
    let spawns = [FORK, VFORK, container, FORK];
    assert_eq!(against(Check::Fork, &spawns), [(Some(1), 2)]);
    const PIDFD: u64 = 0x1000;
    let with_pidfd = Spawn {
        flags: PIDFD,
        ..FORK
    };
    assert_eq!(against(Check::Fork, &[with_pidfd]), [(Some(1), 1)]);
    let copies = [(Some(1), 2), (Some(5), 1)];
    assert_eq!(against(Check::Copies, &spawns), copies);
    assert!(against(Check::Copies, &[VFORK]).is_empty());
}

#[test]
fn a_shell_s_command_is_told_by_its_caller_or_by_the_shell() {
    let by_system = Spawn {
        caller: Some(1),
        ..VFORK
    };
    let by_shell = Spawn {
        executed: Some(1),
        by: 7,
        ..VFORK
    };
    let spawns = [FORK, by_system, by_shell];
    assert_eq!(
        against(Check::System, &spawns),
        [(Some(1), 1), (Some(7), 1)]
    );
}

#[test]
fn counts_and_times_are_exceeded_by_more_than_their_most() {
    let took = |call_ns| Spawn {
        call_ns: Some(call_ns),
        ..VFORK
    };
    let check = Check::Call { most_ns: 10 };
    assert!(against(check, &[took(10), VFORK]).is_empty());
    assert_eq!(against(check, &[took(10), took(11)]), [(Some(1), 1)]);
    assert!(against(Check::Count { most: 2 }, &[VFORK, FORK]).is_empty());
    assert_eq!(
        against(Check::Count { most: 1 }, &[VFORK, FORK]),
        [(None, 2)]
    );
    assert_eq!(against(Check::ExecFailed, &[]), [(None, 4)]);
}
