//! From the records of one worker to the call chains of each method.
//!
//! What counts are the samples of the worker and its descendants within a
//! method's windows, as in `modes`. Every chain is judged once, by
//! `mechanisms`, and stored with its names, so that the chains of several
//! workers can be merged although their addresses are gone.
//! Pure: no clock, no kernel, no file.

use std::collections::{BTreeMap, HashMap};

use super::mechanisms::{Rule, judge, rule_of};
use super::scope::{Scope, Window, methods};
use super::symbols::Symbols;
use crate::model::{HotFunction, Mechanism, Profile, Side, Stack};
use crate::sys::events::{Mode, SampleEvent};

/// What stands for an address that lies in no function.
const UNKNOWN: &str = "[unknown]";

/// Samples by mechanism, in the order of [`Mechanism::ALL`].
pub type Counts = [u64; Mechanism::ALL.len()];

/// The samples of one worker and one method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The samples of each of the method's windows, in order of time.
    pub windows: Vec<Counts>,
    /// The chains of all of them.
    pub profile: Profile,
}

/// What the records of one worker came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Indexed by method.
    pub tallies: Vec<Tally>,
    /// Records that are missing: those lost from a full ring, and one for each
    /// time that the kernel paused the sampling, which is the least it can be.
    pub lost: u64,
}

/// Judges and counts the call chains of the worker and of its descendants in
/// each method's windows.
///
/// The events are in order of time, and so are the windows, which do not
/// overlap. A descendant is known from its FORK record on, so the events begin
/// no later than the worker's first child.
pub fn attribute(
    events: &[SampleEvent],
    worker_pid: u32,
    windows: &[Window],
    symbols: &Symbols,
) -> Attribution {
    let mut scope = Scope::new(worker_pid, windows);
    let mut collector = Collector::new(windows, symbols);
    let mut lost = 0_u64;
    for event in events {
        match event {
            SampleEvent::Fork { pid, ppid, .. } => scope.fork(*pid, *ppid),
            SampleEvent::Chain {
                time_ns,
                pid,
                mode,
                frames,
            } => {
                if let Some(place) = scope.place(*time_ns, *pid) {
                    let side = if *pid == worker_pid {
                        Side::Parent
                    } else {
                        Side::Child
                    };
                    collector.take(place, side, *mode, frames);
                }
            }
            SampleEvent::Lost { count } => lost = lost.saturating_add(*count),
            SampleEvent::Throttled { .. } => lost = lost.saturating_add(1),
            _ => {}
        }
    }
    Attribution {
        tallies: collector.finish(),
        lost,
    }
}

/// Chains by whose they are, what they count as, and their functions, the
/// outermost first.
type Chains<F> = BTreeMap<(Side, Mechanism, Vec<F>), u64>;

/// Counts chains of functions that it numbers as it meets them.
struct Collector<'a> {
    windows: &'a [Window],
    symbols: &'a Symbols,
    numbers: HashMap<&'a str, usize>,
    functions: Vec<(&'a str, Option<&'static Rule>)>,
    counts: Vec<Counts>,
    chains: Vec<Chains<usize>>,
}

impl<'a> Collector<'a> {
    fn new(windows: &'a [Window], symbols: &'a Symbols) -> Self {
        Self {
            windows,
            symbols,
            numbers: HashMap::new(),
            functions: Vec::new(),
            counts: vec![Counts::default(); windows.len()],
            chains: vec![Chains::new(); methods(windows)],
        }
    }

    fn take(&mut self, place: usize, side: Side, mode: Mode, frames: &[u64]) {
        let (mechanism, chain) = match mode {
            Mode::Kernel => self.kernel(frames),
            Mode::User => (Mechanism::UserMode, Vec::new()),
            Mode::Other => return,
        };
        let (_, _, method) = self.windows[place];
        self.counts[place][mechanism as usize] += 1;
        *self.chains[method]
            .entry((side, mechanism, chain))
            .or_default() += 1;
    }

    fn kernel(&mut self, frames: &[u64]) -> (Mechanism, Vec<usize>) {
        let mut chain: Vec<usize> = (frames.iter().enumerate())
            .map(|(depth, frame)| {
                // All but the innermost are addresses to return to. After a call
                // that never returns, such as that of do_exit, the next function
                // begins there.
                let address = if depth == 0 {
                    *frame
                } else {
                    frame.saturating_sub(1)
                };
                self.number(self.symbols.resolve(address).unwrap_or(UNKNOWN))
            })
            .collect();
        if chain.is_empty() {
            chain.push(self.number(UNKNOWN));
        }
        let mechanism = judge(chain.iter().map(|number| self.functions[*number].1));
        chain.reverse();
        (mechanism, chain)
    }

