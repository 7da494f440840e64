//! Whose the cost of a fork is, in a few sentences, and none that the intervals do not
//! support.

use super::bounds::Bounds;
use super::{Rebuilt, figures, names, quota, recognised, refusals, rewriting, spawns};
use crate::analysis::process::{
    self, dearest_groups, dearest_rungs, has_too_few_workers, is_extrapolated, is_most, looks_big,
    per_second, share,
};
use crate::model::{Blame, ChildAction, Cost, Counts, GroupCost, Rung, RungCost, SpawnMethod};
use crate::report::view::number::{counted, number, significant};
use crate::stats::Estimate;
use crate::units::bytes;

/// The sentences that there are figures for, the most useful first.
pub(super) fn sentences(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let sentences = [
        rebuilt
            .blame()
            .and_then(|blame| dearest_rung(rebuilt, blame)),
        rewriting::sentence(rebuilt),
        rebuilt.blame().and_then(dearest_group),
        standing_still(rebuilt),
        rebuilt.blame().and_then(|blame| beside(rebuilt, blame)),
        free(rebuilt),
        foretold(rebuilt),
    ];
    let mut all = begin(rebuilt);
    all.extend(sentences.into_iter().flatten());
    all
}

/// Whether forks fail, what one costs, and what bears on whether that is what the process
/// pays.
pub(in crate::report::view) fn begin(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let shape = &rebuilt.order.shape;
    let mut all = refusals::sentences(&shape.process);
    all.extend(each(rebuilt));
    all.extend(quota::sentence(rebuilt));
    all.extend(recognised::sentences(shape));
    all
}

/// A fork of all of the process, and whether that was worked out from a part.
pub(super) fn fork(rebuilt: &Rebuilt<'_>) -> Option<([Estimate; 2], bool)> {
    if rebuilt.is_part() {
        let fork = rebuilt.blame()?.fork;
        let both = [fork.call_ns.sound()?, fork.total_ns.sound()?];
        return Some((both, true));
    }
    let cell = rebuilt.whole(SpawnMethod::Fork)?;
    let both = [
        figures::median(&cell.call_ns)?,
        figures::median(&cell.total_ns)?,
    ];
    Some((both, false))
}

/// What a fork costs, against posix_spawn, and how many a second that makes.
fn each(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let ([_, total], extrapolated) = fork(rebuilt)?;
    let bounds = Bounds::of(rebuilt);
    let against = against(rebuilt, &bounds).filter(|_| !extrapolated);
    let most = per_second(total)
        .zip(bounds.of_rate())
        .map(|(most, bound)| {
            let mark = figures::mark(extrapolated);
            format!(
                "; one after the other that is {bound}{mark}{} a second",
                significant(most.value)
            )
        });
    let [of_shape, costs] = match refusals::is_sure(&rebuilt.order.shape.process) {
        true => ["Were it not refused, a fork of its shape", "would cost"],
        false => ["A fork of its shape", "costs"],
    };
    Some(format!(
        "{of_shape}, without functions of its own (pthread_atfork), {costs} {}{}{}{}{}.",
        bounds.of_time(),
        figures::told(total, extrapolated),
        against.unwrap_or_default(),
        most.unwrap_or_default(),
        bounds.why()
    ))
}

/// A fork as a multiple of a posix_spawn.
fn against(rebuilt: &Rebuilt<'_>, bounds: &Bounds) -> Option<String> {
    let other = SpawnMethod::PosixSpawn;
    let ratio = rebuilt.multiple(SpawnMethod::Fork, other)?;
    if !bounds.hold_for_multiples() {
        return None;
    }
    if ratio.differs_from(1.0) {
        let (bound, times) = (bounds.of_time(), figures::times(ratio));
        return Some(format!(", {bound}{times} a {}", other.name()));
    }
    // Of fewer workers none could be seen, and where figures are bounds none is ruled out.
    let is_told = !has_too_few_workers(rebuilt.whole(SpawnMethod::Fork)?) && !bounds.are_there();
    is_told.then(|| format!(", and no difference to a {} is seen", other.name()))
}

/// How long the process stands still, and what comes after.
pub(in crate::report::view) fn standing_still(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let ([call, total], extrapolated) = fork(rebuilt)?;
    let bounds = Bounds::of(rebuilt);
    let waiting = match rebuilt.document.plan.child {
        ChildAction::Exec => waiting(rebuilt, &bounds),
        ChildAction::Exit => String::new(),
    };
    let [call_told, share] = [
        format!("{}{}", bounds.of_time(), figures::told(call, extrapolated)),
        percent(call, total, extrapolated)?,
    ];
    let after = match bounds.are_there() {
        true => "; after it".to_owned(),
        false => format!(": {share} of the total; in the rest of it"),
    };
    Some(format!(
        "For the call, {call_told}, the thread that forks stands still{after} the child runs, its \
         exec or exit frees the copy, and it is waited for.{waiting}"
    ))
}

/// How long a thread stands still that does not go on after the call.
fn waiting(rebuilt: &Rebuilt<'_>, bounds: &Bounds) -> String {
    let pipe = rebuilt.whole(SpawnMethod::ForkPipe);
    let pipe = pipe.filter(|_| !rebuilt.is_part());
    let call = pipe.and_then(|cell| figures::median(&cell.call_ns));
    let how_long = match call {
        Some(call) => format!("{}{}", bounds.of_time(), figures::told(call, false)),
        None => "longer, which was not measured".to_owned(),
    };
    format!(
        " One that then waits for the exec on a pipe, as in libuv and in Python's subprocess where \
         it forks, stands still for {how_long}."
    )
}

