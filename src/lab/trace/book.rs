//! Programs and callers, each once, by the places that spawns name them by.

use std::collections::HashMap;
use std::hash::Hash;

use crate::model::{Caller, CodePlace, TracedProgram};

/// A function of a file, or a place in it.
type Code = (String, Option<String>, u64);

/// All that were met.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) programs: Vec<TracedProgram>,
    pub(super) callers: Vec<Caller>,
    program_at: HashMap<TracedProgram, usize>,
    caller_at: HashMap<[Option<Code>; 2], usize>,
}

impl Book {
    /// The place of a program.
    pub(super) fn program(&mut self, program: TracedProgram) -> usize {
        let key = program.clone();
        place(&mut self.programs, &mut self.program_at, key, program)
    }

    /// The place of a caller: of all with the same functions the first stands there.
    pub(super) fn caller(&mut self, caller: Caller) -> usize {
        let key = match (&caller.library, &caller.own) {
            (None, None) => [caller.chain.first(), None],
            (library, own) => [library.as_ref(), own.as_ref()],
        };
        let key = key.map(|place| place.map(code));
        place(&mut self.callers, &mut self.caller_at, key, caller)
    }
}

fn code(place: &CodePlace) -> Code {
    let (module, function, offset) = place.key();
    (module.to_owned(), function.map(str::to_owned), offset)
}

fn place<K: Hash + Eq, T>(
    all: &mut Vec<T>,
    places: &mut HashMap<K, usize>,
    key: K,
    one: T,
) -> usize {
    *places.entry(key).or_insert_with(|| {
        all.push(one);
        all.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(function: Option<&str>, offset: u64) -> Caller {
        let place = CodePlace {
            module: "a.out".to_owned(),
            function: function.map(str::to_owned),
            offset,
        };
        Caller {
            library: None,
            own: Some(place.clone()),
            chain: vec![place],
            ends: None,
        }
    }

    #[test]
    fn callers_are_told_apart_by_functions_and_where_there_are_none_by_places() {
        let mut book = Book::default();
        let places = [
            (Some("main"), 4),
            (Some("main"), 9),
            (Some("run"), 4),
            (None, 4),
            (None, 9),
            (None, 4),
        ];
        let places = places.map(|(function, offset)| book.caller(caller(function, offset)));
        assert_eq!(places, [0, 0, 1, 2, 3, 2]);
        assert_eq!(book.callers[0].chain[0].offset, 4, "the first of them");
    }
}
