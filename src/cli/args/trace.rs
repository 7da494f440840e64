//! The arguments of watching a program.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::{AFTER_HELP, OutputArgs};
use crate::model::{Check, TraceMeans};
use crate::units::parse_duration;

/// By what a program is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MeansArg {
    /// Stop who is watched at each spawn; needs no privilege
    Ptrace,
    /// Have the kernel write records on every CPU; a privilege
    Tracepoints,
}

impl From<MeansArg> for TraceMeans {
    fn from(means: MeansArg) -> Self {
        match means {
            MeansArg::Ptrace => Self::Ptrace,
            MeansArg::Tracepoints => Self::Tracepoints,
        }
    }
}

/// The arguments of watching a program.
#[derive(Debug, Parser)]
#[command(
    after_help = AFTER_HELP,
    mut_arg("format", |arg| arg.help(
        "What to print: on stderr after a command, as stdout is the command's, else on stdout"
    )),
    mut_arg("export", |arg| super::and(
        arg,
        "Also .svg (calls over the run) and .trace.json (a timeline for Perfetto, Chrome and \
         Firefox's profiler)"
    ))
)]
pub(in crate::cli) struct TraceArgs {
    /// Watch this process and its descendants, until it ends, --time is up or Ctrl-C
    #[arg(
        long,
        value_name = "PID",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with = "command"
    )]
    pub(in crate::cli) pid: Option<u32>,

    /// Watch all processes of the host, until --time is up or Ctrl-C; by tracepoints only
    #[arg(long, conflicts_with_all = ["command", "pid"])]
    pub(in crate::cli) all: bool,

    /// How to watch [default: by tracepoints where they can be had, else by ptrace]
    #[arg(long, value_name = "MEANS", value_enum)]
    pub(in crate::cli) by: Option<MeansArg>,

    /// Watch for this time only: 500ms, 10s, 2m; a command goes on by itself then
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) time: Option<Duration>,

    /// Time spawning calls and see those that fail, executions too. Tracepoints always do. By
    /// ptrace a seccomp filter is put on the command for it and stays on all its
    /// descendants, so that forktax stays until the last of them has ended: without forktax
    /// their spawns would fail with ENOSYS
    #[arg(long, conflicts_with_all = ["pid", "time", "all"])]
    pub(in crate::cli) call_times: bool,

    /// After the watching, try remedies on the shape that the process with the dearest copying
    /// spawns had, as forktax advise does, which takes 40 s or longer
    #[arg(long)]
    pub(in crate::cli) advise: bool,

    /// Exit with status 1 if one of these is found, a list: fork, copies (the address
    /// space), system, exec-failed, count>N, call>TIME; by ptrace, exec-failed and call turn
    /// --call-times on; a command that is checked is watched by ptrace
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(in crate::cli) fail_on: Vec<Check>,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,

    /// The command to start and watch, and its arguments; it keeps stdin, stdout and
    /// stderr, and its exit status is passed on
    #[arg(last = true, value_name = "COMMAND ARGS")]
    pub(in crate::cli) command: Vec<OsString>,
}
