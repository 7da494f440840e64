//! From a shape to what a worker builds on top of itself: what it has by itself
//! already stands for as much of the process.

use super::counts::{
    copies_entries, entries, fan_out, huge_runs, is_copied, joined, pages, tables, total,
};
use crate::analysis::mappings::{Fate, fate, region_kind};
use crate::model::{
    LeftOutMapping, LeftOutReason, LikeRegion, Likeness, MappingContent, MappingFlag, ProcessFacts,
    ProcessShape, RegionKind, ShapeMapping, ShapeUnit, SpaceRequest, Watched,
};
use crate::vm::rings_for;

/// A mapping with this many entries more or less than one of the worker's own is not
/// replaced by it: a mapping too many costs less than so many entries.
const MOST_APART: u64 = 64;

/// What is rebuilt of a process, in a worker with mappings of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The process but for its memory.
    pub(in crate::analysis) facts: ProcessFacts,
    /// The mappings to build.
    pub(in crate::analysis) mappings: Vec<ShapeMapping>,
    /// Those that the worker's own ones stand for.
    stand_ins: Vec<ShapeMapping>,
    /// Those that it can do without, or must.
    left_out: Vec<LeftOutMapping>,
    /// What the worker has besides its memory.
    pub(in crate::analysis) own: ProcessFacts,
    /// Its ancestors that have some of its memory.
    generations: u64,
    /// Whether its forks are told to a userfaultfd as well, where the process's are.
    watched: bool,
}

impl Blueprint {
    /// What a worker of its `own` shape has to build to become like `shape`.
    pub fn of(shape: &ProcessShape, own: &ProcessShape) -> Self {
        let mut left_out = Vec::new();
        let mut mappings: Vec<ShapeMapping> = Vec::new();
        for mapping in &shape.mappings {
            match why_left_out(mapping) {
                Some(why) => note(&mut left_out, why, mapping, shape.process.page_size),
                // Forks take it out of their copy of the tree of mappings (`dup_mmap`), and
                // look at none of its pages.
                None if mapping.has(MappingFlag::DontFork) => {
                    mappings.push(mapping.without_pages());
                }
                None => mappings.push(mapping.clone()),
            }
        }
        let mut stand_ins = take_stacks(&mut mappings, shape.process.threads);
        stand_ins.extend(take_stand_ins(&mut mappings, &own.mappings));
        Self {
            facts: shape.process.clone(),
            mappings,
            stand_ins,
            left_out,
            own: own.process.clone(),
            generations: shape.generations(),
            watched: false,
        }
    }

    /// The same with forks that are told to a userfaultfd if the process's are.
    #[must_use]
    pub fn watched(mut self, watched: bool) -> Self {
        let mut mappings = self.mappings.iter();
        self.watched = watched && mappings.any(|m| m.has(MappingFlag::UserfaultForks));
        self
    }

    /// How much of a unit the process has, those that stand for the worker's included.
    pub fn units(&self, unit: ShapeUnit) -> u64 {
        let mut all: Vec<ShapeMapping> = [self.mappings.as_slice(), &self.stand_ins].concat();
        all.sort_by_key(|mapping| mapping.first_page);
        let features = total(&all, self.facts.page_size);
        match unit {
            ShapeUnit::Vmas => features.vmas,
            ShapeUnit::AnonVmas => features.anon_vmas,
            ShapeUnit::Ptes => features.ptes,
            // Those in reserve, one for each huge page, are in no sum of the workers'.
            ShapeUnit::Tables if self.facts.page_table_bytes > 0 => {
                let all = self.facts.page_table_bytes / self.facts.page_size.max(1);
                all.saturating_sub(features.huge_entries)
            }
            ShapeUnit::Tables => tables(&all, self.facts.page_size),
            ShapeUnit::HugeEntries => features.huge_entries,
            ShapeUnit::Descriptors => self.facts.descriptors + self.facts.cloexec_descriptors,
            ShapeUnit::Threads => self.facts.threads,
            ShapeUnit::PinnedPages => features.pinned_ptes,
        }
    }

    /// What is not built of it.
    pub fn left_out(&self) -> &[LeftOutMapping] {
        &self.left_out
    }

    /// How many mappings the worker's own ones stand for.
    pub fn stand_ins(&self) -> usize {
        self.stand_ins.len()
    }

    /// The order for a worker with all of it.
    pub fn whole(&self) -> SpaceRequest {
        self.request(&self.mappings, self.beside())
    }

