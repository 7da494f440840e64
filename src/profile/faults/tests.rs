//! Hand-made records, judged one rule at a time.

use super::*;
use FaultCause::{Anonymous, CopyOnWrite, File, Shared, Unknown};
use FaultPhase::{ChildBeforeExec, Exec, ParentAfter, ParentBefore, Program};
use proptest::prelude::*;

const WORKER: u32 = 100;
const CHILD: u32 = 101;
const STACK: u64 = (1 << 47) - 0x5000;
const TEXT: u64 = 0x40_0000;

/// Memory of which the second of four pages is the worker's own, a file of
/// which the first page is, text, and shared memory.
fn map() -> Vec<MapRange> {
    let range = |start, source, writable, own: &[[u64; 2]]| MapRange {
        start,
        end: start + 0x4000,
        source,
        writable,
        own: own.to_vec(),
    };
    vec![
        range(
            0x10_0000,
            Source::Anonymous,
            true,
            &[[0x10_1000, 0x10_2000]],
        ),
        range(0x10_4000, Source::File, true, &[[0x10_4000, 0x10_5000]]),
        range(0x20_0000, Source::File, false, &[]),
        range(0x30_0000, Source::Shared, true, &[]),
    ]
}

fn fault(time_ns: u64, pid: u32, address: u64) -> SampleEvent {
    user(time_ns, pid, address, Mode::Kernel)
}

fn user(time_ns: u64, pid: u32, address: u64, mode: Mode) -> SampleEvent {
    SampleEvent::Fault {
        time_ns,
        pid,
        address,
        mode,
    }
}

fn fork(time_ns: u64, pid: u32, ppid: u32) -> SampleEvent {
    SampleEvent::Fork { time_ns, pid, ppid }
}

fn exec(time_ns: u64, pid: u32) -> SampleEvent {
    SampleEvent::Exec { time_ns, pid }
}

/// A mapping of four pages, or of one page of text.
fn map_of(time_ns: u64, pid: u32, start: u64, source: Source) -> SampleEvent {
    let text = start == TEXT;
    SampleEvent::Map {
        time_ns,
        pid,
        start,
        end: start + if text { 0x1000 } else { 0x4000 },
        file: source == Source::File,
        shared: source == Source::Shared,
        writable: !text,
    }
}

/// An exec with the mappings that it makes.
fn loaded(time_ns: u64, pid: u32) -> [SampleEvent; 3] {
    [
        exec(time_ns, pid),
        map_of(time_ns, pid, STACK - 0x3000, Source::Anonymous),
        map_of(time_ns, pid, TEXT, Source::File),
    ]
}

/// The tally of spawns at 10 to 20, 30 to 40 and so on, and their methods.
fn judge(events: &[SampleEvent], methods: &[usize], program: Option<u64>) -> FaultTally {
    let windows = (1..).step_by(2).map(|i| 10 * i).zip(methods);
    let windows: Vec<_> = windows.map(|(begin, m)| (begin, begin + 10, *m)).collect();
    let mut spawns = SpawnStamps::in_order(&windows);
    for spawn in &mut spawns {
        spawn.program = program;
    }
    let observed = Observed {
        worker: WORKER,
        spawns: &spawns,
        map: &map(),
        page_size: 4096,
    };
    tally(events, &observed)
}

/// What was counted in a spawn, without the zeros.
fn counted(tally: &FaultTally, spawn: usize) -> Vec<(FaultPhase, FaultCause, u32)> {
    let pairs = FaultPhase::ALL
        .into_iter()
        .flat_map(|phase| FaultCause::ALL.into_iter().map(move |cause| (phase, cause)));
    pairs
        .map(|(phase, cause)| (phase, cause, tally.spawns[spawn].count(phase, cause)))
        .filter(|(.., count)| *count > 0)
        .collect()
}

#[test]
fn a_spawn_has_its_phases_in_order() {
    let [executed, stack, text] = loaded(15, CHILD);
    let events = [
        fault(11, WORKER, 0x10_1008),
        fork(12, CHILD, WORKER),
        fault(13, WORKER, 0x10_4010),
        fault(14, CHILD, 0x10_1008),
        executed,
        stack,
        text,
        fault(16, CHILD, STACK),
        user(17, CHILD, TEXT + 0x78, Mode::User),
        fault(18, CHILD, STACK - 0x1000),
        fault(25, WORKER, 0x30_0000),
    ];
    let tally = judge(&events, &[0], None);
    let expected = [
        (ParentBefore, CopyOnWrite, 1),
        (ParentAfter, CopyOnWrite, 1),
        (ParentAfter, Shared, 1),
        (ChildBeforeExec, CopyOnWrite, 1),
        (Exec, Anonymous, 1),
        (Program, Anonymous, 1),
        (Program, File, 1),
    ];
    assert_eq!(counted(&tally, 0), expected);
}

