//! The comparison: two results set side by side, line by line, as a pure function.
//!
//! A [`Line`] is one quantity of one result with its resamples; what a result is
//! decides which lines it has, and nothing else here knows it. Figures of two runs
//! are compared by [`crate::stats::Contrast`], with a verdict that the whole family
//! of lines shares. Nothing here measures, prints or opens a file.

mod by_turns;
mod card;
mod difference;
mod explain;
mod lines;
mod process;
mod statements;
mod sweep;
#[cfg(test)]
mod tests;

pub use by_turns::{PairsOf, Turns, compare_by_turns, pairs_of_slices, pairs_of_workers, turns};
pub use lines::{Absent, Line, Lines, Name, lines};
pub use statements::{Figure, Place, figure, judged, largest, places, visible_in_half};
pub use sweep::{CALL, Part, TOTAL};

use crate::analysis::steadiness::Steadiness;
use crate::model::{
    Availability, ComparedKind, ComparedLine, ComparedPlan, ComparedSide, Comparison, Document,
    FailAbove, Findings, LoneLine, SCHEMA_VERSION, Tool, Verdict, Which, differences,
};
use crate::stats::{Contrast, Direction, Estimate, FAMILY_ERROR, FEWEST_WORKERS, Party};

/// Resamples behind a line: more than behind a figure alone, as a verdict is taken
/// far out in their distribution.
const DRAWS_OF_A_VERDICT: usize = 1_000;

/// Why two results cannot be set side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// A result of a kind that has no lines.
    #[error(
        "{0} cannot be compared: forktax compare takes two sweeps, two cards, two explanations or \
         two explained processes"
    )]
    Kind(&'static str),
    /// Two sides of one run that do not belong together.
    #[error("the two sides of the run do not belong together; was it edited?")]
    Unpaired,
    /// Two results that measured nothing alike.
    #[error("the two have no line in common: {0}")]
    NothingInCommon(String),
    /// Two results of different kinds.
    #[error("{a} cannot be compared with {b}: give two results of one kind")]
    Kinds {
        /// The first.
        a: &'static str,
        /// The second.
        b: &'static str,
    },
}

/// A result and the file that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The file as it was given.
    pub file: &'a str,
    /// What it holds.
    pub document: &'a Document,
}

/// Sets the second result beside the first.
///
/// With `fail_above` the lines are named that are dearer by more than so many
/// percent, with their whole intervals.
///
/// # Errors
/// [`NotComparable`].
pub fn compare(
    tool: Tool,
    a: Input<'_>,
    b: Input<'_>,
    fail_above: Option<f64>,
) -> Result<Comparison, NotComparable> {
    let [luck_a, luck_b] = lines::luck([a.document, b.document]);
    let (of_a, of_b) = (lines(a.document, luck_a)?, lines(b.document, luck_b)?);
    if of_a.kind != of_b.kind {
        return Err(NotComparable::Kinds {
            a: lines::name(of_a.kind),
            b: lines::name(of_b.kind),
        });
    }
    if !of_a
        .lines
        .iter()
        .any(|line| of_b.find(&line.name.key).is_some())
    {
        let why = nothing_in_common([a.document, b.document], [&of_a, &of_b]);
        return Err(NotComparable::NothingInCommon(why));
    }
    let reference_ratio = reference_ratio(a.document, b.document);
    let apart = reference_ratio.map_or(0.0, f64::ln);
    let lines = compared(&of_a, &of_b, &|a, b| contrast(a, b, apart));
    let comparison = assembled(tool, [a, b], [&of_a, &of_b], lines, fail_above);
    Ok(Comparison {
        reference_ratio,
        ..comparison
    })
}

/// What was measured in one and what in the other, and the conditions that differ.
fn nothing_in_common([a, b]: [&Document; 2], [of_a, of_b]: [&Lines; 2]) -> String {
    /// Parents that are named, at the most.
    const NAMED: usize = 5;
    let groups = |name: &str, own: &Lines| {
        let groups = own.lines.iter().map(|line| line.name.group.as_str());
        let mut groups: Vec<&str> = groups.collect();
        groups.dedup();
        let more = match groups.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        groups.truncate(NAMED);
        format!("{name} has {}{more}", groups.join(", "))
    };
    let conditions = difference::of_plans(a, b).into_iter();
    let conditions = conditions.map(|found| format!("A is of {}, B of {}", found.a, found.b));
    let parents = [groups("A", of_a), groups("B", of_b)];
    let told: Vec<String> = parents.into_iter().chain(conditions).collect();
    told.join("; ")
}

