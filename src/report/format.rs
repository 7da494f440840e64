//! The formats: their names, and the files that are written in them.
//!
//! Some can only show what `explain` finds out, and one is an optional part of
//! the program; both can be told before anything is measured.

use super::ReportError;

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text for a terminal of 100 columns.
    Table,
    /// GitHub's Markdown.
    Markdown,
    /// One flat table in base units: of a sweep a row a cell, of an explanation
    /// a row a figure.
    Csv,
    /// The document itself.
    Json,
    /// The ledger as a picture.
    Svg,
    /// The sampled call chains, a line each, as tools for flame graphs read them.
    Folded,
    /// The same as a flame graph.
    FlameGraph,
}

impl Format {
    /// Every format, in the order in which help texts name them.
    pub const ALL: [Self; 7] = [
        Self::Table,
        Self::Markdown,
        Self::Csv,
        Self::Json,
        Self::Svg,
        Self::Folded,
        Self::FlameGraph,
    ];

    /// The name as typed on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Svg => "svg",
            Self::Folded => "folded",
            Self::FlameGraph => "flamegraph",
        }
    }

    /// What the names of files in this format end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Svg => "svg",
            Self::Folded => "folded",
            Self::FlameGraph => "flame.svg",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format that a file's name asks for: the longest extension that it
    /// ends with, in either case, after at least one other character.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let stem = |format: &Self| name.strip_suffix(format.extension())?.strip_suffix('.');
        Self::ALL
            .into_iter()
            .filter(|format| stem(format).is_some_and(|stem| !stem.is_empty()))
            .max_by_key(|format| format.extension().len())
    }

    /// Refuses a format that this program does not have, or that can only show
    /// an explanation while there is none.
    pub fn check(self, explained: bool) -> Result<(), ReportError> {
        match self {
            Self::Table | Self::Markdown | Self::Csv | Self::Json => Ok(()),
            Self::Svg | Self::Folded | Self::FlameGraph if !explained => {
                Err(ReportError::NoExplanation {
                    format: self.name(),
                })
            }
            Self::FlameGraph if !cfg!(feature = "flamegraph") => Err(ReportError::NoFlameGraphs),
            Self::Svg | Self::Folded | Self::FlameGraph => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_extension_decides() {
        for (name, format) in [
            ("x.svg", Some(Format::Svg)),
            ("x.flame.svg", Some(Format::FlameGraph)),
            ("X.FLAME.SVG", Some(Format::FlameGraph)),
            ("flame.svg", Some(Format::Svg)),
            ("x.tar.folded", Some(Format::Folded)),
            ("README.MD", Some(Format::Markdown)),
            (".flame.svg", Some(Format::Svg)),
            (".svg", None),
            ("svg", None),
            ("xsvg", None),
            ("", None),
        ] {
            assert_eq!(Format::from_file_name(name), format, "{name}");
        }
    }

    #[test]
    fn a_sweep_is_refused_a_picture_by_name() {
        for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
            let refusal = format.check(false).unwrap_err().to_string();
            assert!(refusal.contains("forktax explain"), "{refusal}");
            assert!(refusal.contains(format.name()), "{refusal}");
        }
        assert!(Format::Table.check(false).is_ok());
        assert!(Format::Svg.check(true).is_ok());
        let refused = Format::FlameGraph.check(true).is_err();
        assert_eq!(refused, !cfg!(feature = "flamegraph"));
    }
}
