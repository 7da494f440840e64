//! The card in a few sentences, and none that the intervals do not support.

use super::{child, grade};
use crate::analysis::card::{Charged, Dependence, Fit};
use crate::model::{PriceKind, Purpose, SpawnMethod};
use crate::report::view::number::{number, prose};
use crate::report::view::prose::{listed, time_within};
use crate::stats::Estimate;

/// The sentences that there are figures for, the most useful first.
pub(super) fn sentences(charged: &Charged<'_>, fit: Option<&Fit>) -> Vec<String> {
    let sentences = [
        empty_parent(charged),
        fit.and_then(|fit| larger_parents(charged, fit)),
        flat_methods(charged),
        files_and_threads(charged),
        dynamic_start(charged),
        pages_after(charged),
        foretelling(charged),
    ];
    sentences.into_iter().flatten().collect()
}

fn total(charged: &Charged<'_>, of: PriceKind, method: Option<SpawnMethod>) -> Option<Estimate> {
    let mut prices = charged.of_kind(of);
    let price = prices.find(|price| price.method == method)?;
    price.priced.total_ns.measured()?.sound()
}

/// What a fork costs at the least.
fn empty_parent(charged: &Charged<'_>) -> Option<String> {
    let price = charged.price(PriceKind::Spawn, SpawnMethod::Fork)?;
    let whole = price.priced.total_ns.measured()?.sound()?;
    let call = price.priced.call_ns.measured();
    let call = call.and_then(|call| call.sound());
    let call = call.map_or(String::new(), |call| {
        format!(", {} of it in the call", prose(call.value))
    });
    let other = total(charged, PriceKind::Spawn, Some(SpawnMethod::Vfork));
    let other = other.map_or(String::new(), |other| {
        format!("; a vfork takes {}", time_within(other))
    });
    Some(format!(
        "A fork of an empty parent takes {}{call}{other}.",
        time_within(whole)
    ))
}

/// What larger parents are foretold to add to it.
fn larger_parents(charged: &Charged<'_>, fit: &Fit) -> Option<String> {
    let longer = charged.larger_parents(fit).into_iter();
    let clauses: Vec<String> = longer
        .map(|(shape, more)| format!("{} with {}", time_within(more), shape.name))
        .collect();
    (!clauses.is_empty()).then(|| {
        format!(
            "By these prices a fork of a larger parent takes longer by {}.",
            clauses.join("; ")
        )
    })
}

/// Which methods do not look at the address space.
fn flat_methods(charged: &Charged<'_>) -> Option<String> {
    let mut flat = Vec::new();
    let mut sloped = Vec::new();
    for (method, found) in charged.dependence() {
        let name = method.map_or("a spawn", SpawnMethod::name);
        match found {
            Dependence::NoneSeen { at_most_ns, units } => flat.push((name, at_most_ns, units)),
            Dependence::Adds(found) => sloped.push((name, found)),
        }
    }
    let mut clauses = Vec::new();
    if !flat.is_empty() {
        let names: Vec<&str> = flat.iter().map(|(name, ..)| *name).collect();
        let most = flat.iter().map(|(_, most, _)| *most).fold(0.0, f64::max);
        let units = flat.iter().map(|(.., units)| *units).fold(0.0, f64::max);
        clauses.push(format!(
            "of {} no dependence on the address space is seen: over {} mappings of a page, \
             each adds less than {}",
            listed(&names, "and"),
            number(units, 0),
            prose(most)
        ));
    }
    let clause = |(name, found): (&str, Estimate)| {
        format!(
            "a mapping with a page adds {} to {name}",
            time_within(found)
        )
    };
    clauses.extend(sloped.into_iter().map(clause));
    sentence(clauses)
}

/// Clauses as one sentence, its first letter large.
fn sentence(clauses: Vec<String>) -> Option<String> {
    let whole = clauses.join("; ");
    let mut letters = whole.chars();
    let first = letters.next()?;
    Some(format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// What open files and threads of the parent add.
fn files_and_threads(charged: &Charged<'_>) -> Option<String> {
    const MANY: f64 = 1_000.0;
    let methods = [SpawnMethod::Fork, SpawnMethod::Vfork];
    let files = methods.into_iter().filter_map(|method| {
        let file = total(charged, PriceKind::CloexecDescriptor, Some(method))?;
        Some(format!(
            "{} to a {}",
            time_within(file.map(|ns| ns * MANY)),
            method.name()
        ))
    });
    let files: Vec<String> = files.collect();
    let mut clauses = Vec::new();
    if !files.is_empty() {
        let files = listed(&files, "and");
        clauses.push(format!(
            "1,000 close-on-exec descriptors of the parent add {files}"
        ));
    }
    if let Some(thread) = total(charged, PriceKind::Thread, Some(SpawnMethod::Fork)) {
        clauses.push(format!(
            "a thread of the parent, with its stack, adds {} to a fork",
            time_within(thread)
        ));
    }
    sentence(clauses)
}

/// What of a dynamic program's start is libc's and the loader's.
fn dynamic_start(charged: &Charged<'_>) -> Option<String> {
    let program = child::command(charged, Purpose::DynamicProgram)?;
    let bare = total(charged, PriceKind::RawExec, None)?;
    let more = total(charged, PriceKind::Loader, None);
    let start = total(charged, PriceKind::StaticStart, None)?;
    let loader = more.map_or(String::new(), |more| {
        format!(
            ", and {program}, which a loader completes, {} more than that",
            time_within(more)
        )
    });
    let fixed = child::command(charged, Purpose::StaticProgram)?;
    Some(format!(
        "The exec and end of a program of three instructions take {}; the static {fixed} takes \
         {} more{loader}.",
        time_within(bare),
        time_within(start)
    ))
}

/// What the parent pays for its pages after a fork.
fn pages_after(charged: &Charged<'_>) -> Option<String> {
    let copy = total(charged, PriceKind::ParentCopy, None)?;
    let reuse = total(charged, PriceKind::ParentReuse, None);
    let reuse = reuse.map_or(String::new(), |reuse| {
        format!(
            ", and {} once the child has another program",
            time_within(reuse)
        )
    });
    Some(format!(
        "After a fork, each page that the parent writes to costs it {} while the child has the \
         page too{reuse}.",
        time_within(copy)
    ))
}

fn foretelling(charged: &Charged<'_>) -> Option<String> {
    let grade = charged.prices().grade.measured()?;
    sentence(grade::sentence(&grade.total).into_iter().collect())
}
