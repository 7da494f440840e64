//! The address spaces of a document, each with its cells, and the axis along
//! which they differ.

use crate::model::{Cell, Document, Space, SpaceRequest, SpawnMethod};

/// What makes one address space larger than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// The number of mappings.
    Mappings,
    /// The number of present page-table entries, in the same mappings.
    Ptes,
    /// The number of open descriptors, in the same mappings.
    Descriptors,
    /// The number of threads, beside the same mappings; their stacks are more.
    Threads,
    /// The number of parents that spawn at once, all with the same mappings.
    Jobs,
}

impl Axis {
    /// The size of a space.
    pub fn size(self, space: &Space) -> u64 {
        match self {
            Self::Mappings => space.parent.mappings.vmas,
            Self::Ptes => space.parent.mappings.present_ptes,
            Self::Descriptors => space.parent.descriptors,
            Self::Threads => space.parent.threads,
            Self::Jobs => space.request.jobs(),
        }
    }

    /// What one unit of it is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Mappings => "mapping",
            Self::Ptes => "PTE",
            Self::Descriptors => "descriptor",
            Self::Threads => "thread",
            Self::Jobs => "job",
        }
    }

    /// Whether a difference of so many mappings and page-table entries is one of
    /// the entries.
    ///
    /// A heap that grows adds a mapping or two at first (the heap itself and what
    /// the allocator maps apart), which is not what makes it larger.
    pub fn is_of_ptes(mappings: u64, ptes: u64) -> bool {
        mappings <= 2 && ptes > 100 * mappings
    }
}

/// One address space with the cells that were measured in it.
pub struct Group<'a> {
    /// The address space.
    pub space: &'a Space,
    /// Its cells, in the document's order.
    pub cells: Vec<&'a Cell>,
}

impl<'a> Group<'a> {
    /// The cell of a method.
    pub fn cell(&self, method: SpawnMethod) -> Option<&'a Cell> {
        self.cells.iter().copied().find(|c| c.method == method)
    }
}

/// A cell, and the place of its row among those of its address space.
pub struct Row<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Whether it is the first of them.
    pub first: bool,
}

impl Row<'_> {
    /// Something of the address space, which its first row tells for all.
    pub fn of_space<T>(&self, told: impl FnOnce(&Space) -> T) -> Option<T> {
        self.first.then(|| told(&self.cell.space))
    }
}

/// All address spaces of a document, in its order.
pub struct Sizes<'a> {
    /// Along what they differ.
    pub axis: Axis,
    /// An address space each.
    pub groups: Vec<Group<'a>>,
}

impl<'a> Sizes<'a> {
    /// Groups the document's cells by address space.
    pub fn of(document: &'a Document) -> Self {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for cell in document.findings.cells() {
            match groups.last_mut() {
                Some(group)
                    if group.space.request == cell.space.request
                        && group.cell(cell.method).is_none() =>
                {
                    group.cells.push(cell);
                }
                _ => groups.push(Group {
                    space: &cell.space,
                    cells: vec![cell],
                }),
            }
        }
        Self {
            axis: axis(&groups),
            groups,
        }
    }

    /// The cells in the order of the groups.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        let of_group = |group: &Group<'a>| {
            let cells = group.cells.clone().into_iter().enumerate();
            cells.map(|(index, cell)| Row {
                cell,
                first: index == 0,
            })
        };
        self.groups.iter().flat_map(of_group)
    }

    /// The groups from the smallest to the largest.
    pub fn ascending(&self) -> Vec<&Group<'a>> {
        let mut groups: Vec<&Group<'a>> = self.groups.iter().collect();
        groups.sort_by_key(|group| self.axis.size(group.space));
        groups
    }
}

/// Mappings, unless they stay the same while something else does not. Threads are
/// looked for in what was asked for, since their stacks are mappings too.
fn axis(groups: &[Group<'_>]) -> Axis {
    let asked = |of: fn(&SpaceRequest) -> u64| range(groups, |space| of(&space.request));
    if asked(SpaceRequest::mappings) == 0 {
        if asked(SpaceRequest::descriptors) > 0 {
            return Axis::Descriptors;
        }
        if asked(SpaceRequest::threads) > 0 {
            return Axis::Threads;
        }
        if asked(SpaceRequest::jobs) > 0 {
            return Axis::Jobs;
        }
    }
    let mappings = range(groups, |space| space.parent.mappings.vmas);
    let ptes = range(groups, |space| space.parent.mappings.present_ptes);
    if Axis::is_of_ptes(mappings, ptes) {
        Axis::Ptes
    } else {
        Axis::Mappings
    }
}

fn range(groups: &[Group<'_>], size: impl Fn(&Space) -> u64) -> u64 {
    let sizes = || groups.iter().map(|group| size(group.space));
    sizes().max().unwrap_or(0) - sizes().min().unwrap_or(0)
}
