//! From recorded page faults to the faults of a method, with what the same
//! worker had while it was small.

use super::Inquiry;
use super::expectation::{Expectation, faults as expected};
use crate::lab::session::Recording;
use crate::model::{Availability, Faults, Missing, Program, SpawnMethod};
use crate::profile::faults::{FaultTally, Observed, SpawnStamps, tally};

/// The page faults of a method, or why there are none.
pub(super) fn faults(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<Faults> {
    let small = (inquiry.space() > 0).then(|| from(inquiry, method, 0, None).ok());
    from(inquiry, method, inquiry.space(), small.flatten().as_ref()).into()
}

fn from(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    space: usize,
    small: Option<&Faults>,
) -> Result<Faults, Missing> {
    let recordings = inquiry.evidence.faults.iter();
    let mine = recordings.filter(|r| r.methods == [method] && r.occasion.of == space);
    let tallies = mine.filter_map(|recording| tally_of(inquiry, recording).transpose());
    let tallies: Vec<FaultTally> = tallies.collect::<Result<_, _>>()?;
    if tallies.is_empty() {
        return Err(Missing::not_reached());
    }
    let expectation = Expectation {
        method,
        embedded: is_embedded(inquiry) && !method.has_program_between(),
        small,
    };
    expected(&tallies, 0, inquiry.plan.seed, &expectation)
}

fn tally_of(inquiry: &Inquiry<'_>, recording: &Recording) -> Result<Option<FaultTally>, Missing> {
    let Some(watched) = &recording.watched else {
        return Ok(None);
    };
    let watched = watched.as_ref().map_err(Clone::clone)?;
    let observed = Observed {
        worker: watched.worker,
        spawns: &SpawnStamps::in_order(&recording.windows()),
        map: &recording.maps,
        page_size: inquiry.kernel.page_size(),
    };
    Ok(Some(tally(&watched.events, &observed).without_the_last()))
}

fn is_embedded(inquiry: &Inquiry<'_>) -> bool {
    inquiry.executes() && inquiry.plan.program == Program::Embedded
}