/// "83 %" of a whole.
fn percent(part: Estimate, whole: Estimate, extrapolated: bool) -> Option<String> {
    let share = number(share(part, whole)? * 100.0, 0);
    Some(format!("{}{share} %", figures::mark(extrapolated)))
}

fn dearest_rung(rebuilt: &Rebuilt<'_>, blame: &Blame) -> Option<String> {
    let clause = |rung: &&RungCost| {
        let extrapolated = is_extrapolated(rung);
        let share = percent(rung.cost.total_ns, blame.fork.total_ns, extrapolated)?;
        let told = figures::told(rung.cost.total_ns, extrapolated);
        Some(format!("{} ({share}, {told})", work(rung)))
    };
    let leaders = dearest_rungs(blame);
    let clauses: Option<Vec<String>> = leaders.iter().map(clause).collect();
    let clauses = clauses?.join("; ");
    // What is not rebuilt may be the dearest.
    let [fork, of_fork] = match Bounds::of(rebuilt).are_there() {
        true => ["what is told of a fork"; 2],
        false => ["a fork's cost", "a fork"],
    };
    match leaders.as_slice() {
        [] => None,
        [one] if is_most(one.cost.total_ns, blame) => Some(format!("Most of {fork} is {clauses}.")),
        [_] => Some(format!("The largest part of {of_fork} is {clauses}.")),
        _ => Some(format!(
            "The largest parts of {of_fork}, which are not told apart, are {clauses}."
        )),
    }
}

/// What the kernel does for a rung.
fn work(rung: &RungCost) -> String {
    let units = |noun: &str| counted(rung.units, noun);
    match (rung.rung, names::units(rung.rung)) {
        (Rung::AnonVmas, _) => format!(
            "making and freeing an anon_vma for each of {} with own pages",
            units("mapping")
        ),
        (_, Some(noun)) => format!("copying and freeing {}", units(noun)),
        (Rung::Beside, None) => "open files, threads and handlers".to_owned(),
        (_, None) => "the fork itself, with what every program has".to_owned(),
    }
}

fn dearest_group(blame: &Blame) -> Option<String> {
    let extrapolated = blame.rungs.iter().any(is_extrapolated);
    let clause = |group: &&GroupCost| {
        let share = percent(group.cost.total_ns, blame.fork.total_ns, extrapolated)?;
        Some(format!("{} ({share})", names::shortened(&group.name, 60)))
    };
    let leaders = dearest_groups(blame);
    let clauses: Option<Vec<String>> = leaders.iter().map(clause).collect();
    let clauses = clauses?.join("; ");
    let [one] = leaders.as_slice() else {
        let several = format!("Charged most, and not told apart, are {clauses}.");
        return Some(several).filter(|_| !leaders.is_empty());
    };
    // Of a part of a shape, the two are on different scales.
    let without = one.without.filter(|_| !extrapolated);
    let check = without.and_then(|without| checked(&one.cost, &without));
    Some(format!(
        "{clauses} is charged {}, for {}{}.",
        figures::told(one.cost.total_ns, extrapolated),
        contents(&one.mappings),
        check.unwrap_or_default()
    ))
}

/// What mappings have of what a fork pays for, in the words of what there is most of.
fn contents(counts: &Counts) -> String {
    let (ptes, huge) = (counts.ptes, counts.huge_entries);
    match (ptes, huge) {
        (0, 0) => counted(counts.vmas, "mapping"),
        (0, huge) => counted(huge, "huge page"),
        (ptes, _) => format!(
            "{} in {}",
            counted(ptes, "PTE"),
            counted(counts.tables, "page table")
        ),
    }
}

/// Whether a group's share is what was measured without it.
fn checked(cost: &Cost, without: &Cost) -> Option<String> {
    let (measured, agrees) = process::checked(cost, without)?;
    let verdict = match agrees {
        true => "which agrees",
        false => "which does not agree: it was not shared out well",
    };
    Some(format!(
        "; without it a fork was measured to cost {} less, {verdict}",
        figures::told(measured, false)
    ))
}

/// What open files, threads and handlers add, where that matters.
fn beside(rebuilt: &Rebuilt<'_>, blame: &Blame) -> Option<String> {
    let (total, share) = process::beside(blame)?;
    let facts = &rebuilt.order.shape.process;
    Some(format!(
        "Its {}, {} and {} add {}, {} %.",
        counted(facts.threads, "thread"),
        counted(facts.open_files(), "open file"),
        counted(facts.handlers, "signal handler"),
        figures::told(total, false),
        number(share * 100.0, 0)
    ))
}

fn free(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let big = looks_big(rebuilt.blame()?);
    let big: Vec<String> = big
        .iter()
        .map(|free| format!("{} {}", bytes(free.bytes), names::free(free.why)[1]))
        .collect();
    (!big.is_empty()).then(|| format!("Next to nothing is paid for {}.", big.join(" and ")))
}

fn foretold(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let (forecast, error) = spawns::error(rebuilt)?;
    let side = match process::is_as_expected(&forecast, error) {
        true => "not more",
        false => "more",
    };
    Some(format!(
        "The stored card foretells the total {}, {side} than nine of ten of its own forecasts are \
         off by.",
        figures::off(error)
    ))
}
