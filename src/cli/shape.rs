//! `forktax shape`: what a process is made of, taken or read again.

use std::fs::File;
use std::io;
use std::path::Path;

use super::args::{ShapeArgs, ShapeFormatArg};
use super::output::{self, OutputError};
use super::place::{self, Place};
use crate::analysis::shape::{anonymise, parse_shape, to_json};
use crate::lab::shape::{Options, take};
use crate::model::ProcessShape;
use crate::report::{self, Format, Subject};

/// Takes or reads a shape, writes and prints it.
pub(super) fn run(args: &ShapeArgs) -> anyhow::Result<()> {
    let path = args.output.as_deref().filter(|path| !is_stream(path));
    let name = path.map(|path| path.display().to_string());
    let fail = |error: io::Error| OutputError::new(name.as_deref().unwrap_or("stdout"), &error);
    let place = path.map(|path| Place::open(path, place::FOR_OWNER));
    let place = place.transpose().map_err(fail)?;
    output::check_shown(&args.shown, Subject::Shape, format(args.format))?;
    let shape = shape(args)?;
    let to_stdout = args.output.as_deref().is_some_and(is_stream);
    // A file that cannot be written is no reason not to print, nor the other way round.
    let printed = output::print_bytes(&printed(&shape, args, to_stdout)?);
    if let Some(place) = place {
        let bytes = to_json(&shape).map_err(fail)?;
        place.fill(&bytes).map_err(fail)?;
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
    if is_stream(path) {
        let parsed = parse_shape(io::stdin().lock());
        return parsed.map_err(|error| OutputError::new("stdin", &error));
    }
    let file = File::open(path).map_err(|error| OutputError::new(path.display(), &error))?;
    parse_shape(file).map_err(|error| OutputError::new(path.display(), &error))
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
