//! Which parents are built to explain a shape, and what is spawned from them.

use super::filters::filters;
use super::rungs::on_rung;
use crate::analysis::replica::counts::Counter;
use crate::analysis::replica::groups::weight;
use crate::analysis::replica::{Beside, Blueprint, Group, Trial, groups};
use crate::model::{Counts, ProcessRole, Rung, ShapeMapping, SpaceRequest, SpawnMethod, Term};

/// Groups that are left out once, to check what is said of them: those with at least
/// this share of the cost, by weight, and not more of them than this.
const CHECKED_SHARE: f64 = 0.1;
const MOST_CHECKED: usize = 3;

/// The trials that explain a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The trials, the whole first.
    pub trials: Vec<Trial>,
    /// What is built, rung by rung.
    pub(super) layout: Layout,
}

impl Design {
    /// Of what is rebuilt.
    pub fn of(blueprint: &Blueprint, methods: &[SpawnMethod]) -> Self {
        let mut design = Self {
            trials: vec![Trial::whole(blueprint, methods)],
            layout: Layout::of(blueprint),
        };
        design.add_rungs(blueprint);
        design.add_checks(blueprint);
        design.add_filters(blueprint);
        design
    }

    /// The shape with seccomp filters that take no less than the process's own.
    fn add_filters(&mut self, blueprint: &Blueprint) {
        self.trials
            .extend(filters(&blueprint.facts).map(|filters| Trial {
                filters,
                ..Trial::forked(ProcessRole::Filtered, blueprint.whole())
            }));
    }

    /// All rungs but the last, which is the whole.
    fn add_rungs(&mut self, blueprint: &Blueprint) {
        let mut rungs: Vec<Rung> = self.layout.ladder.iter().map(|(rung, _)| *rung).collect();
        rungs.pop();
        for rung in rungs {
            let (mappings, beside) = match rung {
                Rung::Empty => (Vec::new(), Beside::default()),
                Rung::Beside => (Vec::new(), blueprint.beside()),
                _ => (rung_of(blueprint, rung), blueprint.beside()),
            };
            let space = blueprint.request(&mappings, beside);
            self.trials
                .push(Trial::forked(ProcessRole::Rung(rung), space));
        }
    }

    /// The shape without each of the weightiest groups.
    fn add_checks(&mut self, blueprint: &Blueprint) {
        let groups = &self.layout.groups;
        let all: f64 = groups.iter().map(|group| weight(&group.counts)).sum();
        let heavy = |group: &&Group| weight(&group.counts) >= CHECKED_SHARE * all;
        let checked = groups.iter().filter(heavy).take(MOST_CHECKED).count();
        for index in 0..checked {
            let members = &self.layout.groups[index].members;
            let left: Vec<ShapeMapping> = (blueprint.mappings.iter().enumerate())
                .filter(|(place, _)| members.binary_search(place).is_err())
                .map(|(_, mapping)| mapping.clone())
                .collect();
            let space = blueprint.request(&left, blueprint.beside());
            self.trials
                .push(Trial::forked(ProcessRole::Without(index), space));
        }
    }
}

/// The order for a worker with all of it and nothing pinned.
pub fn unpinned(blueprint: &Blueprint) -> SpaceRequest {
    blueprint.request(&rung_of(blueprint, Rung::Pages), blueprint.beside())
}

fn rung_of(blueprint: &Blueprint, rung: Rung) -> Vec<ShapeMapping> {
    let page_size = blueprint.facts.page_size;
    let mappings = blueprint.mappings.iter();
    mappings.map(|m| on_rung(m, rung, page_size)).collect()
}

/// The mappings by group, and what of them each rung has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) groups: Vec<Group>,
    /// The rungs that add something to those below them; the last is the whole, and
    /// the lowest is always there.
    pub(super) ladder: Vec<(Rung, Vec<Counts>)>,
    pub(super) beside: Beside,
}

impl Layout {
    pub(super) fn of(blueprint: &Blueprint) -> Self {
        let page_size = blueprint.facts.page_size;
        let groups = groups(&blueprint.mappings, page_size);
        let beside = blueprint.beside();
        let mut ladder = vec![(Rung::Empty, nothing(&groups))];
        if beside.units() > 0 {
            ladder.push((Rung::Beside, nothing(&groups)));
        }
        for rung in Rung::ALL.into_iter().filter(|rung| *rung > Rung::Beside) {
            let counts = by_group(&rung_of(blueprint, rung), &groups, page_size);
            if ladder
                .last()
                .is_some_and(|(_, below)| !cost_alike(below, &counts))
            {
                ladder.push((rung, counts));
            }
        }
        Self {
            groups,
            ladder,
            beside,
        }
    }

    /// The units that a rung adds, group by group: of the kind that it is named for.
    pub(super) fn added(&self, rung: Rung) -> Vec<u64> {
        let nothing = nothing(&self.groups);
        let Some(place) = self.ladder.iter().position(|(other, _)| *other == rung) else {
            return vec![0; self.groups.len()];
        };
        let below = place
            .checked_sub(1)
            .map_or(&nothing, |at| &self.ladder[at].1);
        let both = self.ladder[place].1.iter().zip(below);
        both.map(|(with, without)| unit(rung, with).saturating_sub(unit(rung, without)))
            .collect()
    }
}

/// What a rung adds.
fn unit(rung: Rung, counts: &Counts) -> u64 {
    match rung {
        Rung::Empty | Rung::Beside => 0,
        Rung::Mappings => counts.vmas,
        Rung::AnonVmas => counts.anon_vmas,
        Rung::Tables => counts.tables,
        Rung::HugePages => counts.huge_entries,
        Rung::Pages => counts.ptes,
        Rung::Pinned => counts.pinned_ptes,
    }
}

/// Whether a fork pays for as much of everything, group by group.
fn cost_alike(some: &[Counts], others: &[Counts]) -> bool {
    let mut both = some.iter().zip(others);
    both.all(|(a, b)| {
        let alike = |term: &Term| term.count(a) == term.count(b);
        Term::ALL.iter().all(alike) && a.pinned_ptes == b.pinned_ptes
    })
}

fn nothing(groups: &[Group]) -> Vec<Counts> {
    vec![Counts::default(); groups.len()]
}

fn by_group(mappings: &[ShapeMapping], groups: &[Group], page_size: u64) -> Vec<Counts> {
    let mut counter = Counter::new(page_size);
    let each: Vec<Counts> = mappings.iter().map(|m| counter.count(m)).collect();
    let sum = |group: &Group| {
        let members = group.members.iter().map(|member| each[*member]);
        members.sum()
    };
    groups.iter().map(sum).collect()
}
