//! Figures as people write and read them: "10k" mappings, "64KiB", "2m",
//! and "65,530" or "1.5 GiB" on the way out.
//!
//! Everything is exact integer arithmetic: a text either names one whole number
//! of units or is refused with the text and an example. It must never round
//! what was typed, and it knows nothing of the rest of the program. Texts of others are
//! in `foreign`.

mod foreign;
mod system;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use foreign::{
    ForeignError, LARGEST_FILE, harmless, parser_said, read_foreign, steers, write_json_text,
};
pub use system::{errno_words, signal_name};

/// A text that does not name a figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}: write {example}", Quoted(text))]
pub struct UnitError {
    text: String,
    why: Why,
    example: &'static str,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error("names no figure")]
    Empty,
    #[error("is negative")]
    Negative,
    #[error("is not a figure")]
    Junk,
    #[error("has an unknown unit")]
    UnknownUnit,
    #[error("is too large")]
    TooLarge,
    #[error("is not a whole number of the smallest unit")]
    Fraction,
}

/// A text in quotation marks, with control characters escaped and cut to a
/// length that fits in a message.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        let shown: String = self.0.chars().take(LONGEST).collect();
        let cut = if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        };
        write!(out, "\"{}{cut}\"", shown.escape_debug())
    }
}

/// A family of units: what may follow the digits, and what it multiplies by.
struct Family {
    units: &'static [(&'static str, u64)],
    example: &'static str,
}

const COUNTS: Family = Family {
    units: &[
        ("", 1),
        ("k", 1_000),
        ("K", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ],
    example: "a whole number such as 0, 100, 1k, 1.5k or 2M",
};

// "KB" is left out on purpose: half of its readers take it for 1,000 bytes.
const BYTES: Family = Family {
    units: &[
        ("", 1),
        ("B", 1),
        ("k", 1 << 10),
        ("K", 1 << 10),
        ("KiB", 1 << 10),
        ("M", 1 << 20),
        ("MiB", 1 << 20),
        ("G", 1 << 30),
        ("GiB", 1 << 30),
        ("T", 1 << 40),
        ("TiB", 1 << 40),
    ],
    example: "bytes such as 100000, 64KiB, 64MiB or 1G",
};

const DURATIONS: Family = Family {
    units: &[
        ("", 1_000_000_000),
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ],
    example: "a time such as 500ms, 10s, 2m, or 10 for seconds",
};

const BLOCKS_EXAMPLE: &str = "COUNTxBYTES such as 1000x100000 or 1000x100KiB";

/// The count that a text names: `0`, `100`, `1.5k` (k = 1,000), `2M`.
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    COUNTS.parse(text)
}

/// The bytes that a text names: `100000`, `64KiB`, `64M`, `1G` (all binary).
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    BYTES.parse(text)
}

/// The time that a text names: `500ms`, `10s`, `2m`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    DURATIONS.parse(text).map(Duration::from_nanos)
}

/// Blocks of memory of one size: `COUNTxBYTES` on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blocks {
    /// How many.
    pub count: u64,
    /// Bytes in each.
    pub bytes: u64,
}

impl FromStr for Blocks {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let whole = |why| UnitError {
            text: text.to_owned(),
            why,
            example: BLOCKS_EXAMPLE,
        };
        if text.trim().is_empty() {
            return Err(whole(Why::Empty));
        }
        let (count, bytes) = text.split_once('x').ok_or_else(|| whole(Why::Junk))?;
        Ok(Self {
            count: parse_count(count).map_err(|error| whole(error.why))?,
            bytes: parse_bytes(bytes).map_err(|error| whole(error.why))?,
        })
    }
}

impl fmt::Display for Blocks {
    /// Writes plain digits, which parse back to the same blocks.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}x{}", self.count, self.bytes)
    }
}

impl Family {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        self.value(text.trim()).map_err(|why| UnitError {
            text: text.to_owned(),
            why,
            example: self.example,
        })
    }

    fn value(&self, text: &str) -> Result<u64, Why> {
        if text.is_empty() {
            return Err(Why::Empty);
        }
        if text.starts_with('-') {
            return Err(Why::Negative);
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (mantissa, scale) = decimal(number)?;
        let unit = unit.trim_start();
        let factor = self
            .units
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| u128::from(*factor))
            .ok_or(Why::UnknownUnit)?;
        let product = mantissa.checked_mul(factor).ok_or(Why::TooLarge)?;
        if product % scale != 0 {
            return Err(Why::Fraction);
        }
        u64::try_from(product / scale).map_err(|_| Why::TooLarge)
    }
}

