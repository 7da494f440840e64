//! From the evidence to the explanation.

use super::{Inquiry, breakpoint, faults, ledger, mechanisms, rewriting};
use crate::model::{Availability, Cell, Explanation, MethodExplained, PageTables};

/// The whole explanation.
pub(super) fn explanation(inquiry: &Inquiry<'_>, cells: Vec<Cell>) -> Explanation {
    let exit_probe = inquiry
        .evidence
        .exit
        .clone()
        .unwrap_or_else(Availability::not_reached);
    let breakpoint = breakpoint::cost(&inquiry.evidence.hits, inquiry.plan.seed);
    let methods = inquiry.plan.methods.iter().map(|method| MethodExplained {
        method: *method,
        ledger: ledger::ledger(inquiry, *method, &exit_probe, &breakpoint),
        mechanisms: mechanisms::mechanisms(inquiry, *method),
        faults: faults::faults(inquiry, *method),
        rewriting: rewriting::rewriting(inquiry, *method),
    });
    let methods = methods.collect();
    let tables = |index: usize| {
        let tables: Option<&PageTables> = inquiry.evidence.tables.as_ref().map(|t| &t[index]);
        tables.map_or_else(Availability::not_reached, |tables| {
            Availability::Measured(tables.clone())
        })
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
