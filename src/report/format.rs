//! The formats: their names, and the files that are written in them.
//!
//! Some can only show what some of the commands find out, and one is an
//! optional part of the program; both can be told before anything is measured.

use super::ReportError;
use crate::model::{Order, Stored};

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text for a terminal.
    Table,
    /// GitHub's Markdown.
    Markdown,
    /// One flat table in base units, a row a figure.
    Csv,
    /// The document itself.
    Json,
    /// The ledger as a picture, the published figures beside one's own, what prices
    /// foretell beside what was measured, whose the cost of a fork is, or what is left of
    /// it with each remedy; or what calls took while a program was watched.
    Svg,
    /// The sampled call chains, a line each, as tools for flame graphs read them.
    Folded,
    /// The same as a flame graph.
    FlameGraph,
    /// A watched program's spawns as a timeline (Trace Event format).
    Timeline,
}

impl Format {
    /// Every format, in the order in which help texts name them.
    pub const ALL: [Self; 8] = [
        Self::Table,
        Self::Markdown,
        Self::Csv,
        Self::Json,
        Self::Svg,
        Self::Folded,
        Self::FlameGraph,
        Self::Timeline,
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
            Self::Timeline => "timeline",
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
            Self::Timeline => "trace.json",
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

    /// Refuses a format that this program does not have, or that cannot show
    /// such a result.
    ///
    /// # Errors
    /// [`ReportError::NoPicture`] and [`ReportError::NoFlameGraphs`].
    pub fn check(self, subject: Subject) -> Result<(), ReportError> {
        let drawn = match self {
            Self::Table | Self::Markdown | Self::Csv | Self::Json => return Ok(()),
            Self::Svg => matches!(
                subject,
                Subject::Explanation
                    | Subject::Reproduction
                    | Subject::Card
                    | Subject::Process
                    | Subject::ProcessApart
                    | Subject::Advice
                    | Subject::Trace
            ),
            Self::Folded | Self::FlameGraph => {
                matches!(subject, Subject::Explanation | Subject::ProcessApart)
            }
            Self::Timeline => subject == Subject::Trace,
        };
        if !drawn {
            return Err(ReportError::NoPicture {
                subject: subject.name(),
                format: self.name(),
                made_by: match self {
                    Self::Timeline => "forktax trace",
                    _ => "forktax explain (of a process with --ledger)",
                },
                others: subject.extensions(),
            });
        }
        if self == Self::FlameGraph && !cfg!(feature = "flamegraph") {
            return Err(ReportError::NoFlameGraphs);
        }
        Ok(())
    }
}

/// What a result is about, which decides how it can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Spawn methods over address spaces.
    Sweep,
    /// Where the time of a spawn goes.
    Explanation,
    /// A published study.
    Reproduction,
    /// What a host charges for a spawn.
    Card,
    /// What forks from a process of this shape cost, and why.
    Process,
    /// The same, and where the time of such a fork goes.
    ProcessApart,
    /// What can be done about that.
    Advice,
    /// What a program spawns.
    Trace,
    /// Two results side by side.
    Comparison,
    /// What a process is made of.
    Shape,
}

impl Subject {
    /// That of a result.
    pub fn of(stored: &Stored) -> Self {
        let document = match stored {
            Stored::Run(document) => document,
            Stored::Comparison(_) => return Self::Comparison,
        };
        Self::of_order(&document.plan.order)
    }

    /// That of the result which is ordered.
    pub fn of_order(order: &Order) -> Self {
        match order {
            Order::Sweep => Self::Sweep,
            Order::Explain(_) => Self::Explanation,
            Order::Reproduce(_) => Self::Reproduction,
            Order::Card(_) => Self::Card,
            Order::Process(order) if order.ledger.is_some() => Self::ProcessApart,
            Order::Process(_) => Self::Process,
            Order::Advise(_) => Self::Advice,
            Order::Trace(_) => Self::Trace,
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sweep => "a sweep",
            Self::Explanation => "an explanation",
            Self::Reproduction => "a reproduction",
            Self::Card => "a card",
            Self::Process | Self::ProcessApart => "an explained process",
            Self::Advice => "an advice",
            Self::Trace => "a watched program",
            Self::Comparison => "a comparison",
            Self::Shape => "a shape",
        }
    }

    /// What files of every program can be written of it.
    fn extensions(self) -> &'static str {
        match self {
            Self::Sweep | Self::Comparison | Self::Shape => ".txt, .md, .csv or .json",
            Self::Explanation | Self::ProcessApart => ".txt, .md, .csv, .json, .svg or .folded",
            Self::Reproduction | Self::Card | Self::Process | Self::Advice => {
                ".txt, .md, .csv, .json or .svg"
            }
            Self::Trace => ".txt, .md, .csv, .json, .svg or .trace.json",
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
    fn what_has_no_picture_is_refused_one_by_name() {
        for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
            for (subject, name) in [
                (Subject::Sweep, "a sweep"),
                (Subject::Comparison, "a comparison"),
            ] {
                let refusal = format.check(subject).unwrap_err().to_string();
                assert!(refusal.starts_with(name), "{refusal}");
                assert!(refusal.contains("forktax explain"), "{refusal}");
                assert!(refusal.contains(format.name()), "{refusal}");
            }
        }
        assert!(Format::Table.check(Subject::Sweep).is_ok());
        assert!(Format::Svg.check(Subject::Explanation).is_ok());
        assert!(Format::Folded.check(Subject::ProcessApart).is_ok());
        let refused = Format::FlameGraph.check(Subject::Explanation).is_err();
        assert_eq!(refused, !cfg!(feature = "flamegraph"));
    }

    #[test]
    fn some_have_a_picture_but_no_stacks() {
        for subject in [
            Subject::Reproduction,
            Subject::Card,
            Subject::Process,
            Subject::Advice,
        ] {
            assert!(Format::Svg.check(subject).is_ok());
            for format in [Format::Folded, Format::FlameGraph] {
                let refusal = format.check(subject).unwrap_err().to_string();
                let start = format!("{} cannot be shown as ", subject.name());
                assert!(refusal.starts_with(&start), "{refusal}");
                assert!(refusal.ends_with(".csv, .json or .svg"), "{refusal}");
            }
        }
    }
}
