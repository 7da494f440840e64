//! Whose the cost of a fork is: rungs and groups, from what the trials took.

use super::design::{Design, Layout};
use crate::analysis::replica::counts::{copies_entries, entries, huge_runs, is_copied, pages};
use crate::analysis::replica::{Blueprint, Times};
use crate::model::{
    Availability, Blame, Cost, FreeMemory, FreeReason, GroupCost, MappingContent, MappingFlag,
    Missing, ProcessRole, ProcessShape, ProcessTrial, Rung, RungCost, ShapeMapping, SpawnMethod,
};
use crate::stats::Replicates;

/// Groups that are told apart.
const TOP: usize = 10;

/// Whose the cost is, if all rungs were measured. The trials are those of `design`,
/// which may be a part of the whole `shape`.
pub fn blame(
    shape: &ProcessShape,
    whole: &Blueprint,
    design: &Design,
    trials: &[ProcessTrial],
    seed: u64,
) -> Availability<Blame> {
    let Some(times) = rung_times(design, trials, seed) else {
        return Availability::Missing(Missing::not_reached());
    };
    let account = Account {
        all: Layout::of(whole),
        built: &design.layout,
        times,
    };
    // What was built may have its groups in another order than the whole.
    let without = |name: &str| {
        let place = design
            .layout
            .groups
            .iter()
            .position(|group| group.name == name)?;
        without(trials, place, seed)
    };
    Availability::Measured(Blame {
        fork: account.sum(|_| 1.0),
        rungs: account.rungs(),
        groups: account.groups(without),
        free: free(shape),
    })
}

/// The fork from each rung, from the ground up.
fn rung_times(design: &Design, trials: &[ProcessTrial], seed: u64) -> Option<Vec<(Rung, Times)>> {
    let ladder = &design.layout.ladder;
    let each = ladder.iter().enumerate().map(|(place, (rung, _))| {
        let role = match place + 1 == ladder.len() {
            true => ProcessRole::Whole,
            false => ProcessRole::Rung(*rung),
        };
        Some((*rung, Times::of(trials, role, SpawnMethod::Fork, seed)?))
    });
    each.collect()
}

/// What the fork was cheaper by without a group.
fn without(trials: &[ProcessTrial], index: usize, seed: u64) -> Option<Cost> {
    let of = |role| Times::of(trials, role, SpawnMethod::Fork, seed);
    let (whole, less) = (of(ProcessRole::Whole)?, of(ProcessRole::Without(index))?);
    cost(&[&whole, &less], |v| v[0] - v[1])
}

fn cost(times: &[&Times], compute: impl Fn(&[f64]) -> f64) -> Option<Cost> {
    let of = |pick: fn(&Times) -> &Replicates| {
        let parts: Vec<&Replicates> = times.iter().map(|t| pick(t)).collect();
        Replicates::combine(&parts, |v| Some(compute(v)))
    };
    let (call, total) = (of(|t| &t.call)?, of(|t| &t.total)?);
    let after = Replicates::combine(&[&total, &call], |v| Some(v[0] - v[1]))?;
    Some(Cost {
        call_ns: call.estimate(),
        after_ns: after.estimate(),
        total_ns: total.estimate(),
    })
}

/// What the rungs cost, and how it is shared out.
struct Account<'a> {
    /// The process, whole.
    all: Layout,
    /// What was built.
    built: &'a Layout,
    times: Vec<(Rung, Times)>,
}

