//! What leaves the program: results to stdout and files, talk to stderr.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use terminal_size::{Height, Width};

use super::args::{Args, ExportArg, FormatArg, ShownArgs};
use super::place::{self, Identity, Place};
use super::{exit, words};
use crate::model::Stored;
use crate::report::view::Block;
use crate::report::{self, Format, ReportError, Shown, Subject, WIDTH};
use crate::store::Found;
use crate::sys::stdout;
use crate::units::harmless;

/// The narrowest and the widest page that a text is laid out for.
const WIDTHS: [usize; 2] = [80, 200];

/// The most characters of a message, or of a line of one.
const LONGEST: usize = 4_096;

/// What every message begins with.
const PREFIX: &str = "forktax: ";

/// A result that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{object}: {why}")]
pub(super) struct OutputError {
    object: String,
    why: String,
}

impl OutputError {
    pub(super) fn new(object: impl ToString, why: &impl ToString) -> Self {
        Self {
            object: object.to_string(),
            why: why.to_string(),
        }
    }

    /// No card is stored that holds for this host.
    pub(super) fn of_store(found: &Found) -> Self {
        Self::new("--stored", found)
    }
}

/// The format that was asked for.
pub(super) fn format(arg: FormatArg) -> Format {
    match arg {
        FormatArg::Table => Format::Table,
        FormatArg::Markdown => Format::Markdown,
        FormatArg::Csv => Format::Csv,
        FormatArg::Json => Format::Json,
    }
}

/// Places that were looked at before the measuring, so that a bad path fails at once.
/// What is there stays until there is a result to replace it.
#[derive(Debug)]
pub(super) struct Exports(Vec<Export>);

#[derive(Debug)]
struct Export {
    path: PathBuf,
    place: Place,
    format: Format,
}

/// Refuses files that the coming result could not be written to.
pub(super) fn check(args: &[ExportArg], subject: Subject) -> Result<(), OutputError> {
    args.iter().try_for_each(|arg| {
        let checked = arg.format.check(subject);
        checked.map_err(|error| OutputError::new(arg.path.display(), &error))
    })
}

/// Refuses what the coming report does not have to show.
pub(super) fn check_shown(
    shown: &ShownArgs,
    subject: Subject,
    format: Format,
) -> Result<(), ReportError> {
    shown.on(WIDTH).check(subject, format)
}

impl Exports {
    /// Looks at all places. Nothing is created by that.
    pub(super) fn open(args: &[ExportArg]) -> Result<Self, OutputError> {
        let mut exports = Self(Vec::new());
        for arg in args {
            let fail = |why: &dyn Display| OutputError::new(arg.path.display(), &why);
            let place = Place::open(&arg.path, place::FOR_ALL).map_err(|error| fail(&error))?;
            exports.check(&place).map_err(|why| fail(&why))?;
            exports.0.push(Export {
                path: arg.path.clone(),
                place,
                format: arg.format,
            });
        }
        Ok(exports)
    }

    /// Refuses a file that is written to already, under this or another name.
    fn check(&self, place: &Place) -> Result<(), &'static str> {
        let Some(identity) = place.identity() else {
            return Ok(());
        };
        let mut others = self.0.iter().map(|export| export.place.identity());
        if others.any(|other| other == Some(identity)) {
            return Err("named twice, and each export would overwrite the other");
        }
        if place.is_replaced() && stdout_identity().as_ref() == Some(identity) {
            return Err("stdout goes there already, and would be overwritten: name another file");
        }
        Ok(())
    }

    /// Writes the whole report to every file, as far as that is possible, and
    /// returns the first error.
    pub(super) fn write(self, stored: &Stored) -> Result<(), OutputError> {
        let whole = Shown::default();
        let written = self.0.into_iter().map(|export| {
            let fail = |why: &dyn Display| OutputError::new(export.path.display(), &why);
            let bytes = report::render(stored, export.format, &whole).map_err(|why| fail(&why))?;
            export.place.fill(&bytes).map_err(|error| fail(&error))
        });
        // All of them are tried before the first error is returned.
        let written: Vec<Result<(), OutputError>> = written.collect();
        written.into_iter().collect()
    }
}

/// The regular file that stdout leads to.
fn stdout_identity() -> Option<Identity> {
    let stdout = io::stdout().as_fd().try_clone_to_owned().ok()?;
    place::identity(&stdout.into()).ok()?
}

