use proptest::prelude::*;

use super::*;

const WORKER: u32 = 100;
const CHILD: u32 = 101;

fn switch(time_ns: u64, pid: u32, into: bool) -> SampleEvent {
    SampleEvent::Switch {
        time_ns,
        pid,
        cpu: 1,
        into,
    }
}

fn fork(time_ns: u64) -> SampleEvent {
    SampleEvent::Fork {
        time_ns,
        pid: CHILD,
        ppid: WORKER,
    }
}

fn exec(time_ns: u64) -> SampleEvent {
    SampleEvent::Exec {
        time_ns,
        pid: CHILD,
    }
}

fn exit(time_ns: u64) -> SampleEvent {
    SampleEvent::Exit {
        time_ns,
        pid: CHILD,
    }
}

fn hit(time_ns: u64, index: usize) -> SampleEvent {
    SampleEvent::Landmark {
        time_ns,
        pid: CHILD,
        index,
    }
}

fn rules(order: ExitOrder, known: Knowledge) -> Rules {
    Rules {
        worker: WORKER,
        order,
        landmarks: vec![
            Landmark::Execve,
            Landmark::First,
            Landmark::Entry,
            Landmark::Main,
        ],
        known,
        hit: HitCost::default(),
    }
}

fn stamping() -> Knowledge {
    Knowledge {
        child: true,
        program: true,
        exec: true,
        waits: false,
        landmarks: Vec::new(),
    }
}

/// A fork of which everything is known.
fn forked() -> (SpawnStamps, Vec<SampleEvent>) {
    let stamps = SpawnStamps {
        begin: 1_000,
        called: 51_000,
        end: 200_000,
        child: Some([60_000, 70_000]),
        program: Some([120_000, 121_000]),
    };
    let events = vec![
        fork(50_000),
        switch(55_000, WORKER, false),
        switch(56_000, CHILD, true),
        exec(100_000),
        exit(130_000),
        switch(190_000, CHILD, false),
        switch(191_000, WORKER, true),
    ];
    (stamps, events)
}

fn one(stamps: SpawnStamps, events: &[SampleEvent], rules: &Rules) -> Option<PhaseTimes> {
    phases(&[stamps], events, rules).remove(0)
}

fn named(times: &PhaseTimes) -> Vec<(Phase, f64)> {
    let both = Phase::ALL.into_iter().zip(times.phases);
    both.filter_map(|(phase, ns)| Some((phase, ns?))).collect()
}

fn sum(times: &PhaseTimes) -> f64 {
    times.phases.iter().flatten().sum()
}

#[test]
fn a_fork_is_cut_at_every_stamp() {
    let (stamps, events) = forked();
    let times = one(
        stamps,
        &events,
        &rules(ExitOrder::BeforeTeardown, stamping()),
    )
    .unwrap();
    let wanted = [
        (Phase::Copy, 49_000.0),
        (Phase::Return, 1_000.0),
        (Phase::Wake, 9_000.0),
        (Phase::BeforeExec, 10_000.0),
        (Phase::ExecTeardown, 30_000.0),
        (Phase::ExecStart, 20_000.0),
        (Phase::Run, 2_000.0),
        (Phase::Exit, 8_000.0),
        (Phase::Teardown, 61_000.0),
        (Phase::Reap, 9_000.0),
    ];
    assert_eq!(named(&times), wanted);
    assert_eq!(sum(&times), times.total);
}

