//! Call chains as folded stacks, the format that tools for flame graphs read: a
//! line a chain, frames from the outermost on, a count at the end.

use crate::model::{Document, Missing, MissingKind, Profile, Side};

/// The chains of all methods, each below its method.
pub(in crate::report) fn document(document: &Document) -> Result<String, Missing> {
    let mut out = String::new();
    let mut missing = None;
    let methods = document.explanation.iter().flat_map(|found| &found.methods);
    for method in methods {
        match method.mechanisms.measured() {
            Some(found) => {
                let lines = render(&found.profile);
                out.extend(
                    lines
                        .lines()
                        .map(|line| format!("{};{line}\n", method.method.name())),
                );
            }
            None => missing = missing.or_else(|| method.mechanisms.missing().cloned()),
        }
    }
    if out.is_empty() {
        return Err(missing.unwrap_or_else(|| Missing {
            missing: MissingKind::Unavailable,
            reason: "no sample was taken".to_owned(),
            remedy: None,
        }));
    }
    Ok(out)
}

/// The chains of one method: "parent;outer;inner 12".
pub(in crate::report) fn render(profile: &Profile) -> String {
    let mut out = String::new();
    for stack in profile.stacks.iter().filter(|stack| stack.samples > 0) {
        let side = match stack.side {
            Side::Parent => "parent",
            Side::Child => "child",
        };
        out.push_str(side);
        if stack.frames.is_empty() {
            out.push_str(";[user mode]");
        }
        for frame in &stack.frames {
            let function = usize::try_from(*frame).ok();
            let function = function.and_then(|index| profile.functions.get(index));
            out.push(';');
            out.push_str(&function.map_or_else(|| "[unknown]".to_owned(), |name| frame_name(name)));
        }
        out.push_str(&format!(" {}\n", stack.samples));
    }
    out
}

/// A symbol without what ends a frame or a line.
fn frame_name(symbol: &str) -> String {
    let name: String = symbol
        .chars()
        .map(|c| match c {
            ';' => ':',
            c if c.is_whitespace() || c.is_control() => '_',
            c => c,
        })
        .collect();
    if name.is_empty() {
        "[unknown]".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mechanism, Stack};

    #[test]
    fn a_chain_is_a_line() {
        let stack = |side, frames: &[u32], samples| Stack {
            side,
            mechanism: Mechanism::Other,
            samples,
            frames: frames.to_vec(),
        };
        let profile = Profile {
            functions: vec!["do_syscall_64".to_owned(), "odd; name\n".to_owned()],
            stacks: vec![
                stack(Side::Parent, &[0, 1], 12),
                stack(Side::Child, &[], 3),
                stack(Side::Child, &[0, 9], 1),
                stack(Side::Child, &[0], 0),
            ],
        };
        assert_eq!(
            render(&profile),
            "parent;do_syscall_64;odd:_name_ 12\nchild;[user mode] 3\nchild;do_syscall_64;[unknown] 1\n"
        );
    }
}
