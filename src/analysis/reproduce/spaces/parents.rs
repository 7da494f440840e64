//! The parents of a study: what was published of each, and the address space
//! that stands for it here.

use crate::analysis::seed_at;
use crate::model::{
    Availability, Cell, Document, Missing, Part, PublishedFigure, Reproduction, Space,
    SpaceRequest, SpawnMethod, StudyId, StudyPoint, WorkerSamples, times,
};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};

/// A study of address spaces beside the cells that answer it.
pub struct Study<'a> {
    /// The whole document.
    pub document: &'a Document,
    /// What was published, and how it was carried out here.
    pub reproduction: &'a Reproduction,
    points: &'a [StudyPoint],
    /// In the study's order.
    pub parents: Vec<Parent<'a>>,
}

/// A published parent.
pub struct Parent<'a> {
    /// What was published of it.
    pub point: &'a StudyPoint,
    /// The order for the space that stands for it, or why there is none.
    pub request: Result<&'a SpaceRequest, Missing>,
    /// What was measured in that space.
    cells: Vec<&'a Cell>,
    /// Spaces have workers of their own, and so seeds of their own.
    seed: u64,
}

/// What one row is about: a published figure, or a method without one.
pub struct Asked<'a> {
    /// The spawn method.
    pub method: SpawnMethod,
    /// The interval that the study timed.
    pub part: Part,
    /// The published figure, if there is one.
    pub figure: Option<&'a PublishedFigure>,
}

/// One of them, and its place among the others.
pub struct Row<'a> {
    /// The parent's place in the study.
    pub place: usize,
    /// The parent.
    pub parent: &'a Parent<'a>,
    /// What is asked of it.
    pub asked: Asked<'a>,
    /// Whether it is the first of its parent.
    pub first: bool,
    /// Whether it is the first of its parent and method: this host's times are told once.
    pub first_of_method: bool,
}

/// How the parents of a study differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// In their page-table entries.
    Ptes,
    /// In their VMAs.
    Vmas,
    /// In what their pages are; they are of one size.
    Pages,
}

impl<'a> Study<'a> {
    /// A study beside its answers.
    pub fn of(
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

    /// How its parents differ.
    pub fn axis(&self) -> Axis {
        match self.reproduction.study {
            StudyId::MtDup2023 => Axis::Vmas,
            StudyId::PteBatching2024 => Axis::Pages,
            StudyId::Python2014 | StudyId::PosixSpawn2011 | StudyId::Hotos2019 => Axis::Ptes,
        }
    }

    /// Whether the parents have their published sizes.
    pub fn is_whole(&self) -> bool {
        self.reproduction.scale == 1.0
    }

    /// The share of the published sizes that was built: "1/4".
    pub fn share(&self) -> String {
        let scale = self.reproduction.scale;
        let parts = 1.0 / scale;
        let is_fraction = (parts - parts.round()).abs() < 1e-6 * parts;
        match scale * 100.0 {
            _ if is_fraction && (1.0..1e3).contains(&parts) => format!("1/{}", parts.round()),
            percent if percent < 1e3 => format!("{percent:.1} %"),
            percent => format!("{percent:.2e} %"),
        }
    }

    /// A parent's figures in the study's order, then the methods without any.
    pub fn asked(&self, parent: &Parent<'a>) -> Vec<Asked<'a>> {
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

    /// The same of all parents.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (place, parent) in self.parents.iter().enumerate() {
            let mut before = None;
            for asked in self.asked(parent) {
                let above = before.replace(asked.method);
                rows.push(Row {
                    place,
                    parent,
                    first: above.is_none(),
                    first_of_method: above != Some(asked.method),
                    asked,
                });
            }
        }
        rows
    }

    /// The size of a parent along the axis, as it was published.
    pub fn published_size(&self, parent: &Parent<'_>) -> Option<u64> {
        match self.axis() {
            Axis::Vmas => parent.point.vmas,
            Axis::Ptes | Axis::Pages => parent.point.ptes,
        }
    }

    /// The same of a space as the kernel counts it.
    pub fn built_size(&self, space: &Space) -> u64 {
        match self.axis() {
            Axis::Vmas => space.parent.mappings.vmas,
            Axis::Ptes | Axis::Pages => space.parent.mappings.present_ptes,
        }
    }

    /// What the study timed, by its first figure.
    pub fn part(&self) -> Part {
        self.figures().next().map_or(Part::Total, |f| f.part)
    }

    /// Whether all figures are of one part.
    pub fn has_one_part(&self) -> bool {
        self.figures().all(|figure| figure.part == self.part())
    }

    /// All published figures.
    pub fn figures(&self) -> impl Iterator<Item = &'a PublishedFigure> {
        self.points.iter().flat_map(|point| &point.figures)
    }

    /// Whether the methods do not tell the study's lines apart.
    pub fn has_series(&self) -> bool {
        self.parents.iter().any(|parent| {
            let figures = &parent.point.figures;
            figures.iter().enumerate().any(|(index, figure)| {
                let before = &figures[..index];
                before.iter().any(|other| other.method == figure.method)
            })
        })
    }

    /// A time of one spawn here, or why there is none.
    pub fn here(
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
    pub fn replicates(
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
        let of = match part {
            Part::Call => WorkerSamples::calls,
            Part::Total => WorkerSamples::totals,
        };
        let workers = times(&cell.samples, of);
        cost_replicates(&workers, parent.seed, DRAWS)
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
        Self {
            point,
            cells: cells.collect(),
            // The workers of points that share a space are the same.
            seed: seed_at(document.plan.seed, place.unwrap_or(0)),
            request,
        }
    }

    /// The census of its space, once something was measured in it.
    pub fn space(&self) -> Option<&'a Space> {
        self.cells.first().map(|cell| &cell.space)
    }

    /// Whether its pages are to be huge.
    pub fn asks_for_huge_pages(&self) -> bool {
        (self.request.as_ref()).is_ok_and(|request| request.asks_for_huge_pages())
    }

    /// Why there is no census.
    pub fn unseen(&self) -> Missing {
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
