//! The memory of this process that forks leave out.

use std::io;

use crate::sys::check;

/// Address ranges with MADV_DONTFORK.
#[derive(Debug)]
pub(super) struct LeftOut(Vec<[usize; 2]>);

impl LeftOut {
    /// Those that there are now.
    ///
    /// # Errors
    /// Those of reading `/proc/self/smaps`.
    pub(super) fn find() -> io::Result<Self> {
        let smaps = std::fs::read("/proc/self/smaps")?;
        Ok(Self(ranges(&String::from_utf8_lossy(&smaps))))
    }

    /// Has forks take them along.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub(super) fn take_in(&self) -> io::Result<()> {
        self.advise(libc::MADV_DOFORK)
    }

    /// Has forks leave them out again.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub(super) fn leave_out(&self) -> io::Result<()> {
        self.advise(libc::MADV_DONTFORK)
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        for [start, end] in &self.0 {
            // SAFETY: neither advice changes anything in this process. A child either has
            // the range as it is here, or lacks it as before: who left it out at first has
            // seen to it that no child uses it.
            check(unsafe { libc::madvise(*start as *mut _, end - start, advice) })?;
        }
        Ok(())
    }
}

/// The ranges in a text such as `/proc/PID/smaps` that forks leave out: with "dc" among their
/// flags (VM_DONTCOPY), and without "io" and "pf", of devices, which take no such advice.
fn ranges(smaps: &str) -> Vec<[usize; 2]> {
    let mut found = Vec::new();
    let mut last = None;
    for line in smaps.lines() {
        match line.strip_prefix("VmFlags:") {
            Some(flags) => {
                let has = |wanted: &str| flags.split_whitespace().any(|flag| flag == wanted);
                let counts = has("dc") && !has("io") && !has("pf");
                found.extend(last.take().filter(|_| counts));
            }
            None => last = header(line).or(last),
        }
    }
    found
}

/// "7f00-7f10 rw-p 00000000 00:00 0".
fn header(line: &str) -> Option<[usize; 2]> {
    let (range, _) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some([hex(start)?, hex(end)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shared::SharedWords;

    #[test]
    fn memory_that_forks_leave_out_has_a_flag() {
        let smaps = "\
7e00-7e10 r-xp 00000000 fe:00 124    /usr/lib/libm.so.6
Size:                  4 kB
VmFlags: rd ex mr mw me dc
7f00-7f10 rw-p 00000000 00:00 0
Size:                  4 kB
VmFlags: rd wr mr mw me
7f20-7f30 rw-s 00000000 00:01 9    /dev/x
VmFlags: rd wr sh io dc
7f40-7f50 rw-s 00000000 00:01 9    /memfd:forktax-records (deleted)
VmFlags: rd wr sh dc
";
        assert_eq!(ranges(smaps), [[0x7e00, 0x7e10], [0x7f40, 0x7f50]]);
        assert_eq!(ranges(""), [[0; 2]; 0]);
    }

    #[test]
    fn this_process_shows_its_own() {
        let words = SharedWords::anonymous(512).unwrap();
        let [start, end] = words.range();
        let found = LeftOut::find().unwrap().0;
        // The kernel may have joined it with another test's.
        let holds = |range: &[usize; 2]| range[0] <= start && end <= range[1];
        assert!(found.iter().any(holds), "{found:x?}");
    }
}
