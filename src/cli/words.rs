//! The words as they were typed, in the form that the parser takes: a sweep needs no name,
//! and a negative number is a value, to be refused as such and not as an option.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::args::DEFAULT_COMMAND;

/// What asks about the program, and orders nothing.
const ABOUT: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// The words of this process, the first of them its own name.
pub(super) fn typed() -> Vec<OsString> {
    named(joined(std::env::args_os().collect()))
}

/// Puts in the command that options alone belong to.
fn named(mut words: Vec<OsString>) -> Vec<OsString> {
    let first = words.get(1).map(|word| word.as_bytes());
    let orders = first.is_some_and(|word| {
        word.len() > 1
            && word.starts_with(b"-")
            && !ABOUT.iter().any(|about| about.as_bytes() == word)
    });
    if orders {
        words.insert(1, DEFAULT_COMMAND.into());
    }
    words
}

/// Joins each option with a negative number that follows it.
pub(super) fn joined(words: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut words = words.into_iter();
    for word in words.by_ref() {
        let option = joined.last_mut().filter(|last| is_bare_option(last));
        match option {
            Some(option) if is_negative(&word) => {
                option.push("=");
                option.push(word);
            }
            _ => joined.push(word),
        }
        if joined.last().is_some_and(|last| last == "--") {
            break; // What follows is a program's.
        }
    }
    joined.extend(words);
    joined
}

fn is_bare_option(word: &OsStr) -> bool {
    let word = word.as_bytes();
    word.len() > 2 && word.starts_with(b"--") && !word.contains(&b'=')
}

fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_bytes(), [b'-', b'0'..=b'9' | b'.', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(typed: &str) -> Vec<OsString> {
        typed.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn options_alone_are_those_of_a_sweep() {
        for (typed, taken) in [
            ("forktax", "forktax"),
            ("forktax --time 5s", "forktax sweep --time 5s"),
            ("forktax -q", "forktax sweep -q"),
            ("forktax -- /bin/true", "forktax sweep -- /bin/true"),
            ("forktax card --quick", "forktax card --quick"),
            ("forktax --help", "forktax --help"),
            ("forktax -V", "forktax -V"),
            ("forktax -", "forktax -"),
        ] {
            assert_eq!(named(words(typed)), words(taken), "{typed}");
        }
    }

    #[test]
    fn a_negative_number_is_the_value_of_the_option_before_it() {
        for (typed, taken) in [
            ("x --fds -5k --huge", "x --fds=-5k --huge"),
            ("x --fds=3 -5", "x --fds=3 -5"),
            ("x --fds --huge", "x --fds --huge"),
            ("x --time -.5s -q", "x --time=-.5s -q"),
            (
                "x --cold -- nice --adjust -5",
                "x --cold -- nice --adjust -5",
            ),
        ] {
            assert_eq!(joined(words(typed)), words(taken), "{typed}");
        }
    }
}
