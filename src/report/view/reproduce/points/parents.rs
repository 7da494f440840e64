//! The parents of a study: what was published of each, and the address space
//! that stands for it here.

use crate::model::{
    Availability, Cell, Document, Missing, Part, PublishedFigure, Reproduction, Space,
    SpaceRequest, SpawnMethod, StudyId, StudyPoint,
};
use crate::stats::{DRAWS, Estimate, Replicates, median_replicates};

use super::super::super::number::number;

/// Names are the document's; longer ones would push the figures off the page.
const LONGEST_NAME: usize = 28;
const LONGEST_SERIES: usize = 18;

/// A study of address spaces beside the cells that answer it.
pub(in crate::report::view::reproduce) struct Study<'a> {
    pub(super) document: &'a Document,
    pub(super) reproduction: &'a Reproduction,
    points: &'a [StudyPoint],
    /// In the study's order.
    pub(super) parents: Vec<Parent<'a>>,
}

/// A published parent.
pub(super) struct Parent<'a> {
    pub(super) point: &'a StudyPoint,
    /// The order for the space that stands for it, or why there is none.
    pub(super) request: Result<&'a SpaceRequest, Missing>,
    /// What was measured in that space.
    cells: Vec<&'a Cell>,
    /// Spaces have workers of their own, and so seeds of their own.
    seed: u64,
}

/// What one row is about: a published figure, or a method without one.
pub(super) struct Asked<'a> {
    pub(super) method: SpawnMethod,
    pub(super) part: Part,
    pub(super) figure: Option<&'a PublishedFigure>,
}

/// How the parents of a study differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// In their page-table entries.
    Ptes,
    /// In their VMAs.
    Vmas,
    /// In what their pages are; they are of one size.
    Pages,
}

impl<'a> Study<'a> {
    pub(in crate::report::view::reproduce) fn of(
        document: &'a Document,
        reproduction: &'a Reproduction,
        points: &'a [StudyPoint],
    ) -> Self {
        let parents = points.iter().map(|point| Parent::of(document, point));
        Self {
            document,
            reproduction,
            points,
            parents: parents.collect(),
        }
    }

    pub(super) fn axis(&self) -> Axis {
        match self.reproduction.study {
            StudyId::MtDup2023 => Axis::Vmas,
            StudyId::PteBatching2024 => Axis::Pages,
            StudyId::Python2014 | StudyId::PosixSpawn2011 | StudyId::Hotos2019 => Axis::Ptes,
        }
    }

    /// Whether the parents have their published sizes.
    pub(super) fn is_whole(&self) -> bool {
        self.reproduction.scale == 1.0
    }

    /// The share of the published sizes that was built: "1/4".
    pub(super) fn share(&self) -> String {
        let parts = 1.0 / self.reproduction.scale;
        if parts >= 1.0 && (parts - parts.round()).abs() < 1e-6 * parts {
            format!("1/{}", number(parts.round(), 0))
        } else {
            format!("{} %", number(self.reproduction.scale * 100.0, 1))
        }
    }

