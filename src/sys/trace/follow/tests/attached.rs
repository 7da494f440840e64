use std::process::{Child, Command};

use super::fixtures::THREADS;
use super::*;

/// A process that runs before it is followed. Its end is the follower's to see, as this
/// thread is its parent.
struct Running(Child);

impl Running {
    fn start(line: &[OsString]) -> Self {
        let child = Command::new(&line[0]).args(&line[1..]).spawn();
        Self(child.unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Whether it waits for something.
fn sleeps(pid: u32) -> bool {
    status(pid, "State:").starts_with('S')
}

#[test]
fn threads_and_descendants_are_followed_and_what_they_create() {
    let mut pipe = Pipe::new();
    let running = Running::start(&fixture("many", Some(&pipe)));
    let pid = running.pid();
    await_that(|| threads(pid) > THREADS && sleeps(pid));
    await_that(|| below(pid).is_some_and(sleeps));
    let below = below(pid).unwrap();
    let mut follower = Follower::attach(pid).unwrap();
    assert_eq!((follower.command(), follower.refused().len()), (None, 0));
    assert!(!is_free(pid) && !is_free(below));
    let present = [one(&mut follower), one(&mut follower)];
    assert!(present.iter().all(|it| it.what == What::Present));
    assert_eq!(present.each_ref().map(|it| it.pid), [pid, below]);
    pipe.let_go(THREADS + 1);
    let mut told = present.to_vec();
    told.extend(all_after(&mut follower));
    check(&told);
    let creators: Vec<u32> = creations(&told).iter().map(|it| it.0).collect();
    assert_eq!(creators.len(), THREADS + 1);
    assert_eq!(creators.iter().filter(|it| **it == below).count(), 1);
    let ends = ends(&told);
    assert_eq!((ends[&pid], ends[&below]), (End::Exit(5), End::Exit(4)));
}

/// A child by any thread of a process.
fn below(pid: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

fn all_after(follower: &mut Follower) -> Vec<Followed> {
    let (told, last) = told(follower, &|| false);
    assert_eq!(last, Next::Over);
    told
}

#[test]
fn who_forks_meanwhile_is_caught_with_all_its_children() {
    let line = shell("while :; do (:) & (:); done");
    for _ in 0..10 {
        let running = Running::start(&line);
        let pid = running.pid();
        await_that(|| below(pid).is_some());
        let mut follower = Follower::attach(pid).unwrap();
        let mut told = Vec::new();
        while creations(&told).len() < 50 {
            told.push(one(&mut follower));
        }
        kill(pid, libc::SIGKILL);
        told.extend(all_after(&mut follower));
        check(&told);
        assert_eq!(ends(&told)[&pid], End::Signal(libc::SIGKILL));
        let present = count(&told, |what| *what == What::Present);
        assert_eq!(ends(&told).len(), present + creations(&told).len());
    }
}

#[test]
fn who_is_stopped_is_followed_and_remains_so() {
    let mut pipe = Pipe::new();
    let running = Running::start(&shell(&format!("{}; (exit 1); exit 6", pipe.wait())));
    let pid = running.pid();
    kill(pid, libc::SIGSTOP);
    await_that(|| is_stopped(pid));
    let mut follower = Follower::attach(pid).unwrap();
    let looks = std::cell::Cell::new(0);
    until(&mut follower, &|| looks.replace(looks.get() + 1) > 5);
    assert!(is_stopped(pid));
    follower.leave();
    assert!(is_free(pid));
    // It goes from the one kind of stop to the other by itself.
    await_that(|| status(pid, "State:").starts_with('T'));

    let mut follower = Follower::attach(pid).unwrap();
    pipe.let_go(1);
    kill(pid, libc::SIGCONT);
    let told = all_after(&mut follower);
    assert_eq!(creations(&told).len(), 1);
    assert_eq!(ends(&told)[&pid], End::Exit(6));
}

#[test]
fn who_cannot_be_followed_is_named_with_the_reason() {
    let pipe = Pipe::new();
    let running = Running::start(&shell(&pipe.wait()));
    let pid = running.pid();
    let mut follower = Follower::attach(pid).unwrap();
    let second = std::thread::spawn(move || Follower::attach(pid).map(drop));
    let second = second.join().unwrap();
    assert!(matches!(second, Err(TraceError::Traced(1..))), "{second:?}");
    assert!(!is_free(pid));
    kill(pid, libc::SIGKILL);
    let told = all_after(&mut follower);
    assert_eq!(ends(&told)[&pid], End::Signal(libc::SIGKILL));
    let nobody = 1 << 23;
    assert_eq!(Follower::attach(nobody).map(drop), Err(TraceError::Gone));
}
