//! One parent that is built of a shape, and what is spawned from it.

use super::blueprint::Blueprint;
use crate::model::{Closing, Filters, ProcessRole, Program, SpaceRequest, SpawnMethod};

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
    /// What each child closes before it executes.
    pub closing: Closing,
    /// Seccomp filters that the parent has set up.
    pub filters: Filters,
}

impl Trial {
    /// A parent that is forked from, as all others are.
    pub(in crate::analysis) fn forked(role: ProcessRole, space: SpaceRequest) -> Self {
        Self {
            role,
            space,
            methods: vec![SpawnMethod::Fork],
            program: None,
            closing: Closing::Nothing,
            filters: Filters::default(),
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
