//! What a script says on its control channel, line by line.

use std::str::FromStr;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It waits at the beginning of its loop.
    Ready,
    /// It waits after its loop, which lay between these readings of
    /// CLOCK_MONOTONIC.
    Done { begin_ns: u64, end_ns: u64 },
    /// A child exited with this status, or was ended by the signal of the
    /// negative number.
    Child(i32),
    /// The spawning call failed with this error number.
    Refused(i32),
    /// It failed otherwise.
    Raised(String),
}

/// A line that no script of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

impl FromStr for Word {
    type Err = Unknown;

    fn from_str(line: &str) -> Result<Self, Unknown> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ready" if rest.is_empty() => Ok(Self::Ready),
            "done" => {
                let (begin_ns, end_ns) = rest.split_once(' ').ok_or(Unknown)?;
                let (begin_ns, end_ns) = (number(begin_ns)?, number(end_ns)?);
                let in_order = begin_ns <= end_ns;
                in_order
                    .then_some(Self::Done { begin_ns, end_ns })
                    .ok_or(Unknown)
            }
            "child" => Ok(Self::Child(number(rest)?)),
            "refused" => Ok(Self::Refused(number(rest)?)),
            "raised" if !rest.is_empty() => Ok(Self::Raised(rest.to_owned())),
            _ => Err(Unknown),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, Unknown> {
    text.parse().map_err(|_| Unknown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_word_is_understood() {
        assert_eq!("ready".parse(), Ok(Word::Ready));
        assert_eq!("child -11".parse(), Ok(Word::Child(-11)));
        assert_eq!("refused 2".parse(), Ok(Word::Refused(2)));
        let raised = "raised SubprocessError: Exception occurred in preexec_fn.";
        let reason = raised.strip_prefix("raised ").unwrap().to_owned();
        assert_eq!(raised.parse(), Ok(Word::Raised(reason)));
    }

    #[test]
    fn nothing_else_is() {
        for line in [
            "",
            "Ready",
            "ready 1",
            "done",
            "done 1",
            "done 2 1",
            "done 1 2 3",
            "done -1 2",
            "child",
            "child x",
            "refused 1.5",
            "raised",
            "go",
        ] {
            assert_eq!(line.parse::<Word>(), Err(Unknown), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(begin_ns in 0..=u64::MAX / 2, took in 0..=u64::MAX / 2) {
            let end_ns = begin_ns + took;
            let line = format!("done {begin_ns} {end_ns}");
            prop_assert_eq!(line.parse(), Ok(Word::Done { begin_ns, end_ns }));
        }

        #[test]
        fn no_line_breaks_the_parser(line in "(ready|done|child|refused|raised)?[ -~]{0,40}") {
            if let Ok(Word::Done { begin_ns, end_ns }) = line.parse() {
                prop_assert!(begin_ns <= end_ns);
            }
        }
    }
}
