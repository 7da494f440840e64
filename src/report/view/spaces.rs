//! The address spaces of a document, each with its cells, and the axis along
//! which they differ.

use crate::model::{Cell, Document, Space, SpaceRequest, SpawnMethod};

use super::number::counted;
use super::table::Column;

/// What makes one address space larger than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// The number of mappings.
    Mappings,
    /// The number of present page-table entries, in the same mappings.
    Ptes,
    /// The number of open descriptors, in the same mappings.
    Descriptors,
    /// The number of threads, beside the same mappings; their stacks are more.
    Threads,
}

impl Axis {
    /// The size of a space.
    pub(super) fn size(self, space: &Space) -> u64 {
        match self {
            Self::Mappings => space.parent.mappings.vmas,
            Self::Ptes => space.parent.mappings.present_ptes,
            Self::Descriptors => space.parent.descriptors,
            Self::Threads => space.parent.threads,
        }
    }

    /// The column of its sizes.
    pub(super) fn column(self) -> Column {
        let own = "of the spawning process, its own included";
        match self {
            Self::Mappings => Column::key("mappings")
                .explained("VMAs that a fork of the spawning process copies, its own included"),
            Self::Ptes => Column {
                subheader: "PTEs".to_owned(),
                ..Column::key("present")
            },
            Self::Descriptors => {
                Column::key("fds").explained(format!("open file descriptors {own}"))
            }
            Self::Threads => Column::key("threads").explained(format!(
                "{own}: all but one sleep; each has a stack and a guard, two mappings"
            )),
        }
    }

    /// Whether a difference of so many mappings and page-table entries is one of
    /// the entries.
    ///
    /// A heap that grows adds a mapping or two at first (the heap itself and what
    /// the allocator maps apart), which is not what makes it larger.
    pub(super) fn is_of_ptes(mappings: u64, ptes: u64) -> bool {
        mappings <= 2 && ptes > 100 * mappings
    }

    /// What one unit of it is called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Mappings => "mapping",
            Self::Ptes => "PTE",
            Self::Descriptors => "descriptor",
            Self::Threads => "thread",
        }
    }

    /// What comes with one more of them.
    pub(super) fn held(self) -> &'static str {
        match self {
            Self::Mappings => "all they hold",
            Self::Ptes => "their page tables",
            Self::Descriptors => "their open files",
            Self::Threads => "their stacks",
        }
    }

    /// A size as prose.
    pub(super) fn prose(self, size: u64) -> String {
        match self {
            Self::Mappings => counted(size, "mapping"),
            Self::Ptes => counted(size, "present PTE"),
            Self::Descriptors => counted(size, "descriptor"),
            Self::Threads => counted(size, "thread"),
        }
    }
}

/// One address space with the cells that were measured in it.
pub(super) struct Group<'a> {
    pub(super) space: &'a Space,
    pub(super) cells: Vec<&'a Cell>,
}

impl<'a> Group<'a> {
    /// The cell of a method.
    pub(super) fn cell(&self, method: SpawnMethod) -> Option<&'a Cell> {
        self.cells.iter().copied().find(|c| c.method == method)
    }
}

/// All address spaces of a document, in its order.
pub(super) struct Sizes<'a> {
    pub(super) axis: Axis,
    pub(super) groups: Vec<Group<'a>>,
}

impl<'a> Sizes<'a> {
    /// Groups the document's cells by address space.
    pub(super) fn of(document: &'a Document) -> Self {
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

    /// The groups from the smallest to the largest.
    pub(super) fn ascending(&self) -> Vec<&Group<'a>> {
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
