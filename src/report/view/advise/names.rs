//! Names of what was tried against the cost of a fork.

use crate::model::{RemedyBaseline, RemedyKind, RemedyVerdict};

/// A remedy in full, for a sentence or a heading.
pub(super) fn in_full(kind: RemedyKind) -> &'static str {
    match kind {
        RemedyKind::PosixSpawn => "posix_spawn instead of fork",
        RemedyKind::Vfork => "vfork instead of fork",
        RemedyKind::ForkServer => "a fork server: a small process that spawns instead",
        RemedyKind::DontFork => "MADV_DONTFORK on the dearest mappings",
        RemedyKind::HugePages => "huge pages for heap and anonymous memory",
        RemedyKind::HugeHeap => "huge pages for what malloc manages",
        RemedyKind::NoHugePages => "no huge pages at all",
        RemedyKind::FewerDescriptors => "fewer open files",
        RemedyKind::Cloexec => "all open files closed by the exec (O_CLOEXEC)",
        RemedyKind::CloseRange => "close_range(2) in the child, before its exec",
        RemedyKind::CloseRangeForEach => {
            "close_range(2) where children close each number below RLIMIT_NOFILE"
        }
        RemedyKind::FewerThreads => "no other threads, and no stacks of theirs",
        RemedyKind::NoFilePages => "pages of files no longer mapped",
        RemedyKind::StaticTarget => "a statically linked program to spawn",
        RemedyKind::Prelink => "a prelinked program to spawn",
        RemedyKind::Usevfork => "the flag POSIX_SPAWN_USEVFORK",
        RemedyKind::ChildRunsFirst => "kernel.sched_child_runs_first",
        RemedyKind::DeferredStart => "a fork server that starts later",
        RemedyKind::PersistentMode => "many inputs a fork",
        RemedyKind::SmallerHeap => "less memory before the first fork",
        RemedyKind::BestForks => "what helps a fork, together",
        RemedyKind::Best => "the best way to spawn, with what else helps it",
    }
}

/// What may be said of a remedy.
pub(super) fn verdict(verdict: RemedyVerdict) -> &'static str {
    match verdict {
        RemedyVerdict::Helps => "helps",
        RemedyVerdict::NoDifference => "none seen",
        RemedyVerdict::TooFew => "too few",
        RemedyVerdict::Harms => "harms",
    }
}

/// What a remedy is set against.
pub(super) fn baseline(against: RemedyBaseline) -> &'static str {
    match against {
        RemedyBaseline::Fork => "the fork",
        RemedyBaseline::PosixSpawn => "posix_spawn",
        RemedyBaseline::DynamicTarget => "the fork of a dynamic program",
        RemedyBaseline::ClosingEach => "a fork whose child closes each number",
    }
}
