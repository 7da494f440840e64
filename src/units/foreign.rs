//! What others made: files that anybody may have written, and texts that come from files,
//! from names of programs and from what programs say.
//!
//! There is one door in, [`read_foreign`], and one out: every text from outside passes
//! [`harmless`] or [`write_json_text`] before it is printed or written.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Read, Write};

/// The most bytes of a file that are read: some ten times the shape of a process of
/// 64 GiB whose every second page is missing.
pub const LARGEST_FILE: u64 = 256 << 20;

/// The most bytes of one text in a file. What forktax writes of a host is shorter: a path
/// has 4 KiB (PATH_MAX), an argument or a variable 128 KiB (MAX_ARG_STRLEN), and what is
/// no UTF-8 takes three times as much.
const LONGEST_TEXT: usize = 1 << 20;

/// Why a file is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The bytes could not be had.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// More than is read.
    #[error(
        "the file is larger than {} MiB, and no result or shape is: was another file meant?",
        LARGEST_FILE >> 20
    )]
    TooLarge,
    /// A text in it that is longer than any that was measured.
    #[error(
        "the file holds a text of more than {} bytes at line {line} column {column}, longer \
         than arguments, variables and paths can be: was another file meant?",
        LONGEST_TEXT
    )]
    LongText {
        /// Where the text begins, counted from 1.
        line: usize,
        /// Its byte in the line, counted from 1.
        column: usize,
    },
}

/// The bytes of a file that anybody may have written: not without end, and no text in
/// them is.
///
/// # Errors
/// [`ForeignError`].
pub fn read_foreign(reader: impl Read) -> Result<Vec<u8>, ForeignError> {
    let mut bytes = Vec::new();
    reader.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(ForeignError::TooLarge);
    }
    match long_text(&bytes) {
        None => Ok(bytes),
        Some(start) => {
            let before = &bytes[..start];
            let ends = before.iter().filter(|byte| **byte == b'\n');
            let begin = before.iter().rposition(|byte| *byte == b'\n');
            Err(ForeignError::LongText {
                line: ends.count() + 1,
                column: start - begin.map_or(0, |end| end + 1) + 1,
            })
        }
    }
}

/// Where the first text of JSON begins that is too long. What is broken in other ways is
/// the parser's to tell.
fn long_text(json: &[u8]) -> Option<usize> {
    let (mut start, mut escaped) = (None, false);
    for (at, byte) in json.iter().enumerate() {
        match (start, byte) {
            (Some(start), _) if at - start > LONGEST_TEXT + 1 => return Some(start),
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(_), b'"') => start = None,
            (None, b'"') => start = Some(at),
            _ => {}
        }
    }
    None
}

/// Whether a character may steer a terminal or move or hide what is printed beside it.
///
/// Control characters steer (C0, DEL, C1; a line's end among them). So do the separators
/// of lines and paragraphs where they are taken for a line's end. All others are those
/// that Unicode has renderers leave out (`Default_Ignorable_Code_Point`, Unicode 16,
/// DerivedCoreProperties.txt), and all other format characters (category Cf): marks of
/// direction and of annotations, joiners and fillers of no width, signs that reach over
/// what follows, tags, selectors of variants. Each can change the order or the width of
/// other characters, or tell two names apart that look the same.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Text of at most so many characters, of which none steers: each that would is a space,
/// and where there are more, the middle gives way.
pub fn harmless(text: &str, longest: usize) -> String {
    let text = shortened(text, longest);
    text.chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .collect()
}

/// What a parser says of a file, which may quote it.
pub fn parser_said(error: &impl Display) -> String {
    const LONGEST: usize = 300;
    harmless(&error.to_string(), LONGEST)
}

/// The beginning of a path tells as much as its end.
fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= longest {
        return text.into();
    }
    let kept = longest.saturating_sub(3);
    let head: String = text.chars().take(kept - kept / 2).collect();
    let tail: String = text.chars().skip(count - kept / 2).collect();
    format!("{head}...{tail}").into()
}

/// Writes a piece of a text of JSON that needs no other escape: what would steer is
/// written by its number, so that readers of the JSON get the text as it is.
///
/// # Errors
/// Those of the writer.
pub fn write_json_text(writer: &mut (impl Write + ?Sized), piece: &str) -> io::Result<()> {
    let mut written = 0;
    for (at, c) in piece.char_indices().filter(|(_, c)| steers(*c)) {
        writer.write_all(&piece.as_bytes()[written..at])?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(writer, "\\u{unit:04x}")?;
        }
        written = at + c.len_utf8();
    }
    writer.write_all(&piece.as_bytes()[written..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(bytes: &[u8]) -> String {
        read_foreign(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_file_without_end_is_read_to_the_limit_and_no_further() {
        let said = read_foreign(io::repeat(b' ')).unwrap_err().to_string();
        assert!(said.contains("larger than 256 MiB"), "{said}");
        assert_eq!(read_foreign(&b"{}"[..]).unwrap(), b"{}");
    }

    #[test]
    fn a_text_that_is_too_long_is_named_by_its_place() {
        let text = |length: usize| format!("{{\n \"\\\"\": \"{}\"}}", "x".repeat(length));
        read_foreign(text(LONGEST_TEXT).as_bytes()).unwrap();
        let said = refusal(text(LONGEST_TEXT + 1).as_bytes());
        assert!(said.contains("1048576 bytes at line 2 column 8"), "{said}");
        let unended = [&b"\""[..], &vec![b'\\'; LONGEST_TEXT + 2]].concat();
        assert!(refusal(&unended).contains("line 1 column 1"));
        let numbers = "1, ".repeat(LONGEST_TEXT);
        read_foreign(numbers.as_bytes()).unwrap();
    }

    #[test]
    fn what_steers_is_known_and_what_is_written_is_not() {
        for c in "\0\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{2028}\
                  \u{202e}\u{2066}\u{2069}\u{feff}\u{fe0f}\u{fffa}\u{e0041}"
            .chars()
        {
            assert!(steers(c), "{c:?}");
        }
        assert!(!" ~é±µ–漢\u{301}\u{fffd}🦀".contains(steers));
    }

    #[test]
    fn a_long_text_keeps_both_its_ends() {
        assert_eq!(harmless("/usr/lib\n", 9), "/usr/lib ");
        assert_eq!(harmless("0123456789", 9), "012...789");
        assert_eq!(harmless("0123456789", 8), "012...89");
        assert_eq!(harmless("0123456789", 0), "...");
    }

    proptest! {
        #[test]
        fn a_text_of_json_comes_back_and_its_bytes_steer_nothing(text: String) {
            // What JSON itself demands is escaped by its serialiser.
            let text = text.replace(|c: char| c < ' ' || c == '"' || c == '\\', "");
            let mut bytes = b"\"".to_vec();
            write_json_text(&mut bytes, &text).unwrap();
            bytes.push(b'"');
            prop_assert!(!std::str::from_utf8(&bytes).unwrap().contains(steers));
            prop_assert_eq!(serde_json::from_slice::<String>(&bytes).unwrap(), text);
        }

        #[test]
        fn no_text_is_longer_than_allowed(text: String, longest in 3_usize..20) {
            let told = harmless(&text, longest);
            prop_assert!(told.chars().count() <= longest && !told.contains(steers));
        }
    }
}
