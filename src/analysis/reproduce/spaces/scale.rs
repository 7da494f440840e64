//! The studies on one scale: what a page-table entry, a VMA or a page-table page
//! adds to a spawn.
//!
//! It is what the largest parent takes beyond the smallest one, over what it has
//! more: of the published figures and of this host's, over the same parents, so
//! that neither has the advantage of another fit. A study whose parents are of
//! one size has the whole call, over all that the parent has.

use crate::model::{Availability, Missing, Part, PublishedFigure, SpaceRequest, SpawnMethod};
use crate::stats::{Estimate, Replicates};

use super::layouts;
use super::parents::{Asked, Axis, Parent, Study, no_huge_pages};

/// How the pages of a parent lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Side by side.
    Dense,
    /// Apart, so that the page tables are nearly empty.
    Scattered,
    /// In huge pages.
    Huge,
}

/// What a cost is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A page-table entry, with its share of a page table.
    Pte,
    /// A VMA, with what it holds.
    Vma,
    /// 4 KiB of memory, however it is mapped.
    BasePage,
    /// 1 GiB of memory.
    Gib,
    /// A page-table page, or an entry without its share of one.
    Alone(Alone),
}

impl Per {
    /// What it is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Pte => "PTE",
            Self::Vma => "VMA",
            Self::BasePage => "4 KiB",
            Self::Gib => "GiB",
            Self::Alone(Alone::Pte) => "PTE alone",
            Self::Alone(Alone::Table) => "table",
        }
    }
}

/// What two layouts together tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// An entry.
    Pte,
    /// A table.
    Table,
}

/// A cost, published and here.
pub struct Cost<'a> {
    /// What it is of.
    pub per: Per,
    /// The spawn method.
    pub method: SpawnMethod,
    /// The study's line; none where it has no figure of this method.
    pub series: Option<&'a str>,
    /// Which interval the study timed.
    pub part: Part,
    /// What it was taken over.
    pub over: Over<'a>,
    /// In ns.
    pub published: Availability<f64>,
    /// In ns, in the call and until the child was waited for.
    pub here: [Availability<Estimate>; 2],
}

/// What a cost was taken over.
pub enum Over<'a> {
    /// From a smaller parent to a larger one.
    Growth(&'a Parent<'a>, &'a Parent<'a>),
    /// The whole of one parent.
    Whole(&'a Parent<'a>),
    /// Two growths, of dense and of scattered pages.
    Layouts,
}

impl Cost<'_> {
    /// This host's figure of a part.
    pub fn of(&self, part: Part) -> &Availability<Estimate> {
        &self.here[usize::from(part == Part::Total)]
    }

    /// This host's cost over the published one; none of costs that might be 0.
    pub fn over_published(&self) -> Availability<Estimate> {
        let (published, here) = match (&self.published, self.of(self.part)) {
            (Availability::Measured(published), Availability::Measured(here)) => (*published, here),
            (Availability::Missing(missing), _) | (_, Availability::Missing(missing)) => {
                return Availability::Missing(missing.clone());
            }
        };
        if published > 0.0 && here.is_above(0.0) {
            Availability::Measured(here.map(|ns| ns / published))
        } else {
            Availability::unavailable("a cost that may be 0 is no multiple of another", None)
        }
    }
}

/// All costs, in the order of the parents.
pub fn costs<'a>(study: &'a Study<'a>) -> Vec<Cost<'a>> {
    if study.axis() == Axis::Pages {
        let parents = study.parents.iter();
        return parents.flat_map(|parent| whole(study, parent)).collect();
    }
    let mut costs = Vec::new();
    for layout in [Layout::Dense, Layout::Scattered, Layout::Huge] {
        let family = family(study, layout);
        for asked in lines(study, &family) {
            costs.extend(growth(study, &family, &asked));
        }
    }
    costs.extend(layouts::costs(study));
    costs
}

/// The parents of a layout that were ordered, and the empty one.
pub(super) fn family<'a>(study: &'a Study<'a>, layout: Layout) -> Vec<&'a Parent<'a>> {
    let of = |parent: &&Parent<'a>| {
        let request = parent.request.as_ref().ok().copied();
        request.is_some_and(|request| is_nothing(request) || self::layout(request) == layout)
    };
    let family: Vec<&Parent<'a>> = study.parents.iter().filter(of).collect();
    let is_empty = |parent: &&&Parent<'a>| {
        let request = parent.request.as_ref().ok().copied();
        request.is_none_or(is_nothing)
    };
    // The empty parent alone is no family of a layout.
    if family.iter().all(|parent| is_empty(&parent)) {
        return Vec::new();
    }
    family
}