#[test]
fn the_worker_s_farewell_belongs_to_no_spawn() {
    let events = [
        fork(11, CHILD, WORKER),
        fault(50, WORKER, STACK),
        fork(111, CHILD, WORKER),
        fault(5_000, WORKER, STACK),
    ];
    let both = judge(&events, &[0, 0], None);
    assert_eq!(both.spawns.len(), 2);
    let kept = both.without_the_last();
    assert_eq!(kept.spawns.len(), 1);
    let only = judge(&events[..2], &[0], None).without_the_last();
    assert_eq!(only.spawns.len(), 1, "better one than none");
}

#[test]
fn the_address_decides_the_cause() {
    let cause = |address| {
        let events = [fork(11, CHILD, WORKER), fault(12, CHILD, address)];
        counted(&judge(&events, &[0], None), 0)[0].1
    };
    assert_eq!(cause(0x10_0fff), Anonymous);
    assert_eq!(cause(0x10_1000), CopyOnWrite);
    assert_eq!(cause(0x10_1fff), CopyOnWrite);
    assert_eq!(cause(0x10_2000), Anonymous);
    assert_eq!(cause(0x10_4000), CopyOnWrite);
    assert_eq!(cause(0x10_5000), File);
    assert_eq!(cause(0x20_0000), File);
    assert_eq!(cause(0x30_3fff), Shared);
    assert_eq!(cause(0x30_4000), Anonymous, "mapped since");
}

#[test]
fn a_page_that_the_worker_touched_is_copied_on_the_next_write() {
    let events = [
        fork(11, CHILD, WORKER),
        fault(12, WORKER, 0x10_3000),
        fault(13, WORKER, 0x20_0000),
        fork(31, CHILD, WORKER),
        fault(32, WORKER, 0x10_3ff8),
        fault(33, WORKER, 0x20_0008),
        fault(34, CHILD, 0x10_3ff8),
    ];
    let tally = judge(&events, &[0, 0], None);
    assert_eq!(
        counted(&tally, 0),
        [(ParentAfter, Anonymous, 1), (ParentAfter, File, 1)]
    );
    assert_eq!(
        counted(&tally, 1),
        [
            (ParentAfter, CopyOnWrite, 1),
            (ParentAfter, File, 1),
            (ChildBeforeExec, CopyOnWrite, 1)
        ],
        "text cannot be written to"
    );
}

#[test]
fn time_between_two_spawns_belongs_to_the_one_before() {
    let events = [
        fault(5, WORKER, 0x10_1000),
        fork(11, CHILD, WORKER),
        fault(20, WORKER, 0x10_1000),
        fault(29, WORKER, 0x10_1000),
        fault(30, WORKER, 0x10_1000),
        fork(31, CHILD, WORKER),
        fault(90, WORKER, 0x10_1000),
    ];
    let tally = judge(&events, &[0, 1], None);
    assert_eq!(counted(&tally, 0), [(ParentAfter, CopyOnWrite, 2)]);
    assert_eq!(
        counted(&tally, 1),
        [
            (ParentBefore, CopyOnWrite, 1),
            (ParentAfter, CopyOnWrite, 1)
        ]
    );
    assert_eq!(tally.per_spawn(1, ParentAfter, CopyOnWrite), [1.0]);
    assert_eq!(tally.per_spawn(0, ParentBefore, CopyOnWrite), [0.0]);
}

#[test]
fn a_spawn_whose_fork_record_was_lost_ends_all_the_same() {
    let events = [
        fault(15, WORKER, 0x10_1000),
        SampleEvent::Lost { count: 3 },
        fault(21, WORKER, 0x10_1000),
        SampleEvent::Lost { count: 4 },
    ];
    let tally = judge(&events, &[0], None);
    assert_eq!(
        counted(&tally, 0),
        [
            (ParentBefore, CopyOnWrite, 1),
            (ParentAfter, CopyOnWrite, 1)
        ]
    );
    assert_eq!(tally.lost, 7);
}

#[test]
fn a_known_first_instruction_parts_exec_from_program() {
    let [executed, stack, text] = loaded(12, CHILD);
    let events = [
        fork(11, CHILD, WORKER),
        executed,
        stack,
        text,
        user(13, CHILD, TEXT, Mode::User),
        fault(14, CHILD, TEXT),
    ];
    let tally = judge(&events, &[0], Some(14));
    assert_eq!(counted(&tally, 0), [(Exec, File, 1), (Program, File, 1)]);
}

