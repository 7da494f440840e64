//! The page-table tree below one mapping, as a drawing.

use crate::model::{Level, PageTables, Tree, TreeNode};

use super::super::number::{counted, integer};
use super::super::table::Block;
use super::names;

/// Tables below this depth are not drawn: no machine has them.
const DEEPEST: usize = 8;

/// Draws the tree; the tables by level know how many entries a table has.
pub(super) fn drawing(tree: &Tree, tables: &PageTables) -> Block {
    let mut lines = vec![line(&tree.root, tables, true)];
    branch(&tree.root, tables, "", &mut lines, 1);
    Block::Drawing {
        title: format!("Page tables of {}", tree.mapping),
        lines,
    }
}

/// Draws what is below a table, each line after what leads to it.
fn branch(node: &TreeNode, tables: &PageTables, lead: &str, lines: &mut Vec<String>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    for (index, below) in node.below.iter().enumerate() {
        let last = index + 1 == node.below.len() && node.more == 0;
        let (knee, rail) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        lines.push(format!("{lead}{knee}{}", line(below, tables, false)));
        branch(below, tables, &format!("{lead}{rail}"), lines, depth + 1);
    }
    if node.more > 0 {
        lines.push(format!("{lead}└─ … {}", counted(node.more, "more table")));
    }
}

/// "PTE 0x7f8000000000  3 of 512 entries".
fn line(node: &TreeNode, tables: &PageTables, root: bool) -> String {
    let start = if root {
        String::new()
    } else {
        format!(" {:#014x}", node.start)
    };
    let of = capacity(node.level, tables).map_or(String::new(), |all| format!(" of {all}"));
    let noun = if root { " entries used" } else { "" };
    format!(
        "{}{start}  {}{of}{noun}",
        names::level(node.level),
        integer(node.used)
    )
}

fn capacity(level: Level, tables: &PageTables) -> Option<String> {
    let level = tables.levels.iter().find(|known| known.level == level)?;
    Some(integer(level.capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(level: Level, below: Vec<TreeNode>, more: u64) -> TreeNode {
        TreeNode {
            level,
            start: 0x7f80_0000_0000,
            used: below.len() as u64 + more,
            below,
            more,
        }
    }

    #[test]
    fn every_table_hangs_on_the_one_above_it() {
        let pte = || node(Level::Pte, Vec::new(), 0);
        let pmd = node(Level::Pmd, vec![pte(), pte()], 41);
        let root = node(Level::Pgd, vec![pmd, node(Level::Pmd, vec![pte()], 0)], 0);
        let tables = PageTables {
            kinds: Vec::new(),
            levels: vec![crate::model::TableLevel {
                level: Level::Pmd,
                tables: 2,
                used: 44,
                capacity: 512,
            }],
            huge_entries: 0,
            vm_pte_bytes: 0,
            tree: None,
        };
        let mapping = "7f80-7f90 rw-p [heap]".to_owned();
        let Block::Drawing { title, lines } = drawing(&Tree { mapping, root }, &tables) else {
            panic!("a drawing");
        };
        assert_eq!(title, "Page tables of 7f80-7f90 rw-p [heap]");
        assert_eq!(
            lines,
            [
                "PGD  2 entries used",
                "├─ PMD 0x7f8000000000  43 of 512",
                "│  ├─ PTE 0x7f8000000000  0",
                "│  ├─ PTE 0x7f8000000000  0",
                "│  └─ … 41 more tables",
                "└─ PMD 0x7f8000000000  1 of 512",
                "   └─ PTE 0x7f8000000000  0",
            ]
        );
    }
}
