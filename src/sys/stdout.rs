//! Whether this process was given a standard output that takes anything.
//!
//! The standard library puts /dev/null in the place of a closed one before `main`
//! (library/std/src/sys/pal/unix/mod.rs, `sanitize_standard_fds`), and takes it for written
//! what one that is open for reading alone refuses: what is printed is then lost without an
//! error. So libc is told to look before that.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// Called before `main` by libc, or by its loader.
#[used]
// SAFETY: an entry of this section is the address of a function of the C calling convention,
// which `look` is; the arguments that it is handed it may leave alone. It needs nothing that
// the standard library prepares.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: F_GETFL takes no argument, and any number may be asked about.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFL) };
    let reads_alone = flags & libc::O_ACCMODE == libc::O_RDONLY;
    IS_MISSING.store(flags == -1 || reads_alone, Ordering::Relaxed);
}

/// Whether it was closed, or open for reading alone, when the program began.
pub fn is_missing() -> bool {
    IS_MISSING.load(Ordering::Relaxed)
}
