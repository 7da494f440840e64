//! Libraries that a worker's children do without.

use std::io;

use crate::sys::check;
use crate::sys::threads::Alone;

/// Leaves libm and libgcc_s out of every fork (MADV_DONTFORK), and returns the
/// address ranges that they cover. Whoever is alone has children by `sys::spawn`
/// only, which exec or exit at once, or serve and fork such children.
///
/// Without this a fork from an empty worker would pay for libraries that only
/// the worker's own machinery uses, which is a tenth of such a fork. Nothing is
/// left out where another library is loaded: it may have put its own functions
/// in the place of those that the child calls.
///
/// # Errors
/// Those of reading /proc/self/maps and of madvise(2).
pub fn leave_libraries_out_of_forks(_: Alone) -> io::Result<Vec<[usize; 2]>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let ranges = spare_ranges(&maps);
    for [start, end] in ranges.iter().copied() {
        // SAFETY: the advice changes nothing in this process. A forked child
        // lacks the range, but it calls fork's own return path, execve and
        // _exit of libc and nothing else, and `spare_ranges` has made sure that
        // only libm and libgcc_s are missing and that no library is loaded that
        // could have taken the place of those functions.
        let result = unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTFORK) };
        check(result)?;
    }
    Ok(ranges)
}

/// What is loaded besides the executable itself where nothing is interposed.
const NEEDED: [&str; 4] = ["libc.so", "libc-", "ld-", "libpthread"];
const SPARE: [&str; 3] = ["libm.so", "libm-", "libgcc_s.so"];

/// The ranges of the spare libraries in a text such as /proc/self/maps; none if
/// a library is mapped that is neither needed nor spare.
fn spare_ranges(maps: &str) -> Vec<[usize; 2]> {
    let mut ranges = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(path)) = (fields.next(), fields.nth(4)) else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let is = |known: &[&str]| known.iter().any(|prefix| name.starts_with(prefix));
        if is(&SPARE) {
            ranges.extend(addresses(range));
        } else if name.contains(".so") && !is(&NEEDED) {
            return Vec::new();
        }
    }
    ranges
}

fn addresses(range: &str) -> Option<[usize; 2]> {
    let (start, end) = range.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some([hex(start)?, hex(end)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "\
5500-5600 r-xp 00000000 fe:00 123    /usr/bin/forktax
5700-5800 rw-p 00000000 00:00 0      [heap]
7e00-7e10 r-xp 00000000 fe:00 124    /usr/lib/libm.so.6
7f00-7f10 r-xp 00000000 fe:00 125    /usr/lib/libgcc_s.so.1
7f20-7f30 r-xp 00000000 fe:00 126    /usr/lib/libc.so.6
7f40-7f50 rw-p 00000000 00:00 0
7f60-7f70 r-xp 00000000 fe:00 127    /usr/lib/ld-linux-x86-64.so.2
";

    #[test]
    fn only_libraries_that_a_child_does_not_need_are_spare() {
        assert_eq!(spare_ranges(PLAIN), [[0x7e00, 0x7e10], [0x7f00, 0x7f10]]);
        assert_eq!(spare_ranges(""), [[0; 2]; 0]);
    }

    #[test]
    fn an_interposed_library_keeps_all_in() {
        let preloaded = format!("{PLAIN}7f80-7f90 r-xp 00000000 fe:00 9 /tmp/evil.so\n");
        assert_eq!(spare_ranges(&preloaded), [[0; 2]; 0]);
    }
}
