//! What came of the remedies, and which of them are worth trying together.

use super::design::{Design, together};
use super::remedies::{Way, instead, unfit, way};
use crate::analysis::replica::{Blueprint, Times, Trial};
use crate::model::{
    Availability, Missing, ProcessRole, ProcessTrial, Remedy, RemedyBaseline, RemedyHost,
    RemedyKind, RemedyOutcome, RemedyVerdict, SpawnMethod,
};
use crate::stats::{Contrast, Direction, FEWEST_WORKERS, Party, level_freedom};
use crate::units::thousands;

/// With less of the huge pages that were ordered it is said how many there were.
const GRANTED: f64 = 0.95;

/// Remedies to be tried together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// As which.
    pub kind: RemedyKind,
    /// What changes the parent.
    pub parts: Vec<RemedyKind>,
    /// How is spawned.
    pub method: SpawnMethod,
}

impl Chosen {
    /// The trial of it.
    pub fn trial(&self, blueprint: &Blueprint, host: &RemedyHost) -> Option<Trial> {
        let role = ProcessRole::Remedied(self.kind);
        together(blueprint, role, &self.parts, self.method, host)
    }
}

/// What is worth trying together, by what the single remedies brought.
pub fn choose(design: &Design, trials: &[ProcessTrial], seed: u64) -> Vec<Chosen> {
    let judge = Judge::new(design, trials, seed);
    let helps = |kind: &RemedyKind| judge.gain(*kind).is_some();
    let better = |kinds: &[RemedyKind]| {
        let gains = kinds.iter().filter_map(|k| Some((*k, judge.gain(*k)?)));
        gains
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(kind, _)| kind)
    };
    // Of those that exclude each other the better one.
    let huge = better(&[RemedyKind::HugePages, RemedyKind::HugeHeap]);
    let files = better(&[
        RemedyKind::FewerDescriptors,
        RemedyKind::Cloexec,
        RemedyKind::CloseRange,
    ]);
    let leaving = Some(RemedyKind::DontFork).filter(helps);
    let threads = Some(RemedyKind::FewerThreads).filter(helps);
    let mut chosen = Vec::new();
    let parts: Vec<RemedyKind> = [leaving, huge, files, threads]
        .into_iter()
        .flatten()
        .collect();
    if parts.len() > 1 {
        chosen.push(Chosen {
            kind: RemedyKind::BestForks,
            parts,
            method: SpawnMethod::Fork,
        });
    }
    // A child of posix_spawn is libc's and closes nothing by itself.
    let files = better(&[RemedyKind::FewerDescriptors, RemedyKind::Cloexec]);
    let best = better(&instead().map(|(kind, _)| kind).collect::<Vec<_>>());
    let method = instead().find(|(kind, _)| Some(*kind) == best);
    if let (Some((_, method)), Some(files)) = (method, files) {
        chosen.push(Chosen {
            kind: RemedyKind::Best,
            parts: vec![files],
            method,
        });
    }
    chosen
}

/// All remedies, best first, those without an outcome last.
pub fn remedies(
    design: &Design,
    chosen: &[Chosen],
    trials: &[ProcessTrial],
    host: &RemedyHost,
    seed: u64,
) -> Vec<Remedy> {
    let judge = Judge::new(design, trials, seed);
    let mut all: Vec<Remedy> = instead()
        .map(|(kind, _)| Remedy {
            kind,
            applied_to: String::new(),
            outcome: judge.outcome(kind),
        })
        .collect();
    all.extend((design.remedies.iter()).map(|(kind, applied)| judge.tried(*kind, applied)));
    all.extend([RemedyKind::BestForks, RemedyKind::Best].map(|kind| judge.together(kind, chosen)));
    all.extend(folklore(&judge, host));
    if design.serves_afl {
        all.extend(for_afl());
    }
    let rank = |remedy: &Remedy| match &remedy.outcome {
        Availability::Measured(outcome) => outcome.ratio.value,
        Availability::Missing(_) => f64::INFINITY,
    };
    all.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    all
}

fn not_tried(kind: RemedyKind, why: impl Into<String>) -> Remedy {
    Remedy {
        kind,
        applied_to: String::new(),
        outcome: Availability::Missing(Missing::not_asked(why.into())),
    }
}

