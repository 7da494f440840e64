//! On the kernel of this machine, where its tracepoints can be had.

use std::process::Command;

use super::*;

#[test]
fn a_list_of_cpus_is_read() {
    assert_eq!(listed("0-2,5\n"), [0, 1, 2, 5]);
    assert_eq!(listed("3"), [3]);
    assert!(listed("").is_empty());
    assert!(!online().is_empty());
}

#[test]
fn a_program_is_told_from_its_creation_to_its_end() {
    let points = match Tracepoints::open(&online()) {
        Ok(points) => points,
        Err(error) => {
            println!("skipped: {error}; {}", error.remedy());
            return;
        }
    };
    let mut recording = points.start().unwrap();
    let before_ns = clock::now_ns();
    let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let first = recording.next(Duration::from_secs(60)).unwrap().unwrap();
    let rest = recording.finish();
    assert!(rest.last().unwrap().settled_ns > before_ns);
    let batches = [first].into_iter().chain(rest);
    let records: Vec<Record> = batches.flat_map(|batch| batch.records).collect();
    assert!(recording.next(Duration::ZERO).is_err(), "nobody reads");
    let mut times = records.iter().map(|record| record.time_ns);
    let mut last = 0;
    assert!(times.all(|time| std::mem::replace(&mut last, time) <= time));
    let own = std::process::id();
    let bears = |fact: &Fact| matches!(fact, Fact::Bears { pid: child, .. } if *child == pid);
    let created = records
        .iter()
        .position(|it| it.pid == own && bears(&it.fact));
    let created = created.expect("its creation is told");
    let facts: Vec<&Fact> = records[created..]
        .iter()
        .filter(|record| record.pid == pid)
        .map(|record| &record.fact)
        .collect();
    let place = |which: &dyn Fn(&Fact) -> bool| {
        let place = facts.iter().position(|fact| which(fact));
        place.unwrap_or_else(|| panic!("{facts:?}"))
    };
    let order = [
        place(&|fact| matches!(fact, Fact::Executes { .. })),
        place(&|fact| matches!(fact, Fact::Renews)),
        place(&|fact| matches!(fact, Fact::Maps(_))),
        place(&|fact| matches!(fact, Fact::Executed { .. })),
        place(&|fact| matches!(fact, Fact::Leaves { status: 7, .. })),
        place(&|fact| *fact == Fact::Ended),
    ];
    assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{facts:?}");
    let Fact::Executed { stack, .. } = facts[order[3]] else {
        unreachable!()
    };
    let words = stack.as_ref().expect("its stack is told").arguments();
    // Of a stack with a page in it that nobody has touched, only what lies below.
    let all = [&b"sh"[..], b"-c", b"exit 7"];
    assert!(words.iter().zip(all).all(|(word, its)| word == its));
}
