//! A plan is carried out by the feature that it orders.

use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::{advise, card, explain, process, reproduce, sweep};
use crate::model::{Host, Order, Plan};

/// Carries out a plan.
pub fn run(kernel: &dyn Kernel, host: Host, plan: &Plan, progress: &mut dyn Progress) -> Outcome {
    match &plan.order {
        Order::Sweep => sweep::run(kernel, host, plan, progress, sweep::findings),
        Order::Explain(order) => explain::run(kernel, host, plan, order, progress),
        Order::Reproduce(order) => match &order.loops {
            Some(loops) => reproduce::run(kernel, host, plan, order, loops, progress),
            None => sweep::run(kernel, host, plan, progress, |cells| {
                reproduce::of_spaces(plan, order, cells)
            }),
        },
        Order::Card(order) => card::run(kernel, host, plan, order, progress),
        Order::Process(order) => process::run(kernel, host, plan, order, progress),
        Order::Advise(order) => advise::run(kernel, host, plan, order, progress),
    }
}
