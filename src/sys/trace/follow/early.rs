//! News of those who are not known yet: the first stop of a child may come before that of the
//! call which creates it, or even its end.
//!
//! Such a child is left standing until the call is seen, so that whatever it does is told
//! after its creation. Where its creator was killed in that very moment, nobody ever tells of
//! it: then `/proc` is asked.

use std::collections::HashMap;
use std::fs;

use super::wait::News;
use crate::sys::trace::error::field;

/// After how long a child is looked at whose creator is not followed, and after how long
/// everybody: its creator may be without a CPU for a while.
const SOON_NS: u64 = 50_000_000;
const LATE_NS: u64 = 5_000_000_000;

/// Those that were heard of too early.
#[derive(Debug, Default)]
pub(super) struct Early {
    heard: HashMap<libc::pid_t, (News, u64)>,
    /// When somebody is to be looked at.
    due_ns: u64,
}

/// Who it is, by `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its process.
    pub(super) group: u32,
    /// The parent of that.
    pub(super) parent: u32,
}

impl Early {
    /// Keeps the latest news of somebody.
    pub(super) fn hear(&mut self, tid: libc::pid_t, news: News, now_ns: u64) {
        if self.heard.is_empty() {
            self.due_ns = now_ns + SOON_NS;
        }
        self.heard.insert(tid, (news, now_ns));
    }

    /// What was heard of somebody whose creation is seen now. An end is one only if it is
    /// that of this child, and not of one with the same number long ago.
    pub(super) fn claim(&mut self, tid: libc::pid_t) -> Option<News> {
        if self.heard.is_empty() {
            return None;
        }
        let (news, _) = self.heard.remove(&tid)?;
        (matches!(news, News::Stopped(_)) || has_ended(tid)).then_some(news)
    }

    /// Whether somebody stands still here.
    pub(super) fn holds_anybody(&self) -> bool {
        let mut all = self.heard.values();
        all.any(|(news, _)| matches!(news, News::Stopped(_)))
    }

    /// Takes whoever stands still here.
    pub(super) fn standing(&mut self) -> Vec<libc::pid_t> {
        let heard = std::mem::take(&mut self.heard);
        let stands = |(tid, (news, _))| matches!(news, News::Stopped(_)).then_some(tid);
        heard.into_iter().filter_map(stands).collect()
    }

    /// Takes those whose creation nobody will tell of, as far as that can be known: whose
    /// parent is not followed, or who have stood here for long.
    pub(super) fn forsaken(
        &mut self,
        now_ns: u64,
        is_followed: impl Fn(u32) -> bool,
    ) -> Vec<(libc::pid_t, News, Identity)> {
        if self.heard.is_empty() || now_ns < self.due_ns {
            return Vec::new();
        }
        self.due_ns = now_ns + SOON_NS;
        let mut found = Vec::new();
        self.heard.retain(|tid, (news, since_ns)| {
            let is_late = now_ns.saturating_sub(*since_ns) > LATE_NS;
            let identity = match news {
                News::Stopped(_) => identity(*tid),
                News::Ended(_) => return !is_late,
            };
            let Some(identity) = identity else {
                // It was killed, which is the next news of it.
                return true;
            };
            let waits = !is_late && (is_followed(identity.parent) || is_followed(identity.group));
            if !waits {
                found.push((*tid, *news, identity));
            }
            waits
        });
        found
    }
}

fn identity(tid: libc::pid_t) -> Option<Identity> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let number = |name| field(&status, name)?.parse().ok();
    Some(Identity {
        group: number("Tgid:")?,
        parent: number("PPid:")?,
    })
}

fn has_ended(tid: libc::pid_t) -> bool {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    field(&status, "State:").is_none_or(|state| state.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::trace::event::End;
    use crate::sys::trace::tracee::Stop;

    const STOPPED: News = News::Stopped(Stop::Interrupt);
    const ENDED: News = News::Ended(End::Exit(0));
    /// No process has such a number (PID_MAX_LIMIT).
    const NOBODY: libc::pid_t = 1 << 23;

    fn own() -> libc::pid_t {
        std::process::id().cast_signed()
    }

    #[test]
    fn what_was_heard_is_claimed_once() {
        let mut early = Early::default();
        assert_eq!(early.claim(7), None);
        early.hear(NOBODY, STOPPED, 0);
        assert!(early.holds_anybody());
        early.hear(NOBODY, ENDED, 1);
        assert!(!early.holds_anybody());
        assert_eq!(early.claim(NOBODY), Some(ENDED));
        assert_eq!(early.claim(NOBODY), None);
    }

    #[test]
    fn the_end_of_a_namesake_is_not_that_of_a_child_that_lives() {
        let mut early = Early::default();
        early.hear(own(), ENDED, 0);
        assert_eq!(early.claim(own()), None);
    }

    #[test]
    fn whose_parent_is_not_followed_is_not_waited_for() {
        let mut early = Early::default();
        early.hear(own(), STOPPED, 0);
        assert_eq!(early.forsaken(SOON_NS - 1, |_| false), []);
        assert_eq!(early.forsaken(SOON_NS, |_| true), []);
        let found = early.forsaken(2 * SOON_NS, |_| false);
        assert!(matches!(found[..], [(pid, STOPPED, who)] if pid == own()
            && who.group == std::process::id()));
        early.hear(own(), STOPPED, 0);
        early.hear(NOBODY, ENDED, 0);
        let found = early.forsaken(LATE_NS + SOON_NS, |_| true);
        assert_eq!(found.len(), 1, "at last it is not waited for any more");
        assert!(early.heard.is_empty(), "and an old end is forgotten");
    }
}
