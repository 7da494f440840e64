//! The ancestors of a process that was forked and has executed nothing since: the kernel has
//! linked its mappings to an `anon_vma` of each that had them with a page in them
//! (mm/rmap.c, `anon_vma_fork`). The links are not to be seen; the ancestors are, as long as
//! they live.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::analysis::mappings::{Listed, kept_name};
use crate::lab::census::files::ProcessFiles;
use crate::model::ShapeMapping;
use crate::vm::MOST_GENERATIONS;

/// Those that live.
#[derive(Debug, Default)]
pub(super) struct Ancestors {
    /// The memory of each.
    memory: Vec<Vec<Listed>>,
    /// Whether there are or were others.
    pub(super) unseen: bool,
}

impl Ancestors {
    /// Those of a process, the parent first, with their mappings as `list`, `maps` or `smaps`,
    /// shows them.
    pub(super) fn of(files: &ProcessFiles, list: &str) -> Self {
        let mut found = Self::default();
        let Some(mut child) = Standing::of(files) else {
            return found;
        };
        while child.is_forked {
            let parent = parent(files, &child);
            let memory = parent.and_then(|(parent, standing)| {
                let memory = parent.listed(list).ok()?;
                Some((memory, standing))
            });
            let Some((memory, standing)) = memory.filter(|_| !found.are_most()) else {
                found.unseen = true;
                break;
            };
            found.memory.push(memory);
            child = standing;
        }
        found
    }

    /// Whether a worker is given no more.
    fn are_most(&self) -> bool {
        self.memory.len() as u64 >= MOST_GENERATIONS
    }

    /// Notes which of them have a mapping as well.
    pub(super) fn mark(&self, mappings: &mut [ShapeMapping], page_size: u64) {
        for mapping in mappings.iter_mut().filter(|mapping| mapping.anon_vma) {
            let have = self
                .memory
                .iter()
                .filter(|all| has(all, mapping, page_size));
            mapping.generations = have.count() as u64;
        }
    }
}

/// Whether among the mappings of an ancestor is one that a mapping is, or is a part of: in its
/// place, of the same name, and with anonymous pages, where those are told.
fn has(all: &[Listed], mapping: &ShapeMapping, page_size: u64) -> bool {
    let start = mapping.first_page.saturating_mul(page_size);
    let end = mapping.end_page().saturating_mul(page_size);
    let first = all.partition_point(|listed| listed.end <= start);
    let there = all[first..].iter().take_while(|listed| listed.start < end);
    there.into_iter().any(|listed| {
        let holds = !listed.has_figures || listed.anonymous + listed.swapped > 0;
        holds
            && listed.is_shared() == mapping.is_shared()
            && kept_name(&listed.name) == mapping.name
    })
}

/// The parent of a process, if that has forked it and is the same program still. A child that
/// has lost its parent gets another one, which was not forked from it and mostly is another
/// program; and a parent may have executed a program since.
fn parent(files: &ProcessFiles, child: &Standing) -> Option<(ProcessFiles, Standing)> {
    let parent = ProcessFiles {
        directory: files.directory.with_file_name(child.parent.to_string()),
        pid: child.parent,
    };
    let standing = Standing::of(&parent)?;
    let is_older = standing.started <= child.started;
    let is_known = child.image.iter().all(|address| *address > 1) && child.program.is_some();
    let is_same = standing.image == child.image && standing.program == child.program;
    (is_older && is_known && is_same).then_some((parent, standing))
}

/// What tells whose child a process is.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    parent: i32,
    /// PF_FORKNOEXEC (include/linux/sched.h).
    is_forked: bool,
    /// When it was forked, in ticks since boot.
    started: u64,
    /// Where its code begins and ends, its stack begins, and its heap: an exec places them
    /// anew, mostly at random, and a fork keeps them. Not shown without the right to trace it:
    /// 0 then, or 1 (fs/proc/array.c, `do_task_stat`).
    image: [u64; 4],
    /// Its executable: device and inode.
    program: Option<[u64; 2]>,
}

impl Standing {
    fn of(files: &ProcessFiles) -> Option<Self> {
        let program = fs::metadata(files.directory.join("exe")).ok();
        let program = program.map(|file| [file.dev(), file.ino()]);
        Self::parsed(&files.text("stat")?, program)
    }