    /// A parent's figures in the study's order, then the methods without any.
    pub(super) fn asked(&self, parent: &Parent<'a>) -> Vec<Asked<'a>> {
        let figures = &parent.point.figures;
        let mut asked: Vec<Asked<'a>> = figures
            .iter()
            .map(|figure| Asked {
                method: figure.method,
                part: figure.part,
                figure: Some(figure),
            })
            .collect();
        for method in &self.document.plan.methods {
            if !asked.iter().any(|asked| asked.method == *method) {
                asked.push(Asked {
                    method: *method,
                    part: self.part(),
                    figure: None,
                });
            }
        }
        let place = |method| SpawnMethod::ALL.iter().position(|known| *known == method);
        asked.sort_by_key(|asked| place(asked.method));
        asked
    }

    /// What the study timed, by its first figure.
    pub(super) fn part(&self) -> Part {
        self.figures().next().map_or(Part::Total, |f| f.part)
    }

    /// Whether all figures are of one part.
    pub(super) fn has_one_part(&self) -> bool {
        self.figures().all(|figure| figure.part == self.part())
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = &'a PublishedFigure> {
        self.points.iter().flat_map(|point| &point.figures)
    }

    /// Whether the methods do not tell the study's lines apart.
    pub(super) fn has_series(&self) -> bool {
        self.parents.iter().any(|parent| {
            let figures = &parent.point.figures;
            figures.iter().enumerate().any(|(index, figure)| {
                let before = &figures[..index];
                before.iter().any(|other| other.method == figure.method)
            })
        })
    }

    /// A time of one spawn here, or why there is none.
    pub(super) fn here(
        &self,
        parent: &Parent<'a>,
        method: SpawnMethod,
        part: Part,
    ) -> Availability<Estimate> {
        let cell = match self.cell(parent, method) {
            Ok(cell) => cell,
            Err(missing) => return Availability::Missing(missing),
        };
        let summary = match part {
            Part::Call => &cell.call_ns,
            Part::Total => &cell.total_ns,
        };
        summary.map(|summary| summary.median)
    }

    /// The same with its resamples, from the spawns themselves.
    pub(super) fn replicates(
        &self,
        parent: &Parent<'a>,
        method: SpawnMethod,
        part: Part,
    ) -> Result<Replicates, Missing> {
        let cell = self.cell(parent, method)?;
        let summary = match part {
            Part::Call => &cell.call_ns,
            Part::Total => &cell.total_ns,
        };
        if let Availability::Missing(missing) = summary {
            return Err(missing.clone());
        }
        let workers: Vec<Vec<f64>> = (cell.samples.iter())
            .map(|worker| match part {
                Part::Call => &worker.call_ns,
                Part::Total => &worker.total_ns,
            })
            .map(|spawns| spawns.iter().map(|ns| *ns as f64).collect())
            .collect();
        median_replicates(&workers, parent.seed, DRAWS)
            .ok_or_else(|| Missing::unavailable("the document holds no spawns of it", None))
    }

    fn cell(&self, parent: &Parent<'a>, method: SpawnMethod) -> Result<&'a Cell, Missing> {
        if let Err(missing) = &parent.request {
            return Err(missing.clone());
        }
        let cell = parent.cells.iter().find(|cell| cell.method == method);
        let cell = cell.copied().ok_or_else(|| {
            if self.document.plan.methods.contains(&method) {
                Missing::not_reached()
            } else {
                Missing::not_asked("the run was not asked for this method")
            }
        })?;
        // Built of base pages, it is another parent than the study's.
        if parent.asks_for_huge_pages() && cell.space.parent.huge_bytes == 0 {
            return Err(no_huge_pages());
        }
        Ok(cell)
    }
}

impl<'a> Parent<'a> {
    fn of(document: &'a Document, point: &'a StudyPoint) -> Self {
        let place = match &point.space {
            Availability::Measured(place) => Ok(*place),
            Availability::Missing(missing) => Err(missing.clone()),
        };
        let spaces = &document.plan.spaces;
        let request = place.clone().and_then(|place| {
            spaces
                .get(place)
                .ok_or_else(|| Missing::unavailable("the plan has no such address space", None))
        });
        let cells = document.findings.cells().iter();
        let cells = cells.filter(|cell| Ok(&cell.space.request) == request.as_ref().copied());
        // The workers of points that share a space are the same.
        let place = place.unwrap_or(0) as u64;
        Self {
            point,
            cells: cells.collect(),
            seed: (document.plan.seed).wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            request,
        }
    }

    /// Its name, short enough for a table.
    pub(super) fn name(&self) -> String {
        short(&self.point.name, LONGEST_NAME)
    }

    /// The census of its space, once something was measured in it.
    pub(super) fn space(&self) -> Option<&'a Space> {
        self.cells.first().map(|cell| &cell.space)
    }

    /// Whether its pages are to be huge.
    pub(super) fn asks_for_huge_pages(&self) -> bool {
        (self.request.as_ref()).is_ok_and(|request| request.asks_for_huge_pages())
    }

    /// Why there is no census.
    pub(super) fn unseen(&self) -> Missing {
        let missing = self.request.as_ref().err().cloned();
        missing.unwrap_or_else(Missing::not_reached)
    }
}

/// Why there is nothing of a parent whose pages are to be huge.
pub(super) fn no_huge_pages() -> Missing {
    Missing::unavailable(
        "the kernel gave no huge pages",
        Some("set /sys/kernel/mm/transparent_hugepage/enabled to madvise"),
    )
}

/// A line's name.
pub(super) fn line_name(series: &str) -> String {
    short(series, LONGEST_SERIES)
}

/// A name as long as a table bears it.
pub(super) fn short(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.to_owned();
    }
    let kept = name.chars().take(longest - 3);
    kept.chain("...".chars()).collect()
}
