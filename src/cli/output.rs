//! What leaves the program: results to stdout and files, talk to stderr.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::args::FormatArg;
use crate::model::Document;
use crate::report::{self, Format};

/// A result that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{object}: {why}")]
pub(super) struct OutputError {
    object: String,
    why: String,
}

impl OutputError {
    fn new(object: impl ToString, why: &impl ToString) -> Self {
        Self {
            object: object.to_string(),
            why: why.to_string(),
        }
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

impl Exports {
    /// Opens all files, or none.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, OutputError> {
        let mut exports = Self(Vec::new());
        for path in paths {
            match open(path) {
                Ok(export) => exports.0.push(export),
                Err(error) => {
                    exports.abandon();
                    return Err(error);
                }
            }
        }
        Ok(exports)
    }

    /// Writes the document to every file.
    pub(super) fn write(self, document: &Document) -> Result<(), OutputError> {
        for mut export in self.0 {
            let name = export.path.display();
            let bytes = report::render(document, export.format)
                .map_err(|error| OutputError::new(name.to_string(), &error))?;
            replace(&mut export.file, &bytes)
                .map_err(|error| OutputError::new(name.to_string(), &error))?;
        }
        Ok(())
    }

    /// Removes the files that would stay behind empty.
    pub(super) fn abandon(self) {
        for export in self.0.into_iter().filter(|export| export.is_new) {
            // A file that cannot be removed is empty, and the error that led
            // here is the one to report.
            let _ = std::fs::remove_file(export.path);
        }
    }
}

fn open(path: &Path) -> Result<Export, OutputError> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let format = Format::from_extension(extension).ok_or_else(|| {
        OutputError::new(
            path.display(),
            &"the extension says how to write it: .txt, .md, .csv or .json",
        )
    })?;
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(|error| OutputError::new(path.display(), &error))?;
    Ok(Export {
        path: path.to_owned(),
        file,
        format,
        is_new,
    })
}

fn replace(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
        file.rewind()?;
    }
    file.write_all(bytes)
}

/// Reads a stored document; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<Document, OutputError> {
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

/// Prints a document on stdout. A reader that has seen enough is no error.
pub(super) fn print(document: &Document, format: Format) -> Result<(), OutputError> {
    let bytes = report::render(document, format).map_err(|e| OutputError::new("stdout", &e))?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::new("stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Says on stderr what went wrong.
pub(super) fn complain(error: &anyhow::Error) {
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "forktax: {error:#}");
}
