use std::os::unix::process::CommandExt;
use std::process::Command;

use super::fixtures::{OFTEN, THREADS};
use super::*;

#[test]
fn a_command_is_told_from_its_execution_to_its_end() {
    let mut follower = start(&shell("exit 7"));
    let pid = follower.command().unwrap();
    assert!(!follower.must_stay());
    let told = all(&mut follower);
    let whats: Vec<&What> = told.iter().map(|followed| &followed.what).collect();
    let end = What::Ended(End::Exit(7));
    assert_eq!(whats, [&What::Present, &What::Executed, &end]);
    assert!(told.iter().all(|it| (it.pid, it.tid) == (pid, pid)));

    let mut follower = start(&shell("kill -TERM $$"));
    let told = all(&mut follower);
    assert_eq!(super::end(&follower, &told), End::Signal(libc::SIGTERM));
}

#[test]
fn a_command_is_executed_when_it_is_told_and_stands_still() {
    let mut follower = start(&shell("exit 7"));
    let exe = PathBuf::from(format!("/proc/{}/exe", follower.command().unwrap()));
    for what in [What::Present, What::Executed] {
        assert_eq!(one(&mut follower).what, what);
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert_eq!(fs::read_link(&exe).unwrap(), shell);
    }
    assert_eq!(one(&mut follower).what, What::Ended(End::Exit(7)));
}

#[test]
fn what_cannot_be_executed_is_an_error_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "neither a program nor a script\n").unwrap();
    let errno = |program: &Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        for call_times in [false, true] {
            match try_start(&[program.into()], call_times) {
                Err(StartError::Exec(error)) if !call_times => return error.raw_os_error(),
                Err(StartError::Exec(_)) | Err(StartError::Filter(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        None
    };
    assert_eq!(errno(&file, 0o644), Some(libc::EACCES));
    assert_eq!(errno(&file, 0o755), Some(libc::ENOEXEC));
    assert_eq!(errno(&dir.path().join("none"), 0o755), Some(libc::ENOENT));
    assert_eq!(
        errno(Path::new("no-such-program-anywhere"), 0o755),
        Some(libc::ENOENT)
    );
    assert_eq!(wait::any().unwrap_err().raw_os_error(), Some(libc::ECHILD));
}

#[test]
fn a_command_has_the_signals_of_whoever_starts_it() {
    let pipe = Pipe::new();
    let masks = |status: &str| {
        let names = ["SigBlk:", "SigIgn:"];
        names.map(|name| u64::from_str_radix(field(status, name).unwrap(), 16).unwrap())
    };
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    let [own_blocked, own_ignored] = masks(&own);
    let mut follower = start(&shell(&pipe.wait()));
    let pid = follower.command().unwrap();
    assert_eq!(one(&mut follower).what, What::Present);
    let its = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let [blocked, ignored] = masks(&its);
    let sigpipe = 1 << (libc::SIGPIPE - 1);
    assert_eq!((blocked, ignored), (own_blocked, own_ignored & !sigpipe));
    drop(follower);
    let after = fs::read_to_string("/proc/thread-self/status").unwrap();
    assert_eq!(masks(&after), [own_blocked, own_ignored]);
    kill(pid, libc::SIGKILL);
    crate::sys::spawn::wait(pid.cast_signed()).unwrap();
}

#[test]
fn the_children_of_a_shell_are_told_with_their_ends() {
    let script = "(exit 1); (exit 2); /bin/true; exec /bin/sh -c '/bin/false; exit 4'";
    let mut follower = start(&shell(script));
    let pid = follower.command().unwrap();
    let told = all(&mut follower);
    let creations = creations(&told);
    assert_eq!(creations.len(), 4, "{told:?}");
    assert!(creations.iter().all(|(creator, ..)| *creator == pid));
    let ends = ends(&told);
    let codes: Vec<End> = creations.iter().map(|(.., child)| ends[child]).collect();
    assert_eq!(codes, [1, 2, 0, 1].map(End::Exit));
    assert_eq!(ends[&pid], End::Exit(4));
    assert_eq!(count(&told, |what| *what == What::Executed), 4);
}

#[test]
fn every_way_to_create_is_told_by_its_call_and_flags_and_place() {
    let mut follower = start(&fixture("ways", None));
    let (mut told, mut places) = (Vec::new(), 0);
    while let Next::Happened(followed) = follower.next(None, &|| false).unwrap() {
        if let What::Created { registers, .. } = followed.what {
            assert!(is_code(followed.pid, registers.ip), "{followed:?}");
            assert!(registers.sp > 0);
            places += 1;
        }
        told.push(followed);
    }
    check(&told);
    let ways: Vec<(CallName, u64)> = creations(&told)
        .into_iter()
        .map(|(_, call, flags, _)| (call, flags & !0xff))
        .collect();
    let [clone, posix_spawn, vfork, clone3] = ways[..] else {
        panic!("{told:?}");
    };
    assert_eq!((clone, places), ((CallName::Clone, 0), 4));
    let shares = CLONE_VM | CLONE_VFORK;
    assert_eq!(posix_spawn.1 & shares, shares);
    assert!(vfork.0 == CallName::Vfork || vfork.1 & shares == shares);
    assert_eq!((clone3.0, clone3.1 & shares), (CallName::Clone3, shares));
    assert_eq!(end(&follower, &told), End::Exit(0));
}

/// Whether a process may execute what is at an address.
fn is_code(pid: u32, address: u64) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines().any(|line| {
        let mut words = line.split(' ');
        let (from, to) = words.next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|limit| u64::from_str_radix(limit, 16).unwrap());
        (from..to).contains(&address) && words.next().unwrap().contains('x')
    })
}