/// How the pages of an order lie.
pub fn layout(request: &SpaceRequest) -> Layout {
    match request {
        SpaceRequest::Mappings { huge: true, .. } => Layout::Huge,
        SpaceRequest::Mappings { pages, spacing, .. }
        | SpaceRequest::Malloc { pages, spacing, .. }
            if *pages > 1 && *spacing > 1 =>
        {
            Layout::Scattered
        }
        // One part of huge pages, or of scattered ones, makes the whole dearer.
        SpaceRequest::Together { parts } => {
            let layouts = || parts.iter().map(layout);
            let has = |wanted: Layout| layouts().any(|layout| layout == wanted);
            match () {
                () if has(Layout::Huge) => Layout::Huge,
                () if has(Layout::Scattered) => Layout::Scattered,
                () => Layout::Dense,
            }
        }
        _ => Layout::Dense,
    }
}

/// Whether an order adds nothing to a worker: neither mappings nor blocks.
fn is_nothing(request: &SpaceRequest) -> bool {
    match request {
        SpaceRequest::Malloc { count, .. }
        | SpaceRequest::Descriptors { count, .. }
        | SpaceRequest::Threads { count }
        | SpaceRequest::Handlers { count } => *count == 0,
        SpaceRequest::Together { parts } => parts.iter().all(is_nothing),
        other => other.mappings() == 0,
    }
}

/// The pages that an order writes to.
fn pages(request: &SpaceRequest) -> u64 {
    match request {
        SpaceRequest::Mappings {
            mappings, pages, ..
        } => mappings.saturating_mul(*pages),
        SpaceRequest::Malloc { count, .. } => *count,
        SpaceRequest::Likeness(likeness) => likeness.regions.len() as u64,
        SpaceRequest::Descriptors { .. }
        | SpaceRequest::DescriptorTable { .. }
        | SpaceRequest::Threads { .. }
        | SpaceRequest::Handlers { .. }
        | SpaceRequest::Jobs { .. } => 0,
        SpaceRequest::Together { parts } => parts.iter().map(pages).fold(0, u64::saturating_add),
    }
}

/// The study's lines over a family, each once.
fn lines<'a>(study: &Study<'a>, family: &[&Parent<'a>]) -> Vec<Asked<'a>> {
    let mut lines: Vec<Asked<'a>> = Vec::new();
    for asked in family.iter().flat_map(|parent| study.asked(parent)) {
        if !lines.iter().any(|line| is_line(line, &asked)) {
            lines.push(asked);
        }
    }
    // A method that has figures of some parents has no line without them.
    let published: Vec<SpawnMethod> = lines
        .iter()
        .filter(|line| line.figure.is_some())
        .map(|line| line.method)
        .collect();
    lines.retain(|line| line.figure.is_some() || !published.contains(&line.method));
    lines
}

fn is_line(a: &Asked<'_>, b: &Asked<'_>) -> bool {
    let series = |asked: &Asked<'_>| asked.figure.map(|f| (f.series.clone(), f.part));
    a.method == b.method && series(a) == series(b)
}

/// What a line grows by from the smallest to the largest parent of a family.
fn growth<'a>(
    study: &'a Study<'a>,
    family: &[&'a Parent<'a>],
    line: &Asked<'a>,
) -> Option<Cost<'a>> {
    let has_figure = |parent: &&&'a Parent<'a>| {
        line.figure.is_none() || study.asked(parent).iter().any(|asked| is_line(asked, line))
    };
    let known: Vec<&Parent<'a>> = family.iter().filter(has_figure).copied().collect();
    let measured = |parent: &&&'a Parent<'a>| {
        let total = study.here(parent, line.method, Part::Total);
        total.measured().is_some()
    };
    let answered: Vec<&Parent<'a>> = known.iter().filter(measured).copied().collect();
    let (small, large) = ends(study, &answered).or_else(|| ends(study, &known))?;
    let per = if study.axis() == Axis::Vmas {
        Per::Vma
    } else {
        Per::Pte
    };
    Some(Cost {
        per,
        method: line.method,
        series: line.figure.map(|figure| figure.series.as_str()),
        part: line.part,
        over: Over::Growth(small, large),
        published: published(study, [small, large], line),
        here: both(|part| {
            let slope = slope(study, [small, large], line.method, part)?;
            Ok(slope.estimate())
        }),
    })
}

/// The smallest and the largest parent, if they differ.
pub(super) fn ends<'a>(
    study: &Study<'a>,
    family: &[&'a Parent<'a>],
) -> Option<(&'a Parent<'a>, &'a Parent<'a>)> {
    let size = |parent: &&&'a Parent<'a>| ordered(study, parent);
    let small = family.iter().min_by_key(size)?;
    let large = family.iter().max_by_key(size)?;
    (size(&small) < size(&large)).then_some((*small, *large))
}

/// The size of a parent as it was ordered.
fn ordered(study: &Study<'_>, parent: &Parent<'_>) -> u64 {
    match (&parent.request, study.axis()) {
        (Ok(request), Axis::Vmas) => request.mappings(),
        (Ok(request), _) => pages(request),
        (Err(_), _) => 0,
    }
}

/// The size of a parent as the kernel counts it.
fn built(study: &Study<'_>, parent: &Parent<'_>) -> Result<f64, Missing> {
    let space = parent.space().ok_or_else(|| parent.unseen())?;
    Ok(study.built_size(space) as f64)
}

