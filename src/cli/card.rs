//! `forktax card`: measured and stored, or as it was stored.

use super::args::CardArgs;
use super::measure;
use super::output::{self, Exports, OutputError};
use crate::analysis::card::is_believable;
use crate::model::{Card, Caveat, Document, Findings, Placement, Stored};
use crate::report::Subject;
use crate::store::{Found, Store, StoreError};
use crate::sys::process;

/// Measures a card and stores it, or prints the one that was stored.
pub(super) fn run(args: &CardArgs) -> anyhow::Result<()> {
    if args.stored {
        return print_stored(args);
    }
    let measured = measure::card(args)?;
    if let Some(Stored::Run(document)) = measured.filter(|_| !args.no_store) {
        // The card itself was printed, so that a full disk is no reason to fail.
        match keep(&document) {
            Ok(said) => output::tell(args.output.quiet, &said),
            Err(error) => output::complain(&error),
        }
    }
    Ok(())
}

/// The cards of this user.
pub(super) fn store() -> Result<Store, StoreError> {
    Store::of_user(process::user(), is_card)
}

fn is_card(document: &Document) -> bool {
    matches!(document.findings, Findings::Card(_))
}

/// Stores a card, unless a better one is there; says what was done.
fn keep(document: &Document) -> anyhow::Result<String> {
    let graded = |card: &Card| card.prices.grade.measured().is_some();
    if !matches!(&document.findings, Findings::Card(card) if graded(card)) {
        return Ok("the card has no fork's prices, and was not stored".to_owned());
    }
    let store = store()?;
    let stored = match store.find(&document.host) {
        Found::Found { document, .. } => rank(&document),
        _ => Rank::NotBelieved,
    };
    let why = match stored {
        _ if stored <= rank(document) => None,
        Rank::Whole => Some(
            "of the whole design, of enough rounds, under usual conditions and with forecasts to \
             be believed",
        ),
        _ => Some("with forecasts to be believed"),
    };
    if let Some(why) = why {
        return Ok(format!(
            "a card {why} is stored, and stays in place of this one"
        ));
    }
    let path = store.save(document)?;
    Ok(format!("stored as {}", path.display()))
}

/// What a card is worth: none replaces a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its forecasts are not to be believed.
    NotBelieved,
    /// It is quick, of few rounds, or measured under conditions of its own.
    Lesser,
    /// None of that.
    Whole,
}

fn rank(document: &Document) -> Rank {
    /// `PATH` and `LC_ALL`.
    const USUAL_VARIABLES: usize = 2;
    let plan = &document.plan;
    let few = |caveat: &Caveat| matches!(caveat, Caveat::FewRounds { .. });
    let believed = |card: &Card| card.prices.grade.measured().is_some_and(is_believable);
    let is_lesser = plan.order.card().is_some_and(|order| order.quick)
        || document.caveats.iter().any(few)
        || plan.placement == Placement::Free
        || plan.environment.len() > USUAL_VARIABLES;
    if !matches!(&document.findings, Findings::Card(card) if believed(card)) {
        Rank::NotBelieved
    } else if is_lesser {
        Rank::Lesser
    } else {
        Rank::Whole
    }
}

fn print_stored(args: &CardArgs) -> anyhow::Result<()> {
    let card = match store()?.find(&measure::host()) {
        Found::Found { document, .. } => Stored::Run(document),
        other => return Err(OutputError::of_store(&other).into()),
    };
    let output = &args.output;
    output::check(&output.export, Subject::Card)?;
    output::check_shown(&output.shown, Subject::Card, output::format(output.format))?;
    let exports = Exports::open(&output.export)?;
    let printed = output::print(&card, output.format, &output.shown);
    exports.write(&card)?;
    Ok(printed?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Document {
        serde_json::from_str(include_str!("../../tests/data/card.json")).unwrap()
    }

    fn with(change: impl FnOnce(&mut Document)) -> Rank {
        let mut document = card();
        document.caveats.clear();
        change(&mut document);
        rank(&document)
    }

    #[test]
    fn a_card_that_is_believed_is_worth_more_than_a_whole_one_that_is_not() {
        let quick = |document: &mut Document| match &mut document.plan.order {
            crate::model::Order::Card(order) => order.quick = true,
            _ => panic!("the order of a card"),
        };
        let doubtful = |document: &mut Document| match &mut document.findings {
            Findings::Card(card) => {
                let mut grade = card.prices.grade.measured().unwrap().clone();
                grade.total.loo_p90 = 2.7;
                card.prices.grade = crate::model::Availability::Measured(grade);
            }
            _ => panic!("a card"),
        };
        assert_eq!(with(doubtful), Rank::NotBelieved);
        assert_eq!(with(quick), Rank::Lesser);
        let few = Caveat::FewRounds { rounds: 2 };
        assert_eq!(with(|document| document.caveats.push(few)), Rank::Lesser);
        assert!(Rank::NotBelieved < Rank::Lesser && Rank::Lesser < Rank::Whole);
    }
}
