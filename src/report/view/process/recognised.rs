//! What is known of a process by what it has mapped, and was not watched.

use crate::analysis::process::{Runtime, fork_handlers, is_embedded, runtime};
use crate::model::ProcessShape;

/// A sentence on how such programs start others, and one on what else runs at their forks.
pub(in crate::report::view) fn sentences(shape: &ProcessShape) -> Vec<String> {
    started(shape).into_iter().chain(handlers(shape)).collect()
}

/// The first of them, which who was watched does without.
pub(in crate::report::view) fn started(shape: &ProcessShape) -> Option<String> {
    let known = runtime(shape)?;
    Some(starts(known, is_embedded(shape, known)))
}

fn starts(runtime: Runtime, is_embedded: bool) -> String {
    // What another program does that has it loaded is its own business.
    let [is, loaded] = match is_embedded {
        true => ["It has", " loaded"],
        false => ["It is", ""],
    };
    match runtime {
        Runtime::Java => {
            return format!(
                "{is} a JVM{loaded}, which since JDK 13 starts programs through a helper by \
                 posix_spawn, and is then not copied; whether this one forks was not watched."
            );
        }
        Runtime::Go => {
            "It looks like a program of Go, whose os/exec starts others in memory that is shared \
             (CLONE_VM and CLONE_VFORK) and copies nothing; whether this one forks was not watched."
        }
        Runtime::Python(minor @ 10..) => {
            return format!(
                "{is} Python 3.{minor}{loaded}, whose subprocess calls vfork or posix_spawn and copies \
                 nothing, unless preexec_fn, user, group or extra_groups are given; os.fork and \
                 multiprocessing may copy it; what this one does was not watched."
            );
        }
        Runtime::Python(minor) => {
            return format!(
                "{is} Python 3.{minor}{loaded}, whose subprocess forks, with few exceptions, and waits \
                 for the child's exec; what this one does was not watched."
            );
        }
        Runtime::Node => {
            "It is Node, whose child_process forks and waits for the child's exec; what this one \
             does was not watched."
        }
        Runtime::AflForkServer => {
            "It is a fork server of AFL's (descriptors 198 and 199), whose children execute \
             nothing: those that are measured leave at once, unless --child exec is given."
        }
        Runtime::AflFuzz => {
            "It is afl-fuzz itself, which does not fork for each test: give the PID of its \
             target, the child that waits as a fork server."
        }
    }
    .to_owned()
}

fn handlers(shape: &ProcessShape) -> Option<String> {
    let found = fork_handlers(shape);
    let (last, others) = found.split_last()?;
    let names = match others {
        [] => (*last).to_owned(),
        others => format!("{} and {last}", others.join(", ")),
    };
    let have = if others.is_empty() { "has" } else { "have" };
    Some(format!(
        "{names} {have} functions called at each of its forks (pthread_atfork), or may have: what \
         they take comes on top and was not measured."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MappingContent, ShapeMapping};

    #[test]
    fn what_is_known_is_told_and_that_nobody_watched() {
        let mut shape: ProcessShape =
            serde_json::from_str(include_str!("../../../../tests/data/shapes/shape.json")).unwrap();
        assert!(sentences(&shape)[0].starts_with("It is Python 3.11, "));
        shape
            .mappings
            .iter_mut()
            .for_each(|mapping| mapping.name = None);
        assert_eq!(sentences(&shape), [""; 0]);
        let names = ["/x/libjvm.so", "/x/libcuda.so.1", "/x/libjemalloc.so.2"];
        shape.mappings.extend(names.map(|name| ShapeMapping {
            name: Some(name.to_owned()),
            ..ShapeMapping::untouched(1 << 30, 1, MappingContent::Library)
        }));
        let said = sentences(&shape);
        assert!(said[0].starts_with("It has a JVM loaded") && said[0].ends_with("not watched."));
        assert!(said[1].starts_with("libcuda.so.1 and libjemalloc.so.2 have functions"));
    }
}
