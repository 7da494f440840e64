//! `forktax schema`: the contract of what is written as JSON.

use super::args::{ContractArg, SchemaArgs};
use super::output;
use crate::report::Contract;

/// Prints it.
pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let contract = match args.of {
        ContractArg::Document => Contract::Document,
        ContractArg::Comparison => Contract::Comparison,
        ContractArg::Shape => Contract::Shape,
    };
    Ok(output::print_bytes(contract.text().as_bytes())?)
}
