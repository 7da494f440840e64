//! forktax tells what a process spawn costs on a Linux host, and why.
//!
//! Data flows one way: arguments become a [`model::Plan`], the [`lab`] runs it
//! with fresh [`worker`] processes, makes figures of their samples and fills a
//! [`model::Document`], [`analysis`] says what follows from the figures, a view makes
//! tables of both, and a renderer turns those into bytes. The modules, from the ground
//! up; none imports one below itself in this list:
//!
//! - [`units`]: numbers as people type and read them, and texts of others;
//! - [`stats`]: pure, seeded estimates with intervals;
//! - [`model`]: the vocabulary, as serde types;
//! - [`vm`]: what an address space is to be, pure;
//! - [`analysis`]: from what was measured to what may be said of it, pure;
//! - [`sys`]: system calls and the only `unsafe` code;
//! - [`profile`]: what the kernel's records and samples say, pure;
//! - [`worker`]: the process that is inflated and that spawns;
//! - [`lab`]: the experiment, and what `/proc` says of a process;
//! - [`report`]: document to text, pure;
//! - [`store`]: cards kept for later runs;
//! - [`cli`]: arguments, exit codes, printing.

pub mod analysis;
pub mod cli;
pub mod lab;
pub mod model;
pub mod profile;
pub mod report;
pub mod store;
pub mod sys;
pub mod units;
pub mod vm;
pub mod worker;

pub use forktax_stats as stats;
