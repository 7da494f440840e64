//! What a mapping is of, and what follows from that.

use std::collections::HashSet;

use super::listed::Listed;
use crate::model::{MappingContent, RegionKind};
use crate::units::steers;

/// The content of each mapping, in their order. `program` is where `/proc/PID/exe`
/// leads, if that was to be seen.
pub fn contents(all: &[Listed], program: Option<&str>) -> Vec<MappingContent> {
    let file = |mapping: &Listed| (mapping.device.clone(), mapping.inode);
    let has_code = |mapping: &&Listed| {
        mapping.has_file() && mapping.permissions.as_bytes().get(2) == Some(&b'x')
    };
    let coded: HashSet<_> = all.iter().filter(has_code).map(file).collect();
    // A program that was run from elsewhere than its path says is the first with code.
    let named = all
        .iter()
        .find(|mapping| mapping.has_file() && program == Some(mapping.name.as_str()));
    let program = named.or_else(|| all.iter().find(has_code)).map(file);
    let of = |mapping: &Listed| {
        let file = file(mapping);
        content(
            mapping,
            program.as_ref() == Some(&file),
            coded.contains(&file),
        )
    };
    all.iter().map(of).collect()
}

fn content(mapping: &Listed, of_program: bool, of_library: bool) -> MappingContent {
    const IN_MEMORY: [&str; 4] = ["/memfd:", "/dev/zero", "/dev/shm/", "/SYSV"];
    let name = mapping.name.as_str();
    let shared = mapping.is_shared();
    if mapping.hugetlb {
        return MappingContent::Hugetlb;
    }
    if is_kernels_own(name) {
        return MappingContent::Kernel;
    }
    match name {
        "[heap]" => MappingContent::Heap,
        "[stack]" => MappingContent::Stack,
        _ if name.starts_with("[stack:") => MappingContent::ThreadStack,
        _ if shared && IN_MEMORY.iter().any(|start| name.starts_with(start)) => {
            MappingContent::SharedMemory
        }
        _ if mapping.has_file() && of_program && !shared => MappingContent::Program,
        _ if mapping.has_file() && of_library && !shared => MappingContent::Library,
        _ if name.starts_with('/') => MappingContent::File,
        _ if shared => MappingContent::SharedMemory,
        _ if mapping.has_file() => MappingContent::File,
        _ => MappingContent::Anonymous,
    }
}

/// Whether pages of no file are anonymous ones here: in private mappings, but for the
/// kernel's own pages, which belong to no file either.
pub fn holds_anon(content: MappingContent, shared: bool) -> bool {
    !shared && content != MappingContent::Kernel
}

/// Whether it is of a file that it is private to.
pub fn is_of_file(content: MappingContent, shared: bool) -> bool {
    use MappingContent::{File, Library, Program};
    !shared && matches!(content, Program | Library | File)
}

/// What a worker builds it of.
pub fn region_kind(content: MappingContent, shared: bool) -> RegionKind {
    match shared {
        true => RegionKind::Shared,
        false if is_of_file(content, shared) => RegionKind::File,
        false => RegionKind::Anon,
    }
}

/// Whether the kernel put its own pages here.
fn is_kernels_own(name: &str) -> bool {
    name == "[vdso]" || name.starts_with("[vvar") || name == "[uprobes]"
}

/// The name that a shape keeps of it: a path, or what prctl(2) called it
/// (PR_SET_VMA_ANON_NAME). What all others are called is said by their content.
///
/// What would steer a terminal is taken out, as names are any bytes.
pub fn kept_name(name: &str) -> Option<String> {
    /// The kernel's limit for a path, and for what is no UTF-8 in it.
    const LONGEST: usize = 4096 * 3;
    let is_kept = name.starts_with('/') || name.starts_with("[anon");
    is_kept.then(|| harmless(name, LONGEST))
}

/// Text without control characters and not too long.
pub fn harmless(text: &str, longest: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() + c.len_utf8() > longest {
            break;
        }
        kept.push(if steers(c) { '?' } else { c });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::listed;
    use super::*;
    use MappingContent::{
        Anonymous, File, Heap, Hugetlb, Kernel, Library, Program, SharedMemory, Stack,
    };

    fn of(lines: &str, program: Option<&str>) -> Vec<MappingContent> {
        contents(&listed(lines.as_bytes()).unwrap(), program)
    }

    const LINES: &str = "\
1000-2000 r--p 0 fe:00 7    /lib/a.so
2000-3000 r-xp 0 fe:00 7    /lib/a.so
3000-4000 r--p 0 fe:00 8    /bin/x
4000-5000 r-xp 0 fe:00 8    /bin/x
5000-6000 rw-p 0 00:00 0 
6000-7000 rw-p 0 00:00 0    [heap]
7000-8000 r--s 0 fe:00 8    /bin/x
8000-9000 r--p 0 fe:00 9    /etc/x
9000-a000 rw-s 0 00:01 3    /dev/zero (deleted)
a000-b000 rw-s 0 00:01 4    /memfd:x (deleted)
b000-c000 rw-p 0 00:01 5    /memfd:y (deleted)
c000-d000 rw-p 0 00:00 0    [anon:arena]
d000-e000 rw-s 0 00:01 6    [anon_shmem:x]
e000-f000 rw-p 0 00:00 0    [stack]
f000-f100 r-xp 0 00:00 0    [vdso]
f100-f200 r--p 0 00:00 0    [vvar_vclock]
f200-f300 rw-p 0 00:0f 9    /anon_hugepage (deleted)
VmFlags: rd wr ht
";

    #[test]
    fn mappings_are_told_apart_by_file_and_name() {
        let [a, x] = [Library, Program];
        let rest = [
            Anonymous,
            Heap,
            File,
            File,
            SharedMemory,
            SharedMemory,
            File,
            Anonymous,
            SharedMemory,
            Stack,
            Kernel,
            Kernel,
            Hugetlb,
        ];
        assert_eq!(
            of(LINES, Some("/bin/x")),
            [&[a, a, x, x][..], &rest].concat()
        );
        // Without its path, the first with code.
        assert_eq!(of(LINES, None)[..4], [x, x, a, a]);
        assert_eq!(of(LINES, Some("/gone"))[..4], [x, x, a, a]);
    }

    #[test]
    fn names_are_kept_if_they_say_more_than_the_content() {
        assert_eq!(kept_name("[heap]"), None);
        assert_eq!(kept_name(""), None);
        assert_eq!(kept_name("[vdso]"), None);
        assert_eq!(kept_name("[anon:x]").unwrap(), "[anon:x]");
        assert_eq!(kept_name("/a\u{1b}[2J\u{85}").unwrap(), "/a?[2J?");
        assert_eq!(
            kept_name(&format!("/{}", "é".repeat(9000))).unwrap().len(),
            12_287
        );
    }
}