/// A decimal number as digits and the power of ten that divides them.
fn decimal(text: &str) -> Result<(u128, u128), Why> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(Why::Junk),
        Some((whole, fraction)) => (whole, fraction.trim_end_matches('0')),
        None => (text, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(Why::Junk);
    }
    let mut mantissa: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        mantissa = mantissa
            .checked_mul(10)
            .and_then(|shifted| shifted.checked_add(u128::from(digit - b'0')))
            .ok_or(Why::TooLarge)?;
    }
    let places = u32::try_from(fraction.len()).map_err(|_| Why::Fraction)?;
    let scale = 10_u128.checked_pow(places).ok_or(Why::Fraction)?;
    Ok((mantissa, scale))
}

/// A count with thousands separators: `65,530`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in seconds since 1970, to the minute: `2026-07-01 12:00 UTC`.
pub fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// The Gregorian date of a day since 1970. Years are counted from March, so that the
/// day that comes every four years is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // From the first of March of the year 0, in cycles of 400 years.
    let days = days + 719_468;
    let (cycle, of_cycle) = (days / 146_097, days % 146_097);
    let leaps = of_cycle / 1_460 - of_cycle / 36_524 + of_cycle / 146_096;
    let year = (of_cycle - leaps.min(of_cycle)) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    let month = if january { month - 9 } else { month + 3 };
    (cycle * 400 + year + u64::from(january), month, day)
}

/// Bytes in the largest fitting binary unit, to one decimal: `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // In tenths of the unit, so that 1023.96 KiB becomes 1 MiB and not 1024 KiB.
    let mut unit = 1_u128 << 10;
    let mut name = 0;
    let tenths_of = |unit: u128| (u128::from(count) * 10 + unit / 2) / unit;
    while tenths_of(unit) >= 10_240 && name + 1 < UNITS.len() {
        unit <<= 10;
        name += 1;
    }
    let tenths = tenths_of(unit);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[name]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[name]),
    }
}

/// A time that is known by and by: `0.3 s`, `13 s`, `2 min`, `5 h`.
pub fn about_seconds(s: f64) -> String {
    match s {
        ..9.95 => format!("{} s", trimmed(s, 1)),
        ..119.5 => format!("{s:.0} s"),
        ..7_170.0 => format!("{:.0} min", s / 60.0),
        _ => format!("{:.0} h", s / 3_600.0),
    }
}

/// A share in percent, to two digits: `0.51 %`, `2 %`, `4.3 %`, `12 %`.
pub fn about_percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = match percent {
        ..0.1 => 4,
        ..0.995 => 2,
        ..9.95 => 1,
        _ => 0,
    };
    format!("{} %", trimmed(percent, decimals))
}

/// A figure without the zeros that end its decimals, of which there are at most so many.
pub fn trimmed(value: f64, decimals: usize) -> String {
    let digits = format!("{value:.decimals$}");
    match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits,
    }
}

