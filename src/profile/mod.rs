//! Samples to shares: what the recorded events say about a spawn.
//!
//! Pure. It takes plain types, those of [`crate::sys::events`] among them, and never
//! opens an event or reads a file, so that every rule of attribution is tested without
//! a kernel.

pub mod attribute;
pub mod faults;
pub mod kin;
pub mod ledger;
pub mod mechanisms;
pub mod modes;
mod scope;
pub mod shares;
pub mod spawns;
pub mod symbols;
