//! Pictures as SVG, written by hand: one file a kind of picture.
//!
//! The same picture gives the same bytes: coordinates have one decimal and
//! nothing depends on fonts or clocks. Every text is escaped.

mod bars;
mod plot;
mod sheet;

use std::fmt::Write;
use std::io;

use crate::report::view::Picture;
use crate::units::harmless;

/// A colour for each hue, from the palettes of Okabe and Ito and of Tol, which
/// people who are colour-blind can tell apart; neighbours differ in lightness.
const PALETTE: [&str; 13] = [
    "#0072B2", "#B5E0F5", "#F0E442", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#882255",
    "#DDCC77", "#999933", "#56B4E9", "#332288", "#BBBBBB",
];

/// Colours on which black text cannot be read.
const DARK: [&str; 5] = ["#0072B2", "#D55E00", "#009E73", "#882255", "#332288"];

/// The empty edge around a picture.
const MARGIN: f64 = 24.0;

/// From one line of text to the next.
const LINE: f64 = 18.0;

/// The space of one character of the labels, by which they are judged to fit.
const CHARACTER: f64 = 6.6;

/// The most characters of a text; no picture is as wide as a file may say.
const LONGEST: usize = 300;

/// The colour of a hue.
fn colour(hue: usize) -> &'static str {
    PALETTE[hue % PALETTE.len()]
}

/// The room that a label takes.
fn label_width(label: &str) -> f64 {
    label.chars().count().min(LONGEST) as f64 * CHARACTER
}

/// The picture.
pub(in crate::report) fn render(picture: &Picture) -> io::Result<String> {
    match picture {
        Picture::Bars(chart) => Ok(bars::render(chart).svg()),
        Picture::Lines(plot) => Ok(plot::render(plot)?.svg()),
        Picture::Both(plot, chart) => Ok(plot::render(plot)?.above(&bars::render(chart)).svg()),
    }
}

/// Text that is nothing but text in XML, attributes included.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text, LONGEST).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 knows no such character, not even as a reference.
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            // A reference is safe in a reader that takes the file for Latin-1.
            c if !c.is_ascii() => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            escape("a<b> & \"c\" \u{1b}[0m \u{202e}é\u{ffff}"),
            "a&lt;b&gt; &amp; &quot;c&quot;  [0m  &#233; "
        );
    }
}
