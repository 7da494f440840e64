//! Two workers that take turns, watched at once. A CPU watches few instructions, so that one
//! sampler serves both of them where it reaches every process of the CPU.

use super::{Marks, Outlook, Sight, Watch, Watched};
use crate::lab::kernel::Kernel;
use crate::model::{Missing, Reach};
use crate::profile::ledger::Landmark;

/// Who watches both.
pub(in crate::lab) enum Pair {
    /// Each has a sampler of its own.
    Apart([Outlook; 2]),
    /// One has records of both, of which the second is this process.
    Shared(Outlook, u32),
}

impl Pair {
    /// Opens what is asked for and begins.
    pub(in crate::lab) fn open(kernel: &dyn Kernel, sights: [Sight<'_>; 2]) -> Self {
        let [a, b] = sights;
        let asks = |sight: &Sight<'_>| *sight.watch != Watch::Nothing;
        if a.placement == b.placement && asks(&a) && asks(&b) {
            let [execve, of_program] = marks([a, b]);
            let both = Outlook::marked(kernel, a, &execve, &of_program);
            match &both {
                Outlook::Open { watched, .. } if watched.reach == Reach::Inherited => {}
                _ => return Self::Shared(both, b.worker),
            }
        }
        Self::Apart(sights.map(|sight| Outlook::open(kernel, sight)))
    }

    /// Empties the rings before they run over.
    pub(in crate::lab) fn collect(&mut self) {
        match self {
            Self::Apart(outlooks) => outlooks.iter_mut().for_each(Outlook::collect),
            Self::Shared(outlook, _) => outlook.collect(),
        }
    }

    /// Ends, and gives what was recorded of each.
    pub(in crate::lab) fn close(self) -> [Option<Result<Watched, Missing>>; 2] {
        match self {
            Self::Apart(outlooks) => outlooks.map(Outlook::close),
            Self::Shared(outlook, worker) => {
                let of_a = outlook.close();
                let of_b = of_a
                    .clone()
                    .map(|seen| seen.map(|it| Watched { worker, ..it }));
                [of_a, of_b]
            }
        }
    }
}

/// The instructions of both: libc's execve, and those of the programs. What lies at one
/// address in both is one.
fn marks(sights: [Sight<'_>; 2]) -> [Vec<(Landmark, u64)>; 2] {
    let mut execve = Vec::new();
    let mut of_program = Vec::new();
    for sight in sights {
        if let Watch::Stamps(marks) = sight.watch {
            add(&mut execve, &[(Landmark::Execve, sight.execve)]);
            add(&mut of_program, marks);
        }
    }
    [execve, of_program]
}

fn add(known: &mut Vec<(Landmark, u64)>, marks: &Marks) {
    for mark in marks {
        if !known.contains(mark) {
            known.push(*mark);
        }
    }
}