    /// From the fields of `stat`, which proc(5) counts from 1; the second, the name in
    /// brackets, may hold any character.
    fn parsed(stat: &str, program: Option<[u64; 2]>) -> Option<Self> {
        const FORKED: u64 = 0x40;
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let address = |number| field(number).unwrap_or(0);
        Some(Self {
            parent: i32::try_from(field(4)?).ok()?,
            is_forked: field(9)? & FORKED != 0,
            started: field(22)?,
            image: [26, 27, 28, 47].map(address),
            program,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::analysis::mappings::listed;
    use crate::model::MappingContent;

    /// Of a shell that has forked itself.
    const STAT: &str = include_str!("../../../tests/data/proc/stat-forked.txt");
    const HEAP: &str = "\
55d200000000-55d200021000 rw-p 00000000 00:00 0                          [heap]
Anonymous:            64 kB
7f0000000000-7f0000004000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7f0000004000-7f0000008000 r--p 00000000 00:00 0
Anonymous:             4 kB
";

    /// `stat` with some of its fields, counted from 1, changed.
    fn stat(changes: &[(usize, &str)]) -> String {
        let (name, fields) = STAT.trim().rsplit_once(") ").unwrap();
        let mut fields: Vec<&str> = fields.split(' ').collect();
        for (number, value) in changes {
            fields[number - 3] = value;
        }
        format!("{name}) {}\n", fields.join(" "))
    }

    /// A process in a directory such as /proc.
    fn process(root: &Path, pid: i32, stat: &str, program: &str) -> ProcessFiles {
        let directory = root.join(pid.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("stat"), stat).unwrap();
        fs::write(directory.join("smaps"), HEAP).unwrap();
        fs::write(root.join(program), "").unwrap();
        symlink(root.join(program), directory.join("exe")).unwrap();
        ProcessFiles { directory, pid }
    }

    const EXECUTED: (usize, &str) = (9, "4194304");

    /// How many ancestors are seen of the process 30, the child of 20, whose parent is 10, and
    /// whether there are others.
    fn seen(parent: &[(usize, &str)], program: &str, first: &[(usize, &str)]) -> (usize, bool) {
        let root = tempfile::tempdir().unwrap();
        let last = process(root.path(), 30, &stat(&[(4, "20"), (22, "900")]), "sh");
        let of_parent = [&[(4, "10"), (22, "800")], parent].concat();
        process(root.path(), 20, &stat(&of_parent), program);
        let of_first = [&[(4, "1"), (22, "700"), EXECUTED], first].concat();
        process(root.path(), 10, &stat(&of_first), "sh");
        let found = Ancestors::of(&last, "smaps");
        (found.memory.len(), found.unseen)
    }

    #[test]
    fn a_captured_process_was_forked() {
        let standing = Standing::parsed(STAT, None).unwrap();
        assert!(standing.is_forked && standing.parent > 1 && standing.started > 0);
        assert!(standing.image.iter().all(|address| *address > 4096));
        assert_eq!(Standing::parsed("7 (a) b) S 1 7", None), None);
        assert_eq!(Standing::parsed("", None), None);
    }

    #[test]
    fn the_line_ends_with_the_one_that_has_executed_the_program() {
        assert_eq!(seen(&[], "sh", &[]), (2, false));
        assert_eq!(seen(&[EXECUTED], "sh", &[]), (1, false));
    }

    #[test]
    fn a_parent_that_did_not_fork_the_process_is_none_of_its_ancestors() {
        // Started later, another program, executed since, hidden, or gone.
        assert_eq!(seen(&[(22, "901")], "sh", &[]), (0, true));
        assert_eq!(seen(&[], "init", &[]), (0, true));
        assert_eq!(seen(&[(28, "140720000000000")], "sh", &[]), (0, true));
        assert_eq!(seen(&[(28, "0")], "sh", &[]), (0, true));
        assert_eq!(seen(&[(4, "11")], "sh", &[]), (1, true));
        assert_eq!(seen(&[], "sh", &[(26, "1")]), (1, true));
    }

    #[test]
    fn no_more_are_counted_than_workers_are_given() {
        let root = tempfile::tempdir().unwrap();
        let line = |last: i32| {
            for pid in 2..=last {
                let parent = (pid - 1).to_string();
                let known = root.path().join(pid.to_string()).exists();
                if !known {
                    process(root.path(), pid, &stat(&[(4, &parent)]), "sh");
                }
            }
            let files = ProcessFiles {
                directory: root.path().join(last.to_string()),
                pid: last,
            };
            let found = Ancestors::of(&files, "smaps");
            (found.memory.len(), found.unseen)
        };
        process(root.path(), 1, &stat(&[(4, "0"), EXECUTED]), "sh");
        assert_eq!(line(3), (2, false));
        assert_eq!(line(65), (64, false));
        assert_eq!(line(66), (64, true));
    }

    #[test]
    fn what_ancestors_have_in_the_same_place_is_theirs_as_well() {
        let smaps = listed(HEAP.as_bytes()).unwrap();
        let without = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("Anonymous"));
            listed(lines.collect::<Vec<_>>().join("\n").as_bytes()).unwrap()
        };
        let of = |first_page, pages, name: Option<&str>| ShapeMapping {
            anon_vma: true,
            name: name.map(str::to_owned),
            ..ShapeMapping::untouched(first_page, pages, MappingContent::Anonymous)
        };
        let marked = |memory: Vec<Vec<Listed>>, mapping: ShapeMapping| {
            let mut all = [mapping];
            let ancestors = Ancestors {
                memory,
                unseen: false,
            };
            ancestors.mark(&mut all, 4096);
            all[0].generations
        };
        let both = || vec![smaps.clone(), without(HEAP)];
        // The second does not tell which has pages.
        assert_eq!(marked(both(), of(0x7_f000_0000, 2, None)), 1);
        assert_eq!(marked(both(), of(0x7_f000_0005, 9, None)), 2);
        assert_eq!(marked(both(), of(0x7_f000_0008, 9, None)), 0);
        assert_eq!(marked(both(), of(0x7_f000_0005, 9, Some("/x"))), 0);
        let untouched = ShapeMapping::untouched(0x7_f000_0005, 2, MappingContent::Anonymous);
        assert_eq!(marked(both(), untouched), 0);
    }
}
