//! The mappings of a process by name.

use std::collections::HashMap;

use super::counts::Counter;
use crate::model::{Counts, MappingContent, MappingFlag, ShapeMapping};

/// A mapping without a name is named by its place if it has this share of all that a
/// fork copies; the others are told together.
const LARGE: f64 = 0.05;

/// Mappings of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// What is mapped: by its first mapping.
    pub content: MappingContent,
    /// Its mappings, as indices of the list that it was made of.
    pub members: Vec<usize>,
    /// What a fork pays for.
    pub counts: Counts,
}

/// What a fork of these units may cost, in no unit: only to tell which groups are
/// worth a look. It is by no means printed.
pub(in crate::analysis) fn weight(counts: &Counts) -> f64 {
    let each = [
        (counts.vmas, 600.0),
        (counts.anon_vmas, 900.0),
        (counts.tables, 1_000.0),
        (counts.huge_entries, 900.0),
        (counts.ptes, 110.0),
        (counts.pinned_ptes, 1_000.0),
    ];
    each.iter()
        .map(|(count, weight)| *count as f64 * weight)
        .sum()
}

/// The groups of mappings that a fork copies, the weightiest first.
pub fn groups(mappings: &[ShapeMapping], page_size: u64) -> Vec<Group> {
    let mut counter = Counter::new(page_size);
    let counts: Vec<Counts> = mappings.iter().map(|m| counter.count(m)).collect();
    let all: f64 = counts.iter().map(weight).sum();
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut before: Option<(u64, String)> = None;
    for (index, (mapping, counts)) in mappings.iter().zip(&counts).enumerate() {
        let is_large = weight(counts) >= LARGE * all;
        let name = name(mapping, is_large, before.as_ref(), page_size);
        before = is_of_file(mapping).then(|| (mapping.end_page(), name.clone()));
        if mapping.content == MappingContent::Kernel {
            continue;
        }
        let place = *places.entry(name.clone()).or_insert_with(|| {
            groups.push(Group {
                name,
                content: mapping.content,
                members: Vec::new(),
                counts: Counts::default(),
            });
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.members.push(index);
        group.counts = group.counts.and(*counts);
    }
    groups.sort_by(|a, b| weight(&b.counts).total_cmp(&weight(&a.counts)));
    groups
}

fn is_of_file(mapping: &ShapeMapping) -> bool {
    matches!(
        mapping.content,
        MappingContent::Program | MappingContent::Library
    )
}

/// The name of a mapping's group. Memory without a file that begins where a library
/// ends is the library's: its variables that begin as zeros.
fn name(
    mapping: &ShapeMapping,
    is_large: bool,
    before: Option<&(u64, String)>,
    page_size: u64,
) -> String {
    if mapping.has(MappingFlag::DontFork) {
        return "left out of forks".to_owned();
    }
    if let Some(name) = &mapping.name {
        return name.clone();
    }
    let words = match mapping.content {
        MappingContent::Heap => "[heap]",
        MappingContent::Stack => "[stack]",
        MappingContent::ThreadStack => "stacks of threads",
        MappingContent::Program => "the program",
        MappingContent::Library => "libraries",
        MappingContent::File => "files",
        MappingContent::SharedMemory => "shared memory",
        MappingContent::Hugetlb => "huge pages of hugetlbfs",
        MappingContent::Kernel => "the kernel's own",
        MappingContent::Anonymous => {
            return match before {
                Some((end, name)) if *end == mapping.first_page => name.clone(),
                _ if is_large => format!(
                    "anonymous at {:x}",
                    mapping.first_page.saturating_mul(page_size)
                ),
                _ => "other anonymous memory".to_owned(),
            };
        }
    };
    words.to_owned()
}
