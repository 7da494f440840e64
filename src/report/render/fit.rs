//! Blocks made fit to be laid out: no text in them steers a terminal, and none is so long
//! that one entry would widen a whole table.

use crate::report::view::{Block, Column, Entry, Table};
use crate::units::harmless;

/// The most characters of an entry, and of one item of a list: what the narrowest page has.
const ENTRY: usize = 80;

/// The most characters of a line of prose: more than any path or usual command has.
const LINE: usize = 4_096;

/// The same blocks, fit.
pub(super) fn blocks(blocks: &[Block]) -> Vec<Block> {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> Block {
    match block {
        Block::Table(of) => Block::Table(table(of)),
        Block::Lines { title, lines } => Block::Lines {
            title: line(title),
            lines: all(lines),
        },
        Block::Drawing { title, lines } => Block::Drawing {
            title: line(title),
            lines: all(lines),
        },
        Block::Legend { title, terms } => Block::Legend {
            title: line(title),
            terms: terms.iter().map(term).collect(),
        },
    }
}

fn table(table: &Table) -> Table {
    let row = |row: &Vec<Entry>| {
        let columns = table.columns.iter();
        columns.zip(row).map(|(of, it)| entry(of, it)).collect()
    };
    Table {
        title: line(&table.title),
        columns: table.columns.iter().map(column).collect(),
        rows: table.rows.iter().map(row).collect(),
        rules: table.rules.clone(),
        notes: all(&table.notes),
    }
}

fn column(column: &Column) -> Column {
    Column {
        header: word(&column.header),
        subheader: word(&column.subheader),
        legend: column.legend.as_ref().map(term),
        ..column.clone()
    }
}

fn entry(column: &Column, entry: &Entry) -> Entry {
    match entry {
        Entry::Name(list) if column.wraps => {
            let items: Vec<String> = list.split(", ").map(word).collect();
            Entry::Name(items.join(", "))
        }
        Entry::Name(name) => Entry::Name(word(name)),
        Entry::Figure { value, half_width } => Entry::Figure {
            value: word(value),
            half_width: half_width.as_deref().map(word),
        },
        Entry::Blank | Entry::Missing => entry.clone(),
    }
}

fn term((term, meaning): &(String, String)) -> (String, String) {
    (word(term), line(meaning))
}

fn all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|text| line(text)).collect()
}

fn line(text: &str) -> String {
    harmless(text, LINE)
}

fn word(text: &str) -> String {
    harmless(text, ENTRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_widens_no_table_and_a_list_keeps_its_items() {
        let long = "x".repeat(100_000);
        let list = Column {
            wraps: true,
            ..Column::name("list")
        };
        let of = Table {
            title: "\u{1b}[31mtitle".to_owned(),
            columns: vec![Column::name("name"), list],
            rows: vec![vec![
                Entry::Name(long.clone()),
                Entry::Name(format!("{long}, b\n, c")),
            ]],
            rules: Vec::new(),
            notes: vec![long.clone()],
        };
        let Block::Table(fit) = block(&Block::Table(of)) else {
            panic!("it is another block");
        };
        assert_eq!(fit.title, " [31mtitle");
        assert_eq!(fit.rows[0][0].plain().len(), ENTRY);
        assert!(fit.rows[0][1].plain().ends_with("xxx, b , c"));
        assert_eq!(fit.notes[0].len(), LINE);
    }
}
