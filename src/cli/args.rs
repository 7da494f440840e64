//! The arguments as typed. What they mean together is `plan`'s to decide.

mod advise;
mod card;
mod compare;
mod export;
mod names;
mod process;
mod reproduce;
mod shape;
mod shown;
mod trace;
mod versus;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Parser, ValueEnum};

use crate::units::{Blocks, parse_count, parse_duration};

pub(super) use advise::AdviseArgs;
pub(super) use card::CardArgs;
pub(super) use compare::CompareArgs;
pub(super) use export::{ExportArg, export};
pub(super) use names::MethodArg;
pub(super) use process::ProcessArgs;
pub(super) use reproduce::{ReproduceArgs, study_names};
pub(super) use shape::{ShapeArgs, ShapeFormatArg};
pub(super) use shown::ShownArgs;
pub(super) use trace::TraceArgs;
pub(super) use versus::VersusArgs;

const AFTER_HELP: &str = "\
Exit status:
  0      all that was asked for was measured and written; what this host does
         not give is n/a
  1      measuring failed; forktax compare: a line is dearer than --fail-above
         allows; forktax trace: something that --fail-on names was found
  2      bad arguments, or a limit of this host stands in the way; forktax
         compare: the results cannot be compared; forktax shape: there is no such
         process, or it may not be looked at
  3      the program that was to be spawned could not be started, crashed,
         hung, or exited with another status than 0
  4      a result, or a shape, could not be read or written
  5      --restore failed: the host may be as a setup left it
  128+N  ended by signal N; what was measured until then was printed and exported
  other  forktax trace passes on the status of its command";

/// The command that options without one belong to.
pub(super) const DEFAULT_COMMAND: &str = "sweep";

/// Tells what a process spawn costs on this host, and why.
///
/// Without a command: `forktax sweep`, to which options alone belong as well.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Inflate address spaces, time the ways to spawn from them, explain the difference.
    ///
    /// Each address space is built in fresh worker processes and verified against
    /// /proc before anything is timed. In each worker the methods take turns, spawn
    /// by spawn. The report begins with its verdict and ends with what its columns mean.
    Sweep(Box<SweepArgs>),
    /// Say where the time of one spawn goes, phase by phase and mechanism by mechanism.
    ///
    /// One address space, and an empty worker beside it. The phases of a spawn are
    /// cut by stamps of parent, child and program and by the kernel's own records;
    /// the kernel's work is sampled by call chains where that is permitted. Page
    /// faults, page tables and the price of writing again to what a fork left
    /// write-protected are told beside. Each comes from workers of its own.
    Explain(Box<ExplainArgs>),
    /// Measure again what others have published of spawning, and print both.
    ///
    /// A study is a set of parents, or of programs that spawn in a loop, with the
    /// figures that were printed of them. Its parents are built and spawned from as
    /// in a sweep, with its methods and its child; sizes that this host has no room
    /// for are halved, all of them, until they fit.
    Reproduce(Box<ReproduceArgs>),
    /// Measure what this host charges for a spawn, unit by unit: its price list.
    ///
    /// Many parents of different shapes are forked and a price is fitted to each unit
    /// that a fork pays for: a mapping, a page-table entry, a page table. Other prices
    /// are differences: of open files, threads, the environment, programs. The card
    /// grades itself by parents that the fit did not know.
    Card(Box<CardArgs>),
    /// Set two stored results side by side, and say what became dearer or cheaper.
    ///
    /// Two sweeps are compared call by call and total by total, two cards price by price
    /// and parent by parent, two explanations phase by phase, two explained processes rung
    /// by rung, with a verdict where chance does not explain the difference. The verdict names what differs between the hosts and the conditions of the two runs.
    Compare(CompareArgs),
    /// Try remedies on the address space of a live process, and print what each gained.
    ///
    /// Its shape is rebuilt in workers, as forktax explain --pid does, and each remedy is
    /// applied to that: another way to spawn, mappings that forks leave out, huge pages,
    /// fewer descriptors and threads. What is told as a remedy and is none is tried too,
    /// or it is said why not. Without a process: on the parent of the options, as in a
    /// sweep.
    Advise(Box<AdviseArgs>),
    /// Look at a live process, or at its shape in a file: what a fork of it has to copy.
    ///
    /// Its mappings, which of their pages are its own, a file's, swapped out or huge, its
    /// open files and threads: all from /proc, without stopping, tracing or changing it.
    /// With --export that becomes a file without any of the memory's contents.
    Shape(ShapeArgs),
    /// Watch a program: by which calls it spawns, from where in its code, and what of.
    ///
    /// A command is started and followed with all its descendants, or a process that runs
    /// already; by ptrace(2), without any privilege. Each way to spawn is told with its
    /// system call, whether it copies the address space, the library's function and the
    /// program's own that called it. --fail-on makes a check of it for tests of programs
    /// that must not fork.
    Trace(Box<TraceArgs>),
    /// Print a stored result, or a stored comparison, again, in any format.
    Show(ShowArgs),
    /// Print the JSON Schema of what forktax writes as JSON: every field and its meaning.
    Schema(SchemaArgs),
}

