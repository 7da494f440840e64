//! One of two explanations that are measured by turns: the times of its spawns and their
//! phases. What counts and samples tell of a plan is told by a run of its own.

use super::part::{Evidence, Part};
use super::{Inquiry, assemble, breakpoint};
use crate::lab::kernel::Kernel;
use crate::lab::outlook::Watch;
use crate::lab::session::Recording;
use crate::model::{
    Availability, Cell, ExitProbe, ExplainOrder, Explanation, MethodExplained, Missing, Plan,
};
use crate::profile::ledger::Landmark;
use crate::worker::protocol::{Assignment, Pass};

/// One of the two.
pub(in crate::lab) struct Side<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a ExplainOrder,
    clock_cost_ns: f64,
    landmarks: Result<Vec<(Landmark, u64)>, Missing>,
}

/// What is found out of the host for both.
#[derive(Default)]
pub(in crate::lab) struct Probes {
    /// When the kernel writes its EXIT record.
    pub(in crate::lab) exit: Option<Availability<ExitProbe>>,
    /// What a watched instruction costs.
    pub(in crate::lab) hits: Vec<breakpoint::Pair>,
}

impl<'a> Side<'a> {
    pub(in crate::lab) fn new(
        kernel: &'a dyn Kernel,
        plan: &'a Plan,
        order: &'a ExplainOrder,
        clock_cost_ns: f64,
    ) -> Self {
        Self {
            kernel,
            plan,
            order,
            clock_cost_ns,
            landmarks: kernel.landmarks(plan),
        }
    }

    fn inquiry(&self, evidence: Evidence) -> Inquiry<'a> {
        Inquiry {
            kernel: self.kernel,
            plan: self.plan,
            order: self.order,
            clock_cost_ns: self.clock_cost_ns,
            parts: Vec::new(),
            useless: Vec::new(),
            beside: Err(Missing::not_reached()),
            landmarks: self.landmarks.clone(),
            symbols: Err(Missing::not_reached()),
            evidence,
        }
    }

    /// The worker that stamps, and how it is watched.
    pub(in crate::lab) fn stamping(&self) -> (Assignment, Watch) {
        let inquiry = self.inquiry(Evidence::default());
        let assignment = inquiry.assignment(Part::Stamping, u64::MAX);
        (assignment, inquiry.watch(Part::Stamping))
    }

    /// Whether an instruction is to be watched.
    pub(in crate::lab) fn has_marks(&self) -> bool {
        self.inquiry(Evidence::default()).has_marks()
    }

    /// What was found out by these workers, with cells of those that timed.
    pub(in crate::lab) fn explanation(
        &self,
        recordings: &[Recording],
        probes: &Probes,
        cells: Vec<Cell>,
        why_no_more: &str,
    ) -> Explanation {
        let of = |pass: Pass| {
            let mine = recordings.iter().filter(|recording| recording.pass == pass);
            mine.cloned().collect()
        };
        let evidence = Evidence {
            timing: of(Pass::Timing),
            stamping: of(Pass::Stamping),
            exit: probes.exit.clone(),
            hits: probes.hits.clone(),
            ..Evidence::default()
        };
        let found = assemble::explanation(&self.inquiry(evidence), cells);
        let methods = found.methods.into_iter().map(|method| MethodExplained {
            mechanisms: Availability::not_asked(why_no_more),
            faults: Availability::not_asked(why_no_more),
            rewriting: Availability::not_asked(why_no_more),
            waits: Availability::not_asked(why_no_more),
            ..method
        });
        Explanation {
            page_tables_before: Availability::not_asked(why_no_more),
            page_tables: Availability::not_asked(why_no_more),
            methods: methods.collect(),
            ..found
        }
    }
}
