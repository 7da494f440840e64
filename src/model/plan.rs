//! The plan: everything that a run was asked to do, complete and validated.
//!
//! It is stored with the results, so that a run can be repeated from its file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChildAction, Likeness, Order, SpawnMethod};
use crate::units::thousands;

/// A complete order for a run: what this command needs, and what all of them share.
/// Every default is filled in; the same plan with the same seed asks for the same run.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Plan {
    /// What is to be found out.
    pub order: Order,
    /// The address spaces to build, smallest first.
    pub spaces: Vec<SpaceRequest>,
    /// The spawn methods, which take turns in each address space.
    pub methods: Vec<SpawnMethod>,
    /// The method that the others are compared with.
    pub baseline: SpawnMethod,
    /// What the child does.
    pub child: ChildAction,
    /// What the child executes.
    pub program: Program,
    /// The whole environment of worker and child, `NAME=VALUE` each.
    pub environment: Vec<String>,
    /// When to stop.
    pub stop: StopRule,
    /// Where the workers run.
    pub placement: Placement,
    /// The CPUs of the other parents where several spawn at once, in the order in which they
    /// join the one that is timed. Absent where there are none, or where the scheduler
    /// places them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_cpus: Vec<usize>,
    /// What happens between two spawns.
    pub temperature: Temperature,
    /// The seed of every random order and of the bootstrap.
    pub seed: u64,
    /// The longest that one spawn may take, in milliseconds.
    pub spawn_timeout_ms: u64,
    /// Of one of two sides in one run: what the host is set to before each of its slices.
    /// Absent where the host is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Setup>,
}

impl Plan {
    /// Whether several parents spawn at once, in some cells at the least: then methods take
    /// no turns, and in no cell.
    pub fn has_jobs(&self) -> bool {
        self.spaces.iter().any(|space| space.jobs() > 1)
    }
}

/// Commands of the user's, for `/bin/sh -c`, that set what only the host can.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Setup {
    /// What is run before each slice of this side.
    pub command: String,
    /// What is run once all is over, however it ended.
    pub restore: String,
}

/// One address space to build.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpaceRequest {
    /// Mappings of one size, each with pages that were written to.
    Mappings {
        /// How many, besides the worker's own.
        mappings: u64,
        /// Pages written to in each.
        pages: u64,
        /// The distance of those pages, in pages: at 512 each lies in a page table of
        /// its own (pages of 4 KiB).
        spacing: u64,
        /// What the mappings are made of.
        backing: Backing,
        /// Whether transparent huge pages are asked for.
        huge: bool,
    },
    /// Blocks from `malloc(3)`.
    Malloc {
        /// How many blocks.
        count: u64,
        /// Bytes in each.
        bytes: u64,
        /// Pages written to in each, beyond what `malloc` itself writes.
        pages: u64,
        /// The distance of those pages, in pages.
        spacing: u64,
    },
    /// The mappings of another process.
    Likeness(Likeness),
    /// Open files, each by an `open(2)` of `/dev/null` of its own. A duplicate would
    /// share the other's `struct file`, and a fork would count its one reference up
    /// again and again in a cache line that is hot by then.
    Descriptors {
        /// How many.
        count: u64,
        /// Whether an exec closes them.
        cloexec: bool,
    },
    /// The reach of the table of open files: one of the files has this number, and the
    /// table has room for so many.
    DescriptorTable {
        /// The number; 0 where any will do.
        highest: u64,
        /// The room; 0 where any will do.
        slots: u64,
    },
    /// Threads that sleep from beginning to end.
    Threads {
        /// How many, besides the one that spawns.
        count: u64,
    },
    /// Signals for which the parent has a handler. A child of `posix_spawn` shares
    /// its parent's memory, so libc gives them their default action there, one by one.
    Handlers {
        /// How many: the first of those that can have one.
        count: u64,
    },
    /// Others like this parent, each in a process of its own, which
    /// spawn all the while that it is timed.
    Jobs {
        /// How many parents spawn at once, this one included.
        count: u64,
    },
    /// All of these in one parent, with at most one `malloc` and one `likeness`.
    Together {
        /// In the order in which they are built, as far as they are of one kind.
        parts: Vec<SpaceRequest>,
    },
}

impl SpaceRequest {
    /// What leaves a worker as it is.
    pub const NOTHING: Self = Self::Mappings {
        mappings: 0,
        pages: 0,
        spacing: 1,
        backing: Backing::Anon,
        huge: false,
    };

    /// The mappings that the request asks for: none for a heap, and none for
    /// threads, whose stacks libc maps.
    pub fn mappings(&self) -> u64 {
        match self {
            Self::Mappings { mappings, .. } => *mappings,
            Self::Malloc { .. }
            | Self::Descriptors { .. }
            | Self::DescriptorTable { .. }
            | Self::Threads { .. }
            | Self::Handlers { .. }
            | Self::Jobs { .. } => 0,
            Self::Likeness(likeness) => likeness.regions.len() as u64,
            Self::Together { parts } => sum(parts, Self::mappings),
        }
    }