/// All of it, from the lines that both have.
fn assembled(
    tool: Tool,
    [a, b]: [Input<'_>; 2],
    [of_a, of_b]: [&Lines; 2],
    lines: Vec<ComparedLine>,
    fail_above: Option<f64>,
) -> Comparison {
    let fail_above = fail_above.map(|percent| FailAbove {
        percent,
        exceeded: exceeded(of_a.kind, &lines, percent),
    });
    let mut lone = lone(of_a, of_b, Which::A);
    lone.extend(self::lone(of_b, of_a, Which::B));
    Comparison {
        schema_version: SCHEMA_VERSION,
        tool,
        compared: of_a.kind,
        a: side(a),
        b: side(b),
        host_differences: differences(&a.document.host, &b.document.host),
        reference_ratio: None,
        plan_differences: difference::of_plans(a.document, b.document),
        family_error: FAMILY_ERROR,
        lines,
        lone,
        fail_above,
        by_turns: None,
    }
}

/// How many times as long as in A the reference took in B, which is the same in every run.
fn reference_ratio(a: &Document, b: &Document) -> Option<f64> {
    let [of_a, of_b] = [a, b].map(|document| {
        let reference = document.run.reference.measured()?;
        Some(Steadiness::of(reference)?.level_ns)
    });
    let ratio = of_b? / of_a?;
    // It shares the placement of the workers.
    let is_same = a.plan.placement == b.plan.placement;
    Some(ratio).filter(|ratio| is_same && ratio.is_normal())
}

fn side(input: Input<'_>) -> ComparedSide {
    let Document {
        tool,
        host,
        plan,
        run,
        caveats,
        ..
    } = input.document;
    ComparedSide {
        file: input.file.to_owned(),
        tool_version: tool.version.clone(),
        host: host.clone(),
        started_unix_s: run.started_unix_s,
        rounds: run.rounds,
        stopped: run.stopped.clone(),
        plan: ComparedPlan {
            explained: explained(input.document),
            methods: plan.methods.clone(),
            child: plan.child,
            program: plan.program.clone(),
            variables: plan.environment.len(),
            variable_bytes: difference::bytes(&plan.environment),
            placement: plan.placement,
            temperature: plan.temperature,
        },
        caveats: caveats.clone(),
    }
}

/// What parent was explained, if one was.
fn explained(document: &Document) -> Option<String> {
    match &document.findings {
        Findings::Explanation(found) => Some(found.space.in_words()),
        _ => Some(document.plan.order.replica()?.shape.process.name.clone()),
    }
}

/// How two lines are compared.
type Compare<'a> = dyn Fn(&Line, &Line) -> Result<Contrast, String> + 'a;

/// A line of both, before the size of the family is known.
struct Pair<'a> {
    a: &'a Line,
    b: &'a Line,
    /// The ratio, or why there is none.
    contrast: Result<Contrast, String>,
}

fn compared(a: &Lines, b: &Lines, contrast: &Compare<'_>) -> Vec<ComparedLine> {
    let pairs: Vec<Pair<'_>> = a
        .lines
        .iter()
        .filter_map(|line| {
            let other = b.find(&line.name.key)?;
            Some(Pair {
                a: line,
                b: other,
                contrast: contrast(line, other),
            })
        })
        .collect();
    let judged = pairs.iter().filter(|pair| pair.is_judged()).count();
    pairs.iter().map(|pair| pair.line(a.kind, judged)).collect()
}

fn contrast(a: &Line, b: &Line, apart: f64) -> Result<Contrast, String> {
    if a.unit != b.unit {
        return Err("its unit is another in B".to_owned());
    }
    Contrast::of(party(a), party(b), apart)
        .ok_or_else(|| "one of the figures is not above 0, and has no ratio".to_owned())
}

