//! What others have published of the cost of a spawn: the figures, where they
//! are from, and the address spaces that stand for theirs.
//!
//! Data, and nothing that measures. A figure that nobody has printed is not here,
//! be it ever so easy to read off a picture.

mod hotos_2019;
mod mt_dup_2023;
mod parent;
mod posix_spawn_2011;
mod price;
mod pte_batching_2024;
mod python_2014;

use crate::model::{
    Answer, Availability, ChildAction, LoopSystem, Program, PublishedLoop, ReproduceOrder,
    Reproduction, Source, SpaceRequest, SpawnMethod, StudyId, StudyPoint,
};

pub use parent::Parent;
pub use price::{Per, Price};

/// How often the sizes of a study may be halved for a host that has no room for
/// them. Below 1/64 the largest parent is hardly larger than an empty one.
pub const MOST_HALVINGS: u32 = 6;

/// How a study is carried out here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// What it compares, for people.
    pub compares: &'static str,
    /// The methods that its figures are of.
    pub methods: &'static [SpawnMethod],
    /// The one of them that the others are compared with.
    pub baseline: SpawnMethod,
    /// What its children do.
    pub child: ChildAction,
    /// About how long it takes: of a study of address spaces, the time that it
    /// is given.
    pub seconds: u64,
}

/// How a study is carried out here.
pub fn outline(study: StudyId) -> Outline {
    match study {
        StudyId::Python2014 => python_2014::OUTLINE,
        StudyId::PosixSpawn2011 => posix_spawn_2011::OUTLINE,
        StudyId::Hotos2019 => hotos_2019::OUTLINE,
        StudyId::MtDup2023 => mt_dup_2023::OUTLINE,
        StudyId::PteBatching2024 => pte_batching_2024::OUTLINE,
    }
}

/// Where a study's figures are from.
pub fn source(study: StudyId) -> Source {
    match study {
        StudyId::Python2014 => python_2014::source(),
        StudyId::PosixSpawn2011 => posix_spawn_2011::source(),
        StudyId::Hotos2019 => hotos_2019::source(),
        StudyId::MtDup2023 => mt_dup_2023::source(),
        StudyId::PteBatching2024 => pte_batching_2024::source(),
    }
}

/// What `python-2014` published of a program, if it did.
pub fn loops(system: LoopSystem) -> Option<PublishedLoop> {
    python_2014::published(system)
}

/// What the scripts of `python-2014` are interpreted by, where no other program is
/// named.
pub const OWN_INTERPRETER: &str = python_2014::INTERPRETER;

/// What the children of `python-2014` execute, where no other program is named.
pub fn own_program() -> Program {
    python_2014::program()
}

/// The parents of a study of address spaces, in the order of its figures; none of
/// a study of programs.
pub fn points(study: StudyId) -> Vec<Parent> {
    match study {
        StudyId::Python2014 => Vec::new(),
        StudyId::PosixSpawn2011 => posix_spawn_2011::parents(),
        StudyId::Hotos2019 => hotos_2019::parents(),
        StudyId::MtDup2023 => mt_dup_2023::parents(),
        StudyId::PteBatching2024 => pte_batching_2024::parents(),
    }
}

/// What a page-table entry or a VMA costs by a study's own figures, where that
/// follows from them.
pub fn prices(study: StudyId) -> Vec<Price> {
    price::of(&points(study))
}

/// The share of the published sizes that so many halvings leave.
pub fn share(halvings: u32) -> f64 {
    0.5_f64.powf(f64::from(halvings))
}

/// What was published of a study, and this host's answer.
pub fn reproduction(order: &ReproduceOrder, answer: Answer) -> Reproduction {
    Reproduction {
        study: order.study,
        source: source(order.study),
        scale: order.scale,
        scaled_because: order.scaled_because.clone(),
        answer,
    }
}

/// The parents of a study of address spaces, and which of the plan's stand for them.
pub fn study_points(order: &ReproduceOrder, spaces: &[SpaceRequest]) -> Vec<StudyPoint> {
    let halvings = (0..MOST_HALVINGS)
        .find(|halvings| share(*halvings) <= order.scale)
        .unwrap_or(MOST_HALVINGS);
    let parents = points(order.study).into_iter();
    parents
        .map(|parent| point(parent.halved(halvings), spaces))
        .collect()
}

fn point(parent: Parent, spaces: &[SpaceRequest]) -> StudyPoint {
    let place = |request| spaces.iter().position(|space| space == request);
    let space = match &parent.space {
        Availability::Measured(request) => place(request).map_or_else(
            || Availability::not_asked("not among the address spaces of this run"),
            Availability::Measured,
        ),
        Availability::Missing(missing) => Availability::Missing(missing.clone()),
    };
    StudyPoint {
        name: parent.name,
        space,
        vmas: parent.vmas,
        ptes: parent.ptes,
        figures: parent.figures,
    }
}

#[cfg(test)]
mod tests;
