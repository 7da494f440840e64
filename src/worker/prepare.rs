//! From an assignment to a worker that is ready: placed, with everything mapped
//! and laid out that the loop needs, and every method tried once.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;

use super::measure::{Contender, try_once};
use super::pause::Cold;
use super::protocol::{Assignment, Failure, Pass, Prepared, schedule, stamp_words};
use super::ready::{Course, Ready};
use crate::model::{ChildAction, Placement, Program, SpawnMethod, Temperature};
use crate::sys::image::ExecImage;
use crate::sys::landmarks::fix_addresses;
use crate::sys::memory::{Pages, leave_libraries_out_of_forks, page_size};
use crate::sys::process;
use crate::sys::shared::{SharedWords, inheritable};
use crate::sys::spawn::{
    Action, Clone3Vfork, Fork, PosixSpawn, Spawn, StampTo, StdCommand, System, Vfork,
    execve_address,
};
use crate::sys::threads::Stacks;
use crate::vm::{BARE_STACK_BYTES, Shape};

/// Names what was being done in an error of the system.
pub(super) fn setup<T>(what: &str, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Setup {
        what: what.to_owned(),
        why: error.to_string(),
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
    let cold = match assignment.temperature {
        Temperature::Hot => None,
        Temperature::Cold {
            evict_bytes,
            idle_us,
        } => Some(setup(
            "could not map the eviction buffer",
            Cold::new(evict_bytes, idle_us),
        )?),
    };
    let stacks = stacks_of(&shape)?;
    let pages = sample_of(&shape, &assignment);
    let pages = setup("could not map the list of pages", pages)?;
    if assignment.fixed_addresses {
        setup(
            "could not switch off address-space randomisation",
            fix_addresses(),
        )?;
    }
    let stamps = match (assignment.pass, &assignment.program) {
        (Pass::Stamping, Program::Embedded) => Some(inheritable(records)),
        // A program of the user's shall neither see nor spoil the records; its
        // stamping ends with the exec.
        (Pass::Stamping, Program::Path { .. }) => Some(records.as_fd().try_clone_to_owned()),
        _ => None,
    };
    let stamps = setup("could not hand the records on", stamps.transpose())?;
    let (contenders, unavailable) = contenders(&assignment, &shared, stamps.as_ref())?;
    let extras = assignment.extras_of(&unavailable);
    let schedule = schedule(assignment.seed, &extras, assignment.turns);
    let mut instrument = setup("could not trim the worker", leave_libraries_out_of_forks())?;
    instrument.extend(
        [
            Some(shared.range()),
            pages.range(),
            stacks.as_ref().map(Stacks::range),
            cold.as_ref().map(Cold::range),
        ]
        .into_iter()
        .flatten(),
    );
    let prepared = Prepared {
        instrument,
        unavailable,
        execve: execve_address(),
    };
    let course = Course {
        assignment,
        shared,
        contenders,
        schedule,
    };
    let ready = Ready {
        shape,
        pages,
        stacks,
        cold,
        course,
        _stamps: stamps,
    };
    Ok((ready, prepared))
}

/// The stacks of the threads that have none of their own.
fn stacks_of(shape: &Shape) -> Result<Option<Stacks>, Failure> {
    if shape.bare_threads == 0 {
        return Ok(None);
    }
    let bytes = usize::try_from(BARE_STACK_BYTES).expect("a stack is small");
    let stacks = Stacks::map(shape.bare_threads, bytes);
    setup("could not map the stacks of the threads", stacks).map(Some)
}

/// A sample of the pages that the shape will touch.
fn sample_of(shape: &Shape, assignment: &Assignment) -> io::Result<Pages> {
    let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let all = shape.rewritable_pages(page_size() as u64) + assignment.rewritable_likeness;
    Pages::sample(whole(assignment.rewrite_pages), whole(all))
}

/// Methods that do not work here, and why.
type Unavailable = Vec<(SpawnMethod, String)>;

/// The methods that work here, each tried once, and the reasons of the others.
fn contenders(
    assignment: &Assignment,
    shared: &SharedWords,
    stamps: Option<&OwnedFd>,
) -> Result<(Vec<Contender>, Unavailable), Failure> {
    let place = |word: usize| (size_of::<u64>() * (stamp_words::START + word)) as u64;
    let fd = stamps.map(AsRawFd::as_raw_fd);
    let image = match (&assignment.program, fd) {
        (Program::Embedded, Some(fd)) => {
            let offset = place(stamp_words::PROGRAM);
            ExecImage::stamping(&assignment.environment, fd, offset)
        }
        (Program::Embedded, None) => ExecImage::embedded(&assignment.environment),
        (Program::Path { path, argv }, _) => {
            ExecImage::of_path(path, argv, &assignment.environment)
        }
    };
    let image = Rc::new(setup("could not prepare the program", image)?);
    let action = match assignment.child {
        ChildAction::Exec => Action::Exec(Rc::clone(&image)),
        ChildAction::Exit => Action::Exit,
    };
    let action = match fd {
        Some(fd) => {
            let offset = place(stamp_words::CHILD);
            Action::Stamped(StampTo { fd, offset }, Box::new(action))
        }
        None => action,
    };
    let null = match assignment.redirects {
        true => Some(setup("could not open /dev/null", inheritable_null())?),
        false => None,
    };
    let action = match null {
        Some(null) => Action::Redirected(null, Box::new(action)),
        None => action,
    };
    let mut working = Vec::new();
    let mut unavailable = Vec::new();
    for method in assignment.methods.iter().copied() {
        let spawner = setup(method.name(), spawner(method, &action, &image, null))?;
        let mut contender = Contender {
            method,
            spawner,
            rehearsals: 0,
        };
        match try_once(&mut contender, shared.words()) {
            Ok(_) => working.push(contender),
            // Only a system call that a kernel or a filter may lack is excused.
            Err(Failure::Spawn {
                method: SpawnMethod::Clone3Vfork,
                why,
            }) => {
                let reason =
                    format!("clone3 with CLONE_CLEAR_SIGHAND needs Linux 5.5 and no filter: {why}");
                unavailable.push((method, reason));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((working, unavailable))
}

/// A descriptor of /dev/null that children inherit, for the rest of the worker's
/// life.
fn inheritable_null() -> io::Result<i32> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(inheritable(&null)?.into_raw_fd())
}

fn spawner(
    method: SpawnMethod,
    action: &Action,
    image: &Rc<ExecImage>,
    null: Option<i32>,
) -> io::Result<Box<dyn Spawn>> {
    let image = || Rc::clone(image);
    let action = action.clone();
    let redirected = |plain: PosixSpawn| match null {
        Some(null) => plain.redirecting(null),
        None => Ok(plain),
    };
    Ok(match method {
        SpawnMethod::Fork => Box::new(Fork::new(action)),
        SpawnMethod::Vfork => Box::new(Vfork::new(action)?),
        SpawnMethod::PosixSpawn => Box::new(redirected(PosixSpawn::new(image()))?),
        SpawnMethod::PosixSpawnUsevfork => {
            Box::new(redirected(PosixSpawn::with_usevfork(image())?)?)
        }
        SpawnMethod::Clone3Vfork => Box::new(Clone3Vfork::new(action)),
        SpawnMethod::Std => Box::new(StdCommand::new(image())),
        SpawnMethod::System => Box::new(System::new(image())?),
    })
}
