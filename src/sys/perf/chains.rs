//! Ticks of the CPU clock with the kernel's call chain.
//!
//! The chain is the kernel's part alone: where a program was says nothing of
//! what its spawn costs. With [`super::Target::Family`] the clock is at its
//! begin in each new process, whose copy of the event starts with a whole
//! period (perf_event_alloc, kernel/events/core.c), and a switch between kin may
//! hand the parent's clock to the child (perf_event_context_sched_out in the
//! same file). So spawns shorter than a period go unseen, and longer ones are
//! always seen at the same ages: shares want every process's ticks.

use perf_event_open::config::{CallChain as Asked, Opts, SampleFormat};
use perf_event_open::sample::record::sample::CallChain;
use perf_event_open::sample::record::{Priv, Record};

use super::instrument::{Instrument, Trigger, fork, mode};
use super::modes::Modes;
use crate::sys::events::SampleEvent;

/// The values of a chain from here on are marks of its parts and no addresses
/// (PERF_CONTEXT_MAX, include/uapi/linux/perf_event.h).
const FIRST_MARK: u64 = (-4095_i64).cast_unsigned();

/// Ticks with chains, and forks.
pub(super) struct Chains {
    pub(super) ticks: Modes,
}

impl Instrument for Chains {
    fn trigger(&self) -> Trigger {
        self.ticks.trigger()
    }

    fn opts(&self) -> Opts {
        let call_chain = Asked {
            exclude_user: true,
            exclude_kernel: false,
            defer_user: false,
            // As deep as kernel.perf_event_max_stack allows; the kernel answers
            // EOVERFLOW to a number above it.
            max_stack_frames: 0,
        };
        Opts {
            sample_format: SampleFormat {
                call_chain: Some(call_chain),
                ..SampleFormat::default()
            },
            ..self.ticks.opts()
        }
    }

    /// At 10,000 ticks of 40 frames and 40,000 spawns a second it lasts for a
    /// quarter of a second.
    fn ring_bytes(&self) -> u64 {
        2 << 20
    }

    fn event(&mut self, level: Priv, record: Record) -> Option<SampleEvent> {
        match record {
            Record::Sample(sample) => Some(SampleEvent::Chain {
                time_ns: sample.record_id.time?,
                pid: sample.record_id.task?.pid,
                mode: mode(level),
                frames: kernel_frames(sample.call_chain.unwrap_or_default()),
            }),
            Record::Fork(record) => fork(&record),
            _ => None,
        }
    }
}

/// The kernel's addresses, innermost first.
fn kernel_frames(parts: Vec<CallChain>) -> Vec<u64> {
    let mut frames = Vec::new();
    for part in parts {
        if let CallChain::Kernel(addresses) = part {
            frames.extend(addresses.into_iter().filter(|&frame| frame < FIRST_MARK));
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_kernel_s_addresses_and_no_marks() {
        let leaf = 0xffff_ffff_8100_0000;
        let parts = vec![
            CallChain::Kernel(vec![leaf, leaf + 64, u64::MAX - 127]),
            CallChain::User(vec![0x40_0000]),
            CallChain::Unknown(vec![7]),
        ];
        assert_eq!(kernel_frames(parts), [leaf, leaf + 64]);
        assert!(kernel_frames(Vec::new()).is_empty());
    }

    #[test]
    fn the_marks_begin_at_minus_4095() {
        let below = FIRST_MARK - 1;
        let chain = CallChain::Kernel(vec![below, FIRST_MARK]);
        assert_eq!(kernel_frames(vec![chain]), [below]);
    }
}
