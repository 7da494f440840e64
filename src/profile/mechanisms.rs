//! From a call chain to the mechanism that it is counted as.
//!
//! A chain is judged as a whole and not by its leaf: clear_page, a spinlock or
//! the slab allocator belong to whoever called them. The walk goes from the
//! innermost frame outwards, frames that no rule knows are transparent, and the
//! first that a rule knows decides. Some frames take over what was decided
//! within them; see [`Force`]. Names alone count here, so a capture of another
//! machine's chains is judged as a live one is.
//!
//! What was checked: on Linux 6.18 (x86_64) the stacks of a fork and of a
//! posix_spawn with 0, 1,000 and 10,000 mappings were read mechanism by mechanism,
//! and the table was held against that kernel's symbols; samples of those chains
//! are in `tests/data/profile`. The names of other versions, the versions that
//! the rules give, and the names of arm64 were written down from knowledge of
//! the sources; `tests/kernels` asks on some of them how much is of no mechanism.
//! Static functions may be inlined in any build, in which case the frame around
//! them decides, and a name that is wrong or gone does no harm: it is never met.

mod exec;
mod faults;
mod machinery;
mod spawn;
mod teardown;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::model::Mechanism;

/// Functions that do the work of one mechanism.
#[derive(Debug)]
pub struct Rule {
    /// What they are counted as.
    pub mechanism: Mechanism,
    /// The kernel's source file, at least in one of the versions.
    pub source: &'static str,
    /// The first version that has these names; empty for all since 5.4.
    pub since: &'static str,
    /// The last version that has them; empty for all up to 6.18.
    pub until: &'static str,
    /// The names without what compilers add; one that ends in `*` stands for
    /// all that begin so.
    pub symbols: &'static [&'static str],
    /// What the rule does to a decision of a frame within.
    pub force: Force,
}

/// What a frame does to the decision of the frames within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Nothing: it decides if none of them has.
    Decides,
    /// It takes over these mechanisms, and decides if there is none.
    TakesOver(&'static [Mechanism]),
    /// It takes over all, and no frame further out takes it over in turn.
    TakesAll,
    /// It decides if none of them has, and no frame further out counts any
    /// more: whatever led here, an interrupt for one, was only the occasion.
    Settles,
}

impl Rule {
    const fn of(
        mechanism: Mechanism,
        source: &'static str,
        symbols: &'static [&'static str],
    ) -> Self {
        Self {
            mechanism,
            source,
            since: "",
            until: "",
            symbols,
            force: Force::Decides,
        }
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    const fn until(mut self, version: &'static str) -> Self {
        self.until = version;
        self
    }

    const fn with(mut self, force: Force) -> Self {
        self.force = force;
        self
    }
}

/// Every rule, table by table.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        spawn::RULES,
        teardown::RULES,
        faults::RULES,
        exec::RULES,
        machinery::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The rules by name: whole names, and the longest beginning first.
struct Lookup {
    whole: HashMap<&'static str, &'static Rule>,
    beginnings: Vec<(&'static str, &'static Rule)>,
}

static LOOKUP: LazyLock<Lookup> = LazyLock::new(|| {
    let mut lookup = Lookup {
        whole: HashMap::new(),
        beginnings: Vec::new(),
    };
    for rule in rules() {
        for symbol in rule.symbols {
            match symbol.strip_suffix('*') {
                Some(beginning) => lookup.beginnings.push((beginning, rule)),
                None => {
                    lookup.whole.insert(symbol, rule);
                }
            }
        }
    }
    lookup
        .beginnings
        .sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
    lookup
});

/// The rule that knows a function, by its name without suffixes. A whole name
/// goes before a beginning, and a longer beginning before a shorter one.
pub fn rule_of(function: &str) -> Option<&'static Rule> {
    let lookup = &*LOOKUP;
    lookup.whole.get(function).copied().or_else(|| {
        let known = |(beginning, _): &&(&str, _)| function.starts_with(beginning);
        lookup.beginnings.iter().find(known).map(|(_, rule)| *rule)
    })
}

/// What a chain of the kernel is counted as, given the rules of its frames,
/// innermost first. [`Mechanism::Other`] if no rule knows any of them.
pub fn judge<'a>(frames: impl IntoIterator<Item = Option<&'a Rule>>) -> Mechanism {
    let mut decided = None;
    let mut claimed = false;
    for rule in frames.into_iter().flatten() {
        match rule.force {
            Force::TakesAll if !claimed => {
                decided = Some(rule.mechanism);
                claimed = true;
            }
            Force::TakesOver(these)
                if !claimed && decided.is_some_and(|within| these.contains(&within)) =>
            {
                decided = Some(rule.mechanism);
            }
            _ => {
                decided.get_or_insert(rule.mechanism);
            }
        }
        if rule.force == Force::Settles {
            break;
        }
    }
    decided.unwrap_or(Mechanism::Other)
}
