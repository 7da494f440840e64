//! The worker's life: prepare, inflate, run, one answer for each order.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::build::build;
use super::measure::{self, Contender, Limits, try_once};
use super::pause::{Cold, Hot, Pause};
use super::probe::{ClockOnly, CounterProbe, Probe, UsageProbe};
use super::protocol::{
    Assignment, Done, Failure, MOST_COUNTERS, Order, Pass, Prepared, Refused, Reply, receive,
    schedule, send,
};
use crate::model::{ChildAction, Placement, Program, SpawnMethod, Temperature};
use crate::sys::clock::now_ns;
use crate::sys::image::ExecImage;
use crate::sys::memory::{leave_libraries_out_of_forks, page_size};
use crate::sys::perf::{Counter, Counters, Scope};
use crate::sys::process;
use crate::sys::shared::SharedWords;
use crate::sys::spawn::{Action, Clone3Vfork, Fork, PosixSpawn, Spawn, StdCommand, System, Vfork};
use crate::vm::Shape;

/// The name (`argv[0]`) under which the tool starts itself as a worker.
pub const NAME: &str = "forktax-worker";

/// Whether this process was started as a worker.
pub fn is_worker() -> bool {
    std::env::args_os().next().is_some_and(|name| name == NAME)
}

/// Serves the lab on stdin until it hangs up.
///
/// # Errors
/// Those of the descriptors that the lab should have given, and of losing it.
pub fn serve() -> io::Result<()> {
    process::die_with_parent()?;
    process::restore_sigpipe();
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let records = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    process::silence_stdio()?;
    let mut orders = BufReader::new(control.try_clone()?);
    let mut worker = Worker {
        records: Some(records),
        ready: None,
    };
    while let Some(order) = receive(&mut orders)? {
        let reply = catch_unwind(AssertUnwindSafe(|| worker.obey(order)))
            .unwrap_or_else(|panic| Err(Failure::Panic(words_of(panic.as_ref()))))
            .unwrap_or_else(Reply::Failed);
        send(&control, &reply)?;
    }
    Ok(())
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

/// The state between two orders.
struct Worker {
    records: Option<File>,
    ready: Option<Ready>,
}

/// All that the loop needs, prepared.
struct Ready {
    assignment: Assignment,
    shape: Shape,
    shared: SharedWords,
    contenders: Vec<Contender>,
    cold: Option<Cold>,
    schedule: Vec<u8>,
}

impl Worker {
    fn obey(&mut self, order: Order) -> Result<Reply, Failure> {
        match order {
            Order::Prepare(assignment) => {
                let records = self.records.take().ok_or_else(|| out_of_turn("Prepare"))?;
                let (ready, prepared) = prepare(*assignment, &records)?;
                self.ready = Some(ready);
                Ok(Reply::Prepared(prepared))
            }
            Order::Inflate => {
                let ready = self.ready.as_ref().ok_or_else(|| out_of_turn("Inflate"))?;
                let begin = now_ns();
                build(&ready.shape)?;
                Ok(Reply::Inflated {
                    took_ns: now_ns() - begin,
                })
            }
            Order::Run => {
                let ready = self.ready.as_mut().ok_or_else(|| out_of_turn("Run"))?;
                ready.run().map(Reply::Done)
            }
        }
    }
}

fn out_of_turn(order: &str) -> Failure {
    Failure::Setup {
        what: format!("the order {order}"),
        why: "came out of turn".to_owned(),
    }
}

fn setup<T>(what: &str, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Setup {
        what: what.to_owned(),
        why: error.to_string(),
    })
}

fn prepare(assignment: Assignment, records: &File) -> Result<(Ready, Prepared), Failure> {
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
    let shared = setup("could not map the records", shared)?;
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
    let (contenders, unavailable) = contenders(&assignment, &shared)?;
    let extras = assignment.extras_of(&unavailable);
    let schedule = schedule(assignment.seed, &extras, assignment.turns);
    let mut instrument = setup("could not trim the worker", leave_libraries_out_of_forks())?;
    instrument.extend(
        [Some(shared.range()), cold.as_ref().map(Cold::range)]
            .into_iter()
            .flatten(),
    );
    let prepared = Prepared {
        instrument,
        unavailable,
    };
    Ok((
        Ready {
            assignment,
            shape,
            shared,
            contenders,
            cold,
            schedule,
        },
        prepared,
    ))
}

/// Methods that do not work here, and why.
type Unavailable = Vec<(SpawnMethod, String)>;

