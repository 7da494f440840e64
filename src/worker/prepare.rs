//! From an assignment to a worker that is ready: placed, with everything mapped
//! and laid out that the loop needs, and every method tried once.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use super::measure::{Contender, call_failed, try_once};
use super::pause::Cold;
use super::protocol::{Assignment, Failure, Pass, Prepared, schedule, stamp_words};
use super::ready::{Course, Line, Ready};
use crate::model::{ChildAction, Closing, PageKind, Placement, Program, SpawnMethod, Temperature};
use crate::sys::image::ExecImage;
use crate::sys::in_words;
use crate::sys::landmarks::fix_addresses;
use crate::sys::memory::{Pages, leave_libraries_out_of_forks, page_size};
use crate::sys::shared::{SharedWords, inheritable};
use crate::sys::spawn::{
    Action, Clone3Vfork, Fork, ForkPipe, ForkServer, PidfdSpawn, PosixSpawn, Spawn, StampTo,
    StdCommand, System, Then, Vfork, VforkLibc, execve_address, try_close_range,
};
use crate::sys::threads::Alone;
use crate::sys::{perf, process, seccomp};
use crate::vm::Shape;

/// Names what was being done in an error of the system.
pub(super) fn setup<T>(what: &str, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Setup {
        what: what.to_owned(),
        why: in_words(&error),
    })
}

/// The same of what a host may not give at all.
fn given<T>(what: &str, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Lacking {
        what: what.to_owned(),
        why: in_words(&error),
    })
}

/// Prepares everything, tries every method once, and stays small.
pub(super) fn prepare(
    assignment: Assignment,
    records: &File,
) -> Result<(Ready, Prepared), Failure> {
    if let Placement::Pinned(cpu) = assignment.placement {
        setup(
            &format!("could not run on CPU {cpu} alone"),
            process::run_on(&[cpu]),
        )?;
    }
    // If memory runs out, the worker is the one to go. Some containers forbid
    // even this, and then the kernel chooses for itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let shape =
        Shape::of(&assignment.space, page_size() as u64).map_err(|error| Failure::Setup {
            what: "could not lay out the address space".to_owned(),
            why: error.to_string(),
        })?;
    let shared = SharedWords::of_file(records, assignment.shared_words());
    let shared = Rc::new(setup("could not map the records", shared)?);
    let cold = cold_of(assignment.temperature);
    let cold = setup("could not map the eviction buffer", cold)?;
    let pages = sample_of(&shape, &assignment);
    let pages = setup("could not map the list of pages", pages)?;
    if assignment.fixed_addresses {
        setup(
            "could not switch off address-space randomisation",
            fix_addresses(),
        )?;
    }
    if assignment.pass == Pass::Counting {
        perf::try_out();
    }
    let stamps = stamps_to(records, &assignment);
    let stamps = setup("could not hand the records on", stamps)?;
    let alone = setup("could not count the threads", Alone::make_sure())?;
    // Before a server is forked off, which does without them as well.
    let trimmed = leave_libraries_out_of_forks(alone);
    let mut instrument = setup("could not trim the worker", trimmed)?;
    let (contenders, unavailable) = contenders(&assignment, &shared, stamps.as_ref(), alone)?;
    given(
        "could not set up seccomp filters",
        seccomp::pass(assignment.filters),
    )?;
    let extras = assignment.extras_of(&unavailable);
    let schedule = schedule(assignment.seed, &extras, assignment.turns);
    instrument.extend(
        [
            Some(shared.range()),
            pages.range(),
            cold.as_ref().map(Cold::range),
        ]
        .into_iter()
        .flatten(),
    );
    let prepared = Prepared {
        instrument,
        unavailable,
        execve: execve_address(),
        helpers: contenders
            .iter()
            .filter_map(|contender| contender.spawner.helper())
            .collect(),
    };
    let course = Course {
        assignment,
        shared,
        turn: contenders.len(),
        contenders,
        schedule,
        spawned: 0,
    };
    let ready = Ready {
        shape,
        pages,
        cold,
        course,
        alone,
        line: Line::default(),
        _stamps: stamps,
    };
    Ok((ready, prepared))
}

/// The eviction buffer of cold spawns.
fn cold_of(temperature: Temperature) -> io::Result<Option<Cold>> {
    match temperature {
        Temperature::Hot => Ok(None),
        Temperature::Cold {
            evict_bytes,
            idle_us,
        } => Cold::new(evict_bytes, idle_us).map(Some),
    }
}

/// The children's way to the records, if they stamp.
fn stamps_to(records: &File, assignment: &Assignment) -> io::Result<Option<Rc<OwnedFd>>> {
    if assignment.pass != Pass::Stamping {
        return Ok(None);
    }
    let stamps = match &assignment.program {
        Program::Embedded => inheritable(records),
        // A program of the user's shall neither see nor spoil the records; its
        // stamping ends with the exec.
        Program::Path { .. } => records.as_fd().try_clone_to_owned(),
    };
    stamps.map(|stamps| Some(Rc::new(stamps)))
}

/// A sample of the pages that the shape will touch.
fn sample_of(shape: &Shape, assignment: &Assignment) -> io::Result<Pages> {
    let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let wanted = whole(assignment.rewrite_pages);
    match assignment.rewritten {
        PageKind::Small => {
            let all = shape.rewritable_pages(page_size() as u64) + assignment.rewritable_likeness;
            Pages::sample(wanted, whole(all))
        }
        PageKind::Huge => Pages::sample_huge(wanted, whole(assignment.rewritable_likeness)),
    }
}

/// Methods that do not work here, and why.
type Unavailable = Vec<(SpawnMethod, String)>;

/// Where a word of the records lies, in bytes.
fn place(word: usize) -> u64 {
    (size_of::<u64>() * (stamp_words::START + word)) as u64
}

