//! What a watched program may be forbidden, as it is typed and as it is found.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{parse_count, parse_duration};

/// Something that is an offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A spawn by which a process goes on as two, as fork(2) makes them: it copies the
    /// address space and makes no namespace.
    Fork,
    /// Any spawn that copies the address space.
    Copies,
    /// A spawn by system(3) or popen(3), or of a shell that is given its command by `-c`.
    System,
    /// An execution that fails, unless the process then executes something, as in a search
    /// along PATH.
    ExecFailed,
    /// More spawns than this in all.
    Count {
        /// How many may be.
        most: u64,
    },
    /// A spawning call that takes longer than this.
    Call {
        /// Nanoseconds that it may take.
        most_ns: u64,
    },
}

impl Check {
    /// Whether it needs calls to be timed, and failed ones to be seen.
    pub fn needs_calls(self) -> bool {
        matches!(self, Self::ExecFailed | Self::Call { .. })
    }
}

/// As it is typed.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fork => write!(f, "fork"),
            Self::Copies => write!(f, "copies"),
            Self::System => write!(f, "system"),
            Self::ExecFailed => write!(f, "exec-failed"),
            Self::Count { most } => write!(f, "count>{most}"),
            Self::Call { most_ns } => write!(f, "call>{}us", *most_ns as f64 / 1e3),
        }
    }
}

/// What is no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no check: there are fork, copies, system, exec-failed, count>N and call>TIME, as in \
     'count>100' or 'call>1ms'"
)]
pub struct ParseCheckError(String);

impl FromStr for Check {
    type Err = ParseCheckError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseCheckError(text.to_owned());
        match text {
            "fork" => return Ok(Self::Fork),
            "copies" => return Ok(Self::Copies),
            "system" => return Ok(Self::System),
            "exec-failed" => return Ok(Self::ExecFailed),
            _ => {}
        }
        let (what, most) = text.split_once('>').ok_or_else(refused)?;
        match what {
            "count" => {
                let most = parse_count(most).map_err(|_| refused())?;
                Ok(Self::Count { most })
            }
            "call" => {
                let most = parse_duration(most).map_err(|_| refused())?;
                let most_ns = u64::try_from(most.as_nanos()).map_err(|_| refused())?;
                Ok(Self::Call { most_ns })
            }
            _ => Err(refused()),
        }
    }
}

/// What was found against a check: all that one process did by one caller, or one program
/// could not execute.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Offence {
    /// Against which.
    pub check: Check,
    /// The process; absent of a count over all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<usize>,
    /// From where it spawned; absent where that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<usize>,
    /// What was to be executed; of an execution that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// How often.
    pub times: u64,
    /// What more there is to tell: the longest call in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ns: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_as_it_is_written() {
        for check in [
            Check::Fork,
            Check::Copies,
            Check::System,
            Check::ExecFailed,
            Check::Count { most: 0 },
            Check::Count { most: 100_000 },
            Check::Call { most_ns: 1_500 },
            Check::Call {
                most_ns: 2_000_000_000,
            },
        ] {
            assert_eq!(check.to_string().parse(), Ok(check));
        }
        assert_eq!("call>1ms".parse(), Ok(Check::Call { most_ns: 1_000_000 }));
        assert_eq!("count>1k".parse(), Ok(Check::Count { most: 1_000 }));
    }

    #[test]
    fn what_is_no_check_is_refused_with_those_that_there_are() {
        for text in [
            "", "forks", "count", "count>", "count>-1", "call>", "call>x", "vfork>1",
        ] {
            let said = text.parse::<Check>().unwrap_err().to_string();
            assert!(said.contains("exec-failed"), "{said}");
        }
    }
}