/// Reads what was stored; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<Stored, OutputError> {
    if path == Path::new("-") {
        let parsed = report::parse(io::stdin().lock());
        return parsed.map_err(|error| OutputError::new("stdin", &error));
    }
    let fail = |why: &dyn Display| OutputError::new(path.display(), &why);
    let file = File::open(path).map_err(|error| fail(&error))?;
    report::parse(file).map_err(|error| fail(&error))
}

/// Prints a report on stdout, or what is wanted of it.
pub(super) fn print(stored: &Stored, arg: FormatArg, shown: &ShownArgs) -> Result<(), OutputError> {
    let bytes = report::render(stored, format(arg), &shown.on(width()));
    put(&bytes.map_err(|error| OutputError::new("stdout", &error))?)
}

/// Prints a report on stderr, where a command was run whose stdout is its own.
pub(super) fn print_beside(
    stored: &Stored,
    arg: FormatArg,
    shown: &ShownArgs,
) -> Result<(), OutputError> {
    let terminal = terminal_size::terminal_size_of(io::stderr());
    let shown = shown.on(width_for(terminal));
    let bytes = report::render(stored, format(arg), &shown);
    let bytes = bytes.map_err(|error| OutputError::new("stderr", &error))?;
    match io::stderr().lock().write_all(&bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::new("stderr", &error))
        }
        _ => Ok(()),
    }
}

/// What a line on stdout may have room for: what COLUMNS says, or the terminal.
pub(super) fn width() -> usize {
    width_for(terminal_size::terminal_size_of(io::stdout()))
}

fn width_for(terminal: Option<(Width, Height)>) -> usize {
    let columns = terminal.map(|(columns, _)| usize::from(columns.0));
    width_of(std::env::var("COLUMNS").ok().as_deref(), columns)
}

fn width_of(variable: Option<&str>, terminal: Option<usize>) -> usize {
    let [least, most] = WIDTHS;
    let variable = variable.and_then(|columns| columns.trim().parse().ok());
    let known = variable.filter(|columns| *columns > 0).or(terminal);
    known.map_or(WIDTH, |columns| columns.clamp(least, most))
}

/// Prints tables that are of no document.
pub(super) fn print_blocks(blocks: &[Block]) -> Result<(), OutputError> {
    let bytes = report::text(blocks, width()).map_err(|e| OutputError::new("stdout", &e))?;
    put(&bytes)
}

/// Prints what is of no document, and rendered already.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), OutputError> {
    put(bytes)
}

fn put(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    unless_nobody_reads(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A reader that has seen enough is no error.
fn unless_nobody_reads(printed: io::Result<()>) -> Result<(), OutputError> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::new("stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Refuses a standard output on which everything would be lost.
pub(super) fn check_stdout() -> Result<(), OutputError> {
    match stdout::is_missing() {
        true => {
            let why = "it is closed, or open for reading alone: redirect it to a file, or to \
                       /dev/null";
            Err(OutputError::new("stdout", &why))
        }
        false => Ok(()),
    }
}

/// The arguments as they were typed, or the status after what was answered to them.
pub(super) fn arguments() -> Result<Args, ExitCode> {
    Args::try_parse_from(words::typed()).map_err(|error| {
        if error.use_stderr() {
            refuse(&error);
            return exit::USAGE.into();
        }
        match unless_nobody_reads(error.print().and_then(|()| io::stdout().flush())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.into());
                exit::OUTPUT.into()
            }
        }
    })
}

/// Says in lines what is wrong with the arguments, which it quotes.
fn refuse(error: &clap::Error) {
    let said = error.to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said).lines();
    let lines: Vec<String> = said.map(|line| harmless(line, LONGEST)).collect();
    let _ = writeln!(io::stderr(), "{PREFIX}{}", lines.join("\n"));
}

/// Says on stderr what was done, unless nobody wants to know.
pub(super) fn tell(quiet: bool, what: &str) {
    if !quiet {
        say(what);
    }
}

/// Says on stderr what went wrong.
pub(super) fn complain(error: &anyhow::Error) {
    say(&format!("{error:#}"));
}

/// Names of files and what programs say is part of it, and may be anything.
fn say(what: &str) {
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "{PREFIX}{}", harmless(what, LONGEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_speak_before_the_terminal_and_both_within_reason() {
        for (variable, terminal, width) in [
            (None, None, 100),
            (None, Some(132), 132),
            (Some("90"), Some(132), 90),
            (Some("90"), None, 90),
            (Some("0"), Some(132), 132),
            (Some("wide"), None, 100),
            (None, Some(20), 80),
            (Some("1000"), None, 200),
        ] {
            assert_eq!(
                width_of(variable, terminal),
                width,
                "{variable:?} {terminal:?}"
            );
        }
    }
}
