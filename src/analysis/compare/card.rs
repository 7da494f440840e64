//! The lines of a card: its prices, and the parents of the design that have the same
//! place in every card.
//!
//! How sure a fitted price is includes what the model misses, which two cards miss
//! alike; so a change may be seen in a parent's own line before it is in a price.

use super::sweep::course;
use super::{Absent, Line, Lines, Name};
use crate::analysis::card::{self, PriceLine, Slice};
use crate::model::{
    Card, CardOrder, ComparedKind, Fingerprint, LineUnit, Order, Plan, PriceKind, Purpose,
    SpawnMethod, Term, WorkerSamples, times,
};
use crate::stats::{Replicates, drift};

pub(super) fn lines(measured: &Card, plan: &Plan, luck: u64) -> Lines {
    let mut all = Lines::none(ComparedKind::Cards);
    let Order::Card(ordered) = &plan.order else {
        return all;
    };
    let cells = measured.trials.iter().flat_map(|trial| &trial.cells);
    let drift = drift(&course(cells.map(|cell| &cell.samples)));
    for price in card::lines(ordered, &measured.trials, luck) {
        if is_shown(&price) {
            all.add(of_price(price, drift));
        }
    }
    let first = all.lines.len();
    parents(ordered, measured, luck, drift, &mut all);
    let whole = mean(&all.lines[first..], drift);
    all.lines.extend(whole);
    all
}

/// The geometric mean of all parents: what is small in each of them, but the same in
/// all, shows in it. It is the same quantity only where the parents are the same.
fn mean(parents: &[Line], drift: f64) -> Option<Line> {
    let values: Vec<&Replicates> = parents.iter().map(|line| &line.value).collect();
    let keys = parents.iter().fold(Fingerprint::default(), |sum, line| {
        sum.and(line.name.key.as_bytes())
    });
    let count = values.len();
    let value = Replicates::combine(&values, |each| {
        let logs = each.iter().map(|ns| ns.ln()).sum::<f64>();
        (count > 1).then(|| (logs / count as f64).exp())
    })?;
    Some(Line {
        name: Name {
            key: format!("parents/mean/{count}/{:x}", keys.number()),
            group: "all of them".to_owned(),
            what: format!("geometric mean of {count}"),
        },
        unit: LineUnit::Ns,
        value,
        workers: parents.iter().map(|line| line.workers).sum(),
        freedom: parents.iter().map(|line| line.freedom).sum(),
        spread: parents.iter().filter_map(|line| line.spread).max(),
        drift,
    })
}

/// What comes after the call is the rest of what is shown.
fn is_shown(price: &PriceLine) -> bool {
    match price.slice {
        Slice::Call => price.term.is_some(),
        Slice::After => false,
        Slice::Total => true,
    }
}

fn of_price(price: PriceLine, drift: f64) -> Result<Line, Absent> {
    let when = match price.slice {
        Slice::Call => "call",
        Slice::After => "after",
        Slice::Total => "total",
    };
    let (key, group, what) = match (price.term, price.other) {
        (Some((term, beyond)), _) => {
            let (side, words) = if beyond {
                ("large", ", at 16 knees")
            } else {
                ("small", "")
            };
            let (key, name) = term_names(term);
            (
                format!("price/{key}/{side}/{when}"),
                "a fork".to_owned(),
                format!("{name}{words}, {when}"),
            )
        }
        (None, Some((kind, method))) => {
            let (key, name) = kind_names(kind);
            let method = method.map(SpawnMethod::name);
            let of = method.map_or_else(String::new, |method| format!("/{method}"));
            let words = method.map_or_else(String::new, |method| format!(", {method}"));
            (
                format!("price/{key}{of}/{when}"),
                "others".to_owned(),
                format!("{name}{words}"),
            )
        }
        (None, None) => return Err(Absent::new("", "it names nothing")),
    };
    let value = price
        .value
        .map_err(|missing| Absent::new(&key, missing.in_words()))?;
    // A price that the data do not tell from 0 has no ratio worth a line.
    if !value.estimate().is_above(0.0) {
        return Err(Absent::new(key, "not told from 0"));
    }
    Ok(Line {
        name: Name { key, group, what },
        // They reach over five orders of magnitude, and no unit suits them all.
        unit: LineUnit::Other("ns".to_owned()),
        value,
        workers: price.workers,
        freedom: price.freedom,
        // The draws of the fit are not spread by it.
        spread: price.term.is_none().then_some(price.freedom),
        drift,
    })
}

/// The totals of the fitted parents that are not drawn by chance.
fn parents(ordered: &CardOrder, measured: &Card, luck: u64, drift: f64, all: &mut Lines) {
    for (trial, result) in ordered.trials.iter().zip(&measured.trials) {
        if !trial.purpose.is_fitted() || trial.purpose == Purpose::Chance {
            continue;
        }
        for cell in &result.cells {
            let name = Name {
                key: format!("parent/{}/{}", trial.space.key(), cell.method.name()),
                group: "of the design".to_owned(),
                what: trial.space.in_words(),
            };
            let workers = times(&cell.samples, WorkerSamples::totals);
            let line = Line::of_workers(name.clone(), &workers, luck, drift);
            all.add(line.ok_or_else(|| Absent::new(name.key, "not measured")));
        }
    }
}

fn term_names(term: Term) -> (&'static str, &'static str) {
    match term {
        Term::Fixed => ("fixed", "the fork itself"),
        Term::Vma => ("vma", "a mapping"),
        Term::AnonVma => ("anon-vma", "more with pages of its own"),
        Term::FileVma => ("file-vma", "more of a file"),
        Term::SharedVma => ("shared-vma", "more if shared"),
        Term::Pte => ("pte", "a PTE"),
        Term::EmptyEntry => ("empty-entry", "an empty entry"),
        Term::Table => ("table", "a page table"),
        Term::HugeEntry => ("huge-entry", "a huge page's entry"),
    }
}

fn kind_names(kind: PriceKind) -> (&'static str, &'static str) {
    match kind {
        PriceKind::Spawn => ("spawn", "a spawn from nothing"),
        PriceKind::Mapping => ("mapping", "a mapping"),
        PriceKind::Descriptor => ("descriptor", "a descriptor"),
        PriceKind::CloexecDescriptor => ("cloexec-descriptor", "a close-on-exec descriptor"),
        PriceKind::Thread => ("thread", "a thread"),
        PriceKind::Handler => ("handler", "a signal handler"),
        PriceKind::RawExec => ("raw-exec", "exec and end of a raw program"),
        PriceKind::StaticStart => ("static-start", "start of a static program"),
        PriceKind::Loader => ("loader", "the loader"),
        PriceKind::Variable => ("variable", "an environment variable"),
        PriceKind::VariableByte => ("variable-byte", "an environment byte"),
        PriceKind::MinorFault => ("minor-fault", "a first write to a page"),
        PriceKind::ParentCopy => ("parent-copy", "the parent's copy of a page"),
        PriceKind::ParentReuse => ("parent-reuse", "the parent's write once it is alone"),
        PriceKind::ChildCopy => ("child-copy", "the child's copy of a page"),
        PriceKind::Syscall => ("syscall", "a system call"),
        PriceKind::Cpuid => ("cpuid", "a cpuid instruction"),
    }
}
