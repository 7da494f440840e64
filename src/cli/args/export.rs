//! A file that a result is written to, and how.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::report::Format;

/// A file to write to, and how.
#[derive(Debug, Clone)]
pub(in crate::cli) struct ExportArg {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) format: Format,
}

/// Takes what [`parse_export`] does.
pub(in crate::cli) fn export() -> impl TypedValueParser<Value = ExportArg> {
    OsStringValueParser::new().try_map(|text: OsString| parse_export(&text))
}

/// What is not text can be the name of a file.
fn parse_export(text: &OsStr) -> Result<ExportArg, String> {
    let bytes = text.as_bytes();
    let named = bytes.iter().position(|byte| *byte == b'=').and_then(|at| {
        let name = std::str::from_utf8(&bytes[..at]).ok()?;
        Some((
            Format::from_name(name)?,
            OsStr::from_bytes(&bytes[at + 1..]),
        ))
    });
    let (format, path) = match named.filter(|(_, path)| !path.is_empty()) {
        Some((format, path)) => (Some(format), path),
        None => (None, text),
    };
    if path == "-" {
        let why = "- is stdout, where --format says what is printed, as in --format json";
        return Err(why.to_owned());
    }
    let path = PathBuf::from(path);
    let by_name = || {
        let name = path.file_name()?.to_string_lossy();
        Format::from_file_name(&name)
    };
    let format = format.or_else(by_name).ok_or(
        "the extension says how to write it: .txt, .md, .csv or .json; for what has a picture \
         .svg, for an explanation .folded or .flame.svg; or the format's name before it, as in \
         json=/dev/stdout",
    )?;
    Ok(ExportArg { path, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_the_extension_or_before_the_file() {
        for (text, path, format) in [
            ("a.csv", "a.csv", Format::Csv),
            ("json=/dev/fd/63", "/dev/fd/63", Format::Json),
            ("flamegraph=x=y", "x=y", Format::FlameGraph),
            ("./json=a.md", "./json=a.md", Format::Markdown),
            ("x=y.json", "x=y.json", Format::Json),
        ] {
            let export = parse_export(text.as_ref()).unwrap();
            assert_eq!(export.path, PathBuf::from(path));
            assert_eq!(export.format, format, "{text}");
        }
        for bad in ["json", "json=", "pdf=x"] {
            assert!(parse_export(bad.as_ref()).is_err(), "{bad}");
        }
        for stdout in ["-", "csv=-"] {
            let said = parse_export(stdout.as_ref()).unwrap_err();
            assert!(said.contains("--format json"), "{said}");
        }
    }

    #[test]
    fn a_file_may_have_a_name_that_is_no_text() {
        for name in [b"\xff.json".as_slice(), b"json=\xff"] {
            let export = parse_export(OsStr::from_bytes(name)).unwrap();
            assert_eq!(export.format, Format::Json);
            assert!(export.path.to_str().is_none());
        }
        assert!(parse_export(OsStr::from_bytes(b"\xff")).is_err());
    }
}