pub(super) fn both(
    figure: impl Fn(Part) -> Result<Estimate, Missing>,
) -> [Availability<Estimate>; 2] {
    [Part::Call, Part::Total].map(|part| match figure(part) {
        Ok(estimate) => Availability::Measured(estimate),
        Err(missing) => Availability::Missing(missing),
    })
}

/// The published growth, over published sizes.
fn published(
    study: &Study<'_>,
    [small, large]: [&Parent<'_>; 2],
    line: &Asked<'_>,
) -> Availability<f64> {
    let figure = |parent: &Parent<'_>| {
        let figures = parent.point.figures.iter();
        figures
            .filter(|figure| {
                let series = line.figure.map(|line| &line.series);
                figure.method == line.method && Some(&figure.series) == series
            })
            .map(PublishedFigure::per_spawn_ns)
            .next()
    };
    let (Some(a), Some(b)) = (figure(small), figure(large)) else {
        return Availability::unavailable("the study prints no number for it", None);
    };
    let sizes = [small, large].map(|parent| study.published_size(parent));
    let [Some(from), Some(to)] = sizes else {
        return Availability::unavailable("the sizes of the parents were not published", None);
    };
    let slope = (b - a) / (to as f64 - from as f64);
    if slope.is_finite() {
        Availability::Measured(slope)
    } else {
        Availability::unavailable("the published parents are of one size", None)
    }
}

/// This host's growth, over the sizes that the kernel counted.
fn slope(
    study: &Study<'_>,
    [small, large]: [&Parent<'_>; 2],
    method: SpawnMethod,
    part: Part,
) -> Result<Replicates, Missing> {
    let steps = built(study, large)? - built(study, small)?;
    if steps <= 0.0 {
        return Err(Missing::unavailable(
            "the larger parent did not become larger here",
            None,
        ));
    }
    let from = study.replicates(small, method, part)?;
    let to = study.replicates(large, method, part)?;
    combined(&[&from, &to], |v| Some((v[1] - v[0]) / steps))
}

pub(super) fn combined(
    parts: &[&Replicates],
    compute: impl Fn(&[f64]) -> Option<f64>,
) -> Result<Replicates, Missing> {
    let finite = |v: &[f64]| compute(v).filter(|value| value.is_finite());
    Replicates::combine(parts, finite)
        .ok_or_else(|| Missing::unavailable("the times make no sense", None))
}

/// The whole call of a parent, over what it has: of a study of page sizes.
fn whole<'a>(study: &'a Study<'a>, parent: &'a Parent<'a>) -> Vec<Cost<'a>> {
    let huge = matches!(&parent.request, Ok(request) if layout(request) == Layout::Huge);
    let pers: &[Per] = if huge {
        &[Per::Gib, Per::BasePage]
    } else {
        &[Per::Pte]
    };
    let lines = study.asked(parent);
    let mut costs = Vec::new();
    for per in pers {
        costs.extend(lines.iter().map(|line| Cost {
            per: *per,
            method: line.method,
            series: line.figure.map(|figure| figure.series.as_str()),
            part: line.part,
            over: Over::Whole(parent),
            published: whole_published(parent, *per, line),
            here: both(|part| {
                let steps = amount(parent, *per)?;
                let whole = study.replicates(parent, line.method, part)?;
                Ok(combined(&[&whole], |v| Some(v[0] / steps))?.estimate())
            }),
        }));
    }
    costs
}

fn whole_published(parent: &Parent<'_>, per: Per, line: &Asked<'_>) -> Availability<f64> {
    let ptes = parent
        .point
        .ptes
        .filter(|ptes| *ptes > 0 && per == Per::Pte);
    match (line.figure, ptes) {
        (Some(figure), Some(ptes)) => Availability::Measured(figure.per_spawn_ns() / ptes as f64),
        (Some(_), None) => {
            Availability::unavailable("the sizes of the parents were not published", None)
        }
        (None, _) => Availability::unavailable("the study prints no number for it", None),
    }
}

/// How many of something a parent has.
fn amount(parent: &Parent<'_>, per: Per) -> Result<f64, Missing> {
    let space = parent.space().ok_or_else(|| parent.unseen())?;
    let amount = match per {
        Per::Pte | Per::Alone(_) => space.parent.mappings.present_ptes as f64,
        Per::Vma => space.parent.mappings.vmas as f64,
        Per::BasePage => space.parent.huge_bytes as f64 / 4096.0,
        Per::Gib => space.parent.huge_bytes as f64 / f64::from(1_u32 << 30),
    };
    if amount > 0.0 {
        Ok(amount)
    } else {
        Err(no_huge_pages())
    }
}

/// What the larger parent takes beyond the smaller one in total.
pub(super) fn grew(
    study: &Study<'_>,
    [small, large]: [&Parent<'_>; 2],
    method: SpawnMethod,
) -> Result<Estimate, Missing> {
    let from = study.replicates(small, method, Part::Total)?;
    let to = study.replicates(large, method, Part::Total)?;
    Ok(combined(&[&from, &to], |v| Some(v[1] - v[0]))?.estimate())
}
