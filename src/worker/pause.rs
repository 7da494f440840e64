//! What happens between two spawns: nothing, or what makes the next one cold.

use std::hint::black_box;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sys::shared::SharedWords;

/// Words in a cache line.
const LINE: usize = 8;

/// The time between two spawns.
pub(super) trait Pause {
    /// Spends it.
    fn pause(&mut self);
}

/// Back to back.
pub(super) struct Hot;

impl Pause for Hot {
    #[inline]
    fn pause(&mut self) {}
}

/// Walks a buffer larger than the caches, then leaves the CPU idle.
pub(super) struct Cold {
    buffer: SharedWords,
    idle: Duration,
}

impl Cold {
    /// Maps the buffer, which no fork copies.
    pub(super) fn new(evict_bytes: u64, idle_us: u64) -> io::Result<Self> {
        let words = usize::try_from(evict_bytes).unwrap_or(usize::MAX) / size_of::<u64>();
        Ok(Self {
            buffer: SharedWords::anonymous(words.max(LINE))?,
            idle: Duration::from_micros(idle_us),
        })
    }

    /// Where the buffer lies.
    pub(super) fn range(&self) -> [usize; 2] {
        self.buffer.range()
    }
}

impl Pause for Cold {
    fn pause(&mut self) {
        // Writing takes the lines over from the cache's other owners too.
        for word in self.buffer.words().iter().step_by(LINE) {
            word.store(black_box(1), Ordering::Relaxed);
        }
        std::thread::sleep(self.idle);
    }
}
