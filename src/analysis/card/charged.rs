//! A card with what was ordered for it, and what its prices foretell.

use super::shapes::{self, Shape};
use super::tried::Tried;
use super::{Fit, fit, footprint_bytes};
use crate::model::{
    Availability, Card, CardMethod, CardOrder, CardTerm, Counts, Document, Forecast, Price,
    PriceKind, PriceList, Priced, Purpose, SpawnMethod, Term,
};
use crate::stats::{Estimate, Replicates};

/// Whether a method looks at the address space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dependence {
    /// A mapping with a page adds so much to it, in nanoseconds.
    Adds(Estimate),
    /// It is not seen to: over so many mappings each adds less than this.
    NoneSeen {
        /// In nanoseconds.
        at_most_ns: f64,
        /// The mappings.
        units: f64,
    },
}

/// A card with what was ordered for it.
pub struct Charged<'a> {
    /// The whole document.
    pub document: &'a Document,
    /// What was ordered.
    pub order: &'a CardOrder,
    /// What came of it.
    pub card: &'a Card,
}

impl<'a> Charged<'a> {
    /// `None` if no card was ordered.
    pub fn of(document: &'a Document, card: &'a Card) -> Option<Self> {
        Some(Self {
            document,
            order: document.plan.order.card()?,
            card,
        })
    }