/// What a fuzzer's target can do about it, which takes another target.
fn for_afl() -> [Remedy; 3] {
    [
        not_tried(
            RemedyKind::DeferredStart,
            "it changes the target, if that has it not already: __AFL_INIT() behind what is the \
             same for all inputs has each child do without that; what was allocated by then is \
             copied by each fork",
        ),
        not_tried(
            RemedyKind::PersistentMode,
            "it changes the target, if that has it not already: of a loop around __AFL_LOOP(1000) \
             each child runs a thousand inputs, and a fork is paid once for all of them",
        ),
        not_tried(
            RemedyKind::SmallerHeap,
            "it changes the target: a fork copies what was allocated before it, freed or not; with \
             AddressSanitizer also what waits in quarantine \
             (ASAN_OPTIONS=quarantine_size_mb=8)",
        ),
    ]
}

/// What is told as a remedy and is none.
fn folklore(judge: &Judge<'_>, host: &RemedyHost) -> [Remedy; 3] {
    let runs_first = match host.child_runs_first {
        None => {
            "this kernel has no kernel.sched_child_runs_first: the scheduler of Linux 6.6 left it \
                 without effect, and later it was removed"
                .to_owned()
        }
        Some(set) => format!(
            "kernel.sched_child_runs_first, {set} here, is a setting of the whole host, which no \
             measurement should change; it orders parent and child, up to Linux 6.5, and copies no \
             page less"
        ),
    };
    [
        Remedy {
            kind: RemedyKind::Usevfork,
            applied_to: "posix_spawn".to_owned(),
            outcome: judge.outcome(RemedyKind::Usevfork),
        },
        not_tried(RemedyKind::ChildRunsFirst, runs_first),
        not_tried(
            RemedyKind::Prelink,
            unfit(RemedyKind::Prelink, judge.design.child).unwrap_or(
                "it rewrites programs and libraries on the disk, which no measurement should; \
                 distributions have dropped it, and a static program shows the most that it could \
                 bring",
            ),
        ),
    ]
}

/// Sets trials against each other.
struct Judge<'a> {
    design: &'a Design,
    trials: &'a [ProcessTrial],
    seed: u64,
}

impl<'a> Judge<'a> {
    fn new(design: &'a Design, trials: &'a [ProcessTrial], seed: u64) -> Self {
        Self {
            design,
            trials,
            seed,
        }
    }

    /// What is left of the total, if that is told from what it was.
    fn gain(&self, kind: RemedyKind) -> Option<f64> {
        let outcome = self.outcome(kind);
        let outcome = outcome.measured()?;
        (outcome.verdict == RemedyVerdict::Helps).then_some(outcome.ratio.value)
    }

    fn outcome(&self, kind: RemedyKind) -> Availability<RemedyOutcome> {
        if let Some(why) = unfit(kind, self.design.child) {
            return Availability::not_asked(why);
        }
        let found = self.compare(kind);
        found.map_or_else(
            || Availability::Missing(self.why_not(kind)),
            Availability::Measured,
        )
    }

    /// A remedy of the design, if the kernel gave what it takes.
    fn tried(&self, kind: RemedyKind, applied: &Result<String, Missing>) -> Remedy {
        let mut applied_to = applied.clone().unwrap_or_default();
        let mut outcome = match applied {
            Ok(_) => self.outcome(kind),
            Err(missing) => Availability::Missing(missing.clone()),
        };
        match self.granted(kind) {
            Some((0, wanted)) => {
                outcome = Availability::unavailable(
                    format!(
                        "the kernel granted none of {} huge pages",
                        thousands(wanted)
                    ),
                    Some("free memory, or have it compacted (/proc/sys/vm/compact_memory)"),
                );
            }
            Some((granted, wanted)) if (granted as f64) < GRANTED * wanted as f64 => {
                applied_to += &format!(", {} of them granted", thousands(granted));
            }
            _ => {}
        }
        Remedy {
            kind,
            applied_to,
            outcome,
        }
    }

    /// Of the huge pages that a remedy orders those that its workers had, and all.
    fn granted(&self, kind: RemedyKind) -> Option<(u64, u64)> {
        let role = ProcessRole::Remedied(kind);
        let ordered = self.design.trials.iter().find(|trial| trial.role == role)?;
        let tried = self.trials.iter().find(|trial| trial.role == role)?;
        let wanted = ordered.space.huge_pages(self.design.fan_out);
        (wanted > 0).then_some((tried.parent.measured()?.mappings.huge_entries, wanted))
    }