    /// Takes the mappings of another process out of it, if it has some, and leaves a list
    /// without any in their place.
    pub fn take_likeness(&mut self) -> Option<Likeness> {
        match self {
            Self::Likeness(likeness) => {
                let hollow = Likeness {
                    generations: likeness.generations,
                    of: likeness.of.clone(),
                    regions: Vec::new(),
                };
                Some(std::mem::replace(likeness, hollow))
            }
            Self::Together { parts } => parts.iter_mut().find_map(Self::take_likeness),
            _ => None,
        }
    }

    /// The huge pages of another process's mappings, of so many pages each.
    pub fn huge_pages(&self, pages_each: u64) -> u64 {
        match self {
            Self::Likeness(likeness) => {
                let runs = likeness.regions.iter().flat_map(|region| &region.huge);
                let pages = runs.fold(0_u64, |sum, [_, count]| sum.saturating_add(*count));
                pages / pages_each.max(1)
            }
            Self::Together { parts } => parts.iter().map(|part| part.huge_pages(pages_each)).sum(),
            _ => 0,
        }
    }

    /// The pages of another process's mappings that are to be in large folios and cannot be,
    /// where the host gives folios of so many pages, or none.
    pub fn out_of_folios(&self, gives: fn(u64) -> bool) -> u64 {
        match self {
            Self::Likeness(likeness) => {
                let regions = likeness.regions.iter();
                regions.map(|region| region.out_of_folios(gives)).sum()
            }
            Self::Together { parts } => parts.iter().map(|part| part.out_of_folios(gives)).sum(),
            _ => 0,
        }
    }

    /// The open files that it asks for.
    pub fn descriptors(&self) -> u64 {
        match self {
            Self::Descriptors { count, .. } => *count,
            Self::Together { parts } => sum(parts, Self::descriptors),
            _ => 0,
        }
    }

    /// Whether an exec closes some of them.
    pub fn has_cloexec(&self) -> bool {
        match self {
            Self::Descriptors { count, cloexec } => *cloexec && *count > 0,
            Self::Together { parts } => parts.iter().any(Self::has_cloexec),
            _ => false,
        }
    }

    /// The threads that it asks for, besides the one that spawns.
    pub fn threads(&self) -> u64 {
        match self {
            Self::Threads { count } => *count,
            Self::Together { parts } => sum(parts, Self::threads),
            _ => 0,
        }
    }

    /// The signals for which it asks for a handler.
    pub fn handlers(&self) -> u64 {
        match self {
            Self::Handlers { count } => *count,
            Self::Together { parts } => sum(parts, Self::handlers),
            _ => 0,
        }
    }

    /// The parents that spawn at once, this one included.
    pub fn jobs(&self) -> u64 {
        match self {
            Self::Jobs { count } => (*count).max(1),
            Self::Together { parts } => parts.iter().map(Self::jobs).fold(1, u64::max),
            _ => 1,
        }
    }

    /// What names it in every result: the whole order in one word.
    pub fn key(&self) -> String {
        match self {
            Self::Mappings {
                mappings,
                pages,
                spacing,
                backing,
                huge,
            } => {
                let huge = if *huge { "-huge" } else { "" };
                let backing = backing.name();
                format!("mappings-{mappings}-pages-{pages}-spacing-{spacing}-{backing}{huge}")
            }
            Self::Malloc {
                count,
                bytes,
                pages,
                spacing,
            } => format!("malloc-{count}x{bytes}-pages-{pages}-spacing-{spacing}"),
            Self::Likeness(likeness) => format!("likeness-{}", likeness.of),
            Self::Descriptors { count, cloexec } => {
                let cloexec = if *cloexec { "-cloexec" } else { "" };
                format!("descriptors-{count}{cloexec}")
            }
            Self::DescriptorTable { highest, slots } => {
                format!("descriptor-table-{highest}-of-{slots}")
            }
            Self::Threads { count } => format!("threads-{count}"),
            Self::Handlers { count } => format!("handlers-{count}"),
            Self::Jobs { count } => format!("jobs-{count}"),
            Self::Together { parts } => {
                let parts: Vec<String> = parts.iter().map(Self::key).collect();
                parts.join("+")
            }
        }
    }