#[test]
fn what_a_program_spawns_counts_as_the_program() {
    let [executed, stack, text] = loaded(12, CHILD);
    let events = [
        fork(11, CHILD, WORKER),
        executed,
        stack,
        text,
        fork(13, 102, CHILD),
        fault(14, 102, TEXT),
        exec(15, 102),
        fault(16, 102, TEXT),
        exec(17, CHILD),
        map_of(17, CHILD, STACK, Source::Anonymous),
        fault(18, CHILD, STACK),
    ];
    let tally = judge(&events, &[0], None);
    assert_eq!(
        counted(&tally, 0),
        [
            (Program, Anonymous, 1),
            (Program, File, 1),
            (Program, Unknown, 1)
        ]
    );
}

#[test]
fn a_mapping_belongs_to_the_process_that_made_it() {
    let events = [
        fork(11, CHILD, WORKER),
        // Gone with the exec.
        map_of(12, CHILD, 0x50_0000, Source::File),
        exec(13, CHILD),
        map_of(14, WORKER, 0x60_0000, Source::File),
        map_of(15, CHILD, 0x70_0000, Source::Shared),
        fault(16, CHILD, 0x50_0000),
        fault(16, CHILD, 0x60_0000),
        fault(16, CHILD, 0x70_0000),
    ];
    let tally = judge(&events, &[0], None);
    assert_eq!(counted(&tally, 0), [(Exec, Shared, 1), (Exec, Unknown, 2)]);
}

#[test]
fn a_forked_copy_of_the_program_copies_what_it_touched() {
    let [executed, stack, text] = loaded(12, CHILD);
    let events = [
        fork(11, CHILD, WORKER),
        executed,
        stack,
        text,
        user(13, CHILD, STACK, Mode::User),
        fork(14, 102, CHILD),
        fault(15, 102, STACK),
        fault(15, 102, STACK - 0x1000),
        // What the copy touches is not its parent's.
        fault(16, CHILD, STACK - 0x1000),
    ];
    let tally = judge(&events, &[0], None);
    assert_eq!(
        counted(&tally, 0),
        [(Program, CopyOnWrite, 1), (Program, Anonymous, 3)]
    );
}

#[test]
fn a_stack_grows_after_the_fault_that_makes_it_grow() {
    let [executed, stack, text] = loaded(12, CHILD);
    let mut events = vec![
        fork(11, CHILD, WORKER),
        executed,
        stack,
        text,
        fault(13, CHILD, STACK - 0x5000),
    ];
    let before = judge(&events, &[0], None);
    assert_eq!(counted(&before, 0), [(Exec, Unknown, 1)]);
    events.push(map_of(14, CHILD, STACK - 0x5000, Source::Anonymous));
    let after = judge(&events, &[0], None);
    assert_eq!(counted(&after, 0), [(Exec, Anonymous, 1)]);
}

#[test]
fn strangers_do_not_count_nor_do_numbers_that_they_got() {
    let events = [
        fork(11, CHILD, WORKER),
        fault(12, 900, 0x10_1000),
        fork(13, CHILD, 900),
        fault(14, CHILD, 0x10_1000),
        fork(15, CHILD, WORKER),
        fault(16, CHILD, 0x10_1000),
    ];
    let tally = judge(&events, &[0], None);
    assert_eq!(counted(&tally, 0), [(ChildBeforeExec, CopyOnWrite, 1)]);
}

#[test]
fn a_worker_that_never_spawned_has_no_faults() {
    let tally = judge(&[fault(1, WORKER, 0x10_1000)], &[], None);
    assert_eq!(tally, FaultTally::default());
}

proptest! {
    #[test]
    fn every_fault_of_the_family_after_the_first_begin_is_counted_once(
        records in prop::collection::vec((0_u64..120, 0_u8..5, 99_u32..104, 0_u64..0x50), 0..60),
    ) {
        let mut records = records;
        records.sort();
        let events: Vec<SampleEvent> = records.iter().map(|&(time, sort, pid, page)| match sort {
            0 => fork(time, pid, 99 + u32::try_from(page % 5).unwrap()),
            1 => exec(time, pid),
            2 => fault(time, pid, page << 16),
            3 => map_of(time, pid, page << 16, Source::Anonymous),
            _ => user(time, pid, page << 16, Mode::User),
        }).collect();
        let tally = judge(&events, &[0, 1, 0], None);
        let all: u32 = (0..3).flat_map(|spawn| counted(&tally, spawn)).map(|c| c.2).sum();
        let mut family = HashSet::new();
        let mut expected = 0;
        for event in &events {
            match *event {
                SampleEvent::Fork { time_ns, pid, ppid } => {
                    let known = ppid == WORKER && time_ns >= 10 || family.contains(&ppid);
                    if known { family.insert(pid); } else { family.remove(&pid); }
                }
                SampleEvent::Fault { time_ns, pid, .. } => {
                    let own = pid == WORKER && time_ns >= 10;
                    expected += u32::from(own || pid != WORKER && family.contains(&pid));
                }
                _ => {}
            }
        }
        prop_assert_eq!(all, expected);
    }
}
