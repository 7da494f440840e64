//! Plain text for a terminal of some width. The only user of prettytable.
//!
//! A table that is too wide first gives up the intervals of its yielding
//! columns and breaks the lists of its last one; if that is not enough, it is
//! continued in further parts, as few as can be, under the same key columns.

use std::io;

use prettytable::format::{Alignment as Side, FormatBuilder, LinePosition, LineSeparator};
use prettytable::{Cell, Row};

use crate::report::view::{Alignment, Block, Column, Entry, Table};

/// The blocks as text, an empty line between two of them. No line is longer than `page`,
/// unless it is one long word.
pub(in crate::report) fn render(blocks: &[Block], page: usize) -> io::Result<Vec<u8>> {
    let mut pieces = Vec::new();
    for block in blocks {
        pieces.push(match block {
            Block::Table(table) => render_table(table, page)?,
            Block::Lines { title, lines } => {
                let lines = lines.iter().map(|line| wrap(line, 2, page));
                headed(title, lines, page)
            }
            Block::Drawing { title, lines } => {
                let lines = lines.iter().map(|line| cut(line, page));
                headed(title, std::iter::once("\n".to_owned()).chain(lines), page)
            }
            Block::Legend { title, terms } => headed(title, legend(terms, page), page),
        });
    }
    Ok(pieces.join("\n").into_bytes())
}

fn headed(title: &str, lines: impl IntoIterator<Item = String>, page: usize) -> String {
    let mut out = String::new();
    if !title.is_empty() {
        out.push_str(&wrap(title, 2, page));
    }
    out.extend(lines);
    out
}

/// A line of a drawing as it is, unless it would leave the terminal.
fn cut(line: &str, page: usize) -> String {
    let line: String = line.chars().take(page).collect();
    line.trim_end().to_owned() + "\n"
}

fn legend(terms: &[(String, String)], page: usize) -> Vec<String> {
    let width = terms.iter().map(|(term, _)| width(term)).max().unwrap_or(0);
    terms
        .iter()
        .map(|(term, meaning)| {
            let indent = width + 2;
            wrap_after(&format!("{term:indent$}"), meaning, indent, page)
        })
        .collect()
}

/// One line a paragraph, broken between words, further lines indented.
fn wrap(paragraph: &str, indent: usize, page: usize) -> String {
    wrap_after("", paragraph, indent, page)
}

/// The same, after a term that fills the indent of the first line.
fn wrap_after(term: &str, paragraph: &str, indent: usize, page: usize) -> String {
    let mut lines = vec![term.to_owned()];
    let mut fresh = true;
    for word in paragraph.split_whitespace() {
        let line = lines.last().map_or(0, |line| width(line));
        if !fresh && line + 1 + width(word) > page {
            lines.push(" ".repeat(indent));
            fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        fresh = false;
    }
    lines.join("\n").trim_end().to_owned() + "\n"
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn render_table(table: &Table, page: usize) -> io::Result<String> {
    let mut out = wrap(&table.title, 2, page);
    let (columns, parts) = lay_out(table, page);
    for part in parts {
        out.push('\n');
        out.push_str(&grid(&columns, &part, &table.rules)?);
    }
    if !table.notes.is_empty() {
        out.push('\n');
        out.extend(table.notes.iter().map(|note| wrap(note, 5, page)));
    }
    Ok(out)
}

/// A column with its entries padded against each other.
#[derive(Clone)]
struct Padded<'a> {
    column: &'a Column,
    entries: Vec<String>,
    width: usize,
}

impl<'a> Padded<'a> {
    /// As wide as the longest line of its head and its entries.
    fn measure(&mut self) {
        let head = [self.column.header.as_str(), &self.column.subheader];
        let lines = self.entries.iter().flat_map(|entry| entry.lines());
        self.width = lines.chain(head).map(width).max().unwrap_or(0);
    }

    fn new(table: &'a Table, index: usize, drop_intervals: bool) -> Self {
        let column = &table.columns[index];
        let entries = table.rows.iter().filter_map(|row| row.get(index));
        let mut padded = Self {
            column,
            entries: line_up(&entries.collect::<Vec<_>>(), drop_intervals),
            width: 0,
        };
        padded.measure();
        padded
    }
}

/// Pads what follows a value, so that right-aligned values stand in line.
fn line_up(entries: &[&Entry], drop_intervals: bool) -> Vec<String> {
    let tail = |entry: &Entry| match entry {
        Entry::Figure {
            half_width: Some(half),
            ..
        } if !drop_intervals => format!(" ±{half}"),
        _ => String::new(),
    };
    let tails = entries.iter().map(|entry| width(&tail(entry)));
    let longest = tails.max().unwrap_or(0);
    let padded = |entry: &&Entry| match entry {
        Entry::Figure { value, .. } => format!("{value}{:longest$}", tail(entry)),
        Entry::Missing => format!("n/a{:longest$}", ""),
        Entry::Name(name) => name.clone(),
        Entry::Blank => String::new(),
    };
    entries.iter().map(padded).collect()
}

/// The columns, and the parts that they are printed in.
fn lay_out(table: &Table, page: usize) -> (Vec<Padded<'_>>, Vec<Vec<usize>>) {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let pad = |drop: bool| -> Vec<Padded<'_>> {
        all.iter()
            .map(|index| Padded::new(table, *index, drop && table.columns[*index].yields))
            .collect()
    };
    let (whole, bare) = (pad(false), pad(true));
    let others = &all[..all.len().saturating_sub(1)];
    let broken = break_last(whole.clone(), others, page);
    for columns in [&whole, &bare, &broken] {
        if total(columns, &all) <= page {
            return (columns.clone(), vec![all]);
        }
    }
    let is_key = |index: &usize| table.columns[*index].key;
    let keys: Vec<usize> = all.iter().copied().filter(is_key).collect();
    let [whole, bare] = [whole, bare].map(|columns| {
        let broken = break_last(columns, &keys, page);
        let parts = split(&broken, page);
        (broken, parts)
    });
    if bare.1.len() < whole.1.len() {
        bare
    } else {
        whole
    }
}

/// The columns with the lists of the last one, if it has lists, broken so that
/// it fits beside some others.
fn break_last<'a>(mut columns: Vec<Padded<'a>>, beside: &[usize], page: usize) -> Vec<Padded<'a>> {
    let room = page.saturating_sub(total(&columns, beside) + 2);
    if let Some(last) = columns.last_mut().filter(|last| last.column.wraps) {
        for entry in &mut last.entries {
            *entry = break_list(entry, room);
        }
        last.measure();
    }
    columns
}

