//! From the workers' records to the document's cells.

use super::caveats;
use super::count;
use super::cpu_time;
use super::runner::AIM_ROUNDS;
use super::session::Recording;
use crate::model::{
    Availability, Cell, Document, Findings, Host, Missing, Parent, Plan, Run, SCHEMA_VERSION,
    Space, SpaceRequest, SpawnMethod, Stopped, Tool, WorkerSamples, middle,
};
use crate::stats::{
    self, DRAWS, Estimate, Summary, median, median_replicates, quantile, summarise,
};
use crate::sys::perf::Counter;
use crate::worker::protocol::{Pass, Refused, record};

/// Resamples behind a decision to go on.
const DRAWS_TO_DECIDE: usize = 200;
/// Totals further than this many interquartile ranges beyond the quartiles
/// count as outliers (Tukey's outer fence).
const FENCE: f64 = 3.0;

/// What all documents hold, whatever was found out.
pub(super) struct Setting<'a> {
    pub(super) host: Host,
    pub(super) plan: &'a Plan,
    pub(super) started_unix_s: u64,
    pub(super) duration_s: f64,
    pub(super) rounds: u32,
    pub(super) stopped: Stopped,
    /// Processes that the children of workers outside of the cells left behind.
    pub(super) left_behind: u64,
}

/// The whole document: `findings` makes them of the cells, where there are some.
pub(super) fn document(
    setting: Setting<'_>,
    recordings: &[Recording],
    findings: impl FnOnce(Vec<Cell>) -> Findings,
) -> Document {
    let plan = setting.plan;
    let cost = setting.host.clock_cost_ns;
    let groups: Vec<Group<'_>> = (0..plan.spaces.len())
        .map(|space| Group::new(space, recordings, plan, cost))
        .filter(|group| !group.timing.is_empty())
        .collect();
    let cells: Vec<Cell> = groups.iter().flat_map(Group::cells).collect();
    let caveats = caveats::caveats(&setting, &groups, &cells);
    Document {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        host: setting.host,
        plan: plan.clone(),
        run: Run {
            started_unix_s: setting.started_unix_s,
            duration_s: setting.duration_s,
            rounds: setting.rounds,
            stopped: setting.stopped,
        },
        findings: findings(cells),
        caveats,
    }
}

/// Why these timings of one parent are enough, if they are.
pub(super) fn enough(
    timings: &[&Recording],
    plan: &Plan,
    rounds: u32,
    clock_cost_ns: f64,
) -> Option<Stopped> {
    let stop = &plan.stop;
    if stop.spawns.is_some_and(|asked| spawns(timings) >= asked) {
        return Some(Stopped::Spawns);
    }
    let precision = stop.precision.filter(|_| rounds >= AIM_ROUNDS)?;
    let widest = widest_total(timings, clock_cost_ns, plan.seed)?;
    (widest <= precision).then_some(Stopped::Precision)
}

/// The spawns of each method in these recordings.
pub(super) fn spawns(recordings: &[&Recording]) -> u64 {
    let of = |recording: &&Recording| recording.done.spawns / recording.methods.len().max(1);
    recordings.iter().map(of).sum::<usize>() as u64
}

/// The widest relative half-width among the totals of these recordings.
fn widest_total(timings: &[&Recording], clock_cost_ns: f64, seed: u64) -> Option<f64> {
    let methods = &timings.first()?.methods;
    let widths = methods.iter().map(|method| {
        let totals = as_floats(&samples(timings, *method, clock_cost_ns), |s| &s.total_ns);
        let replicates = median_replicates(&totals, seed, DRAWS_TO_DECIDE)?;
        Some(replicates.estimate().relative_half_width())
    });
    widths
        .collect::<Option<Vec<f64>>>()?
        .into_iter()
        .reduce(f64::max)
}

/// The median total of one method in one recording.
pub(super) fn typical_total(timing: &Recording, method: SpawnMethod, cost: f64) -> Option<f64> {
    let samples = samples(&[timing], method, cost);
    median(as_floats(&samples, |s| &s.total_ns).first()?)
}

