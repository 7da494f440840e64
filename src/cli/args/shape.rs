//! The arguments of a shape.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{AFTER_HELP, ExportArg, ShownArgs, export};

/// The arguments of a shape.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ShapeArgs {
    /// The process to look at; it is not stopped, traced or changed
    #[arg(
        long,
        value_name = "PID",
        value_parser = clap::value_parser!(i32).range(1..),
        required_unless_present_any = ["shape", "smaps"],
        conflicts_with_all = ["shape", "smaps"]
    )]
    pub(in crate::cli) pid: Option<i32>,

    /// A shape that was exported, to look at again; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) shape: Option<PathBuf>,

    /// A dump of /proc/PID/smaps, as people post them; - reads stdin
    #[arg(long, value_name = "FILE", conflicts_with = "shape")]
    pub(in crate::cli) smaps: Option<PathBuf>,

    /// Write the shape to a file as well; .json, .txt or .md says how, or FORMAT=FILE. Only
    /// JSON can be read again. A new file is readable to its owner alone, as it tells the
    /// addresses of a live process
    #[arg(long, short = 'o', value_name = "FILE", value_parser = export())]
    pub(in crate::cli) export: Option<ExportArg>,

    /// Leave out the process's name and the names of its files
    #[arg(long)]
    pub(in crate::cli) anonymous: bool,

    /// Do not read the flags of its mappings, such as MADV_DONTFORK: only smaps tells
    /// them, and while the kernel walks its largest mapping, calls of the process such as
    /// mmap(2) wait, some 13 ms for each GiB of small pages in it
    #[arg(long, conflicts_with_all = ["shape", "smaps"])]
    pub(in crate::cli) no_flags: bool,

    /// What to print on stdout
    #[arg(long, value_enum, default_value = "table")]
    pub(in crate::cli) format: ShapeFormatArg,

    #[command(flatten)]
    pub(in crate::cli) shown: ShownArgs,
}

/// What a shape can be printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ShapeFormatArg {
    /// Text for a terminal
    Table,
    /// GitHub's Markdown
    Markdown,
    /// The shape itself, in one line
    Json,
}
