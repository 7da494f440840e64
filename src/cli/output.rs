//! What leaves the program: results to stdout and files, talk to stderr.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::args::{ExportArg, FormatArg, ShownArgs};
use crate::model::Stored;
use crate::report::view::Block;
use crate::report::{self, Format, ReportError, Shown, Subject, WIDTH};
use crate::store::Found;

/// The narrowest and the widest page that a text is laid out for.
const WIDTHS: [usize; 2] = [80, 200];

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

/// Files that were opened before the measuring, so that a bad path fails at
/// once. What they held stays until there is a result to replace it.
#[derive(Debug)]
pub(super) struct Exports(Vec<Export>);

#[derive(Debug)]
struct Export {
    path: PathBuf,
    file: File,
    format: Format,
    is_new: bool,
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
    /// Opens all files, or none.
    pub(super) fn open(args: &[ExportArg]) -> Result<Self, OutputError> {
        let mut exports = Self(Vec::new());
        for arg in args {
            match open(arg).and_then(|export| exports.once(export)) {
                Ok(export) => exports.0.push(export),
                Err(error) => {
                    exports.abandon();
                    return Err(error);
                }
            }
        }
        Ok(exports)
    }

    /// Refuses a file that is open already, under this or another name.
    fn once(&self, export: Export) -> Result<Export, OutputError> {
        let identity = |export: &Export| {
            let metadata = export.file.metadata().ok().filter(|m| m.is_file())?;
            Some((metadata.dev(), metadata.ino()))
        };
        let mine = identity(&export);
        let twice = mine.is_some() && self.0.iter().any(|other| identity(other) == mine);
        if twice {
            let why = "named twice, and each export would overwrite the other";
            return Err(OutputError::new(export.path.display(), &why));
        }
        Ok(export)
    }

    /// Writes the whole report to every file, as far as that is possible, and
    /// returns the first error.
    pub(super) fn write(self, stored: &Stored) -> Result<(), OutputError> {
        let whole = Shown::default();
        let written = self.0.into_iter().map(|mut export| {
            let bytes = report::render(stored, export.format, &whole).map_err(|error| {
                let refused = OutputError::new(export.path.display(), &error);
                export.remove_if_new();
                refused
            })?;
            replace(&mut export.file, &bytes)
                .map_err(|error| OutputError::new(export.path.display(), &error))
        });
        // All of them are tried before the first error is returned.
        let written: Vec<Result<(), OutputError>> = written.collect();
        written.into_iter().collect()
    }

    /// Removes the files that would stay behind empty.
    pub(super) fn abandon(self) {
        self.0.iter().for_each(Export::remove_if_new);
    }
}

impl Export {
    fn remove_if_new(&self) {
        if self.is_new {
            // A file that cannot be removed is empty, and the error that led
            // here is the one to report.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open(arg: &ExportArg) -> Result<Export, OutputError> {
    let path = &arg.path;
    let is_new = !path.exists();
    if path.metadata().is_ok_and(|m| m.file_type().is_fifo()) {
        let why = "a FIFO would block until somebody reads it: print to stdout and pipe that";
        return Err(OutputError::new(path.display(), &why));
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(|error| OutputError::new(path.display(), &error))?;
    Ok(Export {
        path: path.clone(),
        file,
        format: arg.format,
        is_new,
    })
}

/// Writes over what a file held, and cuts off the rest only then.
fn replace(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    if file.metadata()?.is_file() {
        file.set_len(bytes.len() as u64)?;
    }
    Ok(())
}

/// Reads what was stored; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<Stored, OutputError> {
    let fail = |why: &dyn std::fmt::Display| OutputError::new(path.display(), &why.to_string());
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| fail(&error))?;
    report::parse(bytes.as_slice()).map_err(|error| fail(&error))
}

/// Prints a report on stdout, or what is wanted of it.
pub(super) fn print(stored: &Stored, arg: FormatArg, shown: &ShownArgs) -> Result<(), OutputError> {
    let bytes = report::render(stored, format(arg), &shown.on(width()));
    put(&bytes.map_err(|error| OutputError::new("stdout", &error))?)
}

/// What a line on stdout may have room for: what COLUMNS says, or the terminal.
pub(super) fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
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

/// A reader that has seen enough is no error.
fn put(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::new("stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Says on stderr what was done, unless nobody wants to know.
pub(super) fn tell(quiet: bool, what: &str) {
    if !quiet {
        let _ = writeln!(io::stderr(), "forktax: {what}");
    }
}

/// Says on stderr what went wrong.
pub(super) fn complain(error: &anyhow::Error) {
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "forktax: {error:#}");
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