impl Command {
    /// Whether it reads of processes, and not of files alone.
    pub(super) fn looks_at_processes(&self) -> bool {
        match self {
            // Who is watched is left as it is: nobody ends what it leaves behind.
            Self::Compare(_) | Self::Show(_) | Self::Schema(_) | Self::Trace(_) => false,
            Self::Shape(args) => args.pid.is_some(),
            Self::Reproduce(args) => !args.list,
            _ => true,
        }
    }

    /// What undoes what the host is set to.
    pub(super) fn restore(&self) -> Option<&str> {
        let versus = match self {
            Self::Sweep(args) => &args.versus,
            Self::Explain(args) => &args.versus,
            Self::Reproduce(args) => &args.versus,
            _ => return None,
        };
        versus.restore.as_deref()
    }
}

/// The arguments of a sweep.
#[derive(Debug, Parser)]
#[command(
    after_help = AFTER_HELP,
    mut_arg("precision", |arg| and(arg, "[default: 2%; none with --spawns]")),
    mut_arg("time", |arg| and(arg, "[default: 13s; none with --spawns, or --precision alone]"))
)]
pub(super) struct SweepArgs {
    /// Mappings to add to the worker: a list such as 0,100,1k,10k
    /// [default: 0,100,1k,10k; with --huge 0,10,100,500; 0 with a list in --fds,
    /// --threads or --jobs, of which only one may be a list]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(super) mappings: Option<Vec<u64>>,

    #[command(flatten)]
    pub(super) space: SpaceArgs,

    #[command(flatten)]
    pub(super) beside: BesideArgs,

    /// Parents that spawn at once, each on a CPU of its own (but for --cpu any), of which one
    /// is timed: a number for all, or a list such as 1,2,4; not with --cold [default: 1]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(super) jobs: Option<Vec<u64>>,

    /// Ways to spawn, a list
    /// [default: fork,vfork,posix_spawn, or those that can with --child exit]
    #[arg(long = "method", value_name = "LIST", value_delimiter = ',', value_parser = names::method())]
    pub(super) methods: Option<Vec<MethodArg>>,

    #[command(flatten)]
    pub(super) spawning: SpawningArgs,

    #[command(flatten)]
    pub(super) versus: VersusArgs,

    #[command(flatten)]
    pub(super) output: OutputArgs,

    /// The program that the children execute, and its arguments; its standard
    /// output goes to /dev/null [default: an embedded program of three instructions]
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    pub(super) program: Vec<String>,
}

/// The arguments of an explanation.
#[derive(Debug, Parser)]
#[command(
    after_help = AFTER_HELP,
    mut_arg("precision", |arg| and(arg, "[default: none]")),
    mut_arg("time", |arg| and(
        arg,
        "[default: 20s, with --ledger 40s, of a large process longer; none with --spawns, or \
         --precision alone]"
    )),
    mut_arg("export", |arg| and(
        arg,
        "Also .svg (the ledger, or whose the cost is), .folded and .flame.svg (the stacks)"
    ))
)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) process: ProcessArgs,

    /// Mappings to add to the worker [default: 1k; with --huge 100]
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with = "process")]
    pub(super) mappings: Option<u64>,

    #[command(flatten)]
    pub(super) space: SpaceArgs,

    /// Ways to spawn, a list
    /// [default: fork,posix_spawn, of a process vfork and fork+pipe too; with --child exit
    /// those that can]
    #[arg(long = "method", value_name = "LIST", value_delimiter = ',', value_parser = names::method())]
    pub(super) methods: Option<Vec<MethodArg>>,

    /// For a process: say besides where the time of its forks goes, phase by phase and
    /// mechanism by mechanism, as for other parents; it takes half of the time
    #[arg(long, requires = "process")]
    pub(super) ledger: bool,

    /// Samples of the kernel's call chains in each second of CPU time; more of
    /// them narrow the shares and disturb what they measure
    #[arg(long, value_name = "N", default_value = "1k", value_parser = parse_count)]
    pub(super) hz: u64,

    /// Pages that the parent writes to again after a spawn, to see what that costs
    /// it; 0 for none [default: 1k, or all there are; of a process only with this option,
    /// or with --ledger]
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "1k",
        value_parser = parse_count
    )]
    pub(super) rewrite: Option<u64>,

    /// Draw the tree of page tables below the largest of the mappings
    #[arg(long)]
    pub(super) tree: bool,

    #[command(flatten)]
    pub(super) spawning: SpawningArgs,

    #[command(flatten)]
    pub(super) versus: VersusArgs,

    #[command(flatten)]
    pub(super) output: OutputArgs,

    /// The program that the children execute, and its arguments; its standard
    /// output goes to /dev/null [default: an embedded program that stamps its start]
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    pub(super) program: Vec<String>,
}

