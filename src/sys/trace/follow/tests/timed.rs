use super::*;

fn timed(line: &[OsString]) -> (Follower, Vec<Followed>) {
    let mut follower = try_start(line, true).unwrap();
    assert!(follower.must_stay());
    let told = all(&mut follower);
    (follower, told)
}

/// What one thread's calls were told as, without their executions.
fn story(told: &[Followed], tid: u32) -> Vec<&What> {
    let own = told.iter().filter(|followed| followed.tid == tid);
    let whats = own.map(|followed| &followed.what);
    whats
        .filter(|what| !matches!(what, What::Present | What::Executed | What::Ended(_)))
        .collect()
}

#[test]
fn calls_begin_create_and_return() {
    let (follower, told) = timed(&fixture("ways", None));
    let pid = follower.command().unwrap();
    let creators = told.iter().find_map(|it| match it.what {
        What::Created { .. } => Some(it.tid),
        _ => None,
    });
    let story = story(&told, creators.unwrap());
    let calls: Vec<&[&What]> = story.chunks(3).collect();
    assert_eq!(calls.len(), 4, "{story:?}");
    for call in calls {
        let [
            What::Calling { call, flags },
            What::Created {
                call: same,
                flags: again,
                child,
                ..
            },
            What::Returned { child: returned },
        ] = call
        else {
            panic!("{call:?}");
        };
        assert_eq!((call, flags), (same, again));
        assert_eq!(*returned, Ok(*child));
    }
    assert_eq!(ends(&told)[&pid], End::Exit(0));
}

#[test]
fn failures_are_told_and_threads_have_no_times() {
    let (follower, told) = timed(&fixture("failing", None));
    let failed = What::Returned {
        child: Err(libc::EINVAL),
    };
    assert_eq!(count(&told, |what| *what == failed), 1, "{told:?}");
    let path = OsString::from("/nowhere/at-all");
    let missing = What::NotExecuted {
        path: Some(path),
        errno: libc::ENOENT,
    };
    assert_eq!(count(&told, |what| *what == missing), 1, "{told:?}");
    assert!(count(&told, |what| matches!(what, What::Thread { .. })) >= 1);
    let calls = count(&told, |what| matches!(what, What::Calling { .. }));
    assert_eq!(calls, 2, "that which failed, and the last");
    assert_eq!(creations(&told).len(), 1);
    assert_eq!(end(&follower, &told), End::Exit(0));
}

#[test]
fn a_path_that_is_searched_is_told_by_what_was_not_there() {
    let script = "PATH=/nowhere:/nor-here; exec no-such-program";
    let (follower, told) = timed(&shell(script));
    let path = |followed: &Followed| match &followed.what {
        What::NotExecuted { path, errno } => Some((path.clone().unwrap(), *errno)),
        _ => None,
    };
    let paths: Vec<(OsString, i32)> = told.iter().filter_map(path).collect();
    // Some shells look themselves first.
    for (path, errno) in &paths {
        assert!(path.to_str().unwrap().ends_with("/no-such-program"));
        assert_eq!(*errno, libc::ENOENT);
    }
    println!("{} attempts", paths.len());
    assert_eq!(end(&follower, &told), End::Exit(127));
}

#[test]
fn who_stays_is_filtered_and_who_does_not_is_not() {
    let pipe = Pipe::new();
    for call_times in [false, true] {
        let mut follower = try_start(&shell(&pipe.wait()), call_times).unwrap();
        let pid = follower.command().unwrap();
        one(&mut follower);
        let own = status(std::process::id(), "Seccomp:");
        let expected = if call_times { "2" } else { own.as_str() };
        assert_eq!(status(pid, "Seccomp:"), expected);
        assert_eq!(follower.must_stay(), call_times);
        if process::is_root() {
            assert_eq!(
                status(pid, "NoNewPrivs:"),
                status(std::process::id(), "NoNewPrivs:")
            );
        }
        kill(pid, libc::SIGKILL);
        while !matches!(one(&mut follower).what, What::Ended(_)) {}
        assert!(!follower.must_stay());
    }
}
