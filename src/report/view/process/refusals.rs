//! That spawns of a process are refused where it is: by which limit, which methods are
//! not, and what to do.

use crate::analysis::process::{Refusal, refusals};
use crate::model::{ProcessFacts, SpawnLimitKind};
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
            name(refusal),
            remedy(refusal.kind)
        )
    });
    lines.collect()
}

/// What was so when the process was read: of a shape from a file that may be long ago.
fn sentence(refusal: &Refusal<'_>) -> String {
    let limit = refusal.limit;
    let fails = match refusal.is_sure {
        true => "was to fail",
        false => "might fail",
    };
    let asked = bytes(limit.asked);
    let [left, all] = [limit.left(), limit.limit].map(bytes);
    let place = place(refusal);
    match refusal.kind {
        SpawnLimitKind::LargestMapping => format!(
            "When it was read, each fork from this process {fails} with ENOMEM: of what it copies, \
             a mapping of {asked} was larger than all memory and swap ({all}), which \
             vm.overcommit_memory = 0 refuses; {SPARED}."
        ),
        SpawnLimitKind::Commit => format!(
            "When it was read, each fork from this process {fails} with ENOMEM: it commits {asked} \
             more, and vm.overcommit_memory = 2 left {left} of the {all} that might be committed; \
             posix_spawn and vfork commit only what the child's own program needs."
        ),
        SpawnLimitKind::Memory => format!(
            "When it was read, a fork from this process might fail with ENOMEM, or have the kernel \
             kill a process of its group: the child's page tables and structures take up to \
             {asked}, and {place} left {left}; {SPARED}."
        ),
        SpawnLimitKind::MemoryHigh => format!(
            "When it was read, a fork from this process might have to wait while the kernel takes \
             memory back: the child's page tables and structures take up to {asked}, and {place} \
             left {left}; {SPARED}."
        ),
        SpawnLimitKind::GroupTasks
        | SpawnLimitKind::UserTasks
        | SpawnLimitKind::HostTasks
        | SpawnLimitKind::ProcessNumbers => {
            let [used, most] = [limit.used, limit.limit].map(integer);
            let allowed = match refusal.kind {
                SpawnLimitKind::ProcessNumbers => format!("left {most} numbers"),
                _ => format!("allowed {most}"),
            };
            format!(
                "When it was read, each spawn from this process {fails} with EAGAIN, by whatever \
                 method: {used} tasks were there, and {place} {allowed}."
            )
        }
    }
}

/// The limit as its own kernel calls it.
fn name(refusal: &Refusal<'_>) -> String {
    match refusal.kind {
        SpawnLimitKind::LargestMapping => "vm.overcommit_memory = 0".to_owned(),
        SpawnLimitKind::Commit => "vm.overcommit_memory = 2".to_owned(),
        _ => place(refusal),
    }
}

fn place(refusal: &Refusal<'_>) -> String {
    match (refusal.kind, &refusal.limit.file) {
        (SpawnLimitKind::UserTasks, _) => "RLIMIT_NPROC of its user".to_owned(),
        (SpawnLimitKind::HostTasks, _) => "kernel.threads-max".to_owned(),
        (SpawnLimitKind::ProcessNumbers, _) => "kernel.pid_max".to_owned(),
        (_, Some(file)) => file.clone(),
        (_, None) => "its control group".to_owned(),
    }
}

fn remedy(kind: SpawnLimitKind) -> &'static str {
    match kind {
        SpawnLimitKind::LargestMapping => {
            "map with MAP_NORESERVE what is not used, or keep the mapping out of forks \
             (MADV_DONTFORK), or add swap, or let the kernel overcommit \
             (sysctl vm.overcommit_memory=1)"
        }
        SpawnLimitKind::Commit => {
            "unmap what is not used, or keep mappings out of forks (MADV_DONTFORK), or add swap, \
             or raise vm.overcommit_ratio"
        }
        SpawnLimitKind::Memory | SpawnLimitKind::MemoryHigh => {
            "raise it, or let the group use less"
        }
        SpawnLimitKind::GroupTasks | SpawnLimitKind::HostTasks | SpawnLimitKind::ProcessNumbers => {
            "raise it, or end processes and threads"
        }
        SpawnLimitKind::UserTasks => {
            "raise it (prlimit --nproc), or end processes and threads of that user"
        }
    }
}