/// The totals of one method, worker by worker.
pub(super) fn totals(recordings: &[&Recording], method: SpawnMethod, cost: f64) -> Vec<Vec<f64>> {
    as_floats(&samples(recordings, method, cost), |s| &s.total_ns)
}

/// All recordings of one address space.
pub(super) struct Group<'a> {
    pub(super) plan: &'a Plan,
    pub(super) request: &'a SpaceRequest,
    pub(super) timing: Vec<&'a Recording>,
    pub(super) accounting: Vec<&'a Recording>,
    pub(super) sampling: Vec<&'a Recording>,
    pub(super) counting: Vec<&'a Recording>,
    clock_cost_ns: f64,
}

impl<'a> Group<'a> {
    fn new(space: usize, recordings: &'a [Recording], plan: &'a Plan, clock_cost_ns: f64) -> Self {
        let of = |pass: Pass| {
            let mine = |r: &&Recording| r.occasion.of == space && r.pass == pass;
            recordings.iter().filter(mine).collect()
        };
        Self {
            plan,
            request: &plan.spaces[space],
            timing: of(Pass::Timing),
            accounting: of(Pass::Accounting),
            sampling: of(Pass::Sampling),
            counting: of(Pass::Counting),
            clock_cost_ns,
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let baseline = samples(&self.timing, self.plan.baseline, self.clock_cost_ns);
        self.plan
            .methods
            .iter()
            .map(|method| self.cell(*method, &baseline))
            .collect()
    }

    fn cell(&self, method: SpawnMethod, baseline: &[WorkerSamples]) -> Cell {
        let samples = samples(&self.timing, method, self.clock_cost_ns);
        let calls = as_floats(&samples, |s| &s.call_ns);
        let totals = as_floats(&samples, |s| &s.total_ns);
        let why_not = || self.why_not(method);
        let total_ns = summarise(&totals, self.plan.seed)
            .map_or_else(|| Availability::Missing(why_not()), Availability::Measured);
        let call_ns = if method.call_is_apart() {
            summarise(&calls, self.plan.seed)
                .map_or_else(|| Availability::Missing(why_not()), Availability::Measured)
        } else {
            Availability::unavailable(
                "system() waits for its child itself, so it has no call apart from the total",
                None,
            )
        };
        let accounts = cpu_time::accounts(self, method);
        let counts = count::counts(self, method);
        Cell {
            space: self.space(),
            method,
            child: self.plan.child,
            program: self.plan.program.clone(),
            spawns: samples.iter().map(|s| s.total_ns.len() as u64).sum(),
            spawns_per_second: per_second(&total_ns),
            call_ns,
            total_ns,
            ratio: self.ratio(&samples, baseline, method),
            cpu_ns: accounts.cpu_ns,
            sys_ns: accounts.sys_ns,
            user_ns: accounts.user_ns,
            minor_faults: counts.minor_faults,
            major_faults: counts.major_faults,
            context_switches: counts.context_switches,
            cpu_migrations: counts.cpu_migrations,
            task_clock_ns: counts.task_clock_ns,
            cycles: counts.cycles,
            instructions: counts.instructions,
            dtlb_misses: counts.dtlb_misses,
            counting_slowdown: self.slowdown(method, &totals),
            worker_spread: spread(&totals),
            outliers: outliers(&totals),
            samples,
        }
    }

    /// The census, by medians over the workers that timed.
    pub(super) fn space(&self) -> Space {
        let typical = |pick: fn(&Recording) -> Parent| {
            let workers: Vec<Parent> = self.timing.iter().map(|r| pick(r)).collect();
            Parent::typical(&workers).unwrap_or_default()
        };
        Space {
            request: self.request.clone(),
            mappings_requested: self.request.mappings(),
            inflation_ns: middle(self.timing.iter().map(|r| r.inflation_ns).collect()),
            before: typical(|r| r.before),
            parent: typical(|r| r.inflated),
        }
    }

    fn ratio(
        &self,
        samples: &[WorkerSamples],
        baseline: &[WorkerSamples],
        method: SpawnMethod,
    ) -> Availability<Estimate> {
        let ratios: Vec<Vec<f64>> = samples
            .iter()
            .zip(baseline)
            .map(|(mine, base)| {
                let pairs = mine.total_ns.iter().zip(&base.total_ns);
                pairs
                    .map(|(mine, base)| *mine as f64 / *base as f64)
                    .collect()
            })
            .collect();
        median_replicates(&ratios, self.plan.seed, DRAWS).map_or_else(
            || Availability::Missing(self.why_not(method)),
            |replicates| Availability::Measured(replicates.estimate()),
        )
    }

    /// What counting did to the loop's own speed.
    fn slowdown(&self, method: SpawnMethod, totals: &[Vec<f64>]) -> Availability<Estimate> {
        let counted = samples(&self.counting, method, self.clock_cost_ns);
        let counted = as_floats(&counted, |s| &s.total_ns);
        let with = median_replicates(&counted, self.plan.seed ^ 1, DRAWS);
        let without = median_replicates(totals, self.plan.seed, DRAWS);
        let ratio = with.zip(without).and_then(|(with, without)| {
            stats::Replicates::combine(&[&with, &without], |parts| Some(parts[0] / parts[1]))
        });
        // The reason of a software event: a missing PMU hinders no counting.
        let software = |refused: &&Refused| refused.counter == Counter::TaskClock.name();
        let refused = || {
            let all = self.counting.iter().flat_map(|r| &r.done.refused);
            all.clone().find(software)
        };
        match (ratio, refused()) {
            (Some(ratio), _) => Availability::Measured(ratio.estimate()),
            (None, Some(refused)) => {
                Availability::unavailable(refused.reason.clone(), refused.remedy.as_deref())
            }
            (None, None) => Availability::Missing(self.why_not(method)),
        }
    }

    /// Why a method has no samples here.
    pub(super) fn why_not(&self, method: SpawnMethod) -> Missing {
        let unavailable = self.timing.iter().flat_map(|r| &r.prepared.unavailable);
        let reason = unavailable
            .filter(|(gone, _)| *gone == method)
            .map(|(_, why)| why)
            .next();
        reason.map_or_else(Missing::not_reached, |reason| {
            Missing::unavailable(reason.clone(), None)
        })
    }
}

/// The timed spawns of one method, worker by worker, the clock's cost taken off.
pub(super) fn samples(
    recordings: &[&Recording],
    method: SpawnMethod,
    cost: f64,
) -> Vec<WorkerSamples> {
    let of_worker = |recording: &&Recording| {
        let index = recording.methods.iter().position(|m| *m == method)? as u64;
        let mine: Vec<&[u64]> = recording
            .records()
            .filter(|words| words[record::METHOD] == index)
            .collect();
        // Between the first stamp and the second lies one reading of the clock,
        // between the first and the third lie two.
        let net = |upto: usize, readings: f64| {
            let each = |words: &&[u64]| less(words[upto] - words[record::BEFORE], cost * readings);
            mine.iter().map(each).collect()
        };
        Some(WorkerSamples {
            round: recording.occasion.round,
            call_ns: net(record::CALLED, 1.0),
            total_ns: net(record::REAPED, 2.0),
        })
    };
    recordings.iter().filter_map(of_worker).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the clock's cost is a small positive number of nanoseconds"
)]
fn less(interval: u64, cost: f64) -> u64 {
    interval.saturating_sub(cost.round() as u64)
}

pub(super) fn as_floats(
    samples: &[WorkerSamples],
    pick: impl Fn(&WorkerSamples) -> &Vec<u64>,
) -> Vec<Vec<f64>> {
    samples
        .iter()
        .map(|s| pick(s).iter().map(|ns| *ns as f64).collect())
        .collect()
}

fn per_second(total_ns: &Availability<Summary>) -> Availability<Estimate> {
    match total_ns {
        Availability::Missing(missing) => Availability::Missing(missing.clone()),
        Availability::Measured(total) => total.median.times_in(1e9).map_or_else(
            || Availability::unavailable("the clock did not tell all spawns from nothing", None),
            Availability::Measured,
        ),
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