    /// What everything costs.
    pub fn prices(&self) -> &'a PriceList {
        &self.card.prices
    }

    /// The fit behind the prices of a fork; `None` where too few parents were measured.
    pub fn fit(&self) -> Option<Fit> {
        self.prices().grade.measured()?;
        fit(self.order, &self.card.trials, self.document.plan.seed)
    }

    /// The prices of a kind, one for each method that has one.
    pub fn of_kind(&self, of: PriceKind) -> impl Iterator<Item = &'a Price> {
        self.prices()
            .prices
            .iter()
            .filter(move |price| price.of == of)
    }

    /// The price of something by a method.
    pub fn price(&self, of: PriceKind, method: SpawnMethod) -> Option<&'a Price> {
        self.of_kind(of).find(|price| price.method == Some(method))
    }

    /// Whether a hypervisor answers `cpuid` instead of the CPU: so long it takes.
    pub fn cpuid_traps(&self) -> bool {
        /// The CPU alone takes less.
        const TRAPS_NS: f64 = 500.0;
        let mut prices = self.of_kind(PriceKind::Cpuid);
        let cpuid = prices.find_map(|price| price.priced.total_ns.measured()?.sound());
        cpuid.is_some_and(|cpuid| cpuid.is_above(TRAPS_NS))
    }

    /// Which methods depend on the address space: what a mapping with a page adds to each,
    /// as far as that is known.
    pub fn dependence(&self) -> Vec<(Option<SpawnMethod>, Dependence)> {
        let prices = self.of_kind(PriceKind::Mapping);
        let each = prices.filter_map(|price| {
            let found = match (&price.priced.total_ns, price.priced.at_most.total_ns) {
                (Availability::Measured(found), _) => Dependence::Adds(found.sound()?),
                (Availability::Missing(_), most) => Dependence::NoneSeen {
                    at_most_ns: most.filter(|most| most.is_finite())?,
                    units: price.units,
                },
            };
            Some((price.method, found))
        });
        each.collect()
    }

    /// What a spawn is charged by ways that copy nothing, as far as the card has a price, and
    /// for each mapping where it tells one from nothing.
    pub fn instead(&self) -> Vec<CardMethod> {
        let priced = |of, term, method| term_of(term, &self.price(of, method)?.priced);
        let ways = [SpawnMethod::PosixSpawn, SpawnMethod::Vfork].into_iter();
        let priced = ways.filter_map(|method| {
            let spawn = priced(PriceKind::Spawn, Term::Fixed, method)?;
            let mapping = priced(PriceKind::Mapping, Term::AnonVma, method);
            let terms = [spawn].into_iter().chain(mapping).collect();
            Some(CardMethod { method, terms })
        });
        priced.collect()
    }

    /// The trials with what came of them; one that the run did not come to is there
    /// without any figure.
    pub fn tried(&self) -> impl Iterator<Item = Tried<'a>> {
        let trials = self.order.trials.iter().enumerate();
        trials.map(|(index, trial)| Tried {
            index,
            trial,
            result: self.card.trials.get(index),
            forecast: self.forecast(index),
        })
    }

    /// The parents that the prices are fitted to.
    pub fn fitted(&self) -> impl Iterator<Item = Tried<'a>> {
        self.tried().filter(|tried| tried.trial.purpose.is_fitted())
    }

    /// The most of each term that a fitted parent had.
    pub fn largest(&self) -> Counts {
        let fitted = self.fitted().filter_map(Tried::counts);
        fitted.fold(Counts::default(), |most, counts| {
            Counts::by_field(|of| of(&most).max(of(counts)))
        })
    }

    /// The parents that no fit has seen.
    pub fn unseen(&self) -> impl Iterator<Item = Tried<'a>> {
        let is_unseen = |tried: &Tried<'_>| tried.trial.purpose == Purpose::Validation;
        self.tried().filter(is_unseen)
    }

    /// The fitted parents beyond a knee, where a unit costs more.
    pub fn beyond(&self, knee_bytes: u64) -> impl Iterator<Item = Tried<'a>> {
        let is_beyond = move |tried: &Tried<'_>| {
            let counts = tried.counts();
            counts.is_some_and(|counts| footprint_bytes(counts) > knee_bytes)
        };
        self.fitted().filter(is_beyond)
    }

    /// The fitted parents with the errors of their totals, the farthest off first.
    pub fn by_error(&self) -> Vec<(Tried<'a>, f64)> {
        let errors = self.fitted();
        let errors = errors.filter_map(|tried| Some((tried, tried.total()?.error())));
        let mut errors: Vec<_> = errors.collect();
        errors.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        errors
    }

    fn forecast(&self, trial: usize) -> Option<&'a Forecast> {
        let mut forecasts = self.prices().forecasts.iter();
        forecasts.find(|forecast| forecast.trial == trial as u64)
    }

    /// What terms cost is known.
    pub fn is_fitted(&self) -> bool {
        matches!(self.prices().grade, Availability::Measured(_))
    }

    /// The worker that is not inflated, as it was measured.
    pub fn empty(&self) -> Option<Counts> {
        let mut tried = self.tried();
        let empty = tried.find(|tried| tried.trial.purpose == Purpose::Empty)?;
        empty.counts().copied()
    }

    /// Parents that everybody can picture, as far as the prices reach; the first is the
    /// empty worker, to which the others are added.
    pub fn shapes(&self) -> Vec<Shape> {
        self.empty()
            .map_or(Vec::new(), |empty| shapes::all(self, empty))
    }

    /// What a fork of each of them is foretold to take longer than of the empty worker,
    /// where that is seen to be more.
    pub fn larger_parents(&self, fit: &Fit) -> Vec<(Shape, Estimate)> {
        let mut shapes = self.shapes().into_iter();
        let Some(empty) = shapes.next() else {
            return Vec::new();
        };
        let [_, base] = fit.forecast(&empty.counts);
        let longer = shapes.filter_map(|shape| {
            let [_, larger] = fit.forecast(&shape.counts);
            let more = Replicates::combine(&[&larger, &base], |v| Some(v[0] - v[1]))?.estimate();
            more.is_above(0.0).then_some((shape, more))
        });
        longer.collect()
    }
}

/// A price as that of a unit; a part in the call that is not told from nothing is nothing, but
/// of a spawn itself, whose call takes some time.
fn term_of(term: Term, priced: &Priced) -> Option<CardTerm> {
    let sound = |found: &Availability<Estimate>| Some(found.measured()?.sound()?.value);
    let total = sound(&priced.total_ns)?;
    let call = match (sound(&priced.call_ns), term) {
        (None, Term::Fixed) => return None,
        (call, _) => call.unwrap_or(0.0),
    };
    Some(CardTerm {
        term,
        call_ns: [call; 2],
        after_ns: [total - call; 2],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AtMost;

    #[test]
    fn a_spawn_whose_call_has_no_price_has_none() {
        let priced = Priced {
            call_ns: Availability::not_reached(),
            after_ns: Availability::not_reached(),
            total_ns: Availability::Measured(Estimate::exact(90.0)),
            at_most: AtMost::default(),
        };
        assert_eq!(term_of(Term::Fixed, &priced), None);
        let mapping = term_of(Term::AnonVma, &priced).unwrap();
        assert_eq!((mapping.call_ns, mapping.after_ns), ([0.0; 2], [90.0; 2]));
    }
}
