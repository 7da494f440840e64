//! Call chains as folded stacks: the text from which flame graphs are drawn,
//! "fork;parent;outermost;...;leaf COUNT", a line a chain, its method first.
//!
//! The mechanism is no frame of it. One path of calls serves several mechanisms
//! (exit_mmap frees entries, tables and VMAs), and a frame at its root would cut
//! it into as many towers; the tables tell the mechanisms. The lines are sorted,
//! so that two profiles can be compared as texts.

use std::collections::BTreeMap;

use crate::model::{Availability, Mechanism, Missing, Profile, Side, Stored};
use crate::units::harmless;

/// The chains of all methods, each below its method.
pub(in crate::report) fn render(stored: &Stored) -> Result<String, Missing> {
    let explanation = match stored {
        Stored::Run(document) => document.findings.explanation(),
        Stored::Comparison(_) => None,
    };
    let mut out = String::new();
    let mut missing = None;
    for method in explanation.into_iter().flat_map(|found| &found.methods) {
        match &method.mechanisms {
            Availability::Measured(found) => {
                out += &chains(&found.profile, method.method.name());
            }
            Availability::Missing(why) => missing = missing.or_else(|| Some(why.clone())),
        }
    }
    if out.is_empty() {
        return Err(missing.unwrap_or_else(|| Missing::unavailable("no sample was taken", None)));
    }
    Ok(out)
}

/// The lines of a profile below a root; none of an empty one.
fn chains(profile: &Profile, root: &str) -> String {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for stack in &profile.stacks {
        let side = match stack.side {
            Side::Parent => "parent",
            Side::Child => "child",
        };
        let mut line = format!("{root};{side}");
        if stack.mechanism == Mechanism::UserMode {
            line.push_str(";[user mode]");
        }
        for frame in &stack.frames {
            line.push(';');
            push(&mut line, name(profile, *frame));
        }
        let samples = lines.entry(line).or_default();
        *samples = samples.saturating_add(stack.samples);
    }
    let lines = lines.iter();
    lines
        .map(|(line, samples)| format!("{line} {samples}\n"))
        .collect()
}

/// A document may have been edited: an index may lead nowhere.
fn name(profile: &Profile, function: u32) -> &str {
    usize::try_from(function)
        .ok()
        .and_then(|function| profile.functions.get(function))
        .map_or("[unknown]", String::as_str)
}

/// Writes a name that can end neither its frame nor its line.
fn push(line: &mut String, name: &str) {
    /// The kernel's own limit (KSYM_NAME_LEN, include/linux/kallsyms.h).
    const LONGEST: usize = 512;
    line.extend(harmless(name, LONGEST).chars().map(|c| match c {
        ';' => ':',
        ' ' => '_',
        other => other,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stack;

    fn stack(side: Side, mechanism: Mechanism, samples: u64, frames: &[u32]) -> Stack {
        Stack {
            side,
            mechanism,
            samples,
            frames: frames.to_vec(),
        }
    }

    #[test]
    fn chains_are_lines_in_order_whatever_they_count_as() {
        let profile = Profile {
            functions: ["do_exit", "exit_mmap", "odd;name\n"]
                .map(str::to_owned)
                .to_vec(),
            stacks: vec![
                stack(Side::Parent, Mechanism::UserMode, 4, &[]),
                stack(Side::Child, Mechanism::VmaFreeing, 2, &[0, 1]),
                stack(Side::Child, Mechanism::Other, 3, &[0, 1]),
                stack(Side::Child, Mechanism::Other, 1, &[2, 9]),
            ],
        };
        assert_eq!(
            chains(&profile, "forktax"),
            "forktax;child;do_exit;exit_mmap 5\n\
             forktax;child;odd:name_;[unknown] 1\n\
             forktax;parent;[user mode] 4\n"
        );
        assert_eq!(chains(&Profile::default(), "forktax"), "");
    }
}
