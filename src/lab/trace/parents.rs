//! From what copying spawns are made: one process of each program and size is looked at, while
//! no time is taken that would hold the looking.

use std::collections::HashMap;

use crate::analysis::card::footprint_bytes;
use crate::analysis::trace::{self, MATTERS, MOST_LOOKS};
use crate::model::{Missing, ProcessShape, Spawn, SpawnParent};
use crate::profile::spawns::{Course, Size};
use crate::sys::trace::event::{Followed, What};

/// What is known of it so far.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// Of each spawn, in their order.
    of_spawns: Vec<Option<usize>>,
    kinds: Vec<Option<SpawnParent>>,
    copies: Vec<u64>,
    /// The kind of a program whose page tables have this binary logarithm.
    places: HashMap<(usize, u32), usize>,
    /// Threads whose process is looked at once their call returns.
    due: HashMap<u32, usize>,
    looks: u64,
    shapes: Vec<(usize, Result<ProcessShape, Missing>)>,
}

/// The process whose copies are the dearest, for remedies to be tried on.
#[derive(Debug, Clone, PartialEq)]
pub struct Dearest {
    /// Its shape.
    pub shape: ProcessShape,
    /// Whether most of its copies executed a program.
    pub executes: bool,
}

impl Parents {
    /// Notes an event that the course has taken in; the kind that the process is to be looked
    /// at for, now. Where calls are timed that is not before the call returned.
    pub(super) fn note(
        &mut self,
        event: &Followed,
        course: &Course,
        size: Option<Size>,
    ) -> Option<usize> {
        match event.what {
            What::Created { .. } => {
                let kind = course
                    .spawns
                    .last()
                    .and_then(|spawn| self.kind(spawn, size));
                self.of_spawns.push(kind);
                let kind = self.is_due(kind?)?;
                match course.is_calling(event.tid) {
                    true => {
                        self.due.insert(event.tid, kind);
                        None
                    }
                    false => Some(kind),
                }
            }
            What::Returned { .. } => self.due.remove(&event.tid),
            _ => None,
        }
    }

    /// The kind that a spawn was made from, if it copies.
    fn kind(&mut self, spawn: &Spawn, size: Option<Size>) -> Option<usize> {
        if !spawn.copies() {
            return None;
        }
        let magnitude = size.map_or(0, |size| size.page_table_bytes.max(1).ilog2());
        let next = self.kinds.len();
        let place = *(self.places)
            .entry((spawn.program, magnitude))
            .or_insert(next);
        if place == next {
            self.kinds.push(None);
            self.copies.push(0);
        }
        Some(place)
    }

    /// Counts a copy; the kind, if that is the one at which it is looked at.
    fn is_due(&mut self, kind: usize) -> Option<usize> {
        self.copies[kind] += 1;
        let is_due = self.copies[kind] == MATTERS && self.looks < MOST_LOOKS;
        self.looks += u64::from(is_due);
        is_due.then_some(kind)
    }

    /// Takes what was seen of a process, and its shape where that was read.
    pub(super) fn saw(
        &mut self,
        kind: usize,
        seen: SpawnParent,
        shape: Option<Result<ProcessShape, Missing>>,
    ) {
        self.kinds[kind] = Some(seen);
        self.shapes.extend(shape.map(|shape| (kind, shape)));
    }

    /// For what follows from it.
    pub(super) fn seen(&self) -> trace::Parents<'_> {
        trace::Parents {
            of_spawns: &self.of_spawns,
            kinds: &self.kinds,
        }
    }

    /// The shape of the kind whose copies went over the most, or why there is none.
    pub(super) fn dearest(mut self, spawns: &[Spawn]) -> Result<Dearest, Missing> {
        let size = |kind: usize| {
            let parent = self.kinds[kind].as_ref()?.parent.measured()?;
            Some(footprint_bytes(&parent.mappings).saturating_mul(self.copies[kind]))
        };
        let all = self.shapes.iter().enumerate();
        let dearest = all.max_by_key(|(_, (kind, _))| size(*kind));
        let Some((place, (kind, _))) = dearest else {
            return Err(Missing::not_asked(format!(
                "no program made {MATTERS} copying spawns at one size: there is nothing to try \
                 remedies on"
            )));
        };
        let kind = *kind;
        let both = spawns.iter().zip(&self.of_spawns);
        let executed = both.filter(|(spawn, of)| **of == Some(kind) && spawn.executed.is_some());
        let executes = executed.count() as u64 * 2 >= self.copies[kind];
        let (_, shape) = self.shapes.swap_remove(place);
        Ok(Dearest {
            shape: shape?,
            executes,
        })
    }
}