    /// The same for people: "1,000 mappings x 10 pages + 10 threads". A mapping of which
    /// nothing else is said has one page.
    pub fn in_words(&self) -> String {
        let of = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{} {what}{plural}", thousands(count))
        };
        match self {
            Self::Mappings { mappings: 0, .. } => "no mappings".to_owned(),
            Self::Mappings {
                mappings,
                pages,
                spacing,
                backing,
                huge,
            } => {
                let kind = match backing {
                    Backing::Anon => "",
                    Backing::AnonTouching => ", side by side",
                    Backing::File => " of a file",
                    Backing::Shared => ", shared",
                };
                let pages = match huge {
                    true => format!(", {}", of(*pages, "huge page")),
                    false if *pages == 0 => ", untouched".to_owned(),
                    false => pages_in_words(*pages, *spacing),
                };
                format!("{}{kind}{pages}", of(*mappings, "mapping"))
            }
            Self::Malloc {
                count,
                bytes,
                pages,
                spacing,
            } => {
                let blocks = format!("{} x malloc({})", thousands(*count), thousands(*bytes));
                // Blocks are untouched unless it is said otherwise.
                let touched = if *pages == 1 { " x 1 page" } else { "" };
                blocks + touched + &pages_in_words(*pages, *spacing)
            }
            Self::Likeness(likeness) => format!("like {}", likeness.of),
            Self::Descriptors { count, cloexec } => {
                let kind = if *cloexec { "close-on-exec " } else { "" };
                of(*count, &format!("{kind}descriptor"))
            }
            Self::DescriptorTable { highest: 0, slots } => {
                format!("room for {} descriptors", thousands(*slots))
            }
            Self::DescriptorTable { highest, .. } => {
                format!("descriptors up to number {}", thousands(*highest))
            }
            Self::Threads { count } => of(*count, "thread"),
            Self::Handlers { count } => of(*count, "signal handler"),
            Self::Jobs { count } => of(*count, "job"),
            Self::Together { parts } => {
                let parts: Vec<String> = parts.iter().map(Self::in_words).collect();
                parts.join(" + ")
            }
        }
    }

    /// Whether it asks for huge pages, and for mappings that may have them.
    pub fn asks_for_huge_pages(&self) -> bool {
        self.huge_part().is_some()
    }

    /// The part of it that does.
    pub fn huge_part(&self) -> Option<&Self> {
        match self {
            Self::Mappings { mappings, huge, .. } => (*huge && *mappings > 0).then_some(self),
            Self::Together { parts } => parts.iter().find_map(Self::huge_part),
            _ => None,
        }
    }
}

/// The pages of each mapping or block: " x 10 pages, 512 apart".
fn pages_in_words(pages: u64, spacing: u64) -> String {
    let pages = match pages {
        0 | 1 => String::new(),
        _ => format!(" x {} pages", thousands(pages)),
    };
    match spacing {
        0 | 1 => pages,
        _ => format!("{pages}, {} apart", thousands(spacing)),
    }
}

/// What parts ask for together, in whatever is counted.
fn sum(parts: &[SpaceRequest], of: fn(&SpaceRequest) -> u64) -> u64 {
    parts.iter().map(of).fold(0, u64::saturating_add)
}

/// What a mapping is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backing {
    /// Private anonymous memory.
    Anon,
    /// The same in mappings that touch and differ in protection alone: every second one may
    /// be read only. They share one `anon_vma` (mm/vma.c, `find_mergeable_anon_vma`).
    AnonTouching,
    /// A private mapping of a file; pages that are written to become copies.
    File,
    /// Shared anonymous memory.
    Shared,
}

impl Backing {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::AnonTouching => "anon_touching",
            Self::File => "file",
            Self::Shared => "shared",
        }
    }
}

/// What the child executes.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// The embedded program: a few instructions that exit, no libc.
    Embedded,
    /// A program of the user's: its resolved path, then its arguments.
    Path {
        /// The absolute path that is executed.
        path: String,
        /// `argv`, the name as typed first.
        argv: Vec<String>,
    },
}

/// When a run is over: whichever comes first.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct StopRule {
    /// Spawns of each cell, if they were limited.
    pub spawns: Option<u64>,
    /// The relative half-width that the interval of every total shall reach.
    pub precision: Option<f64>,
    /// The time that measuring may take, in seconds.
    pub time_s: Option<f64>,
}

impl StopRule {
    /// Whether the precision alone ends the run.
    pub fn is_open(&self) -> bool {
        self.precision.is_some() && self.spawns.is_none() && self.time_s.is_none()
    }
}

/// Where the workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Parent and children on this one CPU: `sched_setaffinity(2)`.
    Pinned(usize),
    /// Wherever the scheduler puts them.
    Free,
}

/// What happens between two spawns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// Nothing: back to back, as a fuzzer spawns.
    Hot,
    /// Caches evicted and the CPU idle, as a server spawns.
    Cold {
        /// The buffer that is written through before each spawn, to evict the caches.
        evict_bytes: u64,
        /// The sleep between that and the spawn.
        idle_us: u64,
    },
}
