//! Numbers as people read them: one unit a column, thousands separators, and
//! as many decimals as the magnitude deserves.

use super::table::Entry;
use crate::model::Availability;
use crate::stats::Estimate;

/// A unit for the figures of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit {
    /// Its sign, as the head of the column shows it.
    pub(super) name: &'static str,
    /// How many base units it has.
    pub(super) size: f64,
}

/// Figures that have no unit.
pub(super) const PLAIN: Unit = Unit {
    name: "",
    size: 1.0,
};

/// Percent, so that a share reads as one.
pub(super) const PERCENT: Unit = Unit {
    name: "%",
    size: 0.01,
};

/// What takes about a microsecond or less.
pub(super) const NANOSECOND: Unit = Unit {
    name: "ns",
    size: 1.0,
};

/// What takes longer than that.
pub(super) const MICROSECOND: Unit = Unit {
    name: "us",
    size: 1e3,
};

/// Bytes are shown in this one.
pub(super) const MEBIBYTE: Unit = Unit {
    name: "MiB",
    size: 1_048_576.0,
};

impl Unit {
    /// A unit of time that suits the typical one of `nanoseconds`.
    pub(super) fn of_time(nanoseconds: impl Iterator<Item = f64>) -> Self {
        let (name, size) = match typical(nanoseconds) {
            t if t < 2e3 => ("ns", 1.0),
            t if t < 2e7 => ("us", 1e3),
            t if t < 2e10 => ("ms", 1e6),
            _ => ("s", 1e9),
        };
        Self { name, size }
    }

    /// The unit of time that suits one of so many nanoseconds.
    pub(super) fn of_one(nanoseconds: f64) -> Self {
        Self::of_time(std::iter::once(nanoseconds))
    }

    /// A power of a thousand that suits the typical one of `counts`.
    pub(super) fn of_counts(counts: impl Iterator<Item = f64>) -> Self {
        let (name, size) = match typical(counts) {
            c if c < 1e5 => ("", 1.0),
            c if c < 1e8 => ("k", 1e3),
            c if c < 1e11 => ("M", 1e6),
            _ => ("G", 1e9),
        };
        Self { name, size }
    }

    /// The unit as the second line of a column's head.
    pub(super) fn subheader(self) -> String {
        if self.name.is_empty() {
            String::new()
        } else {
            format!("({})", self.name)
        }
    }

    /// A value in this unit, as prose: "163.2 us".
    pub(super) fn prose(self, value: f64) -> String {
        let scaled = value / self.size;
        format!("{} {}", number(scaled, decimals(scaled)), self.name)
    }

    /// What a value in this unit lies below, never shown as less than it is: "< 12".
    pub(super) fn bound(self, most: f64) -> String {
        let scaled = most / self.size;
        let decimals = decimals(scaled).saturating_sub(1);
        format!("< {}", number(round_up(scaled, decimals), decimals))
    }

    /// An entry for a value with its interval.
    pub(super) fn entry(self, found: Estimate) -> Entry {
        let half = found.half_width().max(0.0);
        self.figure(found.value, Some(half).filter(|half| half.is_finite()))
    }

    /// The same for a value that may be missing.
    pub(super) fn found(self, found: &Availability<Estimate>) -> Availability<Entry> {
        found.map(|found| self.entry(*found))
    }

    /// An entry for a value that has no interval: it is known, published or foretold.
    pub(super) fn bare(self, value: f64) -> Entry {
        self.figure(value, None)
    }

    /// A value that is not finite has no figure.
    fn figure(self, value: f64, half_width: Option<f64>) -> Entry {
        if !value.is_finite() {
            return Entry::Missing;
        }
        let scaled = value / self.size;
        let half = half_width.map(|half| half / self.size);
        // Ratios and means of counts say nothing below a hundredth, and shares
        // nothing below a thousandth.
        let most = match self {
            PERCENT => 1,
            PLAIN => 2,
            _ => 3,
        };
        let decimals = match half {
            Some(half) if scaled == 0.0 => decimals(half).min(most),
            _ => decimals(scaled).min(most),
        };
        let half_width = half.map(|half| number(round_up(half, decimals), decimals));
        Entry::Figure {
            value: number(scaled, decimals),
            half_width,
        }
    }
}

