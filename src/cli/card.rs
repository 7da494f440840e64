//! `forktax card`: measured and stored, or as it was stored.

use super::args::CardArgs;
use super::measure;
use super::output::{self, Exports, OutputError};
use crate::analysis::card::is_believable;
use crate::model::{Card, Caveat, Document, Findings, Host, Placement, Stored};
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
    if is_lesser(document) && has_better(&store, &document.host) {
        let why = "a card of the whole design, of enough rounds, under usual conditions and with \
                   forecasts to be believed is stored, and stays in place of this one";
        return Ok(why.to_owned());
    }
    let path = store.save(document)?;
    Ok(format!("stored as {}", path.display()))
}

/// Whether a card is quick, of few rounds, measured under conditions of its own, or not to
/// be believed.
fn is_lesser(document: &Document) -> bool {
    /// `PATH` and `LC_ALL`.
    const USUAL_VARIABLES: usize = 2;
    let plan = &document.plan;
    let few = |caveat: &Caveat| matches!(caveat, Caveat::FewRounds { .. });
    let believed = |card: &Card| card.prices.grade.measured().is_some_and(is_believable);
    plan.order.card().is_some_and(|order| order.quick)
        || !matches!(&document.findings, Findings::Card(card) if believed(card))
        || document.caveats.iter().any(few)
        || plan.placement == Placement::Free
        || plan.environment.len() > USUAL_VARIABLES
}

fn has_better(store: &Store, host: &Host) -> bool {
    matches!(store.find(host), Found::Found { document, .. } if !is_lesser(&document))
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