impl Account<'_> {
    /// What the process has more of a rung's units than was built.
    fn factor(&self, rung: Rung) -> f64 {
        let sum = |layout: &Layout| layout.added(rung).iter().sum::<u64>();
        let (all, built) = (sum(&self.all), sum(self.built));
        match built {
            0 => 1.0,
            built => all as f64 / built as f64,
        }
    }

    /// The sum over the rungs, each times what `share` gives.
    fn sum(&self, share: impl Fn(Rung) -> f64) -> Cost {
        let weights: Vec<f64> = (self.times.iter())
            .map(|(rung, _)| share(*rung) * self.factor(*rung))
            .collect();
        let times: Vec<&Times> = self.times.iter().map(|(_, times)| times).collect();
        let compute = |v: &[f64]| {
            let mut below = 0.0;
            let steps = v.iter().zip(&weights).map(|(value, weight)| {
                let step = value - below;
                below = *value;
                step * weight
            });
            steps.sum()
        };
        cost(&times, compute).expect("a sum of numbers is a number")
    }

    fn rungs(&self) -> Vec<RungCost> {
        let each = self.times.iter().map(|(rung, _)| RungCost {
            rung: *rung,
            units: match rung {
                Rung::Empty => 1,
                Rung::Beside => self.all.beside.units(),
                _ => self.all.added(*rung).iter().sum(),
            },
            factor: self.factor(*rung),
            cost: self.sum(|other| f64::from(u8::from(other == *rung))),
        });
        each.collect()
    }

    /// The dearest groups, and the rest of them together.
    fn groups(&self, without: impl Fn(&str) -> Option<Cost>) -> Vec<GroupCost> {
        let count = self.all.groups.len();
        let mut costs: Vec<(usize, GroupCost)> = (0..count)
            .map(|index| {
                (
                    index,
                    self.group(&[index], without(&self.all.groups[index].name)),
                )
            })
            .collect();
        let total = |group: &GroupCost| group.cost.total_ns.value;
        costs.sort_by(|a, b| total(&b.1).total_cmp(&total(&a.1)));
        let rest: Vec<usize> = costs.iter().skip(TOP).map(|(index, _)| *index).collect();
        let top = costs.into_iter().take(TOP).map(|(_, group)| group);
        let mut groups: Vec<GroupCost> = top.collect();
        if let [one] = rest.as_slice() {
            groups.push(self.group(&[*one], None));
        } else if !rest.is_empty() {
            groups.push(GroupCost {
                name: format!("{} others", rest.len()),
                rest: true,
                ..self.group(&rest, None)
            });
        }
        groups
    }

    /// Several groups as one, by the first one's name.
    fn group(&self, members: &[usize], without: Option<Cost>) -> GroupCost {
        let of = members.iter().map(|member| &self.all.groups[*member]);
        let first = &self.all.groups[members[0]];
        GroupCost {
            name: first.name.clone(),
            content: first.content,
            rest: false,
            mappings: of.map(|group| group.counts).sum(),
            cost: self.sum(|rung| self.share(rung, members)),
            without,
        }
    }

    /// The share of these groups in what a rung adds.
    fn share(&self, rung: Rung, members: &[usize]) -> f64 {
        let added = self.all.added(rung);
        let all: u64 = added.iter().sum();
        let mine: u64 = members.iter().map(|member| added[*member]).sum();
        match all {
            0 => 0.0,
            all => mine as f64 / all as f64,
        }
    }
}

/// What looks big and costs next to nothing.
fn free(shape: &ProcessShape) -> Vec<FreeMemory> {
    let page_size = shape.process.page_size;
    let mut free: Vec<FreeMemory> = Vec::new();
    let mut add = |why, pages: u64| {
        if pages == 0 {
            return;
        }
        let bytes = pages.saturating_mul(page_size);
        match free.iter_mut().find(|known| known.why == why) {
            Some(known) => {
                known.mappings += 1;
                known.bytes = known.bytes.saturating_add(bytes);
            }
            None => free.push(FreeMemory {
                why,
                mappings: 1,
                bytes,
            }),
        }
    };
    for mapping in &shape.mappings {
        for (why, pages) in reasons(mapping) {
            add(why, pages);
        }
    }
    free.sort_by_key(|free| std::cmp::Reverse(free.bytes));
    free
}

/// Whether what a fork of it costs is not known: no worker can have it.
fn is_unknown(mapping: &ShapeMapping) -> bool {
    mapping.content == MappingContent::Hugetlb || mapping.has(MappingFlag::PageFrames)
}

/// The pages of a mapping that cost nothing, and why.
fn reasons(mapping: &ShapeMapping) -> Vec<(FreeReason, u64)> {
    if mapping.has(MappingFlag::DontFork) {
        return vec![(FreeReason::DontFork, mapping.pages)];
    }
    if is_unknown(mapping) || !is_copied(mapping) {
        return Vec::new();
    }
    if mapping.is_shared() && !copies_entries(mapping) {
        return vec![(FreeReason::Shared, mapping.pages)];
    }
    let huge = pages(&huge_runs(mapping));
    let there = pages(&entries(mapping)) + huge;
    let untouched = mapping.pages.saturating_sub(there);
    let mut reasons = vec![(FreeReason::Untouched, untouched)];
    // What is copied is charged, huge pages by a rung of their own.
    if !copies_entries(mapping) {
        reasons.push((FreeReason::FilePages, pages(&mapping.file) + huge));
        reasons.push((FreeReason::ZeroPages, pages(&mapping.zero)));
    }
    reasons
}
