//! Remedies as changes of a shape: each gives the parent with it applied, or the
//! reason why there is nothing to apply it to.

use crate::analysis::replica::counts::{Counter, copies_entries, fan_out, joined, pages};
use crate::analysis::replica::groups::weight;
use crate::analysis::replica::{Beside, Blueprint, Trial};
use crate::model::{
    ChildAction, Closing, MappingContent, MappingFlag, Missing, ProcessRole, RemedyHost,
    RemedyKind, ShapeMapping, SpawnMethod,
};
use crate::units::{bytes, thousands};

/// A mapping is worth being left out if it has this share of the cost, by weight.
const WORTH: f64 = 0.02;
/// So many mappings are left out at the most: more of them is no remedy but a redesign.
const MOST_LEFT_OUT: usize = 16;
/// Fewer descriptors than this are not worth a remedy.
const FEW_DESCRIPTORS: u64 = 16;
/// glibc's arenas but the first one begin at multiples of this (malloc/arena.c,
/// HEAP_MAX_SIZE).
const ARENA_BYTES: u64 = 64 << 20;

/// A parent with a remedy applied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Remedied<'a> {
    blueprint: &'a Blueprint,
    mappings: Vec<ShapeMapping>,
    beside: Beside,
    /// What the child closes itself.
    closing: Closing,
    /// To what it was applied, in words.
    pub(super) applied_to: String,
}

impl<'a> Remedied<'a> {
    /// The parent as it is.
    pub(super) fn nothing(blueprint: &'a Blueprint) -> Self {
        Self {
            blueprint,
            mappings: blueprint.mappings.clone(),
            beside: blueprint.beside(),
            closing: Closing::Nothing,
            applied_to: String::new(),
        }
    }

    fn page_size(&self) -> u64 {
        self.blueprint.facts.page_size
    }

    /// The trial of it.
    pub(super) fn trial(&self, role: ProcessRole, method: SpawnMethod) -> Trial {
        Trial {
            methods: vec![method],
            closing: self.closing,
            ..Trial::forked(role, self.blueprint.request(&self.mappings, self.beside))
        }
    }
}

/// How a remedy is tried.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// From a parent that was changed.
    OfParents(Change),
    /// By a method in the fork's place.
    Instead(SpawnMethod),
    /// By another flag of posix_spawn.
    Flag(SpawnMethod),
    /// Against a trial that is made for it.
    OfPair,
    /// With others of those that help.
    Together,
    /// Not at all: it is told as one, and changes programs or the host.
    Told,
}

/// Changes a parent; what it was applied to, or why there is nothing.
type Change = fn(&mut Remedied<'_>, &RemedyHost) -> Applied;

/// How each of them is tried.
pub(super) fn way(kind: RemedyKind) -> Way {
    match kind {
        RemedyKind::PosixSpawn => Way::Instead(SpawnMethod::PosixSpawn),
        RemedyKind::Vfork => Way::Instead(SpawnMethod::Vfork),
        RemedyKind::ForkServer => Way::Instead(SpawnMethod::ForkServer),
        RemedyKind::Usevfork => Way::Flag(SpawnMethod::PosixSpawnUsevfork),
        RemedyKind::DontFork => Way::OfParents(|parent, _| dont_fork(parent)),
        RemedyKind::HugePages => Way::OfParents(|parent, host| huge(parent, host, is_memory)),
        RemedyKind::HugeHeap => Way::OfParents(huge_heap),
        RemedyKind::NoHugePages => Way::OfParents(|parent, _| no_huge(parent)),
        RemedyKind::FewerDescriptors => Way::OfParents(|parent, _| fewer_descriptors(parent)),
        RemedyKind::Cloexec => Way::OfParents(|parent, _| cloexec(parent)),
        RemedyKind::CloseRange => Way::OfParents(|parent, _| close_range(parent)),
        RemedyKind::FewerThreads => Way::OfParents(|parent, _| fewer_threads(parent)),
        RemedyKind::NoFilePages => Way::OfParents(|parent, _| no_file_pages(parent)),
        RemedyKind::StaticTarget | RemedyKind::CloseRangeForEach => Way::OfPair,
        RemedyKind::BestForks | RemedyKind::Best => Way::Together,
        RemedyKind::Prelink
        | RemedyKind::ChildRunsFirst
        | RemedyKind::DeferredStart
        | RemedyKind::PersistentMode
        | RemedyKind::SmallerHeap => Way::Told,
    }
}

/// Why a remedy is none for children that execute nothing.
pub(super) fn unfit(kind: RemedyKind, child: ChildAction) -> Option<&'static str> {
    let goes_on = match child {
        ChildAction::Exec => return None,
        ChildAction::Exit => "the children execute nothing and go on as copies of the process",
    };
    match (way(kind), kind) {
        (Way::Instead(_) | Way::Flag(_) | Way::OfPair, _)
        | (_, RemedyKind::Cloexec | RemedyKind::CloseRange | RemedyKind::Prelink) => Some(goes_on),
        (_, RemedyKind::DontFork) => {
            Some("the children go on in this memory, and would not have it")
        }
        _ => None,
    }
}

