//! A plan is carried out by the feature that it orders.

use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::{advise, card, explain, process, reproduce, rounds, sweep, trace};
use crate::model::{Host, Order, Plan};

/// Rounds that a plan has at the least, whatever its time says.
pub fn least_rounds(order: &Order) -> u32 {
    match order {
        Order::Sweep => sweep::LEAST_ROUNDS,
        Order::Explain(_) => explain::LEAST_ROUNDS,
        Order::Reproduce(order) if order.loops.is_some() => reproduce::LEAST_ROUNDS,
        Order::Reproduce(_) => sweep::LEAST_ROUNDS,
        Order::Card(_) | Order::Process(_) | Order::Advise(_) => rounds::LEAST_ROUNDS,
        Order::Trace(_) => 0,
    }
}

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
        Order::Trace(order) => trace::watch(kernel, host, plan, order, progress).outcome,
    }
}
