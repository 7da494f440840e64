//! The worker's life: prepare, inflate, run, one answer for each order.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::build::build;
use super::prepare::prepare;
use super::protocol::{Failure, Reply, Request, receive, send};
use super::ready::Ready;
use crate::model::Likeness;
use crate::sys::clock::now_ns;
use crate::sys::memory::{page_size, trim_heap};
use crate::sys::process;
use crate::vm::PlacedLikeness;

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

impl Worker {
    fn obey(&mut self, order: Request) -> Result<Reply, Failure> {
        match order {
            Request::Prepare(assignment) => {
                let records = self.records.take().ok_or_else(|| out_of_turn("Prepare"))?;
                let (ready, prepared) = prepare(*assignment, &records)?;
                self.ready = Some(ready);
                // What was freed by now shall not be given back later, between two censuses.
                trim_heap();
                Ok(Reply::Prepared(prepared))
            }
            Request::Inflate(likeness) => {
                let ready = self.ready.as_mut().ok_or_else(|| out_of_turn("Inflate"))?;
                let took_ns = inflate(ready, likeness)?;
                let generations = ready.line.later.clone();
                Ok(Reply::Inflated {
                    took_ns,
                    generations,
                    helpers: ready.line.helpers.clone(),
                })
            }
            Request::Run => {
                let ready = self.ready.as_mut().ok_or_else(|| out_of_turn("Run"))?;
                ready.run().map(Reply::Done)
            }
            Request::Turns(turns) => {
                let ready = self.ready.as_mut().ok_or_else(|| out_of_turn("Turns"))?;
                ready.turns(turns).map(Reply::Done)
            }
            Request::Alone(method) => {
                let ready = self.ready.as_mut().ok_or_else(|| out_of_turn("Alone"))?;
                ready.alone(method).map(Reply::Done)
            }
            Request::Accompany(method) => {
                let ready = self.ready.as_mut();
                let ready = ready.ok_or_else(|| out_of_turn("Accompany"))?;
                ready.accompany(method).map(Reply::Done)
            }
        }
    }
}

/// Builds the address space; how long that took. The list of another process's mappings
/// is gone afterwards, and the heap that it took.
fn inflate(ready: &mut Ready, likeness: Option<Box<Likeness>>) -> Result<u64, Failure> {
    let has_list = likeness.is_some();
    if let Some(likeness) = likeness {
        let placed = PlacedLikeness::of(&likeness, page_size() as u64);
        ready.shape.likeness = Some(placed.map_err(|error| Failure::Setup {
            what: "could not lay out the address space".to_owned(),
            why: error.to_string(),
        })?);
    }
    let begin = now_ns();
    ready.line = build(&ready.shape, &mut ready.pages, ready.alone)?;
    let took_ns = now_ns() - begin;
    if has_list {
        ready.shape.likeness = None;
        trim_heap();
    }
    Ok(took_ns)
}

fn out_of_turn(order: &str) -> Failure {
    Failure::Setup {
        what: format!("the order {order}"),
        why: "came out of turn".to_owned(),
    }
}
