//! What to do, in a few sentences, and none that the intervals do not support.

use super::{names, remedies};
use crate::model::{Remedy, RemedyBaseline, RemedyKind, RemedyOutcome, RemedyVerdict};
use crate::report::view::number::counted;
use crate::report::view::process::{Rebuilt, figures, words};
use crate::stats::Estimate;

/// What takes a fork's place.
const INSTEAD: [RemedyKind; 3] = [
    RemedyKind::PosixSpawn,
    RemedyKind::Vfork,
    RemedyKind::ForkServer,
];

/// The sentences that there are figures for, the most useful first.
pub(super) fn sentences(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let sentences = [
        nothing(rebuilt),
        instead(rebuilt),
        best_of_forks(rebuilt),
        together(rebuilt),
        other(rebuilt),
        harmful(rebuilt),
        unseen(rebuilt),
        untold(rebuilt),
        words::standing_still(rebuilt),
    ];
    let mut all = words::begin(rebuilt);
    all.extend(sentences.into_iter().flatten());
    all
}

/// Whether the program still forks, and one thing was changed.
fn keeps_the_fork(kind: RemedyKind) -> bool {
    let together = [RemedyKind::BestForks, RemedyKind::Best];
    !INSTEAD.contains(&kind) && !together.contains(&kind)
}

/// A remedy, and by how many times a spawn is faster with it.
type Found<'a> = (&'a Remedy, Estimate);

/// What helps against the fork from the whole shape, best first.
fn helping<'a>(rebuilt: &Rebuilt<'a>, wanted: impl Fn(RemedyKind) -> bool) -> Vec<Found<'a>> {
    let helps = |outcome: &RemedyOutcome| {
        outcome.verdict == RemedyVerdict::Helps && outcome.against == RemedyBaseline::Fork
    };
    let mut found: Vec<Found<'a>> = remedies::tried(rebuilt)
        .filter(|(remedy, outcome)| wanted(remedy.kind) && helps(outcome))
        .filter_map(|(remedy, outcome)| Some((remedy, outcome.ratio.times_in(1.0)?)))
        .collect();
    found.sort_by(|a, b| b.1.value.total_cmp(&a.1.value));
    found
}

/// What takes the fork's place and helps.
fn instead(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let found = helping(rebuilt, |kind| INSTEAD.contains(&kind));
    let clauses: Vec<String> = found
        .iter()
        .map(|(remedy, times)| {
            let name = remedy.kind.name();
            format!("{name}, {} faster", figures::times(*times))
        })
        .collect();
    (!clauses.is_empty()).then(|| format!("Instead of a fork: {}.", clauses.join("; ")))
}

/// The best that keeps the fork, with those that it is not told from.
fn best_of_forks(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let mut found = helping(rebuilt, keeps_the_fork);
    let first = found.first()?.1;
    found.retain(|(_, times)| !first.exceeds(times));
    let clauses: Vec<String> = found
        .iter()
        .map(|(remedy, times)| faster(remedy, *times))
        .collect();
    let apart = match clauses.len() {
        1 => "",
        _ => "; these are not told apart",
    };
    Some(format!(
        "The best that keeps the fork: {}{apart}.",
        clauses.join("; ")
    ))
}

fn faster(remedy: &Remedy, times: Estimate) -> String {
    format!(
        "{}, {} faster",
        names::in_full(remedy.kind),
        figures::times(times)
    )
}

/// What several of them bring together.
fn together(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let of = |kind: RemedyKind| helping(rebuilt, |other| other == kind).into_iter().next();
    let found = [RemedyKind::BestForks, RemedyKind::Best]
        .into_iter()
        .filter_map(of);
    let clauses: Vec<String> = found
        .map(|(remedy, times)| format!("{} ({})", faster(remedy, times), remedy.applied_to))
        .collect();
    (!clauses.is_empty()).then(|| format!("Several at once: {}.", clauses.join("; ")))
}

/// What helps and is set against something else than the fork.
fn other(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let others = remedies::tried(rebuilt).filter(|(_, outcome)| {
        outcome.verdict == RemedyVerdict::Helps && outcome.against != RemedyBaseline::Fork
    });
    let clauses: Vec<String> = others
        .filter_map(|(remedy, outcome)| {
            let times = outcome.ratio.times_in(1.0)?;
            let against = names::baseline(outcome.against);
            Some(format!("{} than {against}", faster(remedy, times)))
        })
        .collect();
    (!clauses.is_empty()).then(|| format!("Besides: {}.", clauses.join("; ")))
}

/// What makes no difference that is seen.
fn unseen(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let names = named(rebuilt, RemedyVerdict::NoDifference)?;
    Some(format!("No difference is seen with: {names}."))
}

/// Of what nothing can be said.
fn untold(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let names = named(rebuilt, RemedyVerdict::TooFew)?;
    Some(format!(
        "Too few rounds to say anything of: {names}; raise --time."
    ))
}

/// What this verdict was passed on, if anything was.
fn named(rebuilt: &Rebuilt<'_>, verdict: RemedyVerdict) -> Option<String> {
    let of = remedies::tried(rebuilt).filter(|(_, outcome)| outcome.verdict == verdict);
    let names: Vec<&str> = of.map(|(remedy, _)| remedy.kind.name()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What makes it worse, and by how much.
fn harmful(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let harms =
        remedies::tried(rebuilt).filter(|(_, outcome)| outcome.verdict == RemedyVerdict::Harms);
    let clauses: Vec<String> = harms
        .filter_map(|(remedy, outcome)| {
            let times = figures::times(outcome.ratio.sound()?);
            let name = names::in_full(remedy.kind);
            Some(format!("{name}, {times} as long"))
        })
        .collect();
    (!clauses.is_empty()).then(|| format!("Harmful: {}.", clauses.join("; ")))
}

fn nothing(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let count = remedies::tried(rebuilt).count();
    let mut tried = remedies::tried(rebuilt);
    let helps = tried.any(|(_, outcome)| outcome.verdict == RemedyVerdict::Helps);
    let few = named(rebuilt, RemedyVerdict::TooFew).is_some();
    (count > 0 && !helps && !few).then(|| {
        let tried = match count {
            1 => "1 remedy".to_owned(),
            count => counted(count as u64, "remedie"),
        };
        format!("Of {tried} that were tried none is seen to help.")
    })
}