/// What the children execute.
fn image_of(assignment: &Assignment, stamps: Option<RawFd>) -> io::Result<ExecImage> {
    match (&assignment.program, stamps) {
        (Program::Embedded, Some(fd)) => {
            let offset = place(stamp_words::PROGRAM);
            ExecImage::stamping(&assignment.environment, fd, offset)
        }
        (Program::Embedded, None) => ExecImage::embedded(&assignment.environment),
        (Program::Path { path, argv }, _) => {
            ExecImage::of_path(path, argv, &assignment.environment)
        }
    }
}

/// What the children do.
fn action_of(assignment: &Assignment, stamps: Option<&Rc<OwnedFd>>) -> Result<Action, Failure> {
    let offset = place(stamp_words::CHILD);
    let then = match assignment.child {
        ChildAction::Exec => {
            let image = image_of(assignment, stamps.map(|file| file.as_raw_fd()));
            Then::Exec(Rc::new(setup("could not prepare the program", image)?))
        }
        ChildAction::Exit => Then::Exit,
    };
    let redirect = match assignment.redirects {
        true => Some(setup("could not open /dev/null", inheritable_null())?),
        false => None,
    };
    Ok(Action {
        stamp: stamps.cloned().map(|file| StampTo::new(file, offset)),
        redirect,
        close: assignment.closing,
        then,
    })
}

/// Refuses to have descriptors closed that are needed, or as it cannot be done here.
fn check_closing(assignment: &Assignment) -> io::Result<()> {
    if assignment.closing == Closing::AtOnce {
        try_close_range().map_err(|error| {
            let why = in_words(&error);
            io::Error::other(format!(
                "close_range(2), which is there since Linux 5.9: {why}"
            ))
        })?;
    }
    if assignment.closing != Closing::Nothing && assignment.pass == Pass::Stamping {
        let why = "the children stamp through a descriptor";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(())
}

/// The methods that work here, each tried once, and the reasons of the others.
fn contenders(
    assignment: &Assignment,
    shared: &SharedWords,
    stamps: Option<&Rc<OwnedFd>>,
    alone: Alone,
) -> Result<(Vec<Contender>, Unavailable), Failure> {
    given(
        "could not have descriptors closed",
        check_closing(assignment),
    )?;
    let action = action_of(assignment, stamps)?;
    let mut working = Vec::new();
    let mut unavailable = Vec::new();
    for method in assignment.methods.iter().copied() {
        match contender(method, action.clone(), shared, alone) {
            Ok(contender) => working.push(contender),
            // Only what a kernel, a libc or a filter may lack is excused.
            Err(Failure::Spawn {
                why,
                no_room: false,
                ..
            }) if method.is_optional() => {
                unavailable.push((method, lacking(method, &why)));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((working, unavailable))
}

/// One of them, tried once.
fn contender(
    method: SpawnMethod,
    action: Action,
    shared: &SharedWords,
    alone: Alone,
) -> Result<Contender, Failure> {
    let spawner = spawner(method, action, alone);
    let spawner = match method.is_optional() {
        true => spawner.map_err(|error| call_failed(method, &error))?,
        false => setup(method.name(), spawner)?,
    };
    let mut contender = Contender {
        method,
        spawner,
        rehearsals: 0,
    };
    try_once(&mut contender, shared.words())?;
    Ok(contender)
}

/// Why a method does not work here: what it needs, and what was found.
fn lacking(method: SpawnMethod, why: &str) -> String {
    let needs = match method {
        SpawnMethod::PosixSpawnHelper => {
            "posix_spawn+helper executes a file in memory, which neither sysctl vm.memfd_noexec nor \
             a filter may forbid"
        }
        SpawnMethod::PidfdSpawn => "pidfd_spawn needs glibc 2.39 and Linux 5.4",
        SpawnMethod::Clone3IntoCgroup => {
            "clone3 with CLONE_INTO_CGROUP needs Linux 5.7, a control group of version 2 that may \
             be written to, and no filter"
        }
        _ => "clone3 with CLONE_CLEAR_SIGHAND needs Linux 5.5 and no filter",
    };
    format!("{needs}: {why}")
}

/// A descriptor of /dev/null that children inherit.
fn inheritable_null() -> io::Result<Rc<OwnedFd>> {
    let null = File::options().write(true).open("/dev/null")?;
    inheritable(&null).map(Rc::new)
}

fn spawner(method: SpawnMethod, action: Action, alone: Alone) -> io::Result<Box<dyn Spawn>> {
    Ok(match method {
        SpawnMethod::Fork => Box::new(Fork::new(action, alone)),
        SpawnMethod::ForkPipe => Box::new(ForkPipe::new(action, alone)?),
        SpawnMethod::Vfork => Box::new(Vfork::new(action, alone)?),
        SpawnMethod::VforkLibc => Box::new(VforkLibc::new(action)?),
        SpawnMethod::PosixSpawn => Box::new(PosixSpawn::new(action)?),
        SpawnMethod::PosixSpawnUsevfork => Box::new(PosixSpawn::with_usevfork(action)?),
        SpawnMethod::PosixSpawnHelper => Box::new(PosixSpawn::of_helper(action)?),
        SpawnMethod::PidfdSpawn => Box::new(PidfdSpawn::new(action)?),
        SpawnMethod::Clone3Vfork => Box::new(Clone3Vfork::new(action)?),
        SpawnMethod::Clone3IntoCgroup => Box::new(Clone3Vfork::into_own_group(action)?),
        SpawnMethod::Std => Box::new(StdCommand::new(action)?),
        SpawnMethod::System => Box::new(System::new(action)?),
        SpawnMethod::ForkServer => Box::new(ForkServer::start(action, alone)?),
    })
}
