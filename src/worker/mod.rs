//! The worker: the process that is inflated and that spawns.
//!
//! The tool re-executes itself for every address space and pass, so that no
//! figure inherits another's page tables, anon_vma chains or fragmentation. The
//! worker does what it is ordered to and nothing else: in one thread (those that it
//! may be inflated with only sleep), no arguments of its own, no allocation inside
//! the loop. It may use `model`,
//! `vm` and `sys`; it knows neither `lab` nor `report` nor `cli`.

mod build;
mod measure;
mod pause;
mod prepare;
mod probe;
pub mod protocol;
mod reader;
mod ready;
mod serve;

pub use reader::{is_reader, read};
pub use serve::{NAME, is_worker, serve};
