//! The hidden tax: what the parent pays after a spawn, when it writes to its pages
//! again.

use super::Explained;
use crate::model::{Rewriting, SpawnMethod};
use crate::stats::Estimate;

/// The tax of all pages.
pub fn of_all_pages(rewriting: &Rewriting) -> Estimate {
    of_pages(rewriting.tax_ns, rewriting.pages)
}

/// The tax of so many pages.
pub fn of_pages(tax_ns: Estimate, pages: u64) -> Estimate {
    tax_ns.map(|ns| ns * pages as f64)
}

/// That tax against the call that caused it, by the ends of both intervals, which can
/// only make it too wide; `None` of a call that may be 0.
pub fn over_call(tax: Estimate, call: Estimate) -> Option<Estimate> {
    let [low, high] = tax.ci95;
    let [least, most] = call.ci95;
    (least > 0.0).then(|| Estimate {
        value: tax.value / call.value,
        ci95: [
            low / if low < 0.0 { least } else { most },
            high / if high < 0.0 { most } else { least },
        ],
    })
}

/// The first method after which a tax is seen.
#[derive(Debug)]
pub struct HiddenTax<'a> {
    /// The method.
    pub method: SpawnMethod,
    /// What was measured of it.
    pub rewriting: &'a Rewriting,
    /// The tax of all its pages.
    pub all: Estimate,
    /// How many of its calls that is, at the median.
    pub calls: Option<f64>,
    /// The methods after which none is seen.
    pub free: Vec<SpawnMethod>,
}

/// What writing to a page again costs after each method; `None` if nothing is seen.
pub fn hidden_tax<'a>(explained: &Explained<'a>) -> Option<HiddenTax<'a>> {
    let methods = explained.explanation.methods.iter();
    let found: Vec<(SpawnMethod, &Rewriting)> = methods
        .filter_map(|method| Some((method.method, method.rewriting.measured()?)))
        .filter(|(_, tax)| tax.tax_ns.sound().is_some())
        .collect();
    let (method, rewriting) = *found.iter().find(|(_, tax)| tax.tax_ns.is_above(0.0))?;
    let all = of_all_pages(rewriting);
    let call = explained
        .cell(method)
        .and_then(|cell| cell.call_ns.measured());
    let free = found.iter().filter(|(_, tax)| !tax.tax_ns.is_above(0.0));
    Some(HiddenTax {
        method,
        rewriting,
        all,
        calls: call
            .map(|call| call.median.value)
            .filter(|call| *call > 0.0)
            .map(|call| all.value / call),
        free: free.map(|(method, _)| *method).collect(),
    })
}