    /// Pages of a huge page.
    pub(in crate::analysis) fn fan_out(&self) -> u64 {
        fan_out(self.facts.page_size)
    }

    /// The order for a worker with these of its mappings, and what is besides them.
    pub(in crate::analysis) fn request(
        &self,
        mappings: &[ShapeMapping],
        beside: Beside,
    ) -> SpaceRequest {
        let likeness = Likeness {
            of: self.facts.name.clone(),
            // Those of the worker's own mappings have links to them as well, on every rung.
            generations: self.generations,
            regions: (mappings.iter())
                .map(|mapping| LikeRegion {
                    watched: watching(mapping).filter(|_| self.watched),
                    ..region(mapping, self.fan_out())
                })
                .collect(),
        };
        let mut parts = vec![SpaceRequest::Likeness(likeness)];
        let counts = [
            (beside.descriptors, false),
            (beside.cloexec_descriptors, true),
        ];
        for (count, cloexec) in counts {
            if count > 0 {
                parts.push(SpaceRequest::Descriptors { count, cloexec });
            }
        }
        let (highest, slots) = (beside.highest_descriptor, beside.descriptor_slots);
        if highest.max(slots) > 0 {
            parts.push(SpaceRequest::DescriptorTable { highest, slots });
        }
        if beside.threads > 0 {
            let count = beside.threads;
            parts.push(SpaceRequest::Threads { count });
        }
        if beside.handlers > 0 {
            let count = beside.handlers;
            parts.push(SpaceRequest::Handlers { count });
        }
        SpaceRequest::Together { parts }
    }

    /// What the process has besides its memory, beyond what the worker has.
    pub(in crate::analysis) fn beside(&self) -> Beside {
        /// Real-time signals of libc's own have no handler of anybody's.
        const MOST_HANDLERS: u64 = 52;
        let (facts, own) = (&self.facts, &self.own);
        let handlers = facts.handlers.saturating_sub(own.handlers);
        // What a worker has too many of one kind is taken off the other.
        let (plain, cloexec) = (facts.descriptors, facts.cloexec_descriptors);
        let surplus = own.cloexec_descriptors.saturating_sub(cloexec);
        let lacking = own.descriptors.saturating_sub(plain);
        let mut descriptors = plain.saturating_sub(own.descriptors.saturating_add(surplus));
        let mut cloexec_descriptors =
            cloexec.saturating_sub(own.cloexec_descriptors.saturating_add(lacking));
        // The rings that pin come with their pages.
        let runs = self.mappings.iter().flat_map(|mapping| &mapping.pinned);
        let rings = rings_for(runs, facts.page_size);
        // So does what its ancestors live by, and the userfaultfd.
        let others = u64::from(self.generations > 0) + u64::from(self.watched);
        cloexec_descriptors = cloexec_descriptors.saturating_sub(rings.saturating_add(others));
        let opened = descriptors.saturating_add(cloexec_descriptors);
        // Without a gap the worker's numbers reach as far by themselves.
        let reach = own.highest_descriptor.unwrap_or(0).saturating_add(opened);
        let highest = facts.highest_descriptor.unwrap_or(0);
        let highest_descriptor = if highest > reach { highest } else { 0 };
        if highest_descriptor > 0 && opened == 0 {
            // One too many is better than a table that is too short.
            descriptors = 1;
        }
        // It doubles as it grows; what a file claims beyond that is not believed.
        let doubled = highest.saturating_add(1).next_power_of_two();
        let slots = facts.descriptor_slots.min(doubled.saturating_mul(2));
        Beside {
            descriptors,
            cloexec_descriptors,
            highest_descriptor,
            descriptor_slots: if slots > own.descriptor_slots {
                slots
            } else {
                0
            },
            threads: facts.threads.saturating_sub(own.threads),
            handlers: handlers.min(MOST_HANDLERS.saturating_sub(own.handlers)),
        }
    }
}

/// The order for a worker that has nothing of its own: an upper estimate of what a shape
/// takes.
pub fn request_of(shape: &ProcessShape) -> SpaceRequest {
    let nothing = ProcessShape {
        mappings: Vec::new(),
        process: ProcessFacts {
            threads: 1,
            descriptors: 0,
            cloexec_descriptors: 0,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 0,
            ..shape.process.clone()
        },
        ..shape.clone()
    };
    Blueprint::of(shape, &nothing).whole()
}

