//! Many at once, killed at any moment: nobody is lost.

use super::fixtures::OFTEN;
use super::*;

#[test]
fn of_a_fast_loop_none_is_lost() {
    for call_times in [false, true] {
        let mut follower = try_start(&fixture("loop", None), call_times).unwrap();
        let told = all(&mut follower);
        assert_eq!(creations(&told).len(), OFTEN);
        let ends = ends(&told).into_values();
        assert_eq!(ends.filter(|end| *end == End::Exit(1)).count(), OFTEN);
        let count = |is: fn(&What) -> bool| count(&told, is);
        let timed = if call_times { OFTEN } else { 0 };
        assert!(count(|what| matches!(what, What::Calling { .. })) >= timed);
        assert_eq!(count(|it| matches!(it, What::Returned { .. })), timed);
    }
}

#[test]
fn who_is_killed_while_it_stands_still_has_an_end() {
    for call_times in [false, true] {
        let mut follower = try_start(&fixture("killer", None), call_times).unwrap();
        let told = all(&mut follower);
        let pid = follower.command().unwrap();
        let creations = creations(&told);
        let own = creations.iter().filter(|(creator, ..)| *creator == pid);
        assert_eq!(own.clone().count(), OFTEN / 4);
        let ends = ends(&told);
        assert!(
            own.into_iter()
                .all(|(.., child)| ends[child] == End::Signal(9))
        );
        assert_eq!(ends[&pid], End::Exit(0));
    }
}

#[test]
fn whose_creator_was_killed_is_followed_to_the_end() {
    // Shells that fork as fast as they can, killed from outside at any moment.
    for turn in 0..60 {
        let mut follower = start(&shell("while :; do (:) & done"));
        let pid = follower.command().unwrap();
        let mut told = Vec::new();
        while creations(&told).len() <= turn % 5 {
            told.push(one(&mut follower));
        }
        kill(pid, libc::SIGKILL);
        told.extend(super::told(&mut follower, &|| false).0);
        check(&told);
        assert_eq!(ends(&told)[&pid], End::Signal(libc::SIGKILL));
    }
}

#[test]
fn who_is_killed_before_it_goes_on_from_its_creation_is_no_trouble() {
    let mut follower = start(&shell("(:); exit 2"));
    let mut told = Vec::new();
    while creations(&told).is_empty() {
        told.push(one(&mut follower));
    }
    let pid = follower.command().unwrap();
    // It stands still in its call.
    kill(pid, libc::SIGKILL);
    told.extend(super::told(&mut follower, &|| false).0);
    check(&told);
    let child = creations(&told)[0].3;
    assert_eq!(ends(&told)[&pid], End::Signal(libc::SIGKILL));
    assert_eq!(ends(&told)[&child], End::Exit(0));
}

#[test]
fn stops_by_others_are_as_without_a_tracer() {
    let mut follower = start(&shell("kill -STOP $$; exit 4"));
    let pid = follower.command().unwrap();
    until(&mut follower, &|| is_stopped(pid));
    // It does not go on by itself, however often it is waited for.
    let looks = std::cell::Cell::new(0);
    until(&mut follower, &|| looks.replace(looks.get() + 1) > 5);
    assert!(is_stopped(pid));
    kill(pid, libc::SIGCONT);
    let told = told(&mut follower, &|| false).0;
    assert_eq!(ends(&told)[&pid], End::Exit(4));

    let mut follower = start(&fixture("watchful", None));
    let told = all(&mut follower);
    assert_eq!(end(&follower, &told), End::Exit(9));
}

#[test]
fn signals_arrive() {
    let mut pipe = Pipe::new();
    let script = format!("trap 'exit 9' USR1; {}; while :; do :; done", pipe.wait());
    let mut follower = start(&shell(&script));
    let pid = follower.command().unwrap();
    pipe.let_go(1);
    let catches = || {
        let caught = u64::from_str_radix(&status(pid, "SigCgt:"), 16);
        caught.is_ok_and(|caught| caught >> (libc::SIGUSR1 - 1) & 1 == 1)
    };
    until(&mut follower, &catches);
    kill(pid, libc::SIGUSR1);
    let told = told(&mut follower, &|| false).0;
    assert_eq!(ends(&told)[&pid], End::Exit(9));
}