#[test]
fn who_gives_its_child_to_its_own_parent_is_its_creator() {
    let mut follower = start(&fixture("parent", None));
    let told = all(&mut follower);
    let [(creator, _, flags, child)] = creations(&told)[..] else {
        panic!("{told:?}");
    };
    assert_eq!(Some(creator), follower.command());
    assert_eq!(flags & CLONE_PARENT, CLONE_PARENT);
    assert_eq!(ends(&told)[&child], End::Exit(6));
    assert_eq!(end(&follower, &told), End::Exit(0));
}

#[test]
fn children_outlive_the_command() {
    let mut pipe = Pipe::new();
    let mut follower = start(&shell(&format!("({}; exit 3) & exit 0", pipe.wait())));
    let pid = follower.command().unwrap();
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|it: &Followed| it.what != What::Ended(End::Exit(0)))
    {
        told.push(one(&mut follower));
    }
    pipe.let_go(1);
    told.extend(super::told(&mut follower, &|| false).0);
    check(&told);
    let child = creations(&told)[0].3;
    let last = told.last().unwrap();
    assert_eq!((last.pid, &last.what), (child, &What::Ended(End::Exit(3))));
    assert_eq!(ends(&told)[&pid], End::Exit(0));
}

#[test]
fn threads_are_told_and_what_they_create() {
    let mut follower = start(&fixture("threads", None));
    let pid = follower.command().unwrap();
    let told = all(&mut follower);
    let thread = |followed: &Followed| match followed.what {
        What::Thread { tid } => Some(tid),
        _ => None,
    };
    let threads: HashSet<u32> = told.iter().filter_map(thread).collect();
    // The test harness may have one of its own.
    assert!(threads.len() >= THREADS, "{threads:?}");
    let creators: Vec<&Followed> = told
        .iter()
        .filter(|it| matches!(it.what, What::Created { .. }))
        .collect();
    assert_eq!(creators.len(), THREADS * (OFTEN / 10));
    assert!(
        creators
            .iter()
            .all(|it| it.pid == pid && threads.contains(&it.tid))
    );
    assert_eq!(end(&follower, &told), End::Exit(0));
}

#[test]
fn a_thread_that_executes_becomes_its_process() {
    let mut follower = start(&fixture("executing-thread", None));
    let pid = follower.command().unwrap();
    let told = all(&mut follower);
    // The shell, this program, and the shell of the thread.
    assert_eq!(count(&told, |what| *what == What::Executed), 3);
    assert!(told.iter().all(|followed| followed.pid == pid));
    assert_eq!(end(&follower, &told), End::Exit(5));
}

#[test]
fn a_process_ends_with_its_last_thread() {
    let mut follower = start(&fixture("leaving-leader", None));
    let told = all(&mut follower);
    let creations = creations(&told);
    assert_eq!(creations.len(), 2);
    let (child, below) = (creations[0].3, creations[1].3);
    assert_eq!(creations[1].0, child);
    let ends = ends(&told);
    assert_eq!([ends[&child], ends[&below]], [3, 2].map(End::Exit));
    let place = |pid| {
        let mut places = told.iter();
        places.position(|it| it.pid == pid && matches!(it.what, What::Ended(_)))
    };
    assert!(place(below) < place(child));
}

#[test]
fn time_and_an_end_that_is_asked_for_are_quiet() {
    let mut pipe = Pipe::new();
    let mut follower = start(&shell(&pipe.wait()));
    for what in [What::Present, What::Executed] {
        assert_eq!(one(&mut follower).what, what);
    }
    let soon = Instant::now() + Duration::from_millis(30);
    assert_eq!(follower.next(Some(soon), &|| false).unwrap(), Next::Quiet);
    assert!(Instant::now() >= soon);
    let asked = std::cell::Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == 2;
    assert_eq!(follower.next(None, &stop).unwrap(), Next::Quiet);
    pipe.let_go(1);
    assert_eq!(one(&mut follower).what, What::Ended(End::Exit(0)));
}

#[test]
fn who_has_no_privileges_follows_its_own_alone() {
    let line = fixture("unprivileged", None);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    if process::is_root() {
        let nobody = 65_534;
        command.uid(nobody).gid(nobody).current_dir("/");
    }
    let status = command.status().unwrap();
    match status.code() {
        Some(126 | 127) => println!("skipped: this program cannot be executed by nobody"),
        code => assert_eq!(code, Some(0)),
    }
}

/// What the fixture of the test above does.
pub(super) fn in_the_shoes_of_nobody() {
    let mut follower = try_start(&shell("(exit 3); exit 4"), true).unwrap();
    assert_eq!(status(follower.command().unwrap(), "NoNewPrivs:"), "1");
    let told = all(&mut follower);
    assert_eq!(creations(&told).len(), 1);
    assert_eq!(end(&follower, &told), End::Exit(4));
    let refused = Follower::attach(1).unwrap_err();
    assert_ne!(refused, TraceError::Gone, "{refused}");
}
