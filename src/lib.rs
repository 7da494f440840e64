//! forktax tells what a process spawn costs on a Linux host, and why.
//!
//! Data flows one way: arguments become a [`model::Plan`], the `lab` runs it
//! and fills a [`model::Document`], a view turns the document into tables, and
//! a renderer turns those into bytes. The modules, from the ground up:
//!
//! - [`stats`]: pure, seeded estimates with intervals;
//! - [`model`]: the vocabulary, as serde types;
//! - [`report`]: document to text, pure.

pub mod model;
pub mod report;
pub mod stats;