/// The lower median of the finite values' magnitudes, or 0 without one.
///
/// Of two values it is the smaller: in its unit the larger has many digits,
/// while in the larger's unit the smaller would have none left.
fn typical(values: impl Iterator<Item = f64>) -> f64 {
    let mut magnitudes: Vec<f64> = values.map(f64::abs).filter(|v| v.is_finite()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let middle = magnitudes.len().saturating_sub(1) / 2;
    magnitudes.get(middle).copied().unwrap_or(0.0)
}

/// Three to four significant digits; whole numbers from a thousand on.
fn decimals(value: f64) -> usize {
    match value.abs() {
        v if v >= 999.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        v if v > 0.0 => 3,
        _ => 0,
    }
}

/// A half-width is never shown as less than it is, so `±0` means exactly that.
fn round_up(value: f64, decimals: usize) -> f64 {
    let scale = [1.0, 10.0, 100.0, 1000.0][decimals.min(3)];
    (value * scale - 1e-6).ceil().max(0.0) / scale
}

/// A number with thousands separators, or with an exponent where those no
/// longer help.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e12 {
        return format!("{value:.2e}");
    }
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value < 0.0 && !is_zero { "-" } else { "" };
    format!("{sign}{}{fraction}", grouped(whole))
}

/// A whole number with thousands separators.
pub(super) fn integer(value: u64) -> String {
    if value >= 1_000_000_000_000_000 {
        return format!("{:.2e}", value as f64);
    }
    grouped(&value.to_string())
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A whole number and its noun: "1 mapping", "1,030 mappings".
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", integer(count))
}

/// A time in the unit that suits it: "163.2 us".
pub(super) fn prose(nanoseconds: f64) -> String {
    Unit::of_one(nanoseconds).prose(nanoseconds)
}

/// A share in percent: "12.3".
pub(super) fn percent(share: f64) -> String {
    number(share * 100.0, 1)
}

/// A number for prose, with three to four digits: "1.43".
pub(super) fn significant(value: f64) -> String {
    number(value, decimals(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(unit: Unit, value: f64, half: f64) -> String {
        let ci95 = [value - half, value + half / 2.0];
        unit.entry(Estimate { value, ci95 }).plain()
    }

    #[test]
    fn decimals_follow_the_magnitude() {
        let us = Unit::of_time([163_200.0].into_iter());
        assert_eq!(shown(us, 163_200.0, 1_100.0), "163.2 ±1.1");
        assert_eq!(shown(us, 11_570_000.0, 110_400.0), "11,570 ±111");
        assert_eq!(shown(us, 999_960.0, 10.0), "1,000 ±1");
        assert_eq!(shown(us, 0.0, 0.0), "0 ±0");
        assert_eq!(shown(us, -33_000.0, 200.0), "-33.0 ±0.2");
    }

    #[test]
    fn bounds_are_rounded_up() {
        let [ns, us] = [80.0, 8e4].map(|typical| Unit::of_time([typical].into_iter()));
        assert_eq!(ns.bound(232.1), "< 233");
        assert_eq!(ns.bound(9.11), "< 9.2");
        assert_eq!(us.bound(351.0), "< 0.36");
    }

    #[test]
    fn the_unit_is_the_typical_values() {
        assert_eq!(Unit::of_time([80.0, 90.0, 1e9].into_iter()).name, "ns");
        assert_eq!(Unit::of_time([8e4, 9e4, 1e8].into_iter()).name, "us");
        assert_eq!(Unit::of_time(std::iter::empty()).name, "ns");
        assert_eq!(Unit::of_counts([3e6, 4e6].into_iter()).name, "k");
    }

    #[test]
    fn groups_have_three_digits() {
        assert_eq!(integer(1), "1");
        assert_eq!(integer(60_030), "60,030");
        assert_eq!(integer(1_234_567), "1,234,567");
        assert_eq!(number(-0.0004, 3), "0.000");
        assert_eq!(counted(1, "mapping"), "1 mapping");
    }

    #[test]
    fn what_is_not_finite_has_no_figure() {
        assert_eq!(PLAIN.bare(f64::NAN), Entry::Missing);
        let endless = Estimate {
            value: 1.0,
            ci95: [f64::NAN, f64::INFINITY],
        };
        assert_eq!(PLAIN.entry(endless).plain(), "1.00");
    }
}
