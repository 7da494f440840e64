//! One parent that is built of a shape, and what is spawned from it.

use super::blueprint::Blueprint;
use crate::model::{ProcessRole, Program, SpaceRequest, SpawnMethod};

/// One parent and its children.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What it is there for.
    pub role: ProcessRole,
    /// What the parent has.
    pub space: SpaceRequest,
    /// How it spawns, by turns.
    pub methods: Vec<SpawnMethod>,
    /// What the children execute, if not what all others do.
    pub program: Option<Program>,
    /// Whether each child closes its descriptors before it executes.
    pub closes: bool,
}

impl Trial {
    /// A parent that is forked from, as all others are.
    pub(in crate::analysis) fn forked(role: ProcessRole, space: SpaceRequest) -> Self {
        Self {
            role,
            space,
            methods: vec![SpawnMethod::Fork],
            program: None,
            closes: false,
        }
    }

    /// The whole shape, with all methods.
    pub(in crate::analysis) fn whole(blueprint: &Blueprint, methods: &[SpawnMethod]) -> Self {
        Self {
            methods: methods.to_vec(),
            ..Self::forked(ProcessRole::Whole, blueprint.whole())
        }
    }
}
