//! GitHub's Markdown: tables with alignment, lists for everything else.

use crate::report::view::{Alignment, Block, Column, Table};

/// The blocks as Markdown, an empty line between two of them.
pub(in crate::report) fn render(blocks: &[Block]) -> String {
    let pieces: Vec<String> = blocks.iter().map(piece).collect();
    pieces.join("\n")
}

fn piece(block: &Block) -> String {
    match block {
        Block::Table(table) => render_table(table),
        Block::Lines { title, lines } => headed(title, lines.iter().map(|line| escape(line))),
        Block::Drawing { title, lines } => drawing(title, lines),
        Block::Legend { title, terms } => {
            let term = |(term, meaning): &(String, String)| {
                format!("**{}**: {}", escape(term), escape(meaning))
            };
            headed(title, terms.iter().map(term))
        }
    }
}

fn headed(title: &str, lines: impl Iterator<Item = String>) -> String {
    let list = list(lines);
    if title.is_empty() {
        list
    } else {
        format!("### {}\n\n{list}", escape(title))
    }
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}\n")).collect()
}

/// A fenced block; backticks, which could end it, become quotation
/// marks.
fn drawing(title: &str, lines: &[String]) -> String {
    let lines: String = lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end().replace('`', "'")))
        .collect();
    format!("### {}\n\n```text\n{lines}```\n", escape(title))
}

fn render_table(table: &Table) -> String {
    let mut out = format!("### {}\n\n", escape(&table.title));
    let headers = table.columns.iter().map(Column::full_header);
    out += &row(headers.map(|header| escape(&header)));
    out += &row(table.columns.iter().map(|column| match column.alignment {
        Alignment::Left => ":---".to_owned(),
        Alignment::Right => "---:".to_owned(),
    }));
    for entries in &table.rows {
        out += &row(entries.iter().map(|entry| escape(&entry.plain())));
    }
    if !table.notes.is_empty() {
        out.push('\n');
        out += &list(table.notes.iter().map(|note| escape(note)));
    }
    out
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Text that Markdown shows as it is. Underscores inside of words need no
/// escape, and names are full of them.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        if matches!(c, '\\' | '`' | '*' | '|' | '<' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::Entry;

    #[test]
    fn no_text_becomes_a_tag_a_link_or_a_cell() {
        let (text, shown) = ("<b>|[x](y)`", "\\<b>\\|\\[x\\](y)\\`");
        let table = Table {
            title: text.to_owned(),
            columns: vec![Column::name(text)],
            rows: vec![vec![Entry::Name(text.to_owned())]],
            rules: Vec::new(),
            notes: vec![text.to_owned()],
        };
        assert_eq!(
            render(&[Block::Table(table)]),
            format!("### {shown}\n\n| {shown} |\n| :--- |\n| {shown} |\n\n- {shown}\n")
        );
    }
}
