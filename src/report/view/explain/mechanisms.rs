//! The mechanisms: what the kernel does during the spawns of one method, from
//! sampled call chains.

use crate::model::{
    Availability, HotFunction, Mechanism, MechanismShare, Mechanisms, Reach, SpawnMethod,
};

use super::super::footnotes::Footnotes;
use super::super::grid::Grid;
use super::super::number::{PERCENT, Unit, counted, integer, number, percent, significant};
use super::super::table::{Column, Entry, Table};
use super::names;

/// Functions that a row names.
const HOTTEST: usize = 3;

/// Makes the table of one method.
pub(super) fn table(method: SpawnMethod, found: &Mechanisms, notes: &mut Footnotes) -> Table {
    let times = found.shares.iter().map(|share| share.ns.value);
    let unit = Unit::of_time(times.filter(|ns| *ns > 0.0));
    Grid::new()
        .column(Column::name("mechanism"), |share: &&MechanismShare| {
            names::mechanism(share.mechanism)
        })
        .column(
            Column::number("share", "(%)")
                .explained("of the timer samples of parent and child, by the whole call chain"),
            |share| PERCENT.entry(share.share),
        )
        .column(
            Column::number("time", &unit.subheader())
                .explained("CPU time a spawn, a mean: samples by their period"),
            |share| unit.entry(share.ns),
        )
        .column(
            Column::number("in child", "(%)").explained("of the mechanism's samples"),
            |share| {
                let childs = share.samples.saturating_sub(share.parent_samples);
                Some(Entry::exact(percent_of(childs, share.samples)?))
            },
        )
        .column(
            Column::list("hottest functions", "(% of all samples)")
                .explained("where the CPU was found, at most three of them"),
            |share| functions(&share.hottest, found.samples, HOTTEST),
        )
        .table(
            format!("What the CPU does during one spawn: {}", method.name()),
            &found.shares,
            notes,
        )
        .noting(remarks(found))
}

/// A part of a whole that is not 0, in percent.
fn percent_of(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| percent(part as f64 / whole as f64))
}

/// The hottest functions, each with its share of all samples.
fn functions(hottest: &[HotFunction], all: u64, most: usize) -> String {
    let named = hottest.iter().take(most).map(|hot| {
        let share = percent_of(hot.samples, all);
        share.map_or_else(
            || hot.function.clone(),
            |share| format!("{} {share}", hot.function),
        )
    });
    named.collect::<Vec<_>>().join(", ")
}

fn remarks(found: &Mechanisms) -> Vec<String> {
    let mut remarks = vec![sampled(found)];
    if found.covered < COVERING {
        remarks.push(format!(
            "the samples stand for {} % of the time that these spawns took: in the rest, parent and \
             child slept, or ran on a CPU that is not watched",
            number(found.covered * 100.0, 0)
        ));
    }
    if let Some(other) = found
        .shares
        .iter()
        .find(|share| share.mechanism == Mechanism::Other && !share.hottest.is_empty())
    {
        let names = functions(&other.hottest, found.samples, usize::MAX);
        remarks.push(format!("other: {names}"));
    }
    if found.reach == Reach::Inherited {
        remarks.push(
            "the samples are the worker's and, by inheritance, its children's: where the kernel \
             takes a child's events from it before it frees its memory, that freeing is missing"
                .to_owned(),
        );
    }
    remarks
}

/// Samples that stand for less of the time than this leave something out.
const COVERING: f64 = 0.85;

/// How was sampled, and at which price.
fn sampled(found: &Mechanisms) -> String {
    let reach = match found.reach {
        Reach::SystemWide => "taken system-wide",
        Reach::Inherited => "inherited events",
    };
    let mut line = format!(
        "{} in {}, {} in each second of CPU time, {reach}; {} lost",
        counted(found.samples, "sample"),
        counted(found.spawns, "spawn"),
        integer(found.hz),
        if found.lost == 0 {
            "none".to_owned()
        } else {
            integer(found.lost)
        },
    );
    line += &match &found.slowdown {
        Availability::Measured(slowdown) => {
            let [low, high] = slowdown.ci95.map(significant);
            let times = significant(slowdown.value);
            format!("; sampling made spawns take {times} times as long ({low} to {high})")
        }
        Availability::Missing(missing) => {
            format!("; what sampling adds: n/a, {}", missing.reason)
        }
    };
    line
}