    fn compare(&self, kind: RemedyKind) -> Option<RemedyOutcome> {
        let (role, method) = self.place(kind)?;
        let (baseline, against) = match kind {
            RemedyKind::Usevfork => (
                (ProcessRole::Whole, SpawnMethod::PosixSpawn),
                RemedyBaseline::PosixSpawn,
            ),
            RemedyKind::StaticTarget => (
                (ProcessRole::Against(kind), SpawnMethod::Fork),
                RemedyBaseline::DynamicTarget,
            ),
            RemedyKind::CloseRangeForEach => (
                (ProcessRole::Against(kind), SpawnMethod::Fork),
                RemedyBaseline::ClosingEach,
            ),
            _ => (
                (ProcessRole::Whole, SpawnMethod::Fork),
                RemedyBaseline::Fork,
            ),
        };
        let with = Times::of(self.trials, role, method, self.seed)?;
        // What was tried later is set against what was measured beside it.
        let since = self.first_round(role);
        let without = Times::since(self.trials, baseline.0, baseline.1, self.seed, since)?;
        let contrast = Contrast::of(party(&without), party(&with), 0.0)?;
        Some(RemedyOutcome {
            call_ns: with.call.estimate(),
            total_ns: with.total.estimate(),
            against,
            ratio: contrast.ratio,
            verdict: match contrast.direction(self.lines()) {
                Direction::Down => RemedyVerdict::Helps,
                Direction::Level if with.workers.min(without.workers) < FEWEST_WORKERS => {
                    RemedyVerdict::TooFew
                }
                Direction::Level => RemedyVerdict::NoDifference,
                Direction::Up => RemedyVerdict::Harms,
            },
            memory_bytes: self.resident(role) - self.resident(ProcessRole::Whole),
        })
    }

    /// The trial and the method that show a remedy.
    fn place(&self, kind: RemedyKind) -> Option<(ProcessRole, SpawnMethod)> {
        if let Way::Instead(method) | Way::Flag(method) = way(kind) {
            return Some((ProcessRole::Whole, method));
        }
        let role = ProcessRole::Remedied(kind);
        let trial = self.trials.iter().find(|trial| trial.role == role)?;
        Some((role, trial.cells.first()?.method))
    }

    /// The round in which a trial began.
    fn first_round(&self, role: ProcessRole) -> u32 {
        let trial = self.trials.iter().find(|trial| trial.role == role);
        let cells = trial.into_iter().flat_map(|trial| &trial.cells);
        let rounds = cells.flat_map(|cell| cell.samples.iter().map(|samples| samples.round));
        rounds.min().unwrap_or(0)
    }

    /// How many verdicts are taken.
    fn lines(&self) -> usize {
        let kinds = RemedyKind::ALL.into_iter();
        kinds.filter(|kind| self.place(*kind).is_some()).count()
    }

    fn resident(&self, role: ProcessRole) -> i64 {
        let trial = self.trials.iter().find(|trial| trial.role == role);
        let parent = trial.and_then(|trial| trial.parent.measured());
        let bytes = parent.map_or(0, |parent| parent.resident_bytes);
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// Why there is no outcome of what was to be tried.
    fn why_not(&self, kind: RemedyKind) -> Missing {
        let place = self.place(kind);
        let cell = place.and_then(|(role, method)| {
            let trial = self.trials.iter().find(|trial| trial.role == role)?;
            trial.cells.iter().find(|cell| cell.method == method)
        });
        let missing = cell.and_then(|cell| cell.total_ns.missing().cloned());
        missing.unwrap_or_else(Missing::not_reached)
    }

    fn together(&self, kind: RemedyKind, chosen: &[Chosen]) -> Remedy {
        let Some(chosen) = chosen.iter().find(|chosen| chosen.kind == kind) else {
            let why = match kind {
                RemedyKind::BestForks => "fewer than two remedies that keep the fork help",
                _ => "no other remedy that helps bears on the best way to spawn",
            };
            return Remedy {
                kind,
                applied_to: String::new(),
                outcome: Availability::Missing(Missing::not_asked(why)),
            };
        };
        let words: Vec<String> = (chosen.parts.iter())
            .filter_map(|part| {
                let (_, applied) = self.design.remedies.iter().find(|(k, _)| k == part)?;
                let applied = applied.as_ref().ok()?;
                Some(format!("{}: {applied}", part.name()))
            })
            .collect();
        let head = match chosen.method {
            SpawnMethod::Fork => String::new(),
            method => format!("{}, ", method.name()),
        };
        Remedy {
            kind,
            applied_to: format!("{head}{}", words.join(", ")),
            outcome: self.outcome(kind),
        }
    }
}

fn party(times: &Times) -> Party<'_> {
    Party {
        value: &times.total,
        freedom: level_freedom(times.workers),
        spread: Some(level_freedom(times.workers)),
        drift: 0.0,
    }
}
