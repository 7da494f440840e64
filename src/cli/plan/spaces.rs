//! The address spaces that were asked for.

use super::PlanError;
use crate::cli::args::{BackingArg, SpaceArgs};
use crate::model::{Backing, SpaceRequest};
use crate::units::Blocks;
use crate::vm::Shape;

/// The address spaces of these sizes, or an empty one and the heap.
pub(super) fn spaces(
    sizes: &[u64],
    args: &SpaceArgs,
    page_size: u64,
) -> Result<Vec<SpaceRequest>, PlanError> {
    if args.spacing == 0 {
        return Err(PlanError::refused(
            "--spacing 0: pages are at least 1 page apart".to_owned(),
        ));
    }
    if args.huge && args.backing == BackingArg::File {
        return Err(PlanError::refused(
            "--huge with --backing file: a private file mapping that is written to gets no huge pages; use anon or shared".to_owned(),
        ));
    }
    let spaces = match args.malloc {
        Some(Blocks { count, bytes }) => {
            let heap = SpaceRequest::Malloc {
                count,
                bytes,
                pages: args.pages.unwrap_or(0),
                spacing: args.spacing,
            };
            vec![mappings_of(args, 0), heap]
        }
        None => {
            let mut sizes = sizes.to_vec();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
                .into_iter()
                .map(|size| mappings_of(args, size))
                .collect()
        }
    };
    for space in &spaces {
        Shape::of(space, page_size).map_err(|error| PlanError::refused(error.to_string()))?;
    }
    Ok(spaces)
}

fn mappings_of(args: &SpaceArgs, mappings: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages: args.pages.unwrap_or(1),
        spacing: args.spacing,
        backing: match args.backing {
            BackingArg::Anon => Backing::Anon,
            BackingArg::File => Backing::File,
            BackingArg::Shared => Backing::Shared,
        },
        huge: args.huge,
    }
}
