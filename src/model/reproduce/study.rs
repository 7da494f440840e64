//! The studies and what they published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Availability, SpawnMethod};

/// A published study.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
pub enum StudyId {
    /// Six programs that spawn in a loop.
    #[serde(rename = "python-2014")]
    Python2014,
    /// fork+exec against posix_spawn over the size of the parent.
    #[serde(rename = "posix-spawn-2011")]
    PosixSpawn2011,
    /// The same, dense and scattered.
    #[serde(rename = "hotos-2019")]
    Hotos2019,
    /// Forks in ten seconds over the number of VMAs.
    #[serde(rename = "mt-dup-2023")]
    MtDup2023,
    /// The fork of 1 GiB by the size of its pages.
    #[serde(rename = "pte-batching-2024")]
    PteBatching2024,
}

impl StudyId {
    /// All of them, oldest first but for the one that is about programs.
    pub const ALL: [Self; 5] = [
        Self::Python2014,
        Self::PosixSpawn2011,
        Self::Hotos2019,
        Self::MtDup2023,
        Self::PteBatching2024,
    ];

    /// Its name on the command line and in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python2014 => "python-2014",
            Self::PosixSpawn2011 => "posix-spawn-2011",
            Self::Hotos2019 => "hotos-2019",
            Self::MtDup2023 => "mt-dup-2023",
            Self::PteBatching2024 => "pte-batching-2024",
        }
    }
}

/// Where published figures are from.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Source {
    /// The publication's title.
    pub title: String,
    /// Who wrote it.
    pub authors: String,
    /// When.
    pub year: u16,
    /// Where it can be read.
    pub address: String,
    /// What is known of the machine and of what was timed, for people.
    pub setting: String,
}

/// A parent of a study of address spaces.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct StudyPoint {
    /// What the study calls it.
    pub name: String,
    /// The place among the plan's address spaces of the one that stands for it, times
    /// the scale.
    pub space: Availability<usize>,
    /// VMAs of the published parent, where they are known.
    pub vmas: Option<u64>,
    /// Page-table entries that its fork copies, where they are known.
    pub ptes: Option<u64>,
    /// What was published of it.
    pub figures: Vec<PublishedFigure>,
}

/// One published figure.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PublishedFigure {
    /// What the study calls the line that it belongs to.
    pub series: String,
    /// How was spawned.
    pub method: SpawnMethod,
    /// Which interval was timed.
    pub part: Part,
    /// The figure as published.
    pub value: f64,
    /// Its unit.
    pub unit: PublishedUnit,
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Until the spawning call returned in the parent.
    Call,
    /// Until the child was waited for.
    Total,
}

/// The unit of a published figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedUnit {
    /// Spawns in ten seconds.
    #[serde(rename = "spawns_in_10_s")]
    SpawnsIn10S,
    /// Seconds of 500 spawns.
    #[serde(rename = "s_of_500_spawns")]
    SecondsOf500,
    /// Milliseconds of one spawn.
    #[serde(rename = "ms")]
    Milliseconds,
}

impl PublishedFigure {
    /// Nanoseconds of one spawn.
    pub fn per_spawn_ns(&self) -> f64 {
        match self.unit {
            PublishedUnit::SpawnsIn10S => 10e9 / self.value,
            PublishedUnit::SecondsOf500 => self.value * 1e9 / 500.0,
            PublishedUnit::Milliseconds => self.value * 1e6,
        }
    }
}