fn party(line: &Line) -> Party<'_> {
    Party {
        value: &line.value,
        freedom: line.freedom,
        spread: line.spread,
        drift: line.drift,
    }
}

impl Pair<'_> {
    /// Whether it gets a verdict, and so is one of the family.
    fn is_judged(&self) -> bool {
        self.contrast.is_ok() && self.too_few().is_none()
    }

    /// Which side has too few workers for a verdict.
    fn too_few(&self) -> Option<String> {
        let short = |line: &Line| line.workers < FEWEST_WORKERS;
        let told = |name: &str, line: &Line| {
            let s = if line.workers == 1 { "" } else { "s" };
            format!("{} worker{s} in {name}", line.workers)
        };
        let told = match (short(self.a), short(self.b)) {
            (false, false) => return None,
            (true, false) => told("A", self.a),
            (false, true) => told("B", self.b),
            (true, true) => format!("{} and {}", told("A", self.a), told("B", self.b)),
        };
        Some(format!(
            "{told}, and fewer than {FEWEST_WORKERS} do not tell how workers differ; raise --time \
             or --spawns"
        ))
    }

    fn line(&self, kind: ComparedKind, judged: usize) -> ComparedLine {
        let Self { a, b, contrast } = self;
        let Name { key, group, what } = a.name.clone();
        let adds_up = matches!(kind, ComparedKind::Explanations | ComparedKind::Processes);
        let known = contrast.as_ref().ok();
        let ratio = match contrast {
            Ok(contrast) => Availability::Measured(contrast.ratio),
            Err(why) => Availability::unavailable(why.clone(), None),
        };
        let in_family = known.filter(|_| self.is_judged());
        ComparedLine {
            key,
            group,
            what,
            unit: a.unit.clone(),
            a: a.value.estimate(),
            b: b.value.estimate(),
            a_workers: a.workers,
            b_workers: b.workers,
            ratio,
            difference: known.filter(|_| adds_up).map(|it| it.difference),
            visible_from: in_family
                .map(|contrast| contrast.least_visible(judged))
                .filter(|ratio| ratio.is_finite()),
            verdict: self.verdict(judged),
        }
    }

    fn verdict(&self, judged: usize) -> Verdict {
        match (&self.contrast, self.too_few()) {
            (Err(why), _) => Verdict::NotCompared(why.clone()),
            (Ok(_), Some(why)) => Verdict::NotCompared(why),
            (Ok(contrast), None) => match contrast.direction(judged) {
                Direction::Up => Verdict::Dearer,
                Direction::Down => Verdict::Cheaper,
                Direction::Level => Verdict::NoDifferenceSeen,
            },
        }
    }
}

/// The lines of one that the other lacks, and why it does.
fn lone(own: &Lines, other: &Lines, only_in: Which) -> Vec<LoneLine> {
    let lacking = own
        .lines
        .iter()
        .filter(|line| other.find(&line.name.key).is_none());
    let lone = lacking.map(|line| {
        let Name { key, group, what } = line.name.clone();
        LoneLine {
            reason: other.why_not(&key),
            key,
            group,
            what,
            unit: line.unit.clone(),
            only_in,
            value: line.value.estimate(),
        }
    });
    lone.collect()
}

/// Whether a line may exceed what was allowed: what is a part of others may not.
pub fn may_exceed(kind: ComparedKind, line: &ComparedLine) -> bool {
    match kind {
        ComparedKind::Sweeps | ComparedKind::Cards => true,
        ComparedKind::Explanations | ComparedKind::Processes => figure(line) == Figure::Total,
    }
}

/// Which lines exceed what was allowed.
fn exceeded(kind: ComparedKind, lines: &[ComparedLine], percent: f64) -> Vec<String> {
    let exceeds = |line: &&ComparedLine| {
        let above = |ratio: &Estimate| ratio.is_above(1.0 + percent / 100.0);
        may_exceed(kind, line)
            && line.verdict == Verdict::Dearer
            && line.ratio.measured().is_some_and(above)
    };
    let keys = lines.iter().filter(exceeds).map(|line| line.key.clone());
    keys.collect()
}