/// The methods that take the fork's place.
pub(super) fn instead() -> impl Iterator<Item = (RemedyKind, SpawnMethod)> {
    RemedyKind::ALL
        .into_iter()
        .filter_map(|kind| match way(kind) {
            Way::Instead(method) => Some((kind, method)),
            _ => None,
        })
}

/// Applies a remedy that changes the parent, on top of others.
///
/// # Errors
/// Why there is nothing to apply it to.
pub(super) fn apply(
    change: Change,
    parent: &mut Remedied<'_>,
    host: &RemedyHost,
) -> Result<(), Missing> {
    match change(parent, host) {
        Ok(words) => {
            parent.applied_to = words;
            Ok(())
        }
        Err(reason) => Err(Missing::not_asked(reason)),
    }
}

type Applied = Result<String, String>;

fn dont_fork(parent: &mut Remedied<'_>) -> Applied {
    let page_size = parent.page_size();
    let mut counter = Counter::new(page_size);
    let weights: Vec<f64> = (parent.mappings.iter())
        .map(|mapping| weight(&counter.count(mapping)))
        .collect();
    let all: f64 = weights.iter().sum();
    let is_malloc = is_mallocs(page_size);
    let can_miss = |mapping: &ShapeMapping| {
        mapping.content == MappingContent::Anonymous && !is_malloc(mapping)
    };
    let mut dear: Vec<usize> = (0..weights.len())
        .filter(|index| can_miss(&parent.mappings[*index]) && weights[*index] >= WORTH * all)
        .collect();
    dear.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    dear.truncate(MOST_LEFT_OUT);
    if dear.is_empty() {
        return Err(format!(
            "no anonymous mapping but malloc's has {:.0} % of the cost; heap and stacks a child \
             needs until its exec",
            100.0 * WORTH
        ));
    }
    let taken: u64 = dear.iter().map(|index| parent.mappings[*index].pages).sum();
    for index in &dear {
        parent.mappings[*index].flags.push(MappingFlag::DontFork);
    }
    let places: Vec<String> = (dear.iter())
        .map(|index| format!("{:x}", parent.mappings[*index].first_page * page_size))
        .collect();
    let all = mappings_of(dear.len(), taken * page_size);
    Ok(format!("{all}, at {}", places.join(", ")))
}

fn mappings_of(count: usize, size: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "{} mapping{plural} of {}",
        thousands(count as u64),
        bytes(size)
    )
}

/// Private memory that a program can ask huge pages for.
fn is_memory(mapping: &ShapeMapping) -> bool {
    matches!(
        mapping.content,
        MappingContent::Anonymous | MappingContent::Heap
    ) && !mapping.is_shared()
}

/// What glibc's malloc manages itself, as far as it can be told from outside.
fn is_mallocs(page_size: u64) -> impl Fn(&ShapeMapping) -> bool {
    move |mapping| {
        let start = mapping.first_page.saturating_mul(page_size);
        let is_arena = mapping.content == MappingContent::Anonymous
            && mapping.is_writable()
            && start.is_multiple_of(ARENA_BYTES)
            && mapping.pages.saturating_mul(page_size) <= ARENA_BYTES;
        mapping.content == MappingContent::Heap || is_arena
    }
}

fn huge_heap(parent: &mut Remedied<'_>, host: &RemedyHost) -> Applied {
    let is_mallocs = is_mallocs(parent.page_size());
    huge(parent, host, is_mallocs)
}

fn huge(
    parent: &mut Remedied<'_>,
    host: &RemedyHost,
    applies: impl Fn(&ShapeMapping) -> bool,
) -> Applied {
    let page_size = parent.page_size();
    if let Some(reason) = &host.no_huge_pages {
        return Err(reason.clone());
    }
    let fan_out = fan_out(page_size);
    let (mut count, mut made) = (0, 0);
    let candidates = parent
        .mappings
        .iter_mut()
        .filter(|mapping| applies(mapping));
    for mapping in candidates {
        let added = make_huge(mapping, fan_out);
        count += usize::from(added > 0);
        made += added;
    }
    match made {
        0 => Err("no whole huge page of it holds a page".to_owned()),
        made => Ok(format!(
            "{}, {} huge pages",
            mappings_of(count, made * fan_out * page_size),
            thousands(made)
        )),
    }
}

