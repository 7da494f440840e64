//! A figure, or the reason why there is none.
//!
//! `Option` would say that a figure is missing and keep silent about why. In
//! JSON a measured figure is itself and a missing one is an object, so that no
//! reader can take it for a zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A figure that was measured, or the reason why it was not.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
#[schemars(rename = "Availability_of_{T}")]
pub enum Availability<T> {
    /// The figure.
    Measured(T),
    /// Why there is none.
    Missing(Missing),
}

/// Why a figure is missing and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Missing {
    /// Whether it could not be had, or was not asked for.
    pub missing: MissingKind,
    /// A lower-case fragment that names the cause.
    pub reason: String,
    /// What to do to get the figure, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The two ways in which a figure can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// The kernel, the permissions or the method do not give it.
    Unavailable,
    /// The plan did not ask for it, or the run ended before its turn.
    NotAsked,
}

impl Missing {
    /// What this host, these permissions or this method do not give.
    pub fn unavailable(reason: impl Into<String>, remedy: Option<&str>) -> Self {
        Self {
            missing: MissingKind::Unavailable,
            reason: reason.into(),
            remedy: remedy.map(str::to_owned),
        }
    }

    /// What the run was not asked for.
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Self {
            missing: MissingKind::NotAsked,
            reason: reason.into(),
            remedy: None,
        }
    }

    /// What the run did not get to.
    pub fn not_reached() -> Self {
        Self::not_asked("the run ended before its turn")
    }

    /// The reason, and the remedy where there is one.
    pub fn in_words(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl<T> From<Result<T, Missing>> for Availability<T> {
    fn from(found: Result<T, Missing>) -> Self {
        found.map_or_else(Self::Missing, Self::Measured)
    }
}

impl<T> Availability<T> {
    /// A figure, or why there is none.
    pub fn of(figure: Option<T>, why_none: impl FnOnce() -> Missing) -> Self {
        figure.ok_or_else(why_none).into()
    }

    /// A figure that this host, these permissions or this method do not give.
    pub fn unavailable(reason: impl Into<String>, remedy: Option<&str>) -> Self {
        Self::Missing(Missing::unavailable(reason, remedy))
    }

    /// A figure that the run was not asked for.
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Self::Missing(Missing::not_asked(reason))
    }

    /// A figure that the run did not get to.
    pub fn not_reached() -> Self {
        Self::Missing(Missing::not_reached())
    }

    /// The figure, if there is one.
    pub fn measured(&self) -> Option<&T> {
        match self {
            Self::Measured(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// The reason, if there is no figure.
    pub fn missing(&self) -> Option<&Missing> {
        match self {
            Self::Measured(_) => None,
            Self::Missing(missing) => Some(missing),
        }
    }

    /// A part of this figure, which may be missing by itself.
    pub fn and_then<U>(&self, part: impl FnOnce(&T) -> Availability<U>) -> Availability<U> {
        match self {
            Self::Measured(value) => part(value),
            Self::Missing(missing) => Availability::Missing(missing.clone()),
        }
    }

    /// The same availability of a figure computed from this one.
    pub fn map<U>(&self, compute: impl FnOnce(&T) -> U) -> Availability<U> {
        match self {
            Self::Measured(value) => Availability::Measured(compute(value)),
            Self::Missing(missing) => Availability::Missing(missing.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_figure_is_an_object_and_comes_back() {
        let missing: Availability<f64> = Availability::unavailable("no PMU", Some("use a host"));
        let json = serde_json::to_string(&missing).unwrap();
        assert_eq!(
            json,
            r#"{"missing":"unavailable","reason":"no PMU","remedy":"use a host"}"#
        );
        assert_eq!(
            serde_json::from_str::<Availability<f64>>(&json).unwrap(),
            missing
        );
    }

    #[test]
    fn a_measured_figure_is_itself() {
        let measured = Availability::Measured(1.5);
        assert_eq!(serde_json::to_string(&measured).unwrap(), "1.5");
        assert_eq!(
            serde_json::from_str::<Availability<f64>>("1.5").unwrap(),
            measured
        );
    }
}