#[test]
fn where_exit_comes_after_the_teardown_the_two_change_places() {
    let (stamps, events) = forked();
    let times = one(
        stamps,
        &events,
        &rules(ExitOrder::AfterTeardown, stamping()),
    )
    .unwrap();
    assert_eq!(times.phases[Phase::Teardown as usize], Some(8_000.0));
    assert_eq!(times.phases[Phase::Exit as usize], Some(61_000.0));
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_parent_that_returns_amid_the_child_is_taken_out_of_the_phase() {
    let stamps = SpawnStamps {
        begin: 0,
        called: 85_000,
        end: 200_000,
        child: None,
        program: Some([120_000, 121_000]),
    };
    let events = vec![
        fork(20_000),
        switch(25_000, WORKER, false),
        switch(26_000, CHILD, true),
        hit(40_000, 0),
        exec(70_000),
        switch(80_000, CHILD, false),
        switch(81_000, WORKER, true),
        switch(91_000, WORKER, false),
        switch(92_000, CHILD, true),
        exit(130_000),
        switch(190_000, WORKER, true),
    ];
    let known = Knowledge {
        child: false,
        landmarks: vec![Landmark::Execve],
        ..stamping()
    };
    let times = one(stamps, &events, &rules(ExitOrder::BeforeTeardown, known)).unwrap();
    assert_eq!(times.phases[Phase::Return as usize], Some(10_000.0));
    assert_eq!(times.phases[Phase::Wake as usize], Some(6_000.0));
    assert_eq!(times.phases[Phase::BeforeExec as usize], Some(14_000.0));
    assert_eq!(times.phases[Phase::ExecStart as usize], Some(40_000.0));
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_parent_that_comes_back_when_all_is_over_returns_before_it_reaps() {
    let (mut stamps, mut events) = forked();
    stamps.called = 195_000;
    events.retain(|event| {
        !matches!(
            event,
            SampleEvent::Switch {
                time_ns: 55_000,
                ..
            }
        )
    });
    let times = one(
        stamps,
        &events,
        &rules(ExitOrder::BeforeTeardown, stamping()),
    )
    .unwrap();
    assert_eq!(times.phases[Phase::Return as usize], Some(4_000.0));
    assert_eq!(times.phases[Phase::Reap as usize], Some(5_000.0));
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_call_that_waits_itself_does_all_of_the_reaping() {
    let (mut stamps, events) = forked();
    stamps.called = stamps.end;
    let known = Knowledge {
        waits: true,
        ..stamping()
    };
    let times = one(stamps, &events, &rules(ExitOrder::BeforeTeardown, known)).unwrap();
    assert_eq!(times.phases[Phase::Reap as usize], Some(9_000.0));
    assert_eq!(times.phases[Phase::Return as usize], Some(0.0));
}

#[test]
fn what_is_not_known_goes_to_the_next_phase() {
    let (mut stamps, events) = forked();
    stamps.child = None;
    stamps.program = None;
    let known = Knowledge {
        exec: true,
        ..Knowledge::default()
    };
    let times = one(stamps, &events, &rules(ExitOrder::BeforeTeardown, known)).unwrap();
    for phase in [Phase::BeforeExec, Phase::ExecStart, Phase::Exit] {
        assert_eq!(times.phases[phase as usize], None, "{phase:?}");
    }
    assert_eq!(times.phases[Phase::ExecTeardown as usize], Some(44_000.0));
    assert_eq!(times.phases[Phase::Run as usize], Some(30_000.0));
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_dynamic_program_has_a_loader_and_a_libc() {
    let (mut stamps, mut events) = forked();
    stamps.program = None;
    events.splice(4..4, [hit(105_000, 1), hit(115_000, 2), hit(118_000, 3)]);
    let known = Knowledge {
        program: false,
        landmarks: vec![Landmark::First, Landmark::Entry, Landmark::Main],
        ..stamping()
    };
    let rules = rules(ExitOrder::BeforeTeardown, known);
    let times = one(stamps, &events, &rules).unwrap();
    assert_eq!(times.phases[Phase::Loader as usize], Some(10_000.0));
    assert_eq!(times.phases[Phase::Libc as usize], Some(3_000.0));
    assert_eq!(times.phases[Phase::Run as usize], Some(12_000.0));
    let all = [Landmark::Execve, Landmark::First, Landmark::Main];
    assert_eq!(
        reached(&[stamps], &events, &rules, &all),
        [Landmark::First, Landmark::Main]
    );
}

#[test]
fn the_cost_of_a_hit_is_taken_off_where_it_falls() {
    let (stamps, mut events) = forked();
    let cut = |events: &[SampleEvent], cost, lag| {
        let mut rules = rules(ExitOrder::BeforeTeardown, stamping());
        rules.hit = HitCost { cost, lag };
        one(stamps, events, &rules).unwrap()
    };
    let plain = cut(&events, 13_000, 7_000);
    assert_eq!(plain.total, 199_000.0, "nothing was hit");
    events.insert(3, hit(80_000, 0));
    let times = cut(&events, 13_000, 7_000);
    assert_eq!(times.phases[Phase::ExecTeardown as usize], Some(17_000.0));
    assert_eq!(times.phases[Phase::BeforeExec as usize], Some(10_000.0));
    assert_eq!(times.total, 186_000.0);
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_hit_is_dated_back_by_its_lag() {
    let (mut stamps, mut events) = forked();
    stamps.child = None;
    events.insert(3, hit(80_000, 0));
    let known = Knowledge {
        child: false,
        landmarks: vec![Landmark::Execve],
        ..stamping()
    };
    let mut rules = rules(ExitOrder::BeforeTeardown, known);
    rules.hit = HitCost {
        cost: 13_000,
        lag: 7_000,
    };
    let times = one(stamps, &events, &rules).unwrap();
    assert_eq!(times.phases[Phase::BeforeExec as usize], Some(17_000.0));
    assert_eq!(times.phases[Phase::ExecTeardown as usize], Some(14_000.0));
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_program_of_several_threads_ends_with_the_last_of_them() {
    let (stamps, mut events) = forked();
    let known = Knowledge {
        program: false,
        ..stamping()
    };
    // The first thread leaves long before the others.
    events.insert(4, exit(105_000));
    let times = one(stamps, &events, &rules(ExitOrder::BeforeTeardown, known)).unwrap();
    assert_eq!(times.phases[Phase::Run as usize], Some(30_000.0));
    assert_eq!(times.phases[Phase::Teardown as usize], Some(61_000.0));
}

#[test]
fn what_a_stranger_takes_of_the_cpu_is_in_no_phase() {
    const STRANGER: u32 = 900;
    const GRANDCHILD: u32 = 102;
    let (stamps, events) = forked();
    let rules = rules(ExitOrder::BeforeTeardown, stamping());
    let taken = |pid: u32, cpu: u32| {
        let of = |time_ns, into| SampleEvent::Switch {
            time_ns,
            pid,
            cpu,
            into,
        };
        let mut events = events.clone();
        events.splice(4..4, [of(102_000, true), of(110_000, false)]);
        events
    };
    let stolen = one(stamps, &taken(STRANGER, 1), &rules).unwrap();
    assert_eq!(stolen.phases[Phase::ExecStart as usize], Some(12_000.0));
    assert_eq!(sum(&stolen), stolen.total - 8_000.0);
    let elsewhere = one(stamps, &taken(STRANGER, 0), &rules).unwrap();
    assert_eq!(sum(&elsewhere), elsewhere.total);
    let mut with_grandchild = taken(GRANDCHILD, 1);
    with_grandchild.insert(
        4,
        SampleEvent::Fork {
            time_ns: 101_000,
            pid: GRANDCHILD,
            ppid: CHILD,
        },
    );
    let own = one(stamps, &with_grandchild, &rules).unwrap();
    assert_eq!(sum(&own), own.total, "a grandchild is no stranger");
}

#[test]
fn a_child_that_only_exits_has_no_exec() {
    let (mut stamps, mut events) = forked();
    stamps.program = None;
    events.retain(|event| !matches!(event, SampleEvent::Exec { .. }));
    let known = Knowledge {
        exec: false,
        program: false,
        ..stamping()
    };
    let times = one(stamps, &events, &rules(ExitOrder::BeforeTeardown, known)).unwrap();
    assert_eq!(times.phases[Phase::Exit as usize], Some(60_000.0));
    assert_eq!(times.phases[Phase::Run as usize], None);
    assert_eq!(sum(&times), times.total);
}

#[test]
fn a_spawn_with_a_record_missing_is_incomplete() {
    let (stamps, events) = forked();
    let rules = rules(ExitOrder::BeforeTeardown, stamping());
    for missing in [0, 3, 4] {
        let mut events = events.clone();
        events.remove(missing);
        assert_eq!(one(stamps, &events, &rules), None, "record {missing}");
    }
    for stamps in [
        SpawnStamps {
            child: None,
            ..stamps
        },
        SpawnStamps {
            program: None,
            ..stamps
        },
    ] {
        assert_eq!(one(stamps, &events, &rules), None);
    }
}

proptest! {
    /// Whatever the order of the moments, the phases fill the spawn.
    #[test]
    fn phases_add_up_to_the_total(
        mut times in proptest::collection::vec(0_u64..1_000_000, 14),
        called in 0_u64..1_000_000,
        after in any::<bool>(),
    ) {
        times.sort_unstable();
        let stamps = SpawnStamps {
                begin: times[0],
            called: called.clamp(times[1], times[13]),
            end: times[13],
            child: Some([times[4], times[5]]),
            program: Some([times[9], times[10]]),
        };
        let events = vec![
            fork(times[1]),
            switch(times[2], WORKER, false),
            switch(times[3], CHILD, true),
            exec(times[6]),
            switch(times[7], WORKER, true),
            switch(times[8], WORKER, false),
            exit(times[11]),
            switch(times[12], WORKER, true),
        ];
        let order = if after { ExitOrder::AfterTeardown } else { ExitOrder::BeforeTeardown };
        if let Some(cut) = one(stamps, &events, &rules(order, stamping())) {
            prop_assert!((sum(&cut) - cut.total).abs() < 1e-6, "{cut:?}");
            prop_assert!(cut.phases.iter().flatten().all(|ns| *ns >= 0.0));
        }
    }
}
