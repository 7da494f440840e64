//! Which parents are built of a shape, and what is spawned from them.

use super::blueprint::{Beside, Blueprint};
use super::counts::{Counter, fan_out};
use super::groups::{Group, groups, weight};
use super::remedies::{Remedied, apply};
use super::rungs::on_rung;
use crate::model::{
    Counts, Missing, ProcessRole, Program, RemedyHost, RemedyKind, Rung, ShapeMapping,
    SpaceRequest, SpawnMethod, Targets, Term,
};

/// Groups that are left out once, to check what is said of them: those with at least
/// this share of the cost, by weight, and not more of them than this.
const CHECKED_SHARE: f64 = 0.1;
const MOST_CHECKED: usize = 3;

/// One parent and its children.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What it is there for.
    pub role: ProcessRole,
    /// What the parent has.
    pub space: SpaceRequest,
    /// How it spawns, by turns.
    pub methods: Vec<SpawnMethod>,
    /// What the children execute, if not what all others do.
    pub program: Option<Program>,
    /// Whether each child closes its descriptors before it executes.
    pub closes: bool,
}

/// A remedy that is tried, or why it is not.
pub(super) type Tried = (RemedyKind, Result<String, Missing>);

/// All trials of a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The trials.
    pub trials: Vec<Trial>,
    /// Pages of a huge page.
    pub(super) fan_out: u64,
    /// What is built, rung by rung.
    pub(super) layout: Layout,
    /// The remedies in the order of trying.
    pub(super) remedies: Vec<Tried>,
}

impl Design {
    /// The trials that explain a shape.
    pub fn explaining(blueprint: &Blueprint, methods: &[SpawnMethod]) -> Self {
        let mut design = Self::of_whole(blueprint, methods);
        design.add_rungs(blueprint);
        design.add_checks(blueprint);
        design
    }

    /// The trials of remedies on a shape.
    pub fn advising(
        blueprint: &Blueprint,
        methods: &[SpawnMethod],
        host: &RemedyHost,
        targets: &Targets,
    ) -> Self {
        let mut design = Self::of_whole(blueprint, methods);
        design.add_remedies(blueprint, host, targets);
        design
    }

    fn of_whole(blueprint: &Blueprint, methods: &[SpawnMethod]) -> Self {
        let mut design = Self {
            trials: Vec::new(),
            fan_out: fan_out(blueprint.facts.page_size),
            layout: Layout::of(blueprint),
            remedies: Vec::new(),
        };
        let whole = blueprint.request(&blueprint.mappings, blueprint.beside());
        design.add(ProcessRole::Whole, whole, methods.to_vec());
        design
    }

    /// A parent with several remedies at once.
    pub fn together(
        blueprint: &Blueprint,
        role: ProcessRole,
        kinds: &[RemedyKind],
        method: SpawnMethod,
        host: &RemedyHost,
    ) -> Option<Trial> {
        let mut parent = Remedied::nothing(blueprint);
        for kind in kinds {
            apply(*kind, &mut parent, blueprint.facts.page_size, host).ok()?;
        }
        Some(Trial {
            role,
            space: parent.request(blueprint),
            methods: vec![method],
            program: None,
            closes: parent.closes,
        })
    }

    fn add(&mut self, role: ProcessRole, space: SpaceRequest, methods: Vec<SpawnMethod>) {
        self.trials.push(Trial {
            role,
            space,
            methods,
            program: None,
            closes: false,
        });
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
            self.add(ProcessRole::Rung(rung), space, vec![SpawnMethod::Fork]);
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
            self.add(ProcessRole::Without(index), space, vec![SpawnMethod::Fork]);
        }
    }

    fn add_remedies(&mut self, blueprint: &Blueprint, host: &RemedyHost, targets: &Targets) {
        const OF_PARENTS: [RemedyKind; 9] = [
            RemedyKind::DontFork,
            RemedyKind::HugePages,
            RemedyKind::HugeHeap,
            RemedyKind::NoHugePages,
            RemedyKind::FewerDescriptors,
            RemedyKind::Cloexec,
            RemedyKind::CloseRange,
            RemedyKind::FewerThreads,
            RemedyKind::NoFilePages,
        ];
        for kind in OF_PARENTS {
            let mut parent = Remedied::nothing(blueprint);
            let applied = apply(kind, &mut parent, blueprint.facts.page_size, host);
            if applied.is_ok() {
                self.trials.push(Trial {
                    role: ProcessRole::Remedied(kind),
                    space: parent.request(blueprint),
                    methods: vec![SpawnMethod::Fork],
                    program: None,
                    closes: parent.closes,
                });
            }
            self.remedies
                .push((kind, applied.map(|()| parent.applied_to)));
        }
        self.add_targets(blueprint, targets);
    }

    /// A statically linked program beside a dynamically linked one.
    fn add_targets(&mut self, blueprint: &Blueprint, targets: &Targets) {
        let kind = RemedyKind::StaticTarget;
        let (Some(fixed), Some(dynamic)) = (&targets.fixed, &targets.dynamic) else {
            let why = "no statically and dynamically linked programs were found to compare; name \
                       them with --static-program and --dynamic-program";
            self.remedies.push((kind, Err(Missing::not_asked(why))));
            return;
        };
        let words = format!("{} instead of {}", path(fixed), path(dynamic));
        let pair = [
            (ProcessRole::Remedied(kind), fixed),
            (ProcessRole::Against(kind), dynamic),
        ];
        for (role, program) in pair {
            self.trials.push(Trial {
                role,
                space: blueprint.request(&blueprint.mappings, blueprint.beside()),
                methods: vec![SpawnMethod::Fork],
                program: Some(program.clone()),
                closes: false,
            });
        }
        self.remedies.push((kind, Ok(words)));
    }
}

fn path(program: &Program) -> &str {
    match program {
        Program::Embedded => "the embedded program",
        Program::Path { path, .. } => path,
    }
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
    }
}

/// Whether a fork pays for as much of everything, group by group.
fn cost_alike(some: &[Counts], others: &[Counts]) -> bool {
    let mut both = some.iter().zip(others);
    both.all(|(a, b)| Term::ALL.iter().all(|term| term.count(a) == term.count(b)))
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
