//! The price list of a host as tables and sentences: one file an answer.
//!
//! Prices come from the document. Only what nobody measured, such as what 1,000 more
//! mappings would add, takes the fit itself, which is made again from the trials.

mod chart;
mod child;
mod design;
mod figures;
mod grade;
mod names;
mod others;
mod shapes;
mod terms;
mod trials;
mod words;

use crate::analysis::card::{self, Fit};
use crate::model::{
    Availability, Card, CardOrder, Document, Missing, Price, PriceKind, PriceList, SpawnMethod,
};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::lines;
use crate::report::view::picture::Picture;
use crate::report::view::table::{Block, Table};

use trials::Tried;

/// Makes a table, and notes why figures are missing from it.
type Maker = fn(&Charged<'_>, &mut Footnotes) -> Table;

/// A card with what was ordered for it.
pub(super) struct Charged<'a> {
    document: &'a Document,
    order: &'a CardOrder,
    card: &'a Card,
}

impl<'a> Charged<'a> {
    /// `None` if no card was ordered.
    pub(super) fn of(document: &'a Document, card: &'a Card) -> Option<Self> {
        Some(Self {
            document,
            order: document.plan.order.card()?,
            card,
        })
    }

    /// The tables in the order of reading, and what they say in a few sentences.
    pub(super) fn answers(&self, footnotes: &mut Footnotes) -> (Vec<Block>, Vec<String>) {
        let fit = self.fit();
        let mut blocks = vec![self.table(footnotes, terms::table), terms::legend(self)];
        let makers: [Maker; 5] = [
            others::parents,
            others::spawns,
            child::programs,
            child::faults,
            grade::table,
        ];
        let makers = makers.into_iter().chain(design::VALIDATION);
        for make in makers.chain(design::FITTED) {
            blocks.push(self.table(footnotes, make));
        }
        blocks.push(lines("Left out of the design", design::left_out(self)));
        (blocks, words::sentences(self, fit.as_ref()))
    }

    /// The picture, or why there is none.
    pub(super) fn picture(&self) -> Result<Picture, Missing> {
        let Some(plot) = chart::forecasts(self) else {
            let missing = self.prices().grade.missing().cloned();
            return Err(missing.unwrap_or_else(Missing::not_reached));
        };
        let fit = self.fit();
        let shares = fit.and_then(|fit| chart::shares(self, &fit));
        Ok(match shares {
            Some(shares) => Picture::Both(plot, shares),
            None => Picture::Lines(plot),
        })
    }

    /// A table with footnotes under its other notes; what earlier ones told of the same
    /// rows is not told again.
    fn table(&self, footnotes: &mut Footnotes, make: Maker) -> Block {
        let mut own = Footnotes::default();
        let mut table = make(self, &mut own);
        let lines = own.lines_after(footnotes, self.document);
        table.notes.extend(lines);
        footnotes.absorb(own);
        Block::Table(table)
    }

    fn prices(&self) -> &'a PriceList {
        &self.card.prices
    }

    /// The fit behind the prices of a fork; `None` where too few parents were measured.
    fn fit(&self) -> Option<Fit> {
        self.prices().grade.measured()?;
        card::fit(self.order, &self.card.trials, self.document.plan.seed)
    }

    /// The prices of a kind, one for each method that has one.
    fn of_kind(&self, of: PriceKind) -> impl Iterator<Item = &'a Price> {
        self.prices()
            .prices
            .iter()
            .filter(move |price| price.of == of)
    }

    fn price(&self, of: PriceKind, method: SpawnMethod) -> Option<&'a Price> {
        self.of_kind(of).find(|price| price.method == Some(method))
    }

    /// The trials with what came of them; one that the run did not come to is there
    /// without any figure.
    fn tried(&self) -> impl Iterator<Item = Tried<'a>> {
        let trials = self.order.trials.iter().enumerate();
        trials.map(|(index, trial)| Tried {
            index,
            trial,
            result: self.card.trials.get(index),
            forecast: self.forecast(index),
        })
    }

    fn forecast(&self, trial: usize) -> Option<&'a crate::model::Forecast> {
        let mut forecasts = self.prices().forecasts.iter();
        forecasts.find(|forecast| forecast.trial == trial as u64)
    }

    /// What terms cost is known.
    fn is_fitted(&self) -> bool {
        matches!(self.prices().grade, Availability::Measured(_))
    }
}
