//! The arguments of watching a program.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use super::{AFTER_HELP, OutputArgs};
use crate::model::Check;
use crate::units::parse_duration;

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

    /// Watch for this time only: 500ms, 10s, 2m; a command goes on by itself then
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) time: Option<Duration>,

    /// Time spawning calls and see those that fail, executions too: a seccomp filter is put
    /// on the command and stays on all its descendants, so that forktax stays until the last
    /// of them has ended. Without forktax their spawns would fail with ENOSYS
    #[arg(long, conflicts_with_all = ["pid", "time"])]
    pub(in crate::cli) call_times: bool,

    /// After the watching, try remedies on the shape that the process with the dearest copying
    /// spawns had, as forktax advise does, which takes 40 s or longer
    #[arg(long)]
    pub(in crate::cli) advise: bool,

    /// Exit with status 1 if one of these is found, a list: fork, copies (the address
    /// space), system, exec-failed, count>N, call>TIME; the last two of the kinds that
    /// need it turn --call-times on
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(in crate::cli) fail_on: Vec<Check>,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,

    /// The command to start and watch, and its arguments; it keeps stdin, stdout and
    /// stderr, and its exit status is passed on
    #[arg(last = true, value_name = "COMMAND ARGS")]
    pub(in crate::cli) command: Vec<OsString>,
}
