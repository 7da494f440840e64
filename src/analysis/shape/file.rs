//! From a file to a shape and back.

use std::io::{self, Read};

use serde::Deserialize;

use super::check::{MappingFault, ProcessFault, check};
use crate::model::{ProcessShape, SHAPE_VERSION};
use crate::units::steers;

/// The most bytes that are read: some ten times what a process of 64 GiB needs whose
/// every second page is missing.
pub const LARGEST_FILE: u64 = 256 << 20;

/// Stands for the name of a process that is not to be told.
const NO_NAME: &str = "process";

/// Why a file is no shape that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ShapeFileError {
    /// The bytes could not be had.
    #[error("cannot read the shape")]
    Read(#[source] io::Error),
    /// More than is read.
    #[error("the file is larger than {} MiB, and no shape is: was another file meant?", LARGEST_FILE >> 20)]
    TooLarge,
    /// The bytes are no JSON, or end too early.
    #[error("the shape is broken JSON: {0}; was it cut off or edited?")]
    Broken(String),
    /// JSON of another kind.
    #[error("the JSON is no shape of a process: {0}; forktax shape --pid PID -o FILE writes one")]
    Foreign(String),
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
    let mut bytes = Vec::new();
    let mut limited = reader.take(LARGEST_FILE + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(ShapeFileError::Read)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(ShapeFileError::TooLarge);
    }
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

/// The parser's words may quote the file, which may want to steer a terminal.
fn refuse(error: &serde_json::Error) -> ShapeFileError {
    const MOST: usize = 300;
    let said = error.to_string();
    let said = said.chars().take(MOST);
    let said = said.map(|c| if steers(c) { ' ' } else { c }).collect();
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
    let mut bytes = serde_json::to_vec(shape)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Takes out all names: the process's, and those of its files and of its memory.
pub fn anonymise(shape: &mut ProcessShape) {
    NO_NAME.clone_into(&mut shape.process.name);
    for mapping in &mut shape.mappings {
        mapping.name = None;
    }
}
