//! That spawns of a process are refused where it is: by which limit, which methods are
//! not, and what to do.

use crate::analysis::process::{Refusal, refusals};
use crate::model::{ProcessFacts, SpawnLimit, SpawnLimitKind};
use crate::report::view::number::integer;
use crate::units::bytes;

/// What methods do that copy no memory.
const SPARED: &str = "posix_spawn and vfork copy none of it and are not refused for it";

/// Whether forks surely fail.
pub(super) fn is_sure(facts: &ProcessFacts) -> bool {
    refusals(facts).iter().any(|refusal| refusal.is_sure)
}

/// A sentence for each limit that refuses forks, those first that surely do.
pub(in crate::report) fn sentences(facts: &ProcessFacts) -> Vec<String> {
    refusals(facts).iter().map(sentence).collect()
}

/// What to do about each of them.
pub(super) fn remedies(facts: &ProcessFacts) -> Vec<String> {
    let refusals = refusals(facts);
    let lines = refusals.iter().map(|refusal| {
        format!(
            "{}, as it was when the process was read: {}",
            name(refusal.limit),
            remedy(refusal.limit)
        )
    });
    lines.collect()
}

fn sentence(refusal: &Refusal<'_>) -> String {
    let limit = refusal.limit;
    let fails = match refusal.is_sure {
        true => "fails",
        false => "may fail",
    };
    let asked = bytes(limit.asked);
    match limit.kind {
        SpawnLimitKind::LargestMapping => format!(
            "Each fork from this process {fails} with ENOMEM: of what it copies, a mapping of \
             {asked} is larger than all memory and swap ({}), which vm.overcommit_memory = 0 \
             refuses; {SPARED}.",
            bytes(limit.limit)
        ),
        SpawnLimitKind::Commit => format!(
            "Each fork from this process {fails} with ENOMEM: it commits {asked} more, and \
             vm.overcommit_memory = 2 leaves {} of the {} that may be committed; posix_spawn and \
             vfork commit only what the child's own program needs.",
            bytes(limit.left()),
            bytes(limit.limit)
        ),
        SpawnLimitKind::Memory => format!(
            "A fork from this process {}: the child's page tables and structures take up to \
             {asked}, and {} leaves {}; {SPARED}.",
            match throttles(limit) {
                true => "may have to wait while the kernel takes memory back",
                false => "may fail with ENOMEM, or have the kernel kill a process of its group",
            },
            place(limit),
            bytes(limit.left())
        ),
        SpawnLimitKind::GroupTasks | SpawnLimitKind::UserTasks | SpawnLimitKind::HostTasks => {
            format!(
                "Each spawn from this process fails with EAGAIN, by whatever method: {} tasks \
                 are there, and {} allows {}.",
                integer(limit.used),
                place(limit),
                integer(limit.limit)
            )
        }
    }
}

/// Beyond `memory.high` the kernel refuses nothing.
fn throttles(limit: &SpawnLimit) -> bool {
    let file = limit.file.as_deref();
    file.is_some_and(|file| file.ends_with("memory.high"))
}

/// The limit as its own kernel calls it.
fn name(limit: &SpawnLimit) -> String {
    match limit.kind {
        SpawnLimitKind::LargestMapping => "vm.overcommit_memory = 0".to_owned(),
        SpawnLimitKind::Commit => "vm.overcommit_memory = 2".to_owned(),
        _ => place(limit),
    }
}

fn place(limit: &SpawnLimit) -> String {
    match (limit.kind, &limit.file) {
        (SpawnLimitKind::UserTasks, _) => "RLIMIT_NPROC of its user".to_owned(),
        (SpawnLimitKind::HostTasks, _) => "kernel.threads-max".to_owned(),
        (_, Some(file)) => file.clone(),
        (_, None) => "its control group".to_owned(),
    }
}

fn remedy(limit: &SpawnLimit) -> &'static str {
    match limit.kind {
        SpawnLimitKind::LargestMapping => {
            "map with MAP_NORESERVE what is not used, or keep the mapping out of forks \
             (MADV_DONTFORK), or add swap, or let the kernel overcommit \
             (sysctl vm.overcommit_memory=1)"
        }
        SpawnLimitKind::Commit => {
            "unmap what is not used, or keep mappings out of forks (MADV_DONTFORK), or add swap, \
             or raise vm.overcommit_ratio"
        }
        SpawnLimitKind::Memory => "raise it, or let the group use less",
        SpawnLimitKind::GroupTasks | SpawnLimitKind::HostTasks => {
            "raise it, or end processes and threads"
        }
        SpawnLimitKind::UserTasks => {
            "raise it (prlimit --nproc), or end processes and threads of that user"
        }
    }
}