/// The methods that work here, each tried once, and the reasons of the others.
fn contenders(
    assignment: &Assignment,
    shared: &SharedWords,
) -> Result<(Vec<Contender>, Unavailable), Failure> {
    let image = match &assignment.program {
        Program::Embedded => ExecImage::embedded(&assignment.environment),
        Program::Path { path, argv } => ExecImage::of_path(path, argv, &assignment.environment),
    };
    let image = Rc::new(setup("could not prepare the program", image)?);
    let mut working = Vec::new();
    let mut unavailable = Vec::new();
    for method in assignment.methods.iter().copied() {
        let spawner = setup(method.name(), spawner(method, assignment.child, &image))?;
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

fn spawner(
    method: SpawnMethod,
    child: ChildAction,
    image: &Rc<ExecImage>,
) -> io::Result<Box<dyn Spawn>> {
    let image = || Rc::clone(image);
    let action = match child {
        ChildAction::Exec => Action::Exec(image()),
        ChildAction::Exit => Action::Exit,
    };
    Ok(match method {
        SpawnMethod::Fork => Box::new(Fork::new(action)),
        SpawnMethod::Vfork => Box::new(Vfork::new(action)?),
        SpawnMethod::PosixSpawn => Box::new(PosixSpawn::new(image())),
        SpawnMethod::PosixSpawnUsevfork => Box::new(PosixSpawn::with_usevfork(image())?),
        SpawnMethod::Clone3Vfork => Box::new(Clone3Vfork::new(action)),
        SpawnMethod::Std => Box::new(StdCommand::new(image())),
        SpawnMethod::System => Box::new(System::new(image())?),
    })
}

impl Ready {
    fn run(&mut self) -> Result<Done, Failure> {
        self.warm_up()?;
        match self.assignment.pass {
            Pass::Timing | Pass::Sampling => self.record(&mut ClockOnly).map(spawns_only),
            Pass::Accounting => self.record(&mut UsageProbe::default()).map(spawns_only),
            Pass::Counting => self.count(),
        }
    }

    /// One spawn of each method from the inflated space: the first fork after
    /// an inflation pays for what later ones find done.
    fn warm_up(&mut self) -> Result<(), Failure> {
        // A cold spawn shall find nothing that its own method has left, and
        // where there is one method alone the spawn before is its own anyway.
        let rehearses = self.cold.is_none() && self.contenders.len() > 1;
        for contender in &mut self.contenders {
            try_once(contender, self.shared.words())?;
            contender.rehearsals = u8::from(rehearses);
        }
        Ok(())
    }

    fn record(&mut self, probe: &mut impl Probe) -> Result<usize, Failure> {
        match self.cold.take() {
            Some(mut cold) => self.record_paused(probe, &mut cold),
            None => self.record_paused(probe, &mut Hot),
        }
    }

    fn record_paused(
        &mut self,
        probe: &mut impl Probe,
        pause: &mut impl Pause,
    ) -> Result<usize, Failure> {
        let turn = self.contenders.len();
        let extras = self.schedule.len() - turn * self.assignment.turns;
        let limits = Limits {
            extras,
            turn,
            least_spawns: extras + turn * self.assignment.least_turns,
            slice_ns: self.assignment.slice_ns,
        };
        measure::run(
            &mut self.contenders,
            &self.schedule,
            limits,
            self.shared.words(),
            probe,
            pause,
        )
    }

    /// Opens the counters only now, so that nothing before is disturbed.
    fn count(&mut self) -> Result<Done, Failure> {
        let own = Counters::open(Scope::Own, &Counter::ALL);
        let opened: Vec<Counter> = own.counters.opened().to_vec();
        let family = Counters::open(Scope::Family, &opened);
        let mut refused: Vec<Refused> = Vec::new();
        for (counter, error) in own.failures.iter().chain(&family.failures) {
            refused.push(Refused {
                counter: counter.name().to_owned(),
                reason: error.to_string(),
                remedy: Some(error.remedy()),
            });
        }
        if let Some((_, error)) = family.failures.first() {
            // One side alone cannot be told apart into parent and child.
            let (reason, remedy) = (error.to_string(), Some(error.remedy()));
            refused.extend(opened.iter().map(|counter| Refused {
                counter: counter.name().to_owned(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            }));
        }
        if opened.is_empty() || !family.failures.is_empty() {
            return Ok(Done {
                refused,
                ..Done::default()
            });
        }
        let (own, family) = (own.counters, family.counters);
        assert!(
            opened.len() <= MOST_COUNTERS,
            "a record has room for every counter"
        );
        setup(
            "could not start the counters",
            own.enable().and_then(|()| family.enable()),
        )?;
        let mut probe = CounterProbe::new(own, family);
        let spawns = self.record(&mut probe)?;
        let (own, family) = setup("could not read the counters", probe.finish())?;
        let shares = own.shares().into_iter().zip(family.shares());
        Ok(Done {
            spawns,
            counters: opened
                .iter()
                .map(|counter| counter.name().to_owned())
                .collect(),
            refused,
            shares: shares.map(|(own, family)| own.min(family)).collect(),
        })
    }
}

fn spawns_only(spawns: usize) -> Done {
    Done {
        spawns,
        ..Done::default()
    }
}
