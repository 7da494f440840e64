//! From all that a run brought home to its document.

use super::caveats::caveats;
use super::count::Counts;
use super::cpu_time::accounts;
use super::group::Group;
use super::outcome::Ended;
use super::samples::{samples, summaries, totals};
use super::session::Recording;
use crate::analysis::sweep::times_as_long;
use crate::model::{
    Availability, Cell, Document, Findings, Host, Missing, Plan, SCHEMA_VERSION, SpawnMethod, Tool,
    WorkerSamples, rates, times,
};
use crate::stats::{DRAWS, Estimate, Replicates, Summary, cost_replicates, median, quantile};
use crate::sys::perf::Counter;

/// Totals further than this many interquartile ranges beyond the quartiles
/// count as outliers (Tukey's outer fence).
const FENCE: f64 = 3.0;

/// The whole document: `findings` makes them of the cells, where there are some.
pub(super) fn document(
    host: Host,
    plan: &Plan,
    ended: &Ended,
    recordings: &[Recording],
    findings: impl FnOnce(Vec<Cell>) -> Findings,
) -> Document {
    let groups: Vec<Group<'_>> = (0..plan.spaces.len())
        .map(|space| Group::new(space, recordings, plan))
        .filter(|group| !group.timing.is_empty())
        .collect();
    let cells: Vec<Cell> = groups
        .iter()
        .flat_map(|group| cells(group, host.clock_cost_ns))
        .collect();
    let caveats = caveats(plan, host.page_size, ended, &groups, &cells);
    Document {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        host,
        plan: plan.clone(),
        run: ended.run.clone(),
        noise: ended.noise.clone(),
        findings: findings(cells),
        caveats,
    }
}

/// A cell for each method of the plan.
fn cells(group: &Group<'_>, cost: f64) -> Vec<Cell> {
    let baseline = samples(group.timings(), group.plan.baseline, cost);
    let methods = group.plan.methods.iter();
    methods
        .map(|method| cell(group, *method, cost, &baseline))
        .collect()
}

fn cell(group: &Group<'_>, method: SpawnMethod, cost: f64, baseline: &[WorkerSamples]) -> Cell {
    let plan = group.plan;
    let samples = samples(group.timings(), method, cost);
    let totals = times(&samples, WorkerSamples::totals);
    let why_not = || group.why_not(method);
    let [call_ns, total_ns] = summaries(&samples, plan.seed);
    let total_ns = Availability::of(total_ns, why_not);
    let [cpu_ns, sys_ns, user_ns] = accounts(group, method);
    let counts = Counts::new(group, method, &cpu_ns);
    let ratio = times_as_long(plan, &samples, baseline);
    Cell {
        space: group.space(),
        method,
        child: plan.child,
        program: plan.program.clone(),
        spawns: samples.iter().map(|s| s.total_ns.len() as u64).sum(),
        spawns_per_second: per_second(&total_ns),
        call_ns: match method.call_is_apart() {
            true => Availability::of(call_ns, why_not),
            false => Availability::unavailable(
                "system() waits for its child itself, so it has no call apart from the total",
                None,
            ),
        },
        all_per_second: plan.has_jobs().then(|| together(group, method, &samples)),
        total_ns,
        ratio: Availability::of(ratio, why_not),
        cpu_ns,
        sys_ns,
        user_ns,
        minor_faults: counts.of(Counter::MinorFaults),
        major_faults: counts.of(Counter::MajorFaults),
        context_switches: counts.of(Counter::ContextSwitches),
        cpu_migrations: counts.of(Counter::CpuMigrations),
        task_clock_ns: counts.of(Counter::TaskClock),
        cycles: counts.of(Counter::Cycles),
        instructions: counts.of(Counter::Instructions),
        dtlb_misses: counts.of(Counter::DtlbMisses),
        counting_slowdown: slowdown(group, method, cost, &totals),
        worker_spread: spread(&totals),
        outliers: outliers(&totals),
        samples,
    }
}

/// What counting did to the loop's own speed.
fn slowdown(
    group: &Group<'_>,
    method: SpawnMethod,
    cost: f64,
    without: &[Vec<f64>],
) -> Availability<Estimate> {
    let seed = group.plan.seed;
    let with = totals(group.counting.iter().copied(), method, cost);
    let with = cost_replicates(&with, seed ^ 1, DRAWS);
    let without = cost_replicates(without, seed, DRAWS);
    let ratio = with.zip(without).and_then(|(with, without)| {
        Replicates::combine(&[&with, &without], |parts| Some(parts[0] / parts[1]))
    });
    let ratio = ratio.map(|ratio| ratio.estimate());
    // The reason of a software event: a missing PMU hinders no counting.
    Availability::of(ratio, || {
        let mut refused = group.counting.iter().flat_map(|r| &r.done.refused);
        match refused.find(|refused| refused.counter == Counter::TaskClock.name()) {
            Some(refused) => {
                Missing::unavailable(refused.reason.clone(), refused.remedy.as_deref())
            }
            None => group.why_not(method),
        }
    })
}

/// What all parents come to that spawn at once, by the workers that figures are made of.
fn together(
    group: &Group<'_>,
    method: SpawnMethod,
    samples: &[WorkerSamples],
) -> Availability<Estimate> {
    let all = cost_replicates(&rates(samples), group.plan.seed, DRAWS);
    Availability::of(all.map(|all| all.estimate()), || {
        let mut told = group.timings().filter_map(|r| r.all_per_second(method));
        let uncounted = told.find_map(|all| all.missing().cloned());
        uncounted.unwrap_or_else(|| match samples {
            [] => group.why_not(method),
            _ => Missing::unavailable(
                "one worker does not tell how far off its count may be",
                Some("raise --time or --spawns"),
            ),
        })
    })
}

fn per_second(total_ns: &Availability<Summary>) -> Availability<Estimate> {
    match total_ns {
        Availability::Missing(missing) => Availability::Missing(missing.clone()),
        Availability::Measured(total) => Availability::of(total.median.times_in(1e9), || {
            Missing::unavailable(
                "the total's interval reaches 0",
                Some("raise --time or --spawns"),
            )
        }),
    }
}

/// How much the workers' medians differ.
fn spread(totals: &[Vec<f64>]) -> Availability<f64> {
    let medians: Vec<f64> = totals.iter().filter_map(|worker| median(worker)).collect();
    if medians.len() < 2 {
        return Availability::not_asked("it takes two workers to differ");
    }
    let mean = medians.iter().sum::<f64>() / medians.len() as f64;
    let squares: f64 = medians.iter().map(|m| (m - mean).powi(2)).sum();
    Availability::Measured((squares / (medians.len() - 1) as f64).sqrt() / mean)
}

fn outliers(totals: &[Vec<f64>]) -> u64 {
    let mut all: Vec<f64> = totals.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let Some((low, high)) = quantile(&all, 0.25).zip(quantile(&all, 0.75)) else {
        return 0;
    };
    let reach = FENCE * (high - low);
    all.iter()
        .filter(|total| **total < low - reach || **total > high + reach)
        .count() as u64
}
