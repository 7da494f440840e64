//! The lab: launches workers, interleaves them, reads what the kernel says of
//! them, and puts their records together into a document. Of any process it takes the
//! [`shape`], without stopping, tracing or changing it.
//!
//! It decides what is measured when; the measuring itself is the worker's, and
//! what the figures mean is said by `analysis`. It prints nothing.

pub mod callers;
pub mod census;
pub mod error;
pub mod ground;
pub mod host;
pub mod kernel;
pub mod limits;
pub mod linux;
pub mod noise;
pub mod path;
pub mod programs;
pub mod shape;

mod advise;
mod assemble;
mod card;
mod caveats;
mod count;
mod cpu_time;
mod duet;
mod explain;
mod group;
mod jobs;
mod outcome;
mod outlook;
mod preflight;
mod process;
mod prospect;
mod reference;
mod replica;
mod reproduce;
mod rounds;
mod run;
mod runner;
mod samples;
mod session;
mod sweep;
mod trace;
mod tried;
mod versus;

pub use outcome::{Outcome, Progress};
pub use prospect::LONGEST_S;
pub use run::{least_rounds, run};
pub use trace::{Dearest, Watched, watch};
pub use versus::{Versus, run as run_versus};