/// What a worker is given besides memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::analysis) struct Beside {
    pub(in crate::analysis) descriptors: u64,
    pub(in crate::analysis) cloexec_descriptors: u64,
    /// The number that one of them has at the least, where that is beyond all others.
    pub(in crate::analysis) highest_descriptor: u64,
    pub(in crate::analysis) descriptor_slots: u64,
    pub(in crate::analysis) threads: u64,
    pub(in crate::analysis) handlers: u64,
}

impl Beside {
    /// All of it, as a number that is 0 for nothing.
    pub(in crate::analysis) fn units(self) -> u64 {
        self.descriptors + self.cloexec_descriptors + self.threads + self.handlers
    }
}

fn why_left_out(mapping: &ShapeMapping) -> Option<LeftOutReason> {
    match mapping.content {
        MappingContent::Kernel => Some(LeftOutReason::Kernel),
        MappingContent::Hugetlb => Some(LeftOutReason::Hugetlb),
        _ if mapping.has(MappingFlag::PageFrames) => Some(LeftOutReason::PageFrames),
        _ => None,
    }
}

/// Whether a fork copies entries of mappings that no worker can have.
pub fn copies_left_out(shape: &ProcessShape) -> bool {
    let mut all = shape.mappings.iter();
    all.any(|m| why_left_out(m).is_some() && is_copied(m) && fate(m) == Fate::Copied)
}

pub(in crate::analysis) fn note(
    left_out: &mut Vec<LeftOutMapping>,
    why: LeftOutReason,
    mapping: &ShapeMapping,
    page_size: u64,
) {
    let bytes = mapping.pages.saturating_mul(page_size);
    match left_out.iter_mut().find(|noted| noted.why == why) {
        Some(noted) => {
            noted.count += 1;
            noted.bytes = noted.bytes.saturating_add(bytes);
        }
        None => left_out.push(LeftOutMapping {
            count: 1,
            bytes,
            why,
        }),
    }
}

/// Whether libc would map a stack like it. Where a program's own threads run on memory
/// that holds much else (Go's do on its heap), it is built like any other.
fn is_plain_stack(mapping: &ShapeMapping) -> bool {
    const LARGEST_PAGES: u64 = 1 << 14;
    const MOST_ENTRIES: u64 = 256;
    mapping.content == MappingContent::ThreadStack
        && mapping.pages <= LARGEST_PAGES
        && copied(mapping) <= MOST_ENTRIES
}

/// Takes out the stacks of threads, and the guards below them: libc maps them again for
/// the worker's threads, whose records on them a fork's child goes over (glibc's
/// `__reclaim_stacks`).
fn take_stacks(mappings: &mut Vec<ShapeMapping>, threads: u64) -> Vec<ShapeMapping> {
    let most = usize::try_from(threads.saturating_sub(1)).unwrap_or(usize::MAX);
    let starts: Vec<u64> = (mappings.iter())
        .filter(|mapping| is_plain_stack(mapping))
        .map(|mapping| mapping.first_page)
        .take(most)
        .collect();
    let is_guard = |mapping: &ShapeMapping| {
        mapping.content == MappingContent::Anonymous
            && mapping.permissions.starts_with("---")
            && entries(mapping).is_empty()
            && starts.binary_search(&mapping.end_page()).is_ok()
    };
    let is_stack = |mapping: &ShapeMapping| {
        mapping.content == MappingContent::ThreadStack
            && starts.binary_search(&mapping.first_page).is_ok()
    };
    let (taken, left) = std::mem::take(mappings)
        .into_iter()
        .partition(|mapping| is_stack(mapping) || is_guard(mapping));
    *mappings = left;
    taken
}

/// Takes the mappings out for which one of the worker's own stands: each time the one
/// that is most like it in what a fork pays for.
fn take_stand_ins(mappings: &mut Vec<ShapeMapping>, own: &[ShapeMapping]) -> Vec<ShapeMapping> {
    let in_forks = |mapping: &&ShapeMapping| {
        why_left_out(mapping).is_none() && !mapping.has(MappingFlag::DontFork)
    };
    let mut own: Vec<&ShapeMapping> = own.iter().filter(in_forks).collect();
    own.sort_by_key(|mapping| std::cmp::Reverse(copied(mapping)));
    let mut taken = Vec::new();
    for mine in own {
        let apart = |theirs: &ShapeMapping| copied(theirs).abs_diff(copied(mine));
        let likes = mappings.iter().enumerate().filter(|(_, theirs)| {
            kind(theirs) == kind(mine)
                && apart(theirs) <= MOST_APART
                && huge_runs(theirs).is_empty()
                && theirs.pinned.is_empty()
                && !theirs.has(MappingFlag::DontFork)
        });
        // Of equals the one with the same content: the worker's stack for the stack.
        let best = likes.min_by_key(|(_, theirs)| {
            let other_content = theirs.content != mine.content;
            let length = theirs.pages.abs_diff(mine.pages);
            (apart(theirs) + 4 * u64::from(other_content), length)
        });
        if let Some((index, _)) = best {
            taken.push(mappings.remove(index));
        }
    }
    taken
}

