//! forktax tells what a process spawn costs on a Linux host, and why.
//!
//! Data flows one way: arguments become a [`model::Plan`], the [`lab`] runs it
//! with fresh [`worker`] processes and fills a [`model::Document`], a view turns
//! the document into tables, and a renderer turns those into bytes. The modules,
//! from the ground up; none imports one below itself in this list:
//!
//! - [`units`]: numbers as people type and read them;
//! - [`stats`]: pure, seeded estimates with intervals;
//! - [`model`]: the vocabulary, as serde types;
//! - [`shape`]: a process's shape as a file, read with suspicion, pure;
//! - [`card`]: from measured parents to prices, pure;
//! - [`comparison`]: two results set side by side, pure;
//! - [`studies`]: what others have published, as data;
//! - [`profile`]: what samples of the CPU say, pure;
//! - [`vm`]: what an address space is to be, pure;
//! - [`live`]: a live process as trials, and from those to whose the cost is, pure;
//! - [`sys`]: the kernel's door and the only `unsafe` code;
//! - [`worker`]: the process that is inflated and that spawns;
//! - [`lab`]: the experiment;
//! - [`report`]: document to text, pure;
//! - [`store`]: cards kept for later runs;
//! - [`cli`]: arguments, exit codes, printing.

pub mod card;
pub mod cli;
pub mod comparison;
pub mod lab;
pub mod live;
pub mod model;
pub mod profile;
pub mod report;
pub mod shape;
pub mod stats;
pub mod store;
pub mod studies;
pub mod sys;
pub mod units;
pub mod vm;
pub mod worker;
