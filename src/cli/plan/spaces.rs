//! The address spaces that were asked for.

use super::PlanError;
use crate::cli::args::{BackingArg, BesideArgs, NeighboursArg, SpaceArgs};
use crate::model::{Backing, SpaceRequest};
use crate::units::Blocks;
use crate::vm::Shape;

/// What parents have besides their memory, and how much of it each.
pub(super) struct Beside {
    /// Descriptors, smallest first.
    fds: Vec<u64>,
    /// Whether an exec closes them.
    cloexec: bool,
    /// Threads, smallest first.
    threads: Vec<u64>,
    /// Parents that spawn at once, fewest first.
    jobs: Vec<u64>,
}

impl Beside {
    /// Nothing.
    pub(super) fn nothing() -> Self {
        Self {
            fds: vec![0],
            cloexec: false,
            threads: vec![0],
            jobs: vec![1],
        }
    }

    /// What was typed, if it is no more than one list, with that of the mappings.
    pub(super) fn of(
        args: &BesideArgs,
        mappings: Option<&[u64]>,
        jobs: Option<&[u64]>,
    ) -> Result<Self, PlanError> {
        let typed = |list: &Option<Vec<u64>>| list.as_deref().map_or_else(|| vec![0], ascending);
        let (fds, threads) = (typed(&args.fds), typed(&args.threads));
        let jobs = ascending(jobs.unwrap_or(&[1]));
        if jobs.contains(&0) {
            return Err(PlanError::refused(
                "--jobs 0: the parent that is timed is one of them; ask for 1 at the least",
            ));
        }
        let mappings = ascending(mappings.unwrap_or_default());
        let lists: Vec<String> = [
            ("--mappings", &mappings),
            ("--fds", &fds),
            ("--threads", &threads),
            ("--jobs", &jobs),
        ]
        .iter()
        .filter(|(_, list)| list.len() > 1)
        .map(|(name, list)| {
            let numbers: Vec<String> = list.iter().map(u64::to_string).collect();
            format!("{name} {}", numbers.join(","))
        })
        .collect();
        if lists.len() > 1 {
            return Err(PlanError::refused(format!(
                "{}: parents differ in one thing only; give all but one of these a single value",
                lists.join(" with ")
            )));
        }
        Ok(Self {
            fds,
            cloexec: args.cloexec,
            threads,
            jobs,
        })
    }

    /// Whether it is this in which parents differ.
    pub(super) fn is_list(&self) -> bool {
        [&self.fds, &self.threads, &self.jobs]
            .iter()
            .any(|list| list.len() > 1)
    }

    /// The parents with this memory, each with something else besides.
    fn parents(&self, memory: &SpaceRequest) -> Vec<SpaceRequest> {
        let mut parents = Vec::new();
        for fds in &self.fds {
            for threads in &self.threads {
                let jobs = self.jobs.iter();
                parents.extend(jobs.map(|jobs| self.parent(memory, *fds, *threads, *jobs)));
            }
        }
        parents
    }

    fn parent(&self, memory: &SpaceRequest, fds: u64, threads: u64, jobs: u64) -> SpaceRequest {
        let mut parts = vec![memory.clone()];
        if fds > 0 {
            parts.push(SpaceRequest::Descriptors {
                count: fds,
                cloexec: self.cloexec,
            });
        }
        if threads > 0 {
            parts.push(SpaceRequest::Threads { count: threads });
        }
        if jobs > 1 {
            parts.push(SpaceRequest::Jobs { count: jobs });
        }
        match parts.as_slice() {
            [_] => memory.clone(),
            _ => SpaceRequest::Together { parts },
        }
    }
}

fn ascending(list: &[u64]) -> Vec<u64> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

/// The parents of these sizes, or an empty one and the heap; where they differ in
/// what they have besides, the heap alone.
pub(super) fn spaces(
    sizes: &[u64],
    args: &SpaceArgs,
    beside: &Beside,
    page_size: u64,
) -> Result<Vec<SpaceRequest>, PlanError> {
    if args.spacing == 0 {
        return Err(PlanError::refused(
            "--spacing 0: pages are at least 1 page apart".to_owned(),
        ));
    }
    if args.huge && args.backing == BackingArg::File {
        return Err(PlanError::refused(
            "--huge with --backing file: a private file mapping that is written to gets no huge pages; use anon or shared".to_owned(),
        ));
    }
    let shared = args.neighbours == NeighboursArg::Shared;
    if shared && (args.huge || args.backing != BackingArg::Anon) {
        return Err(PlanError::refused(
            "--neighbours shared with --huge or --backing: only small pages of private anonymous memory share an anon_vma so; leave one of them out",
        ));
    }
    let memories = match args.malloc {
        Some(Blocks { count, bytes }) => {
            let heap = SpaceRequest::Malloc {
                count,
                bytes,
                pages: args.pages.unwrap_or(0),
                spacing: args.spacing,
            };
            match beside.is_list() {
                true => vec![heap],
                false => vec![mappings_of(args, 0), heap],
            }
        }
        None => {
            let sizes = ascending(sizes).into_iter();
            sizes.map(|size| mappings_of(args, size)).collect()
        }
    };
    let spaces: Vec<SpaceRequest> = (memories.iter())
        .flat_map(|memory| beside.parents(memory))
        .collect();
    for space in &spaces {
        Shape::of(space, page_size).map_err(|error| PlanError::refused(error.to_string()))?;
    }
    Ok(spaces)
}

fn mappings_of(args: &SpaceArgs, mappings: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages: args.pages.unwrap_or(1),
        spacing: args.spacing,
        backing: match (args.backing, args.neighbours) {
            (BackingArg::Anon, NeighboursArg::Apart) => Backing::Anon,
            (BackingArg::Anon, NeighboursArg::Shared) => Backing::AnonTouching,
            (BackingArg::File, _) => Backing::File,
            (BackingArg::Shared, _) => Backing::Shared,
        },
        huge: args.huge,
    }
}