/// Nanoseconds in the unit that fits them, to two digits at the least: `0.0021 ns`,
/// `12 ns`, `3.4 us`.
pub fn nanoseconds(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        size if size >= 1e6 => (ns / 1e6, "ms"),
        size if size >= 1e3 => (ns / 1e3, "us"),
        _ => (ns, "ns"),
    };
    let decimals = match value.abs() {
        size if size >= 10.0 || size == 0.0 => 0,
        size if size >= 1.0 => 1,
        size if size >= 0.1 => 2,
        size if size >= 0.01 => 3,
        _ => 4,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal<T: fmt::Debug>(parsed: Result<T, UnitError>) -> String {
        parsed.unwrap_err().to_string()
    }

    #[test]
    fn what_is_known_by_and_by_has_few_digits() {
        let times = [
            0.3,
            9.0,
            9.96,
            119.0,
            120.0,
            7_000.0,
            7_200.0,
            f64::INFINITY,
        ];
        let said = [
            "0.3 s", "9 s", "10 s", "119 s", "2 min", "117 min", "2 h", "inf h",
        ];
        assert_eq!(times.map(about_seconds), said);
        let shares = [0.000_4, 0.005_1, 0.02, 0.043_4, 0.099_9, 0.123, 1.0];
        let said = ["0.04 %", "0.51 %", "2 %", "4.3 %", "10 %", "12 %", "100 %"];
        assert_eq!(shares.map(about_percent), said);
        assert_eq!(trimmed(100.0, 0), "100");
        assert_eq!(trimmed(0.5, 6), "0.5");
    }

    #[test]
    fn nanoseconds_have_two_digits_and_a_unit_that_fits() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (0.0021, "0.0021 ns"),
            (0.123, "0.12 ns"),
            (1.25, "1.2 ns"),
            (54.3, "54 ns"),
            (3_400.0, "3.4 us"),
            (-2_500_000.0, "-2.5 ms"),
        ] {
            assert_eq!(nanoseconds(ns), text);
        }
    }

    #[test]
    fn moments_are_told_to_the_minute() {
        for (seconds, told) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), told, "{seconds}");
        }
        // A file may say anything.
        utc(u64::MAX);
    }

    #[test]
    fn counts_are_decimal() {
        for (text, count) in [
            ("0", 0),
            ("100", 100),
            ("1k", 1_000),
            ("1.5k", 1_500),
            ("10K", 10_000),
            ("2M", 2_000_000),
            ("1.50000000000000000000000000000000000000000000k", 1_500),
            (" 7 ", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_count(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn bytes_are_binary() {
        for (text, count) in [
            ("100000", 100_000),
            ("64KiB", 65_536),
            ("64 MiB", 64 << 20),
            ("1G", 1 << 30),
            ("1.5k", 1_536),
            ("2T", 2 << 40),
        ] {
            assert_eq!(parse_bytes(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn a_bare_duration_is_in_seconds() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("0.5", 500),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_text_and_what_would_be_right() {
        assert_eq!(
            refusal(parse_count("-5")),
            "\"-5\" is negative: write a whole number such as 0, 100, 1k, 1.5k or 2M"
        );
        assert_eq!(
            refusal(parse_bytes("64KB")),
            "\"64KB\" has an unknown unit: write bytes such as 100000, 64KiB, 64MiB or 1G"
        );
        assert!(refusal(parse_count("")).starts_with("\"\" names no figure"));
        assert!(refusal(parse_count("1.5")).contains("is not a whole number"));
        assert!(refusal(parse_count("18446744073709551616")).contains("is too large"));
        assert!(refusal(parse_count("99999999999999999999999999G")).contains("is too large"));
        assert!(refusal(parse_duration("10000000h")).contains("is too large"));
        for junk in [
            "k", ".", "1.", ".5", "1..2", "1.2.3", "ten", "0x10", "1,000", "+1",
        ] {
            assert!(parse_count(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn blocks_are_count_times_bytes() {
        let blocks = |count, bytes| Ok(Blocks { count, bytes });
        assert_eq!("1000x100000".parse(), blocks(1_000, 100_000));
        assert_eq!("1kx100KiB".parse(), blocks(1_000, 102_400));
        assert_eq!(
            refusal("1000*5".parse::<Blocks>()),
            "\"1000*5\" is not a figure: write COUNTxBYTES such as 1000x100000 or 1000x100KiB"
        );
        assert!(refusal("1000x-1".parse::<Blocks>()).contains("\"1000x-1\" is negative"));
        assert!(refusal("x".parse::<Blocks>()).contains("names no figure"));
    }

    #[test]
    fn figures_are_shown_for_reading() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(65_530), "65,530");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes((1 << 20) - 1), "1 MiB");
        assert_eq!(bytes(u64::MAX), "16 EiB");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}|[-0-9.kMGTiBxms ]{0,60}") {
            for error in [
                parse_count(&text).err(),
                parse_bytes(&text).err(),
                parse_duration(&text).err(),
                text.parse::<Blocks>().err(),
            ].into_iter().flatten() {
                prop_assert!(error.to_string().contains(": write "));
            }
        }

        #[test]
        fn blocks_come_back(count: u64, bytes: u64) {
            let blocks = Blocks { count, bytes };
            prop_assert_eq!(blocks.to_string().parse(), Ok(blocks));
        }

        #[test]
        fn thousands_come_back_without_their_separators(count: u64) {
            prop_assert_eq!(parse_count(&thousands(count).replace(',', "")), Ok(count));
        }

        #[test]
        fn bytes_below_a_kibibyte_come_back_and_larger_ones_nearly(count in 0_u64..1 << 44) {
            let (number, unit) = {
                let text = bytes(count);
                let (number, unit) = text.split_once(' ').unwrap();
                (number.parse::<f64>().unwrap(), parse_bytes(&format!("1{unit}")).unwrap())
            };
            let shown = number * unit as f64;
            let tolerance = if count < 1024 { 0.0 } else { unit as f64 * 0.05 + 1.0 };
            prop_assert!((shown - count as f64).abs() <= tolerance);
        }

        #[test]
        fn milliseconds_come_back(millis in 0_u64..1 << 40) {
            prop_assert_eq!(
                parse_duration(&format!("{millis}ms")),
                Ok(Duration::from_millis(millis))
            );
        }
    }
}
