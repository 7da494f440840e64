//! The document as JSON: indented, but with arrays of numbers on one line, so
//! that thousands of samples do not take thousands of lines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::model::Stored;
use crate::units::write_json_text;

/// A result, with a final newline.
pub(in crate::report) fn render(stored: &Stored) -> io::Result<Vec<u8>> {
    match stored {
        Stored::Run(document) => of(document),
        Stored::Comparison(comparison) => of(comparison),
    }
}

fn of(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    document.serialize(&mut Serializer::with_formatter(
        &mut bytes,
        Layout::default(),
    ))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Puts an array's element on a line of its own only once it turns out to be
/// something else than a number.
#[derive(Default)]
struct Layout {
    /// For each open array or object: whether an element began a new line.
    broken: Vec<bool>,
    /// An array's element was announced; what it is is not known yet.
    announced: Option<Position>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    First,
    Later,
}

impl Layout {
    fn new_line<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if let Some(broken) = self.broken.last_mut() {
            *broken = true;
        }
        write!(writer, "\n{:1$}", "", 2 * self.broken.len())
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.before_other(writer)?;
        self.broken.push(false);
        writer.write_all(bracket)
    }

    fn before_number<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.announced.take() {
            Some(Position::Later) => writer.write_all(b" "),
            Some(Position::First) | None => Ok(()),
        }
    }

    fn before_other<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.announced.take() {
            Some(_) => self.new_line(writer),
            None => Ok(()),
        }
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.broken.pop() == Some(true) {
            write!(writer, "\n{:1$}", "", 2 * self.broken.len())?;
        }
        writer.write_all(bracket)
    }
}

/// The scalars that stay on their array's line.
macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            self.before_number(writer)?;
            CompactFormatter.$method(writer, value)
        })*
    };
}

impl Formatter for Layout {
    scalars!(
        write_bool: bool, write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64,
        write_i128: i128, write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64,
        write_u128: u128, write_f32: f32, write_f64: f64, write_number_str: &str
    );

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.before_number(writer)?;
        CompactFormatter.write_null(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.before_other(writer)?;
        CompactFormatter.begin_string(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_json_text(writer, fragment)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            self.announced = Some(Position::First);
            return Ok(());
        }
        self.announced = Some(Position::Later);
        writer.write_all(b",")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_number_starts_a_line() {
        let value = serde_json::json!({
            "bare": [], "flat": [1, 2.5, null], "names": ["a", "b"], "nested": [[1, 2], [{}]]
        });
        let mut bytes = Vec::new();
        value
            .serialize(&mut Serializer::with_formatter(
                &mut bytes,
                Layout::default(),
            ))
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let expected = r#"{
  "bare": [],
  "flat": [1, 2.5, null],
  "names": [
    "a",
    "b"
  ],
  "nested": [
    [1, 2],
    [
      {}
    ]
  ]
}"#;
        assert_eq!(text, expected);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