/// What the address space is made of.
#[derive(Debug, clap::Args)]
pub(super) struct SpaceArgs {
    /// Pages to write to in each mapping; 0 leaves them untouched
    /// [default: 1; with --malloc 0]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(super) pages: Option<u64>,

    /// Distance of those pages, in pages: 512 puts each into a page table of its own
    #[arg(long, value_name = "PAGES", default_value = "1", value_parser = parse_count)]
    pub(super) spacing: u64,

    /// What the mappings are made of
    #[arg(long, value_enum, default_value = "anon")]
    pub(super) backing: BackingArg,

    /// Whether mappings have holes between them, or touch and differ in protection alone,
    /// so that they share one anon_vma
    #[arg(long, value_enum, default_value = "apart")]
    pub(super) neighbours: NeighboursArg,

    /// Ask for transparent huge pages; each mapping then holds whole ones
    #[arg(long)]
    pub(super) huge: bool,

    /// Grow the heap with malloc instead, e.g. 1000x100000
    #[arg(
        long,
        value_name = "COUNTxBYTES",
        conflicts_with_all = ["mappings", "backing", "neighbours", "huge"]
    )]
    pub(super) malloc: Option<Blocks>,
}

/// What the parent has besides its memory.
#[derive(Debug, clap::Args)]
pub(super) struct BesideArgs {
    /// Descriptors to open in the worker, each a file of its own: a number for all
    /// parents, or a list such as 0,100,1k,10k
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(super) fds: Option<Vec<u64>>,

    /// Have an exec close those descriptors (O_CLOEXEC), instead of the child's exit
    #[arg(long, requires = "fds")]
    pub(super) cloexec: bool,

    /// Idle threads to start in the worker: a number for all parents, or a list such
    /// as 0,10,100
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(super) threads: Option<Vec<u64>>,
}

/// How is spawned, where, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct SpawningArgs {
    #[command(flatten)]
    pub(super) child: ChildArgs,

    /// Spawns of each method from each address space; without --time and
    /// --precision this alone ends the run
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(super) spawns: Option<u64>,

    #[command(flatten)]
    pub(super) temperature: TemperatureArgs,

    #[command(flatten)]
    pub(super) running: RunningArgs,
}

/// What the children do.
#[derive(Debug, clap::Args)]
pub(super) struct ChildArgs {
    /// What the child does: execute the program, or leave at once with _exit
    /// [default: exec; for a fork server of AFL's exit]
    #[arg(long, value_enum)]
    pub(super) child: Option<ChildArg>,
}

/// What happens between two spawns.
#[derive(Debug, clap::Args)]
pub(super) struct TemperatureArgs {
    /// Evict the caches and idle before each spawn, as for a server that forks
    /// now and then; the default is hot, as for a fuzzer
    #[arg(long)]
    pub(super) cold: bool,
}

/// Two programs that are set beside each other.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// A statically linked program, and its arguments, to tell the start of libc
    /// [default: one of those that many hosts have, such as ldconfig]
    #[arg(long, value_name = "COMMAND")]
    pub(super) static_program: Option<String>,

    /// A dynamically linked program, and its arguments, to tell what the loader takes
    /// [default: true]
    #[arg(long, value_name = "COMMAND")]
    pub(super) dynamic_program: Option<String>,
}

