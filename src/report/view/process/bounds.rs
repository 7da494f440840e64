//! What a fork of the process pays for and none from a worker does, or the reverse: with it,
//! a figure of the shape is a bound of what the process pays.

use super::{Rebuilt, reservations};
use crate::analysis::process::FileEntries;
use crate::model::ShapeReservation;

/// Why figures bound what the process pays, in few words.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// What adds to them.
    more: Vec<&'static str>,
    /// Of what adds, whether it adds to a spawn by any method.
    any_method: bool,
    /// What takes from them.
    less: Vec<&'static str>,
}

impl Bounds {
    pub(super) fn of(rebuilt: &Rebuilt<'_>) -> Self {
        let order = rebuilt.order;
        let mut bounds = Self::default();
        for found in &order.shape.process.reservations {
            if let Some((why, any_method)) = adds(*found) {
                bounds.more.push(why);
                bounds.any_method |= any_method;
            }
        }
        if reservations::not_pinned(rebuilt) > 0 {
            bounds.more.push("no pinned page is rebuilt as one");
        }
        if order.scale.descriptors_up_to.is_some() {
            bounds.more.push("the workers' table of files is smaller");
            bounds.any_method = true;
        }
        if order.scale.out_of_folios > 0 {
            bounds.less.push("its large folios are not rebuilt");
        }
        if FileEntries::of(&order.shape).in_folios > 0 {
            bounds.less.push("large folios of files are not rebuilt");
        }
        bounds
    }

    /// Whether they bound it to one side or to none.
    pub(super) fn are_there(&self) -> bool {
        !self.more.is_empty() || !self.less.is_empty()
    }

    /// What stands before a time.
    pub(super) fn of_time(&self) -> &'static str {
        match (self.more.is_empty(), self.less.is_empty()) {
            (false, true) => "at least ",
            (true, false) => "at most ",
            _ => "",
        }
    }

    /// What stands before a number of spawns a second.
    pub(super) fn of_rate(&self) -> &'static str {
        match (self.more.is_empty(), self.less.is_empty()) {
            (false, true) => "at most ",
            (true, false) => "at least ",
            _ => "",
        }
    }

    /// Whether a multiple of another method's time is bounded as the time is.
    pub(super) fn hold_for_multiples(&self) -> bool {
        !self.any_method && (self.more.is_empty() || self.less.is_empty())
    }

    /// Why, as the end of a sentence.
    pub(super) fn why(&self) -> String {
        match (self.more.as_slice(), self.less.as_slice()) {
            ([], []) => String::new(),
            (more, []) => format!(": {}", more.join("; ")),
            ([], less) => format!(": {}", less.join("; ")),
            (more, less) => format!(
                "; it may be more, as {}, and less, as {}",
                more.join(", and "),
                less.join(", and ")
            ),
        }
    }
}

/// What a fork of the process pays more for, and whether any other spawn does too. What
/// has a bound of its own, or may go either way, is in no verdict.
fn adds(reservation: ShapeReservation) -> Option<(&'static str, bool)> {
    match reservation {
        ShapeReservation::NeverExecuted => {
            Some(("links to anon_vmas of its ancestors are not rebuilt", false))
        }
        ShapeReservation::UserfaultForks => {
            Some(("its wait for a reader of userfaultfd is not rebuilt", false))
        }
        ShapeReservation::UserfaultUnknown => {
            Some(("it may wait for a reader of userfaultfd", false))
        }
        ShapeReservation::PinnedElsewhere => Some(("not all that it has pinned is rebuilt", false)),
        ShapeReservation::NoPositions => Some(("its page tables may be more", false)),
        ShapeReservation::Traced => Some(("it may stop for its tracer", true)),
        ShapeReservation::ChangedWhileRead
        | ShapeReservation::Seccomp
        | ShapeReservation::OtherLabel
        | ShapeReservation::OtherControlGroup
        | ShapeReservation::UnseenControlGroups
        | ShapeReservation::OtherNamespaces
        | ShapeReservation::ThirtyTwoBits
        | ShapeReservation::NoPhysicalAddresses
        | ShapeReservation::NoZeroPages
        | ShapeReservation::NoThreadStacks
        | ShapeReservation::AflForkServer
        | ShapeReservation::NoFlags => None,
    }
}