/// What mappings must have in common to stand for each other.
fn kind(mapping: &ShapeMapping) -> (RegionKind, bool) {
    (backing(mapping), mapping.anon_vma)
}

/// The entries that a fork copies of it.
fn copied(mapping: &ShapeMapping) -> u64 {
    match copies_entries(mapping) {
        true => pages(&entries(mapping)),
        false => 0,
    }
}

fn backing(mapping: &ShapeMapping) -> RegionKind {
    region_kind(mapping.content, mapping.is_shared())
}

fn region(mapping: &ShapeMapping, fan_out: u64) -> LikeRegion {
    let backing = backing(mapping);
    let (written, read, huge) = match backing {
        // A shared page is a file's, however it is mapped.
        RegionKind::Shared => {
            let all = joined(&[&mapping.own, &mapping.file, &mapping.zero, &mapping.huge]);
            (Vec::new(), all, Vec::new())
        }
        _ if mapping.has(MappingFlag::WipeOnFork) => (Vec::new(), Vec::new(), Vec::new()),
        RegionKind::Anon => (
            joined(&[&mapping.own, &mapping.file, &mapping.swapped]),
            mapping.zero.clone(),
            mapping.huge.clone(),
        ),
        RegionKind::File if mapping.anon_vma => (
            joined(&[&mapping.own, &mapping.swapped]),
            joined(&[&mapping.file, &mapping.zero]),
            Vec::new(),
        ),
        RegionKind::File => {
            let all = joined(&[&mapping.file, &mapping.zero, &mapping.huge]);
            (Vec::new(), all, Vec::new())
        }
    };
    // No child has the entries of a mapping that is wiped.
    let copied = |runs: &Vec<[u64; 2]>| match mapping.has(MappingFlag::WipeOnFork) {
        true => Vec::new(),
        false => runs.clone(),
    };
    let (huge_zero, guards) = (copied(&mapping.huge_zero), copied(&mapping.guards));
    // The kernel pins what can be written to.
    let pinned = match mapping.is_writable() && !mapping.is_shared() {
        true => copied(&mapping.pinned),
        false => Vec::new(),
    };
    LikeRegion {
        first_page: mapping.first_page,
        pages: mapping.pages,
        backing,
        writable: mapping.is_writable(),
        readable: mapping.is_readable(),
        written,
        read,
        huge,
        huge_zero,
        guards,
        pinned,
        dontfork: mapping.has(MappingFlag::DontFork),
        noreserve: mapping.has(MappingFlag::NotReserved),
        stretch: mapping.stretch.map_or(0, whole_stretch),
        batch: mapping.batch.map_or(0, |mean| folio(mean, fan_out)),
        generations: mapping.generations,
        watched: None,
    }
}

/// What a userfaultfd that is told of forks is told of a mapping.
fn watching(mapping: &ShapeMapping) -> Option<Watched> {
    let writes = mapping.has(MappingFlag::UserfaultWrites);
    mapping
        .has(MappingFlag::UserfaultForks)
        .then_some(match writes {
            true => Watched::Writes,
            false => Watched::Faults,
        })
}

/// The pages of folios that hold so many on average, of which some may lack a part: those
/// of a huge page, or the power of two next to it; 0 for single ones.
fn folio(mean: f64, huge: u64) -> u64 {
    if mean >= huge as f64 / 3.0 {
        return huge;
    }
    let sizes = (1..u64::BITS).map(|order| 1_u64 << order);
    let near = sizes.take_while(|pages| *pages as f64 <= 1.5 * mean);
    near.last().unwrap_or(0)
}

/// A mean number of pages as a whole one, at least 1.
fn whole_stretch(mean: f64) -> u64 {
    /// Longer ones are as good as endless.
    const MOST: f64 = 512.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a small positive number"
    )]
    let whole = mean.clamp(1.0, MOST).round() as u64;
    whole
}
