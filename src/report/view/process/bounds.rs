//! What a fork of the process pays for and none from a worker does, or the reverse: with it,
//! a figure of the shape is a bound of what the process pays.

use super::{Rebuilt, reservations};
use crate::analysis::process::{FileEntries, apart, is_off};
use crate::analysis::replica::copies_left_out;
use crate::model::{ProcessShape, ShapeReservation, ShapeUnit, UnitResemblance};

/// By what share the memory of workers may differ in size before a fork notices.
const MUCH: f64 = 0.1;

/// Fewer open files more or less hardly bear on a spawn.
const MANY_FILES: u64 = 100;

/// Of fewer pages it matters little where in memory they lie.
const MANY: u64 = 2_048;

/// Why figures bound what the process pays, in few words.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// What adds to them.
    more: Vec<String>,
    /// Whether some of it bears on a spawn by any method.
    any_method: bool,
    /// What takes from them.
    less: Vec<String>,
}

impl Bounds {
    pub(super) fn of(rebuilt: &Rebuilt<'_>) -> Self {
        let shape = &rebuilt.order.shape;
        let reservations = &shape.process.reservations;
        let mut bounds = Self::default();
        for found in reservations {
            match adds(*found) {
                Some(_) if reservations::is_watched(rebuilt, *found) => {
                    bounds.more("its reader of userfaultfd may answer later", false);
                }
                Some((why, any_method)) => bounds.more(why, any_method),
                None => {}
            }
        }
        if reservations::not_pinned(rebuilt) > 0 {
            bounds.more("no pinned page is rebuilt as one", false);
        }
        if copies_left_out(shape) {
            bounds.more("entries of hugetlbfs or devices are not rebuilt", false);
        }
        if rebuilt.order.scale.descriptors_up_to.is_some() {
            bounds.more("the workers' table of files is smaller", true);
        }
        bounds.by_folios(rebuilt);
        bounds.by_likeness(&rebuilt.replica.likeness.units);
        if !bounds.less.is_empty() {
            for why in reservations.iter().filter_map(|found| adds_little(*found)) {
                bounds.more(why, true);
            }
            if rebuilt.is_part() {
                bounds.more("all of it outgrows the nearer caches", false);
            }
        }
        if hides_many_pages(shape) {
            bounds.leave_none([
                "its own pages may lie in large folios",
                "its own pages may lie further apart in physical memory",
            ]);
        }
        if reservations.contains(&ShapeReservation::NoFlags) {
            bounds.leave_none([
                "a fork may leave some of its mappings out",
                "a fork may copy more of its mappings",
            ]);
        }
        bounds
    }

    fn more(&mut self, why: impl Into<String>, any_method: bool) {
        self.more.push(why.into());
        self.any_method |= any_method;
    }

    /// Of large folios, whose entries a fork copies together, and which are small pages in
    /// the workers.
    fn by_folios(&mut self, rebuilt: &Rebuilt<'_>) {
        let files = FileEntries::of(&rebuilt.order.shape);
        let why = [
            (
                rebuilt.order.scale.out_of_folios,
                "its large folios are not rebuilt",
            ),
            (files.in_folios, "large folios of files are not rebuilt"),
            (files.unseen, "its pages of files may lie in large folios"),
        ];
        let there = why.into_iter().filter(|(pages, _)| *pages > 0);
        self.less.extend(there.map(|(_, why)| why.to_owned()));
    }

    /// Of units of which the workers have more or less than they should: of memory if all of
    /// it differs by so much that a fork notices.
    fn by_likeness(&mut self, units: &[UnitResemblance]) {
        let off = || units.iter().filter(|unit| is_off(unit));
        let [share_more, share_less] = apart(units);
        let named = |has_more: bool, share: f64| {
            let those = off().filter(|of| share > MUCH && of.unit.is_copied());
            let those = those.filter(|of| (of.built > of.wanted) == has_more);
            those.map(|of| of.unit).collect::<Vec<_>>()
        };
        let (mut too_many, mut too_few) = (named(true, share_more), named(false, share_less));
        if let Some(at) = too_few
            .iter()
            .position(|unit| *unit == ShapeUnit::HugeEntries)
        {
            // A fork copies the entry of each small page that stands in the place of one.
            too_few.remove(at);
            too_many.clear();
            let why = "its huge pages are small ones in the workers";
            self.less.push(why.to_owned());
        }
        let names = |units: &[ShapeUnit]| {
            let names: Vec<&str> = units.iter().map(|unit| unit.name()).collect();
            names.join(", ")
        };
        if !too_many.is_empty() {
            let why = format!("the workers have more than it ({})", names(&too_many));
            self.less.push(why);
        }
        if !too_few.is_empty() {
            let why = format!("the workers have less than it ({})", names(&too_few));
            self.more(why, false);
        }
        for of in off().filter(|of| !of.unit.is_copied()) {
            match of.unit {
                ShapeUnit::Tables => continue,
                ShapeUnit::Descriptors if of.built.abs_diff(of.wanted) <= MANY_FILES => continue,
                ShapeUnit::Descriptors => self.any_method = true,
                _ => {}
            }
            let name = of.unit.name();
            match of.built < of.wanted {
                true => self.more(format!("the workers have fewer {name}"), false),
                false => self.less.push(format!("the workers have more {name}")),
            }
        }
    }

    /// What was not seen may go the other way than what was.
    fn leave_none(&mut self, [less, more]: [&str; 2]) {
        match (self.more.is_empty(), self.less.is_empty()) {
            (false, true) => self.less.push(less.to_owned()),
            (true, false) => self.more(more, false),
            _ => {}
        }
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

    /// What stands before a number of spawns a second, if one is told: of a process that
    /// forks more cheaply it is not said what it comes to besides its work.
    pub(super) fn of_rate(&self) -> Option<&'static str> {
        match (self.more.is_empty(), self.less.is_empty()) {
            (false, true) => Some("at most "),
            (true, false) => None,
            _ => Some(""),
        }
    }

    pub(super) fn may_be_more(&self) -> bool {
        !self.more.is_empty()
    }

    pub(super) fn may_be_less(&self) -> bool {
        !self.less.is_empty()
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
/// has a bound of its own, may go either way, or adds but little makes none.
fn adds(reservation: ShapeReservation) -> Option<(&'static str, bool)> {
    match reservation {
        ShapeReservation::NeverExecuted => Some((
            "links to anon_vmas of ancestors that were not seen are not rebuilt",
            false,
        )),
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

/// What adds little to a spawn by any method: no bound by itself, but where a figure is said
/// to be the most it is more than nothing.
fn adds_little(reservation: ShapeReservation) -> Option<&'static str> {
    match reservation {
        ShapeReservation::Seccomp => Some("its calls pass seccomp filters"),
        ShapeReservation::OtherLabel => Some("a security module checks it by another label"),
        ShapeReservation::OtherNamespaces => Some("it is in other namespaces"),
        _ => None,
    }
}

/// Whether it has many pages of its own and nobody saw where in memory they lie.
fn hides_many_pages(shape: &ProcessShape) -> bool {
    let hides = [
        ShapeReservation::NoPhysicalAddresses,
        ShapeReservation::NoPositions,
    ];
    let own = shape.mappings.iter().flat_map(|mapping| &mapping.own);
    let own = own.fold(0_u64, |sum, [_, count]| sum.saturating_add(*count));
    let reservations = &shape.process.reservations;
    own >= MANY && reservations.iter().any(|found| hides.contains(found))
}
