//! The arguments that concern a live process.

use std::path::PathBuf;

/// Which process, or which shape of one.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
#[group(id = "process", multiple = false)]
pub(in crate::cli) struct ProcessArgs {
    /// Rebuild the address space of this live process; it is read from outside, and
    /// neither stopped nor slowed down
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(in crate::cli) pid: Option<i32>,

    /// Rebuild the shape that forktax shape --export has stored; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) shape: Option<PathBuf>,

    /// Rebuild what a dump of /proc/PID/smaps tells, as people post them; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) smaps: Option<PathBuf>,
}

impl ProcessArgs {
    /// Whether one is named.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.pid.is_some() || self.shape.is_some() || self.smaps.is_some()
    }
}
