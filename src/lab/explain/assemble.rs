//! From the evidence to the explanation.

use super::{Inquiry, breakpoint, faults, ledger, mechanisms, rewriting, waits};
use crate::model::{Availability, Cell, Explanation, MethodExplained, Missing};

/// The whole explanation.
pub(super) fn explanation(inquiry: &Inquiry<'_>, cells: Vec<Cell>) -> Explanation {
    let evidence = &inquiry.evidence;
    let exit_probe = evidence.exit.clone();
    let exit_probe = exit_probe.unwrap_or_else(Availability::not_reached);
    let breakpoint = breakpoint::cost(&evidence.hits, inquiry.plan.seed);
    let methods = inquiry.plan.methods.iter().map(|method| MethodExplained {
        method: *method,
        ledger: ledger::ledger(inquiry, *method, &exit_probe, &breakpoint),
        mechanisms: mechanisms::mechanisms(inquiry, *method),
        faults: faults::faults(inquiry, *method),
        rewriting: rewriting::rewriting(inquiry, *method),
        waits: waits::waits(inquiry, *method),
    });
    let methods = methods.collect();
    let tables = |index: usize| {
        let tables = evidence.tables.as_ref().map(|tables| tables[index].clone());
        Availability::of(tables, Missing::not_reached)
    };
    Explanation {
        space: inquiry.request().clone(),
        page_tables_before: tables(0),
        page_tables: tables(1),
        exit_probe,
        fixed_addresses: inquiry.fixes_addresses(),
        breakpoint,
        methods,
        cells,
    }
}