/// A list, broken after commas where a line would be wider than the room.
fn break_list(list: &str, room: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for item in list.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if width(line) + width(item.trim_end()) <= room => line.push_str(item),
            _ => lines.push(item.to_owned()),
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// The width of some columns with two spaces between them.
fn total(columns: &[Padded<'_>], part: &[usize]) -> usize {
    let widths = part.iter().map(|index| columns[*index].width + 2);
    widths.sum::<usize>().saturating_sub(2)
}

/// As few parts as fit, and those of about the same width.
fn split(columns: &[Padded<'_>], page: usize) -> Vec<Vec<usize>> {
    let widest = fill(columns, page);
    let even = (0..page).map(|limit| fill(columns, limit));
    let even = even.into_iter().find(|parts| {
        let fits = parts.iter().all(|part| total(columns, part) <= page);
        fits && parts.len() == widest.len()
    });
    even.unwrap_or(widest)
}

/// Fills each part with columns as long as it has room; all have the keys.
fn fill(columns: &[Padded<'_>], limit: usize) -> Vec<Vec<usize>> {
    let of_kind = |key: bool| (0..columns.len()).filter(move |at| columns[*at].column.key == key);
    let keys: Vec<usize> = of_kind(true).collect();
    let mut parts = Vec::new();
    let mut part = keys.clone();
    for index in of_kind(false) {
        let with = |part: &[usize]| {
            let mut wider = part.to_vec();
            wider.push(index);
            wider.sort_unstable();
            wider
        };
        let mut wider = with(&part);
        if total(columns, &wider) > limit && part.len() > keys.len() {
            parts.push(part);
            wider = with(&keys);
        }
        part = wider;
    }
    parts.push(part);
    parts
}

/// Rules under the heads and before some rows, two spaces between columns, and
/// nothing else.
fn grid(columns: &[Padded<'_>], indices: &[usize], rules: &[usize]) -> io::Result<String> {
    let mut grid = prettytable::Table::new();
    grid.set_format(
        FormatBuilder::new()
            .column_separator(' ')
            .padding(0, 1)
            .separator(LinePosition::Title, LineSeparator::new('-', '-', '-', '-'))
            .build(),
    );
    let part: Vec<&Padded<'_>> = indices.iter().map(|index| &columns[*index]).collect();
    let two_lines = part.iter().any(|p| !p.column.subheader.is_empty());
    let heads = part.iter().map(|padded| head(padded.column, two_lines));
    grid.set_titles(Row::new(heads.collect()));
    let rows = part.iter().map(|padded| padded.entries.len());
    // The line that each rule stands before, the head and its rule included.
    let (mut line, mut ruled) = (2 + usize::from(two_lines), Vec::new());
    for row in 0..rows.max().unwrap_or(0) {
        let entry = |padded: &&Padded<'_>| padded.entries.get(row).cloned().unwrap_or_default();
        let cells = part
            .iter()
            .map(|padded| Cell::new_align(&entry(padded), side(padded.column)));
        grid.add_row(Row::new(cells.collect()));
        if rules.contains(&row) {
            ruled.push(line);
        }
        let heights = part.iter().map(|padded| entry(padded).lines().count());
        line += heights.max().unwrap_or(0).max(1);
    }
    let mut bytes = Vec::new();
    grid.print(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    // The rule goes one beyond its last column, which is padded on the right.
    let width = total(columns, indices);
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        if ruled.contains(&index) {
            out += &("-".repeat(width) + "\n");
        }
        let line: String = line.chars().take(width).collect();
        out += &(line.trim_end().to_owned() + "\n");
    }
    Ok(out)
}

fn head(column: &Column, two_lines: bool) -> Cell {
    let text = if two_lines {
        format!("{}\n{}", column.header, column.subheader)
    } else {
        column.header.clone()
    };
    Cell::new_align(&text, side(column))
}

fn side(column: &Column) -> Side {
    match column.alignment {
        Alignment::Left => Side::LEFT,
        Alignment::Right => Side::RIGHT,
    }
}