/// Makes a huge page of every whole one that has a page; how many.
fn make_huge(mapping: &mut ShapeMapping, fan_out: u64) -> u64 {
    let base = mapping.first_page;
    let end = mapping.end_page();
    let mut made = 0;
    let mut huge = mapping.huge.clone();
    let mut next = 0;
    for [first, count] in joined(&[&mapping.own, &mapping.swapped]) {
        let from = ((base + first) / fan_out).max(next);
        let to = (base + first + count - 1) / fan_out;
        for slot in from..=to {
            let start = slot * fan_out;
            let whole = start >= base && start + fan_out <= end;
            if whole && !has_guard(mapping, start - base, fan_out) {
                huge.push([start - base, fan_out]);
                made += 1;
            }
            next = slot + 1;
        }
    }
    mapping.huge = joined(&[&huge]);
    for runs in [
        &mut mapping.own,
        &mut mapping.zero,
        &mut mapping.file,
        &mut mapping.swapped,
    ] {
        *runs = without(runs, &mapping.huge);
    }
    made
}

/// Whether a guard forbids one of these pages.
fn has_guard(mapping: &ShapeMapping, first: u64, count: u64) -> bool {
    // They ascend and do not overlap.
    let next = (mapping.guards).partition_point(|[guard, many]| guard + many <= first);
    let guard = mapping.guards.get(next);
    guard.is_some_and(|[guard, _]| *guard < first + count)
}

/// The runs less those pages.
fn without(runs: &[[u64; 2]], less: &[[u64; 2]]) -> Vec<[u64; 2]> {
    let mut left = Vec::with_capacity(runs.len());
    let mut next = 0;
    for [first, count] in runs {
        let (mut start, end) = (*first, first + count);
        while next < less.len() && less[next][0] + less[next][1] <= start {
            next += 1;
        }
        for [from, many] in less[next..].iter().take_while(|[from, _]| *from < end) {
            if *from > start {
                left.push([start, from - start]);
            }
            start = start.max(from + many);
        }
        if start < end {
            left.push([start, end - start]);
        }
    }
    left
}

fn no_huge(parent: &mut Remedied<'_>) -> Applied {
    let has_own = |mapping: &&mut ShapeMapping| copies_entries(mapping);
    let all: u64 = (parent.mappings.iter())
        .filter(|mapping| copies_entries(mapping))
        .map(|mapping| pages(&mapping.huge))
        .sum();
    if all == 0 {
        return Err("the process has no huge pages to lose".to_owned());
    }
    for mapping in parent.mappings.iter_mut().filter(has_own) {
        mapping.own = joined(&[&mapping.own, &mapping.huge]);
        mapping.huge.clear();
    }
    Ok(format!("{} pages of huge ones", thousands(all)))
}

fn few(parent: &Remedied<'_>) -> Option<String> {
    let all = parent.beside.descriptors + parent.beside.cloexec_descriptors;
    let few = || match all {
        0 => "a worker has as many by itself".to_owned(),
        all => format!("the process has but {all} more than a worker"),
    };
    (all < FEW_DESCRIPTORS).then(few)
}

fn fewer_descriptors(parent: &mut Remedied<'_>) -> Applied {
    let highest = parent.beside.highest_descriptor;
    if let Some(few) = few(parent).filter(|_| highest == 0) {
        return Err(few);
    }
    let beside = &mut parent.beside;
    let all = beside.descriptors + beside.cloexec_descriptors;
    (beside.descriptors, beside.cloexec_descriptors) = (0, 0);
    (beside.highest_descriptor, beside.descriptor_slots) = (0, 0);
    let above = match highest {
        0 => String::new(),
        highest => format!(", and none at a number as high as {}", thousands(highest)),
    };
    Ok(format!("{} descriptors less{above}", thousands(all)))
}

fn cloexec(parent: &mut Remedied<'_>) -> Applied {
    let plain = parent.beside.descriptors;
    if plain < FEW_DESCRIPTORS {
        return Err(format!("all but {plain} of its descriptors have it"));
    }
    parent.beside.cloexec_descriptors += plain;
    parent.beside.descriptors = 0;
    Ok(format!("{} descriptors", thousands(plain)))
}

fn close_range(parent: &mut Remedied<'_>) -> Applied {
    if let Some(few) = few(parent) {
        return Err(few);
    }
    parent.closing = Closing::AtOnce;
    let all = parent.beside.descriptors + parent.beside.cloexec_descriptors;
    Ok(format!("{} descriptors", thousands(all)))
}

fn fewer_threads(parent: &mut Remedied<'_>) -> Applied {
    let threads = parent.beside.threads;
    if threads == 0 {
        return Err("the process has one thread".to_owned());
    }
    parent.beside.threads = 0;
    Ok(format!("{} threads, with their stacks", thousands(threads)))
}

fn no_file_pages(parent: &mut Remedied<'_>) -> Applied {
    let page_size = parent.page_size();
    let mut dropped = 0;
    for mapping in &mut parent.mappings {
        if !copies_entries(mapping) && !mapping.is_shared() {
            dropped += pages(&mapping.file);
            mapping.file.clear();
        }
    }
    match dropped {
        0 => Err("no page of a file is mapped outside of what is copied".to_owned()),
        dropped => Ok(format!("{} of mapped files", bytes(dropped * page_size))),
    }
}