    fn number(&mut self, function: &'a str) -> usize {
        *self.numbers.entry(function).or_insert_with(|| {
            self.functions.push((function, rule_of(function)));
            self.functions.len() - 1
        })
    }

    fn finish(self) -> Vec<Tally> {
        let of_method = |(method, chains): (usize, &Chains<usize>)| {
            let windows = self.windows.iter().zip(&self.counts);
            let named = chains.iter().map(|((side, mechanism, chain), samples)| {
                let names = chain.iter().map(|number| self.functions[*number].0);
                ((*side, *mechanism, names.collect()), *samples)
            });
            Tally {
                windows: windows
                    .filter(|((_, _, of), _)| *of == method)
                    .map(|(_, counts)| *counts)
                    .collect(),
                profile: profile(&named.collect()),
            }
        };
        self.chains.iter().enumerate().map(of_method).collect()
    }
}

/// The chains of several workers as those of one.
pub fn merge(tallies: &[Tally]) -> Profile {
    let mut chains = Chains::new();
    for profile in tallies.iter().map(|tally| &tally.profile) {
        for stack in &profile.stacks {
            let names = stack.frames.iter().map(|frame| name(profile, *frame));
            let key = (stack.side, stack.mechanism, names.collect());
            *chains.entry(key).or_default() += stack.samples;
        }
    }
    profile(&chains)
}

/// Numbers the functions anew: the same chains give the same profile, in
/// whatever order they came. The stack that was met most often is the first.
fn profile(chains: &Chains<&str>) -> Profile {
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, _, names) in chains.keys() {
        numbers.extend(names.iter().map(|name| (*name, 0)));
    }
    for (number, place) in (0..).zip(numbers.values_mut()) {
        *place = number;
    }
    let mut stacks: Vec<Stack> = chains
        .iter()
        .map(|((side, mechanism, names), samples)| Stack {
            side: *side,
            mechanism: *mechanism,
            samples: *samples,
            frames: names.iter().map(|name| numbers[name]).collect(),
        })
        .collect();
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.samples));
    Profile {
        functions: numbers.into_keys().map(str::to_owned).collect(),
        stacks,
    }
}

fn name(profile: &Profile, function: u32) -> &str {
    usize::try_from(function)
        .ok()
        .and_then(|function| profile.functions.get(function))
        .map_or(UNKNOWN, String::as_str)
}

/// The samples of a mechanism: all, and those of the parent.
pub fn samples(profile: &Profile, mechanism: Mechanism) -> (u64, u64) {
    let stacks = profile.stacks.iter().filter(|s| s.mechanism == mechanism);
    stacks.fold((0, 0), |(all, parent), stack| match stack.side {
        Side::Parent => (all + stack.samples, parent + stack.samples),
        Side::Child => (all + stack.samples, parent),
    })
}

/// Whether a function is a way of calling or returning that mitigations put in the place of an
/// instruction (arch/x86/lib/retpoline.S): it works for whoever called it.
fn is_thunk(function: &str) -> bool {
    function.starts_with("__x86_indirect_") || function.ends_with("return_thunk")
}

/// The functions in which a mechanism was found running, the hottest first.
pub fn hottest(profile: &Profile, mechanism: Mechanism) -> Vec<HotFunction> {
    let mut leaves: BTreeMap<&str, u64> = BTreeMap::new();
    for stack in &profile.stacks {
        if stack.mechanism != mechanism {
            continue;
        }
        let innermost_first = stack.frames.iter().rev();
        let mut names = innermost_first.map(|frame| name(profile, *frame));
        let innermost = names.clone().next();
        if let Some(leaf) = names.find(|name| !is_thunk(name)).or(innermost) {
            *leaves.entry(leaf).or_default() += stack.samples;
        }
    }
    let mut hottest: Vec<HotFunction> = leaves
        .into_iter()
        .map(|(function, samples)| HotFunction {
            function: function.to_owned(),
            samples,
        })
        .collect();
    hottest.sort_by_key(|hot| std::cmp::Reverse(hot.samples));
    hottest
}

#[cfg(test)]
mod tests;
