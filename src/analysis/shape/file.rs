//! From a file to a shape and back.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use super::check::{MappingFault, ProcessFault, check};
use crate::model::{ProcessShape, SHAPE_VERSION};
use crate::units::{ForeignError, parser_said, read_foreign, write_json_text};

/// Stands for the name of a process that is not to be told.
const NO_NAME: &str = "process";

/// Why a file is no shape that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ShapeFileError {
    /// What is read from no file.
    #[error(transparent)]
    Refused(#[from] ForeignError),
    /// The bytes are no JSON, or end too early.
    #[error("the shape is broken JSON: {0}; was it cut off or edited?")]
    Broken(String),
    /// JSON of another kind.
    #[error(
        "the JSON is no shape of a process: {0}; forktax shape --pid PID --export FILE.json writes \
         one"
    )]
    Foreign(String),
    /// A text of another kind.
    #[error(
        "it is no dump of /proc/PID/smaps: give all of its lines, with the figures below each \
         mapping, which /proc/PID/maps has not"
    )]
    NoDump,
    /// A schema that this program does not know.
    #[error(
        "the shape has version {found}, but this program reads version {known}; use the \
         forktax version that wrote it or a newer one"
    )]
    Version {
        /// The file's.
        found: u64,
        /// This program's.
        known: u32,
    },
    /// What is said of the process cannot be.
    #[error("the shape {0}")]
    Process(ProcessFault),
    /// What is said of a mapping cannot be.
    #[error("mapping {number} of the shape {fault}")]
    Mapping {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: MappingFault,
    },
    /// Pages of another size than this host's.
    #[error(
        "the shape is of a process with pages of {theirs} KiB, and this host has pages of \
         {ours} KiB: use it on a host like the one that it was taken on"
    )]
    PageSize {
        /// The shape's, in KiB.
        theirs: u64,
        /// This host's, in KiB.
        ours: u64,
    },
}

/// The field by which versions are told apart.
#[derive(Deserialize)]
struct Envelope {
    shape_version: u64,
}

/// Reads a shape and checks it.
///
/// Nothing is allocated by a number in the file, but by what the file holds.
///
/// # Errors
/// [`ShapeFileError`] of any kind but that of the page size, which is for the host to
/// judge: [`check_page_size`].
pub fn parse_shape(reader: impl Read) -> Result<ProcessShape, ShapeFileError> {
    let bytes = read_foreign(reader)?;
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|error| refuse(&error))?;
    if envelope.shape_version != u64::from(SHAPE_VERSION) {
        return Err(ShapeFileError::Version {
            found: envelope.shape_version,
            known: SHAPE_VERSION,
        });
    }
    let shape: ProcessShape = serde_json::from_slice(&bytes).map_err(|error| refuse(&error))?;
    check(&shape)?;
    Ok(shape)
}

fn refuse(error: &serde_json::Error) -> ShapeFileError {
    let said = parser_said(error);
    if error.is_data() {
        ShapeFileError::Foreign(said)
    } else {
        ShapeFileError::Broken(said)
    }
}

/// Refuses a shape whose pages are of another size than this host's.
///
/// # Errors
/// [`ShapeFileError::PageSize`].
pub fn check_page_size(shape: &ProcessShape, host: u64) -> Result<(), ShapeFileError> {
    if shape.process.page_size == host {
        return Ok(());
    }
    Err(ShapeFileError::PageSize {
        theirs: shape.process.page_size >> 10,
        ours: host >> 10,
    })
}

/// The file of a shape: one line.
///
/// # Errors
/// None that is known: a shape holds nothing that JSON has no form for but figures
/// that are not finite, and those become `null`.
pub fn to_json(shape: &ProcessShape) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    shape.serialize(&mut Serializer::with_formatter(&mut bytes, Harmless))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// JSON without spaces, whose bytes steer no terminal.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_json_text(writer, fragment)
    }
}

/// Takes out all names: the process's, and those of its files, of its memory and of its
/// control groups.
pub fn anonymise(shape: &mut ProcessShape) {
    NO_NAME.clone_into(&mut shape.process.name);
    if let Some(around) = &mut shape.process.surroundings {
        let of_limits = around.limits.iter_mut().map(|limit| &mut limit.file);
        let quotas = around.cpu_quota.iter_mut().chain(&mut around.throttled_by);
        for file in of_limits.chain(quotas.map(|quota| &mut quota.file)) {
            *file = None;
        }
    }
    for mapping in &mut shape.mappings {
        mapping.name = None;
    }
}
