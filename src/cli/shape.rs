//! `forktax shape`: what a process is made of, taken or read again.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::args::{ExportArg, ShapeArgs, ShapeFormatArg};
use super::output::{self, OutputError};
use super::place::{self, Place};
use crate::analysis::shape::{ShapeFileError, anonymise, of_smaps, parse_shape, to_json};
use crate::lab::shape::{Options, take};
use crate::model::ProcessShape;
use crate::report::{self, Format, Shown, Subject};

/// Takes or reads a shape, writes and prints it.
pub(super) fn run(args: &ShapeArgs) -> anyhow::Result<()> {
    let format = format(args.format);
    let export = args.export.as_ref().map(look).transpose()?;
    output::check_shown(&args.shown, Subject::Shape, format)?;
    let shape = shape(args)?;
    // A file that cannot be written is no reason not to print, nor the other way round.
    let shown = args.shown.on(output::width());
    let printed = output::print_bytes(&rendered(&shape, format, &shown)?);
    if let (Some(place), Some(export)) = (export, &args.export) {
        let bytes = rendered(&shape, export.format, &Shown::default())?;
        let filled = place.fill(&bytes);
        filled.map_err(|error| OutputError::new(export.path.display(), &error))?;
    }
    Ok(printed?)
}

/// Looks at where the shape will be written to, before it is taken.
fn look(export: &ExportArg) -> Result<Place, OutputError> {
    let fail = |why: &dyn Display| OutputError::new(export.path.display(), &why);
    if !matches!(
        export.format,
        Format::Json | Format::Table | Format::Markdown
    ) {
        return Err(fail(&"a shape is written as .json, .txt or .md"));
    }
    Place::open(&export.path, place::FOR_OWNER).map_err(|error| fail(&error))
}

/// "-" is stdin.
fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

fn shape(args: &ShapeArgs) -> anyhow::Result<ProcessShape> {
    if let Some(pid) = args.pid {
        let options = Options {
            anonymous: args.anonymous,
            without_flags: args.no_flags,
        };
        return Ok(take(pid, options)?);
    }
    // One of them is there, or clap refuses.
    let mut shape = match (&args.shape, &args.smaps) {
        (None, Some(dump)) => read_dump(dump)?,
        (file, _) => read(file.as_deref().unwrap_or_else(|| Path::new("-")))?,
    };
    if args.anonymous {
        anonymise(&mut shape);
    }
    Ok(shape)
}

/// Reads a shape and checks it; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<ProcessShape, OutputError> {
    read_by(path, |reader| parse_shape(reader))
}

/// The same of a dump of smaps.
pub(super) fn read_dump(path: &Path) -> Result<ProcessShape, OutputError> {
    read_by(path, |reader| of_smaps(reader))
}

fn read_by(
    path: &Path,
    parse: impl FnOnce(&mut dyn Read) -> Result<ProcessShape, ShapeFileError>,
) -> Result<ProcessShape, OutputError> {
    if is_stream(path) {
        let parsed = parse(&mut io::stdin().lock());
        return parsed.map_err(|error| OutputError::new("stdin", &error));
    }
    let file = File::open(path).map_err(|error| OutputError::new(path.display(), &error));
    parse(&mut file?).map_err(|error| OutputError::new(path.display(), &error))
}

fn rendered(shape: &ProcessShape, format: Format, shown: &Shown) -> anyhow::Result<Vec<u8>> {
    Ok(match format {
        Format::Json => to_json(shape)?,
        format => report::render_shape(shape, format, shown)?,
    })
}

fn format(arg: ShapeFormatArg) -> Format {
    match arg {
        ShapeFormatArg::Table => Format::Table,
        ShapeFormatArg::Markdown => Format::Markdown,
        ShapeFormatArg::Json => Format::Json,
    }
}
