//! `forktax shape`: what a process is made of, taken or read again.

use std::fs::File;
use std::io;
use std::path::Path;

use super::args::{ShapeArgs, ShapeFormatArg};
use super::output::{self, OutputError};
use super::place;
use crate::analysis::shape::{anonymise, parse_shape, to_json};
use crate::lab::shape::{Options, take};
use crate::model::ProcessShape;
use crate::report::{self, Format, Subject};

/// Takes or reads a shape, writes and prints it.
pub(super) fn run(args: &ShapeArgs) -> anyhow::Result<()> {
    let file = args.output.as_deref().filter(|path| !is_stream(path));
    if let Some(path) = file {
        place::check(path).map_err(|error| OutputError::new(path.display(), &error))?;
    }
    output::check_shown(&args.shown, Subject::Shape, format(args.format))?;
    let shape = shape(args)?;
    let to_stdout = args.output.as_deref().is_some_and(is_stream);
    // A file that cannot be written is no reason not to print, nor the other way round.
    let printed = output::print_bytes(&printed(&shape, args, to_stdout)?);
    if let Some(path) = file {
        let placed = to_json(&shape).and_then(|bytes| place::replace(path, &bytes));
        placed.map_err(|error| OutputError::new(path.display(), &error))?;
    }
    Ok(printed?)
}

/// "-" is stdin or stdout.
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
    // One of the two is there, or clap refuses.
    let path = args.shape.as_deref().unwrap_or_else(|| Path::new("-"));
    let mut shape = read(path)?;
    if args.anonymous {
        anonymise(&mut shape);
    }
    Ok(shape)
}

/// Reads a shape and checks it; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<ProcessShape, OutputError> {
    let parsed = if is_stream(path) {
        parse_shape(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| OutputError::new(path.display(), &error))?;
        parse_shape(file)
    };
    parsed.map_err(|error| OutputError::new(path.display(), &anyhow::Error::from(error)))
}

fn printed(shape: &ProcessShape, args: &ShapeArgs, as_file: bool) -> anyhow::Result<Vec<u8>> {
    let shown = args.shown.on(output::width());
    Ok(match format(args.format) {
        Format::Json => to_json(shape)?,
        _ if as_file => to_json(shape)?,
        format => report::render_shape(shape, format, &shown)?,
    })
}

fn format(arg: ShapeFormatArg) -> Format {
    match arg {
        ShapeFormatArg::Table => Format::Table,
        ShapeFormatArg::Markdown => Format::Markdown,
        ShapeFormatArg::Json => Format::Json,
    }
}
