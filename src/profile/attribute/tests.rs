use super::*;

const WORKER: u32 = 100;
const CHILD: u32 = 101;

const TEXT: &str = "\
0000000000001000 T entry_SYSCALL_64_after_hwframe
0000000000001100 T copy_process
0000000000001200 t copy_page_range.isra.0
0000000000001300 T clear_page_erms
0000000000001400 T do_exit
0000000000001500 T exit_mmap
0000000000001600 T strange
";

fn symbols() -> Symbols {
    Symbols::parse(TEXT.as_bytes()).unwrap()
}

fn chain(time_ns: u64, pid: u32, frames: &[u64]) -> SampleEvent {
    SampleEvent::Chain {
        time_ns,
        pid,
        mode: Mode::Kernel,
        frames: frames.to_vec(),
    }
}

fn user(time_ns: u64, pid: u32) -> SampleEvent {
    SampleEvent::Chain {
        time_ns,
        pid,
        mode: Mode::User,
        frames: Vec::new(),
    }
}

fn fork(time_ns: u64, pid: u32, ppid: u32) -> SampleEvent {
    SampleEvent::Fork { time_ns, pid, ppid }
}

fn whole(tally: &Tally) -> Vec<String> {
    let stacks = tally.profile.stacks.iter();
    stacks
        .map(|stack| {
            let names = stack.frames.iter().map(|f| name(&tally.profile, *f));
            let names: Vec<&str> = names.collect();
            format!(
                "{:?} {:?} {} {}",
                stack.side,
                stack.mechanism,
                names.join(";"),
                stack.samples
            )
        })
        .collect()
}

#[test]
fn chains_go_to_their_method_side_and_mechanism() {
    let copy = [0x1302, 0x1210, 0x1150, 0x1050];
    let events = [
        chain(1, WORKER, &copy),
        chain(10, WORKER, &copy),
        fork(11, CHILD, WORKER),
        chain(12, WORKER, &copy),
        chain(13, CHILD, &[0x1510, 0x1410, 0x1050]),
        user(14, CHILD),
        chain(15, 900, &copy),
        chain(25, WORKER, &[0x1601]),
        SampleEvent::Lost { count: 3 },
        SampleEvent::Throttled { time_ns: 26 },
        chain(27, WORKER, &[]),
    ];
    let found = attribute(&events, WORKER, &[(10, 20, 1), (20, 30, 0)], &symbols());
    assert_eq!(found.lost, 4);
    assert_eq!(
        whole(&found.tallies[1]),
        [
            "Parent PageTableCopy \
             entry_SYSCALL_64_after_hwframe;copy_process;copy_page_range;clear_page_erms 2",
            "Child VmaFreeing entry_SYSCALL_64_after_hwframe;do_exit;exit_mmap 1",
            "Child UserMode  1",
        ]
    );
    assert_eq!(
        whole(&found.tallies[0]),
        ["Parent Other [unknown] 1", "Parent Other strange 1"],
        "what no rule knows keeps its name, and a chain without frames is not lost"
    );
    assert_eq!(found.tallies[1].windows.len(), 1);
    let counts = found.tallies[1].windows[0];
    assert_eq!(counts[Mechanism::PageTableCopy as usize], 2);
    assert_eq!(counts.iter().sum::<u64>(), 4);
}

#[test]
fn an_address_to_return_to_belongs_to_the_function_that_called() {
    // do_exit never returns, so that its caller may end with the call.
    let events = [chain(1, WORKER, &[0x1310, 0x1400])];
    let found = attribute(&events, WORKER, &[(0, 9, 0)], &symbols());
    assert_eq!(
        whole(&found.tallies[0]),
        ["Parent Other clear_page_erms 1"]
            .map(|line| line.replace("clear_page_erms", "clear_page_erms;clear_page_erms"))
    );
}

#[test]
fn guests_and_hypervisors_do_not_count() {
    let event = SampleEvent::Chain {
        time_ns: 1,
        pid: WORKER,
        mode: Mode::Other,
        frames: vec![0x1310],
    };
    let found = attribute(&[event], WORKER, &[(0, 9, 0)], &symbols());
    assert_eq!(whole(&found.tallies[0]), Vec::<String>::new());
}

#[test]
fn merged_workers_are_as_one_worker_with_all_their_samples() {
    let first = [
        chain(1, WORKER, &[0x1210, 0x1150]),
        chain(2, WORKER, &[0x1601]),
    ];
    let second = [
        chain(3, WORKER, &[0x1210, 0x1150]),
        chain(4, WORKER, &[0x1310, 0x1210, 0x1150]),
        user(5, WORKER),
    ];
    let tally = |events: &[SampleEvent]| {
        let found = attribute(events, WORKER, &[(0, 9, 0)], &symbols());
        found.tallies[0].clone()
    };
    let merged = merge(&[tally(&first), tally(&second)]);
    assert_eq!(merged, tally(&[&first[..], &second[..]].concat()).profile);
    assert_eq!(samples(&merged, Mechanism::PageTableCopy), (3, 3));
    let hot = hottest(&merged, Mechanism::PageTableCopy);
    assert_eq!(hot[0].function, "copy_page_range");
    assert_eq!((hot[0].samples, hot[1].samples, hot.len()), (2, 1, 2));
    assert!(hottest(&merged, Mechanism::UserMode).is_empty());
}

#[test]
fn a_thunk_is_whoever_called_it() {
    let profile = Profile {
        functions: ["__x86_indirect_thunk_array", "srso_return_thunk", "hook"]
            .map(str::to_owned)
            .to_vec(),
        stacks: [vec![2, 0], vec![2, 1, 0], vec![0]]
            .map(|frames| Stack {
                side: Side::Parent,
                mechanism: Mechanism::Other,
                samples: 1,
                frames,
            })
            .to_vec(),
    };
    let hot = hottest(&profile, Mechanism::Other);
    let told: Vec<(&str, u64)> = (hot.iter())
        .map(|hot| (hot.function.as_str(), hot.samples))
        .collect();
    assert_eq!(told, [("hook", 2), ("__x86_indirect_thunk_array", 1)]);
}

#[test]
fn no_window_no_method() {
    let found = attribute(&[user(1, WORKER)], WORKER, &[], &symbols());
    assert_eq!(found, Attribution::default());
}