/// For how long is measured, where, and in which environment.
#[derive(Debug, clap::Args)]
pub(super) struct RunningArgs {
    /// Stop once every total's 95 % interval is within this share of its median,
    /// e.g. 0.01 or 1%; without --time the run goes on until then, for 10 minutes at the
    /// most, or ends after one that shows that these will not do
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) precision: Option<f64>,

    /// Stop after this time: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) time: Option<Duration>,

    /// The longest that one spawn may take, until the child has ended
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(super) timeout: Duration,

    /// Run parent and children on this CPU, or wherever the scheduler puts them
    /// (any) [default: the quietest that this process may use, the last of such as are
    /// alike]
    #[arg(long, value_name = "N|any", value_parser = parse_cpu)]
    pub(super) cpu: Option<CpuArg>,

    /// Seed of the random orders and of the intervals [default: from the clock]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(super) seed: Option<u64>,

    /// A variable for the environment of worker and children, which holds only
    /// PATH and LC_ALL otherwise; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(super) env: Vec<String>,
}

/// What becomes of the result.
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// What to print on stdout
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: FormatArg,

    /// Write the result to a file as well; .txt, .md, .csv or .json says how, or
    /// FORMAT=FILE, such as json=/dev/stdout. Repeatable; that the files can be written is
    /// checked before anything is measured
    #[arg(long, short = 'o', value_name = "FILE", value_parser = export())]
    pub(super) export: Vec<ExportArg>,

    /// No progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) shown: ShownArgs,
}

/// The same option, with more to say of it in one command's help.
fn and(arg: Arg, more: &str) -> Arg {
    let said = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{said} {more}"))
}

impl SweepArgs {
    /// What `forktax` alone means.
    pub(super) fn defaults() -> Self {
        Self::parse_from(["sweep"])
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// A result stored as JSON; - reads stdin
    #[arg(value_name = "FILE.json")]
    pub(super) file: PathBuf,

    /// What to print on stdout
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: FormatArg,

    /// Write the result to a file as well; .txt, .md, .csv or .json says how, for what has
    /// a picture .svg, and for an explanation .folded or .flame.svg; or FORMAT=FILE.
    /// Repeatable
    #[arg(long, short = 'o', value_name = "FILE", value_parser = export())]
    pub(super) export: Vec<ExportArg>,

    #[command(flatten)]
    pub(super) shown: ShownArgs,
}

/// The arguments of `forktax schema`.
#[derive(Debug, Parser)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value = "document")]
    pub(super) of: ContractArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ContractArg {
    /// The result of a run
    Document,
    /// What forktax compare writes
    Comparison,
    /// What forktax shape writes
    Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BackingArg {
    /// Private anonymous memory
    Anon,
    /// A private mapping of a file in memory: pages that are written to become copies
    File,
    /// Shared anonymous memory, whose page tables a fork does not copy
    Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NeighboursArg {
    /// With a hole after each
    Apart,
    /// Side by side, every second one read-only
    Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ChildArg {
    /// Execute the program
    Exec,
    /// Leave at once
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// Text for a terminal
    Table,
    /// GitHub's Markdown
    Markdown,
    /// One row for each address space and method, in base units; of an explanation,
    /// a study or a card one for each figure
    Csv,
    /// The whole document
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CpuArg {
    One(usize),
    Any,
}

fn parse_cpu(text: &str) -> Result<CpuArg, String> {
    if text == "any" {
        return Ok(CpuArg::Any);
    }
    let number = text.parse().map(CpuArg::One);
    number.map_err(|_| format!("{text:?} is neither the number of a CPU nor any"))
}

fn parse_share(text: &str) -> Result<f64, String> {
    let (number, scale) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |number| (number, 0.01));
    let share = number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * scale);
    let inside = share.filter(|share| *share > 0.0 && *share < 1.0);
    inside.ok_or_else(|| format!("{text:?} is no share between 0 and 1, such as 0.02 or 2%"))
}

fn parse_variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not of the form NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
        SweepArgs::defaults();
    }

    #[test]
    fn each_help_tells_the_defaults_of_its_own_command() {
        for (command, default) in [
            (SweepArgs::command(), "[default: 13s;"),
            (ExplainArgs::command(), "[default: 20s,"),
            (CardArgs::command(), "[default: 60s,"),
            (AdviseArgs::command(), "[default: 40s,"),
            (ReproduceArgs::command(), "[default: what --list says"),
        ] {
            let time = command.get_arguments().find(|arg| arg.get_id() == "time");
            let said = time.unwrap().get_help().unwrap().to_string();
            assert!(said.contains(default), "{said}");
            assert_eq!(said.matches("[default").count(), 1, "{said}");
        }
    }

    #[test]
    fn shares_are_taken_in_both_forms() {
        assert_eq!(parse_share("0.5"), Ok(0.5));
        assert_eq!(parse_share("2%"), Ok(0.02));
        for bad in ["0", "-1%", "100%", "1.5", "nan", "", "%"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }
}
