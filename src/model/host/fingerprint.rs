//! A short name for a long text: what identifies a machine or a set of facts.

use std::fmt;

/// The 64-bit FNV-1a hash of what was added, shown as 16 hex digits.
///
/// It is no secret-keeper: whoever guesses the text can see that the guess was
/// right. But nobody reads a name from it, two texts hardly ever share one, and it
/// is the same on every machine and in every version, which the hashes of the
/// standard library do not promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;

    /// That of a text.
    pub fn of(text: &str) -> Self {
        Self::default().and(text.as_bytes())
    }

    /// The same with more bytes behind it.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(Self::PRIME)
        });
        Self(hash)
    }

    /// The hash as a number, which serves as a seed.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Default for Fingerprint {
    /// That of nothing.
    fn default() -> Self {
        Self(Self::OFFSET)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the algorithm's authors.
    #[test]
    fn is_fnv_1a() {
        for (text, hash) in [
            ("", "cbf29ce484222325"),
            ("a", "af63dc4c8601ec8c"),
            ("foobar", "85944171f73967e8"),
        ] {
            assert_eq!(Fingerprint::of(text).to_string(), hash, "{text:?}");
        }
        assert_eq!(
            Fingerprint::of("foo").and(b"bar"),
            Fingerprint::of("foobar")
        );
    }
}
